/* neighbours.h - a few test images and the training images that are nearest to each, as pictures: what a representation takes to
 * be alike. Of k-NN, and of retrieval, which may also look among the other test images.
 *
 *     px_neighbours n = px_neighbours_begin(&test, 10, rows);         // which test images; a search then finds for each of them
 *     int query = px_neighbours_query(&n, row);
 *     for (int j = 0; query >= 0 && j < n.k; j++)
 *         px_neighbours_put(&n, query, j, found, similarity);
 *     px_neighbours_share(&n, comm);
 *     if (px_neighbours_keep(trial, &n) != 0) ...
 *     px_neighbours_finish(&n);
 */
#ifndef PX_EVAL_NEIGHBOURS_H
#define PX_EVAL_NEIGHBOURS_H

#include "eval/protocol.h"

enum { PX_NEIGHBOURS_MAX = 20 /* queries */, PX_NEIGHBOURS_KEPT = 8 /* neighbours of each */ };

/* The key of a protocol that keeps them (px_protocol.pictures), for a table of options whose struct `type` has it as `field`.
 * `what` is kept of each query. */
#define PX_NEIGHBOURS_OPTION(type, field, what)                                                                        \
    PX_OPTION(type, field, "10", 0, PX_NEIGHBOURS_MAX,                                                                 \
              "test images that are kept as pictures, each with the 8 " what "; 0: none")

typedef struct px_neighbours {
    int queries, k;     /* no more than there are labelled rows */
    int64_t *query;     /* (queries) rows of the test split, ascending */
    int64_t *found;     /* (queries, k) rows of the training split, nearest first */
    double *similarity; /* (queries, k) cosine; 0 with a row of zeros */
    bool of_test;       /* `found` has rows of the test split */
} px_neighbours;

/* Chooses the queries, evenly spaced among the labelled test rows. `known`: the rows among which neighbours are found. */
px_neighbours px_neighbours_begin(const px_features *test, int queries, int64_t known);
void px_neighbours_finish(px_neighbours *); /* accepts a zeroed one */

/* Which query this row of the test split is; -1: none. */
int px_neighbours_query(const px_neighbours *, int64_t row);

/* On one rank for each query: its neighbour `j`, 0 being the nearest. Threads may put those of different queries at once. */
void px_neighbours_put(px_neighbours *, int query, int j, int64_t row, double similarity);

/* Collective: what each rank has put, on all. */
void px_neighbours_share(px_neighbours *, const px_comm *);

/* How many queries a trial has pictures of: those `asked` for; none of baselines, of repeats (seeds=) but the first, or of images
 * with other than 1 or 3 channels. */
int px_neighbours_wanted(const px_trial *, int asked);

/* Collective: writes those, the same on all ranks, to GROUP/neighbours:
 *     pictures     uint8 (queries * (1 + k), side, side, channels): each query, and behind it its neighbours
 *     labels       int32 (queries, 1 + k)
 *     rows         int32 (queries, 1 + k): of the data set
 *     similarity   float64 (queries, k)
 * Without queries nothing is written, and what an earlier measurement kept there goes. 0 or -1. */
int px_neighbours_keep(px_trial *, const px_neighbours *);

#endif
