/* collapse.h - whether the embedding collapses during training.
 *
 *     px_collapse c;
 *     if (px_collapse_measure(&c, rows, count, width) != 0) ...
 *     if (c.collapsed) px_log_warning(...);
 *
 * - deviation: standard deviation of each feature of the L2-normalised rows, averaged over features, times sqrt(width)
 *   (SimSiam, Chen & He 2021, figure 2): 0 if all rows are the same, 1 if they are spread evenly over the sphere.
 * - rank: exp(entropy of the singular values divided by their sum) of the rows, not centred (RankMe, Garrido et al.
 *   2023), from 1 to min(count, width).
 * - uniformity: log of the mean of exp(-2 |a - b|^2) over pairs of these L2-normalised rows (Wang & Isola 2020): 0 if all are one
 *   point, near -4 for an even spread.
 * - alpha: how fast the covariance's eigenvalues fall (px_eigenvalue_decay).
 */
#ifndef PX_TRAIN_COLLAPSE_H
#define PX_TRAIN_COLLAPSE_H

#include <stdbool.h>

/* An embedding counts as collapsed if it is below either limit. The papers give none; these are near the smallest
 * values of 0 and 1. Untrained and healthy embeddings of the methods here have 0.3 to 1, and a rank of 10 or more. */
#define PX_COLLAPSE_DEVIATION 0.05
#define PX_COLLAPSE_RANK 1.5

typedef struct px_collapse {
    double deviation, rank, uniformity, alpha;
    bool collapsed;
} px_collapse;

/* row (count, width), count at least 2. If a row is not finite, all are NaN, which does not count as collapsed. 0 or
 * -1. */
int px_collapse_measure(px_collapse *, const float *row, int count, int width);

#endif
