/* layers.c - see layers.h. */
#include "eval/layers.h"

#include "base/error.h"
#include "eval/write.h"

#include <stdlib.h>

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

int px_layers_write(px_results *r, const char *group, const px_layers *l)
{
    const char *name[PX_STAGES_MAX + 1];
    int32_t width[PX_STAGES_MAX + 1];
    double top1[PX_STAGES_MAX + 1], top5[PX_STAGES_MAX + 1], holdout[PX_STAGES_MAX + 1], rate[PX_STAGES_MAX + 1];
    for (int i = 0; i < l->count; i++) {
        const px_layer_score *s = &l->layer[i];
        name[i] = s->name;
        width[i] = s->width;
        top1[i] = s->top1;
        top5[i] = s->top5;
        holdout[i] = s->holdout_top1;
        rate[i] = s->rate;
    }
    char *names = px_format("%s/names", group);
    int rc = px_results_put_texts(r, names, name, l->count);
    free(names);
    if (rc != 0 || px_put(r, group, "width", PX_I32, l->count, width) != 0 ||
        px_put(r, group, "top1", PX_F64, l->count, top1) != 0 ||
        px_put(r, group, "top5", PX_F64, l->count, top5) != 0 ||
        px_put(r, group, "holdout_top1", PX_F64, l->count, holdout) != 0)
        return -1;
    return px_put(r, group, "chosen_rate", PX_F64, l->count, rate);
}
