/* label_free.h - what features are worth, told without labels: by several views of the same images, and by comparing two sets of
 * features of the same images.
 *
 *     px_features views = {.count = n * q, .width = d, .x = x};             // row i q + k: view k of image i
 *     px_label_free m;
 *     if (px_label_free_measure(&m, &views, q, 1e-4) != 0) ...              // one rank
 *
 *     px_cka_side a = px_cka_side_of(&features), b = px_cka_side_of(&others);
 *     double like = px_cka(&a, &b);                                         // two layers, runs or epochs
 *     px_cka_side_finish(&a), px_cka_side_finish(&b);
 *
 * - alignment and lidar: see tensor/looks.h.
 * - uniformity: log of the mean of exp(-2 |f(x) - f(y)|^2) over all pairs of different images, rows of length 1 (Wang and Isola
 *   2020, arXiv:2005.10242, their t 2). 0: all is one point; -4 for features spread evenly over a sphere of many dimensions.
 * - CKA: |Y^T X|^2 / (|X^T X| |Y^T Y|), Frobenius norms of centred features (Kornblith et al. 2019, arXiv:1905.00414, linear). 1:
 *   the same up to rotation and scale.
 */
#ifndef PX_EVAL_LABEL_FREE_H
#define PX_EVAL_LABEL_FREE_H

#include "eval/features.h"

#include <stdbool.h>

typedef struct px_label_free {
    double alignment, uniformity, lidar;
} px_label_free;

/* views->count is a multiple of q, at least two images of at least two views. 0, or -1: features that are not finite (PX_DIVERGED),
 * or whose eigenvalues are not found. One thread computes, so that bits do not depend on their number. */
int px_label_free_measure(px_label_free *, const px_features *views, int q, double delta);

/* Bytes of memory that it takes. */
double px_label_free_bytes(int64_t rows, int width);

/* One of the two sets of features that CKA compares, with what it needs of it alone, so that this is computed once. */
typedef struct px_cka_side {
    px_features features; /* whose rows are borrowed */
    double *mean;         /* (width) */
    double norm;          /* |X^T X| of the centred ones */
    bool varies;          /* by more than rounding */
} px_cka_side;
px_cka_side px_cka_side_of(const px_features *);
void px_cka_side_finish(px_cka_side *);

/* Rows of both are those of the same images. By one thread, too. NaN if one of them does not vary but by rounding. */
double px_cka(const px_cka_side *, const px_cka_side *);

/* Bytes of memory that it takes of sides of these widths, the largest ones, with the sides of features of `widths` in all. */
double px_cka_bytes(int width, int other, int64_t widths);

#endif
