/* linear.h - linear probes on features that are already in memory.
 *
 *     px_features train = {n, d, x, labels, classes}, test = ...;
 *     px_probe_result r;
 *     px_linear_probe(&cfg, &train, &test, &comm, &log, &r);       // all ranks together; the result is the same on all
 *
 * Protocol: features are standardised with the training set's mean and standard deviation (per feature, as BatchNorm1d
 * without affine); a grid of learning rates is trained at once as many heads over one pass (DINOv2); the rate is chosen
 * on a held-out part of the *training* set (stratified, keyed by the seed), never on the test set; the chosen rate is
 * then trained again on the whole training set and tested. Nesterov SGD, cosine to zero, weight decay, zero
 * initialisation. A single rate needs no choosing: its holdout_top1 is NaN. Features that do not vary on the training
 * set count as 0.
 *
 * The grid is divided over the ranks; rank 0 trains the chosen rate and shares what came out. The result is the
 * same bits on any number of ranks and threads.
 */
#ifndef PX_EVAL_LINEAR_H
#define PX_EVAL_LINEAR_H

#include "base/log.h"
#include "base/option.h"
#include "dist/comm.h"
#include "eval/features.h"

typedef struct px_probe_cfg {
    int epochs;
    int batch;     /* global */
    px_list rates; /* base learning rates, times batch/256 */
    double weight_decay;
    double holdout; /* share of the training set that chooses the rate */
    int64_t seed;
} px_probe_cfg;
extern const px_option px_probe_options[];

typedef struct px_probe_result {
    double top1, top5; /* of the test set, shares of 1, at the last epoch; top5 is 1 with 5 classes or fewer */
    double best_top1;  /* best epoch on test: reported, never used to choose */
    int best_epoch;    /* counted from 1 */
    int rates;
    double *rate, *holdout_top1; /* (rates) the grid and what each reached on the held-out part */
    int chosen;
    int epochs;
    double *train_loss, *test_top1; /* (epochs) of the final training */
    int classes;
    double *per_class;  /* (classes) recall */
    int64_t *confusion; /* (classes, classes): row true, column predicted */
} px_probe_result;
void px_probe_result_finish(px_probe_result *);

/* 0 or -1 (an empty class, one class only, non-finite features: PX_DATA). */
int px_linear_probe(const px_probe_cfg *, const px_features *train, const px_features *test, const px_comm *, px_log *,
                    px_probe_result *);

#endif
