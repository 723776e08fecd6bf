/* kmeans.h - k-means (Lloyd 1982) with k-means++ beginnings (Arthur & Vassilvitskii 2007).
 *
 *     px_kmeans k = px_kmeans_make(x, rows, width, clusters);
 *     px_kmeans_begin(&k, seed, start);          // chooses centres
 *     px_kmeans_run(&k, 300);                    // until no row changes its cluster
 *     ... k.cluster, k.centre, k.inertia ...
 *     px_kmeans_finish(&k);
 *
 * Threads divide rows and columns in pieces whose sums have a fixed order: the same bits on any number of them.
 */
#ifndef PX_EVAL_KMEANS_H
#define PX_EVAL_KMEANS_H

#include <stdint.h>

typedef struct px_kmeans {
    const float *x; /* (rows, width), borrowed */
    int64_t rows;
    int width, clusters;
    float *centre;    /* (clusters, width) */
    int32_t *cluster; /* (rows) the nearest centre; among equals the smaller number */
    double *distance; /* (rows) its squared distance */
    double inertia;   /* the distances' sum */
    int steps;        /* taken by px_kmeans_run */
} px_kmeans;

px_kmeans px_kmeans_make(const float *x, int64_t rows, int width, int clusters);
void px_kmeans_finish(px_kmeans *);
double px_kmeans_bytes(int64_t rows, int width, int clusters);

/* The first centre is any row, each further one a row drawn by its squared distance to the nearest so far. */
void px_kmeans_begin(px_kmeans *, int64_t seed, int start);

/* From the centres that it has, at most `most` steps. A cluster that loses all its rows gets the one that is farthest from its
 * own centre (as scikit-learn does). */
void px_kmeans_run(px_kmeans *, int most);

#endif
