/* grouped.h - how the maps of a convolution in groups lie in memory, and what of them is in scratch memory. Only for grouped.c,
 * which tells the plan. */
#ifndef PX_BACKENDS_X86_GROUPED_H
#define PX_BACKENDS_X86_GROUPED_H

#include "backends/x86/kernels.h"
#include "ops/sliding.h"

#include <omp.h>
#include <string.h>

enum { LANES = 8, PIECES = 2, PARTS = 16, TAPS_MAX = 1024 };

/* How a map of (N, C, H, W) lies in memory: a step to the next channel (of the same block) and to the next pixel. */
typedef struct map {
    int64_t C, H, W, B, channel, pixel;
} map;

static inline map map_of(px_shape s, int block)
{
    bool plain = block == 1;
    return (map){.C = s.dim[1],
                 .H = s.dim[2],
                 .W = s.dim[3],
                 .B = plain ? s.dim[1] : block,
                 .channel = plain ? s.dim[2] * s.dim[3] : 1,
                 .pixel = plain ? 1 : block};
}

/* The address, in elements, of the first pixel of channel c. */
static inline int64_t origin(const map *m, int64_t n, int64_t c)
{
    return (n * m->C + c / m->B * m->B) * m->H * m->W + c % m->B * m->channel;
}

typedef struct pass {
    px_sliding slide;
    int group;           /* channels */
    int64_t left, width; /* of a row in the ring: zeros on the left, and all pixels */
    int64_t ring;        /* rows */
    int64_t N;
    map from, to;
    bool back; /* from dy to dx */
} pass;

static inline int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline pass pass_of(const px_conv_attr *a, px_shape w, px_shape from, int from_block, px_shape to, int to_block,
                           bool back)
{
    pass p = {.slide = a->slide,
              .group = (int)w.dim[1],
              .N = from.dim[0],
              .from = map_of(from, from_block),
              .to = map_of(to, to_block),
              .back = back};
    int64_t stride = a->slide.stride[1], before = a->slide.before[1], reach = px_sliding_reach(&a->slide, 1) - 1;
    if (back) {
        p.left = larger(0, (reach - before + stride - 1) / stride);
        p.width = p.left + larger(p.from.W, (p.to.W - 1 + before) / stride + 1);
    } else {
        p.left = before;
        p.width = larger(p.left + p.from.W, (p.to.W - 1) * stride + reach + 1);
    }
    p.ring = px_sliding_reach(&a->slide, 0) + 1;
    return p;
}

/* ---- scratch memory: packed weights (C/8, taps, group, 8) or partial sums of the same form, then each thread's rows ---- */

static inline int64_t taps_of(const pass *p)
{
    return (int64_t)p->slide.kernel[0] * p->slide.kernel[1];
}

static inline int64_t vectors(const pass *p)
{
    return (p->from.C + LANES - 1) / LANES;
}

static inline int64_t packed_floats(const pass *p) /* a multiple of 8 */
{
    return vectors(p) * taps_of(p) * p->group * LANES;
}

static inline int64_t row_floats(const pass *p)
{
    return p->width * LANES;
}

/* The ring of each piece, then one row of the other map. */
static inline size_t thread_bytes(const pass *p)
{
    size_t rows = (size_t)(PIECES * (p->ring * row_floats(p) + p->to.W * LANES)) * sizeof(float);
    return (rows + (size_t)p->ring * sizeof(int64_t) + 127) / 64 * 64;
}

static inline size_t shared_bytes(const pass *p, int copies)
{
    return ((size_t)(packed_floats(p) * copies) * sizeof(float) + 63) / 64 * 64;
}

typedef struct desk {
    float *ring;   /* (PIECES, ring, width, 8) */
    float *row;    /* (PIECES, W of `to`, 8) */
    int64_t *held; /* (ring): the source's row in each place, or -1 */
} desk;

static inline desk desk_of(const px_step *s, const pass *p, size_t shared)
{
    char *at = (char *)s->scratch + shared + (size_t)omp_get_thread_num() * thread_bytes(p);
    desk d = {.ring = (float *)(void *)at};
    d.row = d.ring + PIECES * p->ring * row_floats(p);
    d.held = (int64_t *)(void *)(d.row + PIECES * p->to.W * LANES);
    memset(d.ring, 0, (size_t)(PIECES * p->ring * row_floats(p)) * sizeof(float)); /* the sides stay so */
    return d;
}

#endif
