/* two_looks.h - what two views of the same images tell of an embedding during training.
 *
 *     px_two_looks t;
 *     if (px_two_looks_measure(&t, first, second, 256, width) != 0) ...
 *     if (t.narrow) px_log_warning(...);
 *
 * Alignment and LiDAR: see tensor/looks.h; delta is the 1e-4 of LiDAR's paper. eval/label_free.h measures the same of more views.
 */
#ifndef PX_TRAIN_TWO_LOOKS_H
#define PX_TRAIN_TWO_LOOKS_H

#include <stdbool.h>

/* Below this images are told apart along one direction alone. The paper gives no limit: it is that of the effective rank
 * (collapse.h), near the smallest value of 1. */
#define PX_LIDAR_LIMIT 1.5

typedef struct px_two_looks {
    double alignment, lidar;
    bool narrow; /* lidar is below its limit */
} px_two_looks;

/* first, second (count, width): row i of both is of image i; count at least 2. One thread computes, so that bits do not depend on
 * their number. If a row is not finite, both are NaN, which is not narrow. 0 or -1. */
int px_two_looks_measure(px_two_looks *, const float *first, const float *second, int count, int width);

#endif
