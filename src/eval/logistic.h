/* logistic.h - multinomial logistic regression on features that are already in memory.
 *
 *     px_logistic_result r;
 *     px_logistic(&cfg, &train, &test, &comm, &log, &r);           // all ranks together; the result is the same on all
 *     px_logistic_result_finish(&r);
 *
 * Protocol of DINOv2 (Oquab et al. 2023): L-BFGS in double on the features as they are, for each C of a grid; the C with most
 * right on held-out rows of the *training* set (stratified, by the seed) is fitted again to all of it and tested once. C weighs
 * as in scikit-learn: the sum of the losses times C, plus half the squared weights, without the intercepts.
 *
 * The grid is divided among the ranks, and rank 0 fits the last one. Every fit begins at zero and sums in a fixed order, so the
 * result has the same bits on any number of ranks and threads.
 */
#ifndef PX_EVAL_LOGISTIC_H
#define PX_EVAL_LOGISTIC_H

#include "base/log.h"
#include "base/option.h"
#include "dist/comm.h"
#include "eval/features.h"
#include "results/results.h"

typedef struct px_logistic_cfg {
    px_list C;
    double holdout, tolerance;
    int iterations;
    int64_t seed;
} px_logistic_cfg;
extern const px_option px_logistic_options[];

typedef struct px_logistic_result {
    double top1, top5; /* on the test set, 0 to 1 */
    int values;        /* of C */
    double C[PX_LIST_MAX], holdout_top1[PX_LIST_MAX];
    int chosen;
    int steps; /* of the last fit */
    /* Of the last fit: mean cross-entropy with its share of the weights; largest element of the gradient. */
    double loss, slope;
    int classes;
    double *per_class;  /* (classes) recall */
    int64_t *confusion; /* (classes, classes): row true, column predicted */
} px_logistic_result;
void px_logistic_result_finish(px_logistic_result *);

/* 0 or -1 (an empty class, one class only: PX_DATA; non-finite features: PX_DIVERGED). */
int px_logistic(const px_logistic_cfg *, const px_features *train, const px_features *test, const px_comm *, px_log *,
                px_logistic_result *);

/* Into `group`: top1, top5, chosen_C, steps, loss: scalars; C, holdout_top1 (V); per_class (C), confusion (C, C). 0 or -1. */
int px_logistic_write(px_results *, const char *group, const px_logistic_result *);

#endif
