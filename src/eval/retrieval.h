/* retrieval.h - every test image asks for images of its class.
 *
 *     px_retrieval_result r;
 *     px_retrieval(&cfg, &train, &test, &comm, &log, &r);     // all ranks together; the result is the same on all
 *
 * The gallery, the training images or the other test images, is ranked by cosine similarity, among equals by row. Reported are
 * the mean average precision over the whole ranking, and recall at k: the share of queries with an image of their class among
 * the first k (Song et al. 2016). Queries without any image of their class in the gallery are left out of both. Of some queries it
 * tells what they retrieve first.
 */
#ifndef PX_EVAL_RETRIEVAL_H
#define PX_EVAL_RETRIEVAL_H

#include "base/log.h"
#include "base/option.h"
#include "dist/comm.h"
#include "eval/neighbours.h"
#include "results/results.h"

typedef struct px_retrieval_cfg {
    enum { PX_GALLERY_TRAIN, PX_GALLERY_TEST } gallery;
    px_list k;
    int neighbours; /* queries of which is told what they retrieve first */
} px_retrieval_cfg;
extern const px_option px_retrieval_options[];

typedef struct px_retrieval_result {
    double map;      /* mean average precision, 0 to 1 */
    int64_t queries; /* that count */
    int count;
    int k[PX_LIST_MAX];
    double recall[PX_LIST_MAX];
    px_neighbours shown; /* of cfg.neighbours queries; px_neighbours_finish() if that is not 0 */
} px_retrieval_result;

/* What the memory of a search depends on. */
typedef struct px_retrieval_size {
    int64_t train, train_here, test, test_here; /* rows; those that a rank has */
    int width, threads, ranks;
    bool bf16; /* rows are bf16 */
} px_retrieval_size;

/* Bytes of memory that it takes on one rank, beside the features. */
double px_retrieval_bytes(const px_retrieval_cfg *, const px_retrieval_size *);

/* Rows of both are divided among the ranks of `comm`, if there are several; the result has the same bits on any
 * number. Rows with label -1 are neither queries nor in the gallery. 0 or -1 (nothing to ask for: PX_DATA; non-finite
 * features: PX_DIVERGED). */
int px_retrieval(const px_retrieval_cfg *, const px_features *train, const px_features *test, const px_comm *, px_log *,
                 px_retrieval_result *);

/* Into `group`: map, queries; recall_k, recall (K). 0 or -1. */
int px_retrieval_write(px_results *, const char *group, const px_retrieval_result *);

#endif
