/* two_looks.h - what two views of the same images tell of an embedding during training.
 *
 *     px_two_looks t;
 *     if (px_two_looks_measure(&t, first, second, 256, width) != 0) ...
 *     if (t.narrow) px_log_warning(...);
 *
 * - alignment: mean squared distance between the two views of an image, rows of length 1 (Wang & Isola 2020): 0 if augmentation
 *   changes nothing, 2 if the views have nothing in common.
 * - lidar: exp of the entropy of the eigenvalues of W^-1/2 B W^-1/2, divided by their sum (Thilak et al. 2023): B is the covariance
 *   of the images' mean rows, W that of the views around them, plus 1e-4 on its diagonal (the paper's). How many directions tell
 *   images apart beyond what augmentation changes; at most min(width, count - 1). The same as eval/label_free.h, for two views.
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
