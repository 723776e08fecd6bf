/* blobs.h - features for the tests of eval/: one Gaussian blob per class. */
#ifndef PX_TEST_EVAL_BLOBS_H
#define PX_TEST_EVAL_BLOBS_H

#include "base/error.h"
#include "base/rng.h"
#include "eval/features.h"

#include <stdlib.h>
#include <string.h>

typedef struct blobs {
    px_features f;
    float *x;
    int32_t *label;
    bool bf16; /* shares of them are bf16 */
} blobs;

/* Row i has class i % classes; `apart` scales the distances of the centres; each `stream` gives different noise around
 * the same centres. */
static inline blobs blobs_make(int64_t count, int width, int classes, float apart, uint64_t stream)
{
    blobs b = {.x = px_calloc((size_t)(count * width), sizeof(float)),
               .label = px_calloc((size_t)count, sizeof(int32_t))};
    for (int64_t i = 0; i < count; i++) {
        b.label[i] = (int32_t)(i % classes);
        px_rng centre = px_rng_make(7, PX_RNG_TEST, 0, (uint64_t)b.label[i]);
        px_rng noise = px_rng_make(7, PX_RNG_TEST, stream, (uint64_t)i);
        for (int j = 0; j < width; j++)
            b.x[i * width + j] = apart * px_rng_normal(&centre) + px_rng_normal(&noise) + 3.0f;
    }
    b.f = (px_features){.count = count, .width = width, .classes = classes, .x = b.x, .label = b.label};
    return b;
}

/* Rounds them to bf16: then shares, which are bf16, have the same numbers. */
static inline void blobs_round(blobs *b)
{
    for (int64_t i = 0; i < b->f.count * b->f.width; i++)
        b->x[i] = px_bf16_float(px_bf16_of(b->x[i]));
    b->bf16 = true;
}

/* The same features as rank `comm->rank` has them where rows are divided in units of so many; blobs_free_share frees x. */
static inline px_features blobs_share(const blobs *b, const px_comm *comm, int unit)
{
    px_features f = b->f;
    f.comm = comm;
    f.unit = unit;
    px_rows here = px_features_here(&f);
    int64_t values = here.rows * f.width;
    const float *from = b->x + here.first * f.width;
    float *own = px_calloc((size_t)values + 1, sizeof(float)); /* not a part of x, so that others are not read */
    memcpy(own, from, (size_t)values * sizeof(float));
    f.x = own;
    if (b->bf16) {
        px_bf16 *rows = px_calloc((size_t)values + 1, sizeof *rows);
        for (int64_t i = 0; i < values; i++)
            rows[i] = px_bf16_of(from[i]);
        f.x_bf16 = rows;
        f.x = NULL;
        free(own);
    }
    return f;
}

static inline void blobs_free_share(px_features *f)
{
    free((float *)f->x);
    free((px_bf16 *)f->x_bf16);
}

static inline void blobs_free(blobs *b)
{
    free(b->x);
    free(b->label);
}

#endif
