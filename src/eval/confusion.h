/* confusion.h - counts what a classifier says of test rows.
 *
 *     px_confusion c = px_confusion_make(classes);
 *     for each row: px_confusion_add(&c, label, score);          // score (classes): the largest is what it says
 *     ... c.right1, c.right5 ...
 *     px_confusion_finish(&c);
 */
#ifndef PX_EVAL_CONFUSION_H
#define PX_EVAL_CONFUSION_H

#include "results/results.h"

typedef struct px_confusion {
    int classes;
    int64_t right1,
        right5;     /* rows whose class ranks first, or among the first five; a score that is NaN is never right */
    int64_t *count; /* (classes, classes): row true, column predicted; among equal scores the smaller class */
} px_confusion;

px_confusion px_confusion_make(int classes);
void px_confusion_add(px_confusion *, int label, const double *score);
void px_confusion_finish(px_confusion *);

/* The counts with class i named class_of[i] of `classes`, and the recall of each class, NaN for one without rows. Both arrays
 * (classes, classes), (classes) must be zero. */
void px_confusion_spread(const px_confusion *, const int *class_of, int classes, int64_t *count, double *per_class);

/* GROUP/confusion, int32. 0 or -1. */
int px_confusion_write(px_results *, const char *group, const int64_t *count, int classes);

#endif
