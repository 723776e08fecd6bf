/* splits.h - which images a protocol learns from and which it is tested on.
 *
 *     px_eval_splits s;
 *     if (px_eval_splits_make(&s, data, &wanted) != 0) ...       // says what is wrong before anything is encoded
 *     ... s.train, s.test ...                                    // borrow from `data` and from `s`
 *     px_eval_splits_finish(&s);
 */
#ifndef PX_EVAL_SPLITS_H
#define PX_EVAL_SPLITS_H

#include "base/log.h"
#include "eval/holdout.h"

typedef struct px_eval_splits_cfg {
    const char *train, *test; /* names; test "": `test` if there is one, else `val` */
    double holdout;           /* share of each class of `train` that is held out as the test; 0: none */
    int64_t seed, limit;      /* of what is held out; the most training images, 0: all */
    double labels;            /* of each class of `train`: below 1 a share, from 1 on a number of images; 0: all */
    int64_t labels_seed;
    bool unlabelled;  /* without `holdout` neither classes nor labels are needed */
    bool no_training; /* nothing is learned: training images need no labels, and `labels` draws nothing */
    int seeds;        /* that many subsets are drawn, by labels_seed and those that follow */
} px_eval_splits_cfg;

typedef struct px_eval_splits {
    const px_dataset *data; /* borrowed */
    px_split train, test;
    px_holdout holdout;
    int64_t *limited;
    int64_t *few;         /* with labels: the rows of `train`, those of all subsets */
    uint64_t *subsets;    /* (train.count) bit k: the row is in subset k; NULL: all rows are in all */
    int64_t subset_count; /* rows of the first subset, else train.count */
} px_eval_splits;

/* A subset of few labels is drawn by (seed, class) from the whole split, the first ones of a random order: the same images for
 * everybody, whatever is evaluated, and 1 % is a part of 10 %. 0, or -1: the data set has no such split, no classes, no labels
 * in one of them, or a class with fewer images than are to be drawn of it. */
int px_eval_splits_make(px_eval_splits *, const px_dataset *, const px_eval_splits_cfg *);
void px_eval_splits_finish(px_eval_splits *);

/* The labels of the training rows in subset k, -1 for others: a new array (train.count). `label`: those of all. */
int32_t *px_eval_splits_labels(const px_eval_splits *, const int32_t *label, int k);

/* Keeps only those of the split's images that have a label. Returns the new index, for the caller to free after the split's last
 * use. */
int64_t *px_eval_splits_labelled(const px_dataset *, px_split *);

/* The training images of subset k that have a label. Returns the new index, for the caller to free after the last use of `rows`. */
int64_t *px_eval_splits_rows(const px_eval_splits *, int k, px_split *rows);

/* Warns if something is learned and the test is the split that it is learned from, or if it is `pretrained`, the split that the
 * backbone was trained on (NULL: that is not known). For one rank. */
void px_eval_splits_warn(const px_eval_splits_cfg *, const px_eval_splits *, const char *pretrained, px_log *);

#endif
