/* move.c - portable kernels that only move elements. */
#include "backends/portable/portable.h"
#include "ops/attr.h"
#include "ops/strides.h"

#include <string.h>

static void copy(real *to, const real *from, int64_t count)
{
    memcpy(to, from, (size_t)count * sizeof to[0]);
}

/* Copies along a walk: elements that repeat, or lie in another order. */
static void copy_walk(const px_step *s, const px_walk *w)
{
    const real *x = s->in[0];
    real *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < px_walk_pieces(w); k++) {
        px_piece p = px_walk_piece(w, k);
        if (p.step[0] == 1)
            copy(y + p.at, x + p.from[0], p.n);
        else
            for (int64_t i = 0; i < p.n; i++)
                y[p.at + i] = x[p.from[0] + i * p.step[0]];
    }
}

void KERNEL(expand)(const px_step *s)
{
    px_walk w = px_walk_along(s->node->out[0]->shape, 1, &s->node->in[0]->shape);
    copy_walk(s, &w);
}

void KERNEL(permute)(const px_step *s)
{
    const px_permute_attr *at = s->node->attr;
    px_shape in = s->node->in[0]->shape;
    px_walk w = {.shape = s->node->out[0]->shape, .count = 1};
    for (int i = 0; i < in.rank; i++)
        w.stride[0][i] = px_shape_tail(in, at->from[i] + 1);
    w = px_walk_merged(&w);
    copy_walk(s, &w);
}

static int64_t clamped(int64_t i, int64_t least, int64_t most)
{
    return i < least ? least : i > most ? most : i;
}

/* y: `count` places of `tail` elements each; the first one shows place `from` of x, which has `extent` places. */
static void see(real *y, const real *x, int64_t from, int64_t count, int64_t extent, int64_t tail)
{
    int64_t first = clamped(-from, 0, count), last = clamped(extent - from, first, count);
    memset(y, 0, (size_t)(first * tail) * sizeof y[0]);
    if (last > first)
        copy(y + first * tail, x + (from + first) * tail, (last - first) * tail);
    memset(y + last * tail, 0, (size_t)((count - last) * tail) * sizeof y[0]);
}

static void see_round(real *y, const real *x, int64_t from, int64_t count, int64_t extent, int64_t tail)
{
    for (from = (from % extent + extent) % extent; count > 0; from = 0) {
        int64_t n = extent - from < count ? extent - from : count;
        copy(y, x + from * tail, n * tail);
        y += n * tail;
        count -= n;
    }
}

void KERNEL(window)(const px_step *s)
{
    const px_window_attr *at = s->node->attr;
    px_shape in = s->node->in[0]->shape;
    int64_t tail = px_shape_tail(in, at->axis + 1), extent = in.dim[at->axis], elements = at->count * tail;
    int64_t rows = elements ? px_shape_count(s->node->out[0]->shape) / elements : 0;
    int64_t most = tail < PX_PIECE ? PX_PIECE / (tail ? tail : 1) : 1, pieces = (at->count + most - 1) / most;
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < rows * pieces; k++) {
        int64_t first = k % pieces * most, n = at->count - first < most ? at->count - first : most;
        (at->wraps ? see_round : see)((real *)s->out[0] + k / pieces * elements + first * tail,
                                      (const real *)s->in[0] + k / pieces * extent * tail, at->start + first, n, extent,
                                      tail);
    }
}

void KERNEL(concat)(const px_step *s)
{
    const px_node *node = s->node;
    int axis = ((const px_concat_attr *)node->attr)->axis;
    int64_t whole = px_shape_tail(node->out[0]->shape, axis), at = 0;
    real *y = s->out[0];
    for (int k = 0; k < node->inputs; k++) {
        const real *x = s->in[k];
        int64_t part = px_shape_tail(node->in[k]->shape, axis),
                rows = part ? px_shape_count(node->in[k]->shape) / part : 0;
#pragma omp parallel for schedule(static)
        for (int64_t r = 0; r < rows; r++)
            copy(y + r * whole + at, x + r * part, part);
        at += part;
    }
}
