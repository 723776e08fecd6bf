/* heads.h - many linear softmax classifiers, trained side by side on the same features.
 *
 *     px_selection part = {&features, mean, scale, row, count, PX_ALL_RANKS};
 *     px_heads heads;
 *     px_heads_init(&heads, rate, 13, features.classes, features.width, 256);
 *     for (int e = 0; e < recipe.epochs; e++)
 *         px_heads_train(&heads, &part, &recipe, e, loss);
 *     px_heads_test(&heads, &part, score, NULL);
 *     px_heads_finish(&heads);
 *
 * All heads see the same batches in the same order and differ only in their learning rate (DINOv2's probe). A batch is
 * gathered and standardised once. The heads are divided into groups of px_heads_group(); each group takes one matrix
 * product forward and one backward. Group sizes do not depend on the number of heads, so a head gets the same bits if
 * other groups are trained elsewhere (on other ranks), and on any number of threads.
 *
 * If rows are divided among ranks, all ranks train and test at the same time, with batches of the same size, since they give each
 * other the rows of a few batches at a time; one without heads (count 0) only gives its rows.
 */
#ifndef PX_EVAL_HEADS_H
#define PX_EVAL_HEADS_H

#include "eval/linear.h"

/* Rows of a feature matrix, used as (x - mean) * scale; nothing is copied or owned. */
typedef struct px_selection {
    const px_features *of;
    const float *mean, *scale; /* (width) */
    const int64_t *row;        /* (count) numbers of the rows; their labels are >= 0 */
    int64_t count;
    int to; /* the only rank that has heads, or PX_ALL_RANKS; matters for divided rows */
} px_selection;

typedef struct px_heads {
    int count, classes, width;
    int stride;      /* floats in a row of weight: width weights, the bias, zeros up to a multiple of 16 */
    int group;       /* heads in one matrix product */
    int batch;       /* rows in the buffers below */
    double *rate;    /* (count) peak learning rates */
    float *weight;   /* (count * classes, stride) initially zero */
    float *velocity; /* likewise */
    float *gradient; /* likewise */
    float *x;        /* (batch, stride) the gathered rows, with 1 in the bias's column */
    int32_t *label;  /* (batch) */
    float *logit;    /* (batch, count * classes) */
    float *loss;     /* (batch, count) */
    int32_t *place;  /* (batch, count) how many classes ranked before the right one */
    float *window;   /* of divided rows those of the next batches; NULL: they are taken where they are */
    int64_t staged;  /* the place of its first row in the order of rows */
} px_heads;

typedef struct px_heads_recipe {
    int epochs;
    double weight_decay; /* not on the bias */
    int64_t seed;
} px_heads_recipe;

typedef struct px_head_score {
    int64_t right1, right5; /* rows whose class ranks first, or among the first five; NaN is never right */
    double loss;            /* mean cross-entropy */
} px_head_score;

/* Bytes that rows of other ranks take while heads are trained or tested. */
double px_heads_window_bytes(int width, int batch, int ranks);

/* Heads in one matrix product: enough to fill the kernels' columns. */
int px_heads_group(int classes);

void px_heads_init(px_heads *, const double *rate, int count, int classes, int width, int batch);
void px_heads_finish(px_heads *);
double px_heads_bytes(int count, int classes, int width, int batch); /* of memory, that px_heads_init takes */

/* One epoch of Nesterov SGD (momentum 0.9, cosine to zero over recipe->epochs) in the random order of (seed, epoch).
 * loss (count): mean cross-entropy over the epoch, taken for each sample before its step. */
void px_heads_train(px_heads *, const px_selection *, const px_heads_recipe *, int epoch, double *loss);

/* score: one per head. predicted: (selection->count) classes, by the first head, or NULL. */
void px_heads_test(px_heads *, const px_selection *, px_head_score *score, int32_t *predicted);

#endif
