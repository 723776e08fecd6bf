/* linear.c - the linear probe as a protocol: its options, what it prints and what it writes. linear_probe.c has the probe. */
#include "eval/linear.h"

#include "base/error.h"
#include "eval/confusion.h"
#include "eval/layers.h"
#include "eval/protocol.h"
#include "eval/write.h"

#include <stdlib.h>
#include <string.h>

struct px_protocol_cfg {
    px_probe_cfg linear;
};

const px_option px_probe_options[] = {PX_PROBE_OPTIONS(px_protocol_cfg, linear), {0}};

int px_linear_probe_write(px_results *r, const char *group, const px_probe_result *p)
{
    int32_t best_epoch = p->best_epoch;
    if (px_put(r, group, "top1", PX_F64, 0, &p->top1) != 0 || px_put(r, group, "top5", PX_F64, 0, &p->top5) != 0 ||
        px_put(r, group, "best_top1", PX_F64, 0, &p->best_top1) != 0 ||
        px_put(r, group, "best_epoch", PX_I32, 0, &best_epoch) != 0 ||
        px_put(r, group, "chosen_rate", PX_F64, 0, &p->rate[p->chosen]) != 0 ||
        px_put(r, group, "rates", PX_F64, p->rates, p->rate) != 0 ||
        px_put(r, group, "holdout_top1", PX_F64, p->rates, p->holdout_top1) != 0 ||
        px_put(r, group, "train_loss", PX_F64, p->epochs, p->train_loss) != 0 ||
        px_put(r, group, "test_top1", PX_F64, p->epochs, p->test_top1) != 0 ||
        px_put(r, group, "per_class", PX_F64, p->classes, p->per_class) != 0)
        return -1;
    return px_confusion_write(r, group, p->confusion, p->classes);
}

int64_t px_linear_seed(const px_protocol_cfg *cfg)
{
    return cfg->linear.seed;
}

int px_linear_probe_trial(const px_probe_cfg *cfg, const px_trial *t, px_probe_result *r)
{
    int last = t->train->layers - 1;
    px_features train = px_extraction_features(t->train, last, t->classes),
                test = px_extraction_features(t->test, last, t->classes);
    return px_agree(t->comm, px_linear_probe(cfg, &train, &test, t->comm, t->log, r));
}

static double bytes(const px_protocol_cfg *cfg, const px_trial_size *size)
{
    return px_linear_probe_bytes(&cfg->linear, size->train, size->test, size->classes, size->width, size->comm);
}

static const char *one_rate(px_protocol_cfg *cfg)
{
    cfg->linear.rates = (px_list){.count = 1, .value = {0.1}};
    return "linear.rates=0.1";
}

static void print_scores(px_trial *t, const char *indent, const char *name, double top1, double top5, double holdout,
                         double rate)
{
    px_trial_print(t, "%s%-*s %8.2f %8.2f %10.2f   %g", indent, 12 - (int)strlen(indent), name, 100 * top1, 100 * top5,
                   100 * holdout, rate);
}

/* All stages before the last one, whose result `last` is. */
static int run_layers(const px_probe_cfg *cfg, px_trial *t, const px_probe_result *last)
{
    px_layers l;
    int status = px_layers_probe(&l, cfg, t->train, t->test, t->classes, last, t->comm, t->log);
    if (status == 0 && t->results) {
        char *group = px_format("%s/layers", t->group);
        status = px_trial_seal(t, group, px_layers_write(t->results, group, &l));
        for (int i = 0; i < l.count && status == 0; i++) {
            const px_layer_score *s = &l.layer[i];
            print_scores(t, "  ", s->name, s->top1, s->top5, s->holdout_top1, s->rate);
        }
        free(group);
    }
    return px_agree(t->comm, status);
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    px_probe_cfg own = cfg->linear;
    px_probe_result r;
    own.seed += t->seed;
    int status = px_linear_probe_trial(&own, t, &r);
    if (status == 0 && r.holdout_top1 && t->results) {
        status = px_trial_seal(t, t->group, px_linear_probe_write(t->results, t->group, &r));
        print_scores(t, "", t->subject, r.top1, r.top5, r.holdout_top1[r.chosen], r.rate[r.chosen]);
    }
    status = px_agree(t->comm, status);
    if (status == 0 && t->layers && t->train->layers > 1)
        status = run_layers(&own, t, &r);
    px_probe_result_finish(&r);
    return status;
}

const px_protocol px_protocol_linear = {
    .name = "linear",
    .title = "Linear probe",
    .label = "linear probe",
    .summary = "a linear classifier on the frozen features; a grid of learning rates (DINOv2)",
    .columns = "  top-1 %  top-5 % held-out %   rate",
    .draws = true,
    .cfg_size = sizeof(px_protocol_cfg),
    .options = px_probe_options,
    .layers = true,
    .bytes = bytes,
    .cheaper = one_rate,
    .run = run,
};
