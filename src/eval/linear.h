/* linear.h - linear probes on features that are already in memory.
 *
 *     px_features train = {n, d, x, labels, classes}, test = ...;
 *     px_probe_result r;
 *     px_linear_probe(&cfg, &train, &test, &comm, &log, &r);       // all ranks together; the result is the same on all
 *
 * Protocol: features are standardised with the training set's mean and standard deviation (per feature, as BatchNorm1d
 * without affine). A grid of learning rates is trained at once, one head per rate (DINOv2). The rate is chosen on
 * held-out rows of the *training* set (stratified, keyed by the seed), never on the test set; a head with this rate is
 * then trained on the whole training set and tested. Nesterov SGD, cosine to zero, weight decay, zero initialisation. A
 * single rate is not chosen: its holdout_top1 is NaN. Features that do not vary on the training set count as 0.
 *
 * The grid is divided among the ranks; rank 0 trains the final head and shares the result, which has the same bits on
 * any number of ranks and threads. Rows may be divided, too: then ranks give each other those of the next batches, and none
 * has them all.
 */
#ifndef PX_EVAL_LINEAR_H
#define PX_EVAL_LINEAR_H

#include "base/log.h"
#include "base/option.h"
#include "dist/comm.h"
#include "eval/features.h"
#include "results/results.h"

typedef struct px_probe_cfg {
    int epochs;
    int batch;     /* rows per step, over all ranks */
    px_list rates; /* base learning rates, times batch/256 */
    double weight_decay;
    double holdout; /* fraction of the training set that is held out to choose the rate */
    int64_t seed;
    const char *keys; /* whose these are, for messages: "robustness" has the key robustness.rates; NULL: linear */
} px_probe_cfg;
/* The keys of a linear probe, for a table of options whose struct `type` holds its px_probe_cfg as `member`. */
#define PX_PROBE_OPTIONS(type, member)                                                                                 \
    PX_OPTION_NAMED("epochs", type, member.epochs, "30", 1, 100000,                                                    \
                    "epochs over the features, for the grid of rates and for the final head"),                         \
        PX_OPTION_NAMED("batch", type, member.batch, "256", 1, 1048576, "rows per step, over all ranks together"),     \
        PX_OPTION_NAMED(                                                                                               \
            "rates", type, member.rates,                                                                               \
            "[5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]", 1e-9, 1e4,               \
            "learning rates to choose from, times batch/256 (DINOv2's, extended to 1 for narrow features)"),           \
        PX_OPTION_NAMED("weight_decay", type, member.weight_decay, "0", 0, 10,                                         \
                        "weight decay, not on the bias (SimCLR, DINOv2: 0)"),                                          \
        PX_OPTION_NAMED("holdout", type, member.holdout, "0.1", 0.001, 0.9,                                            \
                        "fraction of each class of the training set that is held out to choose the rate"),             \
        PX_OPTION_NAMED("seed", type, member.seed, "0", 0, 0,                                                          \
                        "determines which rows are held out, and the order of samples")
extern const px_option px_probe_options[];

typedef struct px_probe_result {
    double top1, top5; /* accuracy on the test set, 0 to 1, after the last epoch; top5 is 1 with 5 classes or fewer */
    double best_top1;  /* that of the best epoch: reported, never used to choose */
    int best_epoch;    /* counted from 1 */
    int rates;
    double *rate, *holdout_top1; /* (rates) the grid, and the accuracy of each rate on the held-out rows */
    int chosen;
    int epochs;
    double *train_loss, *test_top1; /* (epochs) of the final training */
    int classes;
    double *per_class;  /* (classes) recall */
    int64_t *confusion; /* (classes, classes): row true, column predicted */
    int width;
    /* (classes, width + 1) the classifier, of features as they are; its last column is the bias, -INFINITY for a class that was not
     * there to be learned */
    float *weight;
} px_probe_result;
void px_probe_result_finish(px_probe_result *);

/* Bytes of memory that a probe of this many rows and classes takes on one of the ranks, beside the features. */
double px_linear_probe_bytes(const px_probe_cfg *, int64_t train, int64_t test, int classes, int width,
                             const px_comm *);

/* 0 or -1 (an empty class, one class only: PX_DATA; non-finite features: PX_DIVERGED). */
int px_linear_probe(const px_probe_cfg *, const px_features *train, const px_features *test, const px_comm *, px_log *,
                    px_probe_result *);

/* Collective: the probe of a trial's features, those of the last layer. 0 or -1. */
struct px_trial;
int px_linear_probe_trial(const px_probe_cfg *, const struct px_trial *, px_probe_result *);

/* Into `group`: top1, top5, best_top1, best_epoch, chosen_rate: scalars; per_class (C), confusion (C, C: row true, column
 * predicted), rates (R), holdout_top1 (R), train_loss (E), test_top1 (E). 0 or -1. */
int px_linear_probe_write(px_results *, const char *group, const px_probe_result *);

/* The seed of protocol=linear: what is held out of a split for the test follows it, too. */
struct px_protocol_cfg;
int64_t px_linear_seed(const struct px_protocol_cfg *);

#endif
