/* gallery.h - the rows of features in which nearest ones are searched, those that this rank has, in blocks for matrix products.
 *
 *     px_gallery g = px_gallery_make(&train);
 *     float *copy = px_gallery_copy(&g);                                            // each thread its own
 *     for (int64_t b = 0; b < g.blocks; b++) {
 *         px_gallery_block k = px_gallery_at(&g, b, copy);
 *         px_gallery_dot(&k, queries, 128, train.width, dot);                       // (128, k.keys)
 *         ... dot[i * k.keys + j], j from k.from to k.to - 1: with row k.begin + j ...
 *     }
 *     free(copy);
 *     px_gallery_finish(&g);
 *
 * Blocks begin at the same rows on any number of ranks, and each product has the same shape, so that it has the same bits: where
 * other ranks have some of a block's rows, there are zeros in their places.
 */
#ifndef PX_EVAL_GALLERY_H
#define PX_EVAL_GALLERY_H

#include "eval/features.h"

enum { PX_GALLERY_KEYS = 512 }; /* rows of a block */

typedef struct px_gallery {
    int64_t blocks; /* that have rows of this rank */
    /* private */
    const px_features *of; /* borrowed */
    px_rows here;
    int64_t first; /* number of the first block */
    /* (PX_GALLERY_KEYS, width) copies of the first and the last block, if others have some of their rows */
    float *edge[2];
} px_gallery;

typedef struct px_gallery_block {
    const float *x; /* (keys, width) */
    int64_t begin;  /* its first row */
    int keys;       /* its rows, on all ranks together */
    int from, to;   /* those of them that this rank has */
} px_gallery_block;

px_gallery px_gallery_make(const px_features *);
void px_gallery_finish(px_gallery *);
px_gallery_block px_gallery_at(const px_gallery *, int64_t block, float *copy);

/* Memory for a block of rows that are bf16; NULL if they are floats. A new array. */
float *px_gallery_copy(const px_gallery *);

/* dot (queries, keys): products of the rows of `query` (queries, width) with the block's. */
void px_gallery_dot(const px_gallery_block *, const float *query, int queries, int width, float *dot);

/* scale (rows): 1 / length of each row x (rows, width), 0 for a row of zeros. Summed in order, in double: the same bits wherever a
 * row lies in memory. */
void px_gallery_inverse_lengths(const float *x, int64_t rows, int width, float *scale);

/* The same of the rows that are here. */
void px_gallery_scales(const px_features *, float *scale);

/* Bytes of memory that it takes on one of so many ranks, with a copy for each thread if rows are bf16. */
double px_gallery_bytes(int width, int ranks, int threads, bool bf16);

#endif
