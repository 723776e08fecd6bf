/* features.h - a matrix of features in memory, as every evaluation takes it.
 *
 * A px_features borrows its arrays and describes a whole split, the same on every rank. The checks below are the
 * ones that all protocols share; `what` is "training" or "test", for messages.
 */
#ifndef PX_EVAL_FEATURES_H
#define PX_EVAL_FEATURES_H

#include <stdint.h>

typedef struct px_features {
    int64_t count; /* rows of this matrix: the whole split, the same on every rank */
    int width, classes;
    const float *x;       /* (count, width) */
    const int32_t *label; /* (count); -1: row is ignored */
    const char *layer;    /* which layer's they are, for messages; NULL: there is but one */
} px_features;

/* The rows that have a label, in order, a new array, and how many each class has: per_class (classes). NULL if a label
 * is not below `classes` (PX_DATA). */
int64_t *px_features_labelled(const px_features *, int classes, const char *what, int64_t *count, int64_t *per_class);

/* 0, or -1 naming the first value that is NaN or infinite (PX_DATA). */
int px_features_finite(const px_features *, const char *what);

#endif
