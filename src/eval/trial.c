/* trial.c - a protocol's repeats: each with the labels of its subset, then what they have in common (seeds.h). */
#include "eval/protocol.h"

#include "base/error.h"
#include "eval/seeds.h"

#include <stdlib.h>

static int run_once(px_trial *t, const px_protocol *p, const px_protocol_cfg *cfg, const px_eval_splits *s, int k)
{
    t->seed = k;
    if (p->images) {
        int64_t *index = px_eval_splits_rows(s, k, &t->source.train);
        int status = p->run(cfg, t);
        free(index);
        t->source.train = s->train;
        return status;
    }
    if (p->no_training)
        return p->run(cfg, t);
    int32_t *all = t->train->label;
    t->train->label = px_eval_splits_labels(s, all, k);
    int status = p->run(cfg, t);
    free(t->train->label);
    t->train->label = all;
    return status;
}

/* Prints the mean of the first number and its interval, where there are several of both, for each. */
static void print_mean(px_trial *t, const px_protocol *p, const char *group, int seeds)
{
    const char *name = px_protocol_numbers(p)[0];
    char *of[] = {px_format("%s/%s", group, name), px_format("%s/%s_interval", group, name)};
    double *value[2] = {NULL, NULL};
    int rank;
    int64_t dim[4];
    if (px_results_get(t->results, of[0], &value[0], &rank, dim) == 0 &&
        px_results_get(t->results, of[1], &value[1], &rank, dim) == 0)
        for (int64_t i = 0; i < dim[0]; i++)
            px_trial_print(t, "%-12s %8.2f +- %.2f   mean of %d", t->subject, 100 * value[0][i], 100 * value[1][i],
                           seeds);
    for (int i = 0; i < 2; i++) {
        free(value[i]);
        free(of[i]);
    }
}

int px_trial_run(px_trial *t, const px_protocol *p, const px_protocol_cfg *cfg, const px_eval_splits *s, int seeds)
{
    int status = 0;
    char *group = t->group;
    if (seeds == 1)
        return run_once(t, p, cfg, s, 0);
    for (int k = 0; k < seeds && status == 0; k++) {
        t->group = px_format("%s/seeds/%d", group, k);
        status = run_once(t, p, cfg, s, k);
        free(t->group);
    }
    t->group = group;
    if (status == 0 && t->results) {
        status = px_trial_seal(t, group, px_seeds_conclude(t->results, group, p, seeds));
        if (status == 0)
            print_mean(t, p, group, seeds);
    }
    return px_agree(t->comm, status);
}
