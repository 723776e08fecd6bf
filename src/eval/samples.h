/* samples.h - what a classifier learns from: the labelled rows of a training set, of which some of each class are held out to
 * choose a setting, and the labelled rows of the test set.
 *
 *     px_samples s;
 *     if (px_samples_make(&s, &train, &test, 0.1, seed, "a linear probe") != 0) ...
 *     ... row s.row[i] of s.train has the label s.train->label[s.row[i]], below s.classes ...
 *     px_samples_finish(&s);
 *
 * Classes without training rows are not learned: the others are numbered without gaps. Checks all that can be wrong with the
 * data, with the same result on every rank.
 */
#ifndef PX_EVAL_SAMPLES_H
#define PX_EVAL_SAMPLES_H

#include "eval/features.h"

#include <stdbool.h>

typedef struct px_samples {
    const px_features *train, *test; /* with classes numbered without gaps */
    int64_t *row;                    /* labelled rows of the training set: first those to fit on, then those held out */
    int64_t rows, fitted;            /* number of all rows, and of those to fit on */
    int64_t *test_row;               /* labelled rows of the test set */
    int64_t test_rows;
    int classes;                         /* that are learned: those that have training rows */
    int *class_of;                       /* (classes) their numbers in the data */
    px_features dense_train, dense_test; /* with these numbers as labels, if there are gaps */
    int32_t *label[2];                   /* theirs */
} px_samples;

/* Of each class the share `holdout` is held out, drawn by (seed, class): at least one row and never all. `what` is for
 * messages. 0, or -1: less than two classes, a class that is only tested, no labelled test rows (PX_DATA), features that are
 * not finite (PX_DIVERGED). px_samples_finish in any case. `train` and `test` are borrowed; do not copy the struct. */
int px_samples_make(px_samples *, const px_features *train, const px_features *test, double holdout, int64_t seed,
                    const char *what);
void px_samples_finish(px_samples *);

/* Bytes of memory that it takes. */
double px_samples_bytes(int64_t train, int64_t test);

#endif
