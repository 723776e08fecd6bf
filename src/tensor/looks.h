/* looks.h - what several views of the same images, as rows of features, tell without labels: alignment and LiDAR.
 *
 *     const float *const view[] = {first, second};                                       // (256, width) each
 *     const px_looks l = {.view = view, .views = 2, .images = 256, .width = width, .pitch = width};
 *     double aligned = px_looks_alignment(&l), rank;
 *     if (px_looks_lidar(&l, 1e-4, &rank) != 0) ...
 *
 * - alignment: mean squared distance between the first two views of an image, rows of length 1 (Wang and Isola 2020,
 *   arXiv:2005.10242, their alpha 2). 0: views of an image are one point; 2: they have nothing in common.
 * - LiDAR: exp of the entropy of the eigenvalues of W^-1/2 B W^-1/2, divided by their sum (Thilak et al. 2023, arXiv:2312.04000):
 *   B is the covariance of the images' mean rows, W that of views around them, plus delta I. How many directions tell images
 *   apart, beyond what augmentation changes; at most min(width, images - 1).
 *
 * Bits depend on no number of threads if the caller has OpenBLAS compute with one (base/one_thread.h).
 */
#ifndef PX_TENSOR_LOOKS_H
#define PX_TENSOR_LOOKS_H

#include <stdint.h>

typedef struct px_looks {
    const float *const *view; /* (views): the first image's row of each; at least two */
    int views, images, width; /* at least two images */
    int64_t pitch;            /* from an image's row to the next image's, in floats */
} px_looks;

/* NaN if a row is not finite. */
double px_looks_alignment(const px_looks *);

/* 0, or -1: rows that are not finite, or eigenvalues that are not found. */
int px_looks_lidar(const px_looks *, double delta, double *rank);

/* At most so many bytes are taken by either. */
double px_looks_bytes(int64_t rows, int width);

#endif
