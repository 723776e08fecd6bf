/* neighbours.h - a few test images and the training images that are nearest to each, as pictures: what a representation takes to
 * be alike.
 *
 *     px_neighbours n;
 *     px_neighbours_find(&n, t->train, t->test, 10, 8, comm);        // collective; the same on all ranks
 *     ... n.query[i], n.found[i * n.k + j], n.similarity[i * n.k + j] ...
 *     px_neighbours_finish(&n);
 */
#ifndef PX_EVAL_NEIGHBOURS_H
#define PX_EVAL_NEIGHBOURS_H

#include "eval/protocol.h"

enum { PX_NEIGHBOURS_MAX = 20 /* queries */ };

typedef struct px_neighbours {
    int queries, k;     /* no more than there are labelled rows */
    int64_t *query;     /* (queries) rows of the test split, ascending */
    int64_t *found;     /* (queries, k) rows of the training split, nearest first */
    double *similarity; /* (queries, k) cosine; 0 with a row of zeros */
} px_neighbours;

/* By the last layer's features, among rows that have a label. Queries are evenly spaced among the labelled test rows; ties go to
 * the smaller row. Each rank needs its own rows only (px_extraction.first, rows). Collective; the same bits on any number of
 * ranks. */
void px_neighbours_find(px_neighbours *, const px_extraction *train, const px_extraction *test, int queries, int k,
                        const px_comm *);
void px_neighbours_finish(px_neighbours *);

/* Collective: finds those of the trial (its `neighbours` queries; 0: nothing) and writes GROUP/neighbours:
 *     pictures     uint8 (queries * (1 + k), side, side, channels): each query, and behind it its neighbours
 *     labels       int32 (queries, 1 + k)
 *     rows         int32 (queries, 1 + k): of the data set
 *     similarity   float64 (queries, k)
 * Of repeats (seeds=), the first has one. Images with other than 1 or 3 channels have no pictures, and nothing is written. What an
 * earlier measurement kept there goes. 0 or -1. */
int px_neighbours_keep(px_trial *);

#endif
