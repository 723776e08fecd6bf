/* embed.h - a two-dimensional map of embeddings, for figures.
 *
 *     float *xy = px_calloc(n, 2 * sizeof *xy);
 *     if (px_embed_2d(features, n, width, seed, xy) != 0) return -1;
 *
 * The first 30 principal components, then exact t-SNE (van der Maaten & Hinton 2008; perplexity 30, early
 * exaggeration). The cost grows with n squared: about a second for 1500 points; meant for up to about 2000. The same
 * input and seed give the same map on the same machine with the same number of threads (LAPACK's sums depend on it).
 * Distances between distant clusters have no meaning.
 */
#ifndef PX_EVAL_EMBED_H
#define PX_EVAL_EMBED_H

#include <stdint.h>

enum { PX_EMBED_STEPS = 1000, PX_EMBED_TRACE = 50 };

/* x: (n, d) rows; xy: the caller's memory for (n, 2), which gets coordinates centred on the origin. 0, or -1 (PX_DATA:
 * a value is not finite). */
int px_embed_2d(const float *x, int64_t n, int d, uint64_t seed, float *xy);

/* The same; unless it is NULL, kl[PX_EMBED_STEPS / PX_EMBED_TRACE] gets the Kullback-Leibler divergence (nats, without
 * exaggeration) after every PX_EMBED_TRACE steps. */
int px_embed_2d_traced(const float *x, int64_t n, int d, uint64_t seed, float *xy, double *kl);

/* The first `k` principal components of the rows of x: out is (n, k). Signs are fixed: the largest score of each
 * component is positive. 0 or -1. */
int px_pca(const float *x, int64_t n, int d, int k, float *out);

#endif
