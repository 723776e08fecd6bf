/* losses.h - words that several methods' losses share. The batch is the global one: statistics are summed over all ranks, and
 * carry their gradient.
 *
 *     px_value *loss = px_info_nce(g, q, px_stop_gradient(g, k), 0.2, &accuracy);
 */
#ifndef PX_NN_LOSSES_H
#define PX_NN_LOSSES_H

#include "graph/graph.h"

/* a, b (B, D): mean over rows of the cosine between them; scalar. */
px_value *px_mean_cosine(px_graph *, px_value *a, px_value *b);

/* Huber's function of each element of x: x^2 / 2, or |x| - 1/2 where |x| is above 1 (torch's smooth L1 loss of a difference). */
px_value *px_smooth_l1(px_graph *, px_value *x);

/* Cross-entropy of targets (B, K), whose rows sum to 1, with log p (B, K), or of several crops (N, B, K): the mean over images,
 * summed over crops; scalar. */
px_value *px_soft_cross_entropy(px_graph *, px_value *target, px_value *log_p);

/* The loss of DINO (arXiv:2104.14294, equation 3) and SwAV: q (2B, K), the targets' distributions of two large crops, a batch
 * after the other; log p of large crops (2B, K), and of small ones (N B, K) or NULL. Each q meets all crops but its own: the
 * mean of the 2 (1 + N) cross-entropies, each the mean over images; scalar. */
px_value *px_distil_crops(px_graph *, px_value *q, px_value *large, px_value *small);

/* (rows) of int32: at i the number, among the rows that px_all_gather put together, of this rank's row (i + shift) modulo rows;
 * `first` is the gather's, the number of this rank's first row. shift from 0 to rows. */
px_value *px_own_rows(px_graph *, int first, int64_t rows, int64_t shift);

/* InfoNCE (van den Oord et al. 2018, arXiv:1807.03748): q, keys (B, D), rows of length 1. Row i must find key i among the keys of
 * all ranks: the mean cross-entropy of q keys^T / temperature; scalar. `accuracy`, unless NULL, gets the fraction of rows that
 * do. */
px_value *px_info_nce(px_graph *, px_value *q, px_value *keys, double temperature, px_value **accuracy);

/* log p (B, K): the entropy of the mean of p over images; log K if all prototypes are used alike (MSN,
 * arXiv:2204.07141); scalar. */
px_value *px_mean_entropy(px_graph *, px_value *log_p);

/* Scores (B, K) -> assignments (B, K), whose rows sum to 1 and whose columns are alike over the global batch, by so many rounds of
 * Sinkhorn-Knopp (SwAV, arXiv:2006.09882); without gradient. In single precision scores / epsilon must be at most 80, so that sums
 * over a batch of 6,000 are finite, and at least -101, since a column of zeros gives NaN. */
px_value *px_sinkhorn(px_graph *, px_value *scores, double epsilon, int rounds);

/* ---- statistics of the global batch ---- */
/* Rows of x on all ranks: each has as many. */
double px_batch_rows(px_graph *, const px_value *x);
/* x (B, D) -> (1, D) */
px_value *px_batch_mean(px_graph *, px_value *x);
/* x (B, D): the mean over columns of their standard deviation, sqrt(variance + 1e-6), which is small where all rows are alike
 * (data2vec's code); scalar. */
px_value *px_batch_deviation(px_graph *, px_value *x);
/* a (B, D), b (B, E) -> (D, E): a^T b / rows */
px_value *px_batch_products(px_graph *, px_value *a, px_value *b);

/* z (copies B, D), row v B + i copy v of image i -> (copies, rows of all ranks, D): images in the order of the global batch. A loss
 * of it alone is the same on all ranks, so that its gradient is right as it is. */
px_value *px_gather_copies(px_graph *, px_value *z, int copies);

/* The sum of all elements; scalar. */
px_value *px_sum_all(px_graph *, px_value *x);

#endif
