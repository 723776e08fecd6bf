/* collapse.h - does the embedding collapse while it is trained?
 *
 *     px_collapse c;
 *     if (px_collapse_measure(&c, rows, count, width) != 0) ...
 *     if (c.collapsed) px_log_warning(...);
 *
 * - deviation: standard deviation of each feature of the L2-normalised rows, averaged over features, times sqrt(width)
 *   (SimSiam, Chen & He 2021, figure 2): 0 where all rows are the same, 1 where they are spread evenly over the sphere.
 * - rank: exp(entropy of the singular values over their sum) of the rows, not centred (RankMe, Garrido et al. 2023),
 *   from 1 to min(count, width).
 */
#ifndef PX_TRAIN_COLLAPSE_H
#define PX_TRAIN_COLLAPSE_H

#include <stdbool.h>

/* Below either of these an embedding counts as collapsed. The papers name no limit; these are near the floors of 0 and
 * 1. Untrained and healthy embeddings of the methods here have 0.3 to 1, and a rank of 10 or more. */
#define PX_COLLAPSE_DEVIATION 0.05
#define PX_COLLAPSE_RANK 1.5

typedef struct px_collapse {
    double deviation, rank;
    bool collapsed;
} px_collapse;

/* row (count, width), count at least 2. Both are NaN, and nothing has collapsed, if a row is not finite. 0 or -1. */
int px_collapse_measure(px_collapse *, const float *row, int count, int width);

#endif
