/* features.h - a matrix of features in memory, the input of every evaluation.
 *
 * A px_features borrows its arrays and describes a whole split, the same one on every rank. All protocols share the
 * checks below; `what` is "training" or "test", for messages.
 */
#ifndef PX_EVAL_FEATURES_H
#define PX_EVAL_FEATURES_H

#include <stdint.h>

typedef struct px_features {
    int64_t count; /* rows: those of the whole split */
    int width, classes;
    const float *x;       /* (count, width) */
    const int32_t *label; /* (count); -1: row is ignored */
    const char *layer;    /* name of the layer, for messages; NULL: there is only one */
} px_features;

/* The rows that have a label, in order, as a new array; per_class (classes) gets the number of rows of each class. NULL
 * if a label is not below `classes` (PX_DATA). */
int64_t *px_features_labelled(const px_features *, int classes, const char *what, int64_t *count, int64_t *per_class);

/* 0, or -1 naming the first value that is NaN or infinite (PX_DATA). */
int px_features_finite(const px_features *, const char *what);

#endif
