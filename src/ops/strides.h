/* strides.h - walks several plain arrays together, some of which repeat along some axes or lie in another order: which elements
 * of each belong to a row of the result, and how a row is cut into pieces for the threads.
 *
 *     px_walk w = px_walk_along(out, 2, (const px_shape[]){a, b});
 *     #pragma omp parallel for schedule(static)
 *     for (int64_t k = 0; k < px_walk_pieces(&w); k++) {
 *         px_piece p = px_walk_piece(&w, k);
 *         for (int64_t i = 0; i < p.n; i++)
 *             y[p.at + i] = f(a[p.from[0] + i * p.step[0]], b[p.from[1] + i * p.step[1]]);
 *     }
 */
#ifndef PX_OPS_STRIDES_H
#define PX_OPS_STRIDES_H

#include "tensor/shape.h"

enum { PX_WALK_MAX = 2, PX_PIECE = 4096 };

typedef struct px_walk {
    px_shape shape; /* of the result; at least one axis, none that could be one with the next */
    int count;
    int64_t stride[PX_WALK_MAX][PX_RANK_MAX]; /* elements; 0 along an axis that repeats */
} px_walk;

/* Part of a row: `n` elements of the result from number `at` on, and where they are in each array. */
typedef struct px_piece {
    int64_t at, n, from[PX_WALK_MAX], step[PX_WALK_MAX];
} px_piece;

/* Axes that follow each other in all arrays become one, and those of extent 1 go. */
static inline px_walk px_walk_merged(const px_walk *w)
{
    px_walk m = {.count = w->count};
    int last = -1;
    for (int axis = 0; axis < w->shape.rank; axis++) {
        int64_t n = w->shape.dim[axis];
        bool joins = last >= 0;
        for (int k = 0; k < w->count; k++)
            joins = joins && m.stride[k][last] == w->stride[k][axis] * n;
        if (n == 1)
            continue;
        if (!joins)
            m.shape.dim[++last] = 1;
        m.shape.dim[last] *= n;
        for (int k = 0; k < w->count; k++)
            m.stride[k][last] = w->stride[k][axis];
    }
    if (last < 0)
        m.shape.dim[++last] = 1;
    m.shape.rank = last + 1;
    return m;
}

/* Along the elements of `shape`, arrays of shapes `x`, which broadcast to it: aligned at their last axes. */
static inline px_walk px_walk_along(px_shape shape, int count, const px_shape x[])
{
    px_walk w = {.shape = shape, .count = count};
    for (int k = 0; k < count; k++) {
        int64_t step = 1;
        for (int i = 1; i <= x[k].rank; i++) {
            int64_t n = x[k].dim[x[k].rank - i];
            w.stride[k][shape.rank - i] = n == 1 ? 0 : step;
            step *= n;
        }
    }
    return px_walk_merged(&w);
}

/* The place in array k of element number `i` of the shape without its last `less` axes. */
static inline int64_t px_walk_at(const px_walk *w, int k, int64_t i, int less)
{
    int64_t at = 0;
    for (int axis = w->shape.rank - 1 - less; axis >= 0 && i > 0; axis--) {
        at += i % w->shape.dim[axis] * w->stride[k][axis];
        i /= w->shape.dim[axis];
    }
    return at;
}

static inline int64_t px_walk_pieces(const px_walk *w)
{
    int64_t n = w->shape.dim[w->shape.rank - 1], elements = px_shape_count(w->shape);
    return elements ? elements / n * ((n + PX_PIECE - 1) / PX_PIECE) : 0;
}

static inline px_piece px_walk_piece(const px_walk *w, int64_t number)
{
    int last = w->shape.rank - 1;
    int64_t n = w->shape.dim[last], pieces = (n + PX_PIECE - 1) / PX_PIECE, row = number / pieces,
            first = number % pieces * PX_PIECE;
    px_piece p = {.at = row * n + first, .n = n - first < PX_PIECE ? n - first : PX_PIECE};
    for (int k = 0; k < w->count; k++) {
        p.step[k] = w->stride[k][last];
        p.from[k] = px_walk_at(w, k, row, 1) + first * p.step[k];
    }
    return p;
}

#endif
