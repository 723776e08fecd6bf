/* features.h - a matrix of features in memory, the input of every evaluation.
 *
 *     px_features f = px_extraction_features(&e, layer, classes);
 *     px_rows here = px_features_here(&f);                 // x has these rows of f.count
 *     px_features_fetch(&f, row, 256, PX_ALL_RANKS, batch); // collective: all ranks get these 256 rows
 *
 * A px_features borrows its arrays and describes a whole split. Its rows may be divided among ranks, so that none has to have
 * them all, and they may be bf16, which takes half the memory; labels are on every rank. All protocols share the checks below;
 * `what` is "training" or "test", for messages.
 */
#ifndef PX_EVAL_FEATURES_H
#define PX_EVAL_FEATURES_H

#include "dist/comm.h"
#include "tensor/bf16.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct px_features {
    int64_t count; /* rows: those of the whole split */
    int width, classes;
    const float *x;        /* (count, width); of divided rows (here.rows, width); NULL: they are in `x_bf16` */
    const px_bf16 *x_bf16; /* the same, as bf16 */
    const int32_t *label;  /* (count); -1: row is ignored */
    const char *layer;     /* name of the layer, for messages; NULL: there is only one */
    const px_comm *comm;   /* rows are divided among these ranks; NULL: every rank has all */
    int unit;              /* in units of so many rows, the last one short (px_share) */
} px_features;

typedef struct px_rows {
    int64_t first, rows;
} px_rows;

/* Which of `count` rows a rank has: whole units, as many as others or one less. */
px_rows px_share(int64_t count, int unit, int rank, int ranks);

/* The most rows that a rank has. */
int64_t px_share_most(int64_t count, int unit, int ranks);

/* The rows that x has. */
px_rows px_features_here(const px_features *);
bool px_features_divided(const px_features *); /* whether that may be less than all */

/* n of the rows that x has, from its row `first` on: where they are, or of bf16 ones a copy (n, width) in `copy`. */
const float *px_features_rows(const px_features *, int64_t first, int64_t n, float *copy);

/* The same, always copied. */
void px_features_copy(const px_features *, int64_t first, int64_t n, float *to);

/* Collective if rows are divided: these rows, in this order, to one rank or to PX_ALL_RANKS. All ranks name the same rows. out
 * (n, width); on a rank that does not get them it is left as it is. */
#define PX_ALL_RANKS (-1)
void px_features_fetch(const px_features *, const int64_t *row, int64_t n, int to, float *out);

/* The rows from `first` on, in out (n, width); where they are, if they are in place. Collective if rows are divided. */
const float *px_features_fetch_from(const px_features *, int64_t first, int64_t n, float *out);

/* Whether this rank has all rows as floats. */
bool px_features_in_place(const px_features *);

/* At most so many bytes are taken by fetching n rows besides `out`, on `ranks` ranks. */
double px_features_fetch_bytes(int64_t n, int width, int ranks);

/* The rows that have a label, in order, as a new array; per_class (classes) gets the number of rows of each class. NULL
 * if a label is not below `classes` (PX_DATA). */
int64_t *px_features_labelled(const px_features *, int classes, const char *what, int64_t *count, int64_t *per_class);

/* mean, variance (width), by 1 / rows, of the `rows` rows that have a label, or of those that `chosen` (count) marks (moments.c).
 * Rows are added in their order, so that bits depend on no number of ranks or threads. Collective if rows are divided. */
void px_features_moments(const px_features *, const bool *chosen, int64_t rows, double *mean, double *variance);

/* 0, or -1 naming the first value that is NaN or infinite (PX_DIVERGED). Collective if rows are divided, with the same result on
 * all ranks. */
int px_features_finite(const px_features *, const char *what);

#endif
