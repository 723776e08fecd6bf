/* knn.h - weighted nearest neighbours on features that are already in memory, each rank having some of them.
 *
 *     px_knn_result r;
 *     px_knn(&cfg, &train, &test, &comm, &log, &r);         // all ranks together; the result is the same on all
 *
 * Protocol of DINO's eval_knn (after Wu et al. 2018): by cosine similarity, each of the k nearest training samples
 * votes for its class with exp(similarity / temperature). One search serves several k, and two other weightings: equal votes,
 * and 1 / (1 - similarity), which are scikit-learn's `uniform` and `distance` of the cosine metric. Nothing is chosen, so each k
 * is reported. One difference: a class without a vote is never among the top five (DINO fills up with arbitrary ones).
 * Ties in similarity go to the smaller row, ties in votes to the smaller class. Of some test rows it tells which the nearest are.
 */
#ifndef PX_EVAL_KNN_H
#define PX_EVAL_KNN_H

#include "eval/neighbours.h"
#include "results/results.h"

typedef struct px_knn_cfg {
    px_list k;
    double temperature;
    int neighbours; /* test rows whose nearest ones are told */
} px_knn_cfg;
extern const px_option px_knn_options[];

typedef struct px_knn_result {
    int count;
    int k[PX_LIST_MAX];                               /* as configured, without those larger than the training set */
    double top1[PX_LIST_MAX], top5[PX_LIST_MAX];      /* fractions of the labelled test rows */
    double equal[PX_LIST_MAX], distance[PX_LIST_MAX]; /* top-1 of the other weightings */
    px_neighbours shown; /* of cfg.neighbours test rows; px_neighbours_finish() if that is not 0 */
} px_knn_result;

/* What the memory of a search depends on. */
typedef struct px_knn_size {
    int64_t train, train_here, test; /* rows; training rows that a rank has */
    int width, classes, threads, ranks;
    bool bf16; /* rows are bf16 */
} px_knn_size;

/* Bytes of memory that a search takes on one rank, beside the features. */
double px_knn_bytes(const px_knn_cfg *, const px_knn_size *);

/* Rows of both are divided among the ranks of `comm`, if there are several; the result has the same bits on any
 * number. Rows with label -1 are neither neighbours nor tested. 0 or -1 (no labelled rows: PX_DATA; non-finite features:
 * PX_DIVERGED). */
int px_knn(const px_knn_cfg *, const px_features *train, const px_features *test, const px_comm *, px_log *,
           px_knn_result *);

/* Into `group`: k, top1, top5, top1_equal, top1_distance (K). 0 or -1. */
int px_knn_write(px_results *, const char *group, const px_knn_result *);

#endif
