/* layers.c - see layers.h. */
#include "eval/layers.h"

static void add(px_layers *l, const px_layer_rows *rows, const px_probe_result *r)
{
    l->layer[l->count++] = (px_layer_score){.name = rows->name,
                                            .width = rows->width,
                                            .top1 = r->top1,
                                            .top5 = r->top5,
                                            .holdout_top1 = r->holdout_top1[r->chosen],
                                            .rate = r->rate[r->chosen]};
}

int px_layers_probe(px_layers *l, const px_probe_cfg *cfg, px_extraction *train, px_extraction *test, int classes,
                    const px_probe_result *last, const px_comm *comm, px_log *log)
{
    *l = (px_layers){0};
    int status = 0;
    for (int i = 0; i < train->layers - 1 && status == 0; i++) {
        px_probe_result r;
        px_extraction_gather(train, i, comm);
        px_extraction_gather(test, i, comm);
        px_features from = px_extraction_features(train, i, classes), on = px_extraction_features(test, i, classes);
        status = px_agree(comm, px_linear_probe(cfg, &from, &on, comm, log, &r));
        if (status == 0)
            add(l, &train->layer[i], &r);
        px_probe_result_finish(&r);
        px_extraction_drop(train, i);
        px_extraction_drop(test, i);
    }
    if (status == 0)
        add(l, &train->layer[train->layers - 1], last);
    return status;
}
