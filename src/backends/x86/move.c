/* move.c - permuted axes. What lies next to each other in x and in y is copied in rows. Else two axes change places, that which is
 * the last one in y and that which is the last one in x: eight by eight elements, in registers, so that both x and y are
 * read and written in whole vectors. */
#include "backends/x86/kernels.h"
#include "ops/strides.h"

#include <string.h>

enum {
    SIDE = 8,   /* of a tile */
    BLOCK = 32, /* elements of x's last axis that one task moves, with all of y's last axis */
};

#if PX_ELEM_BF16
typedef uint16_t row __attribute__((vector_size(16)));
typedef uint16_t places __attribute__((vector_size(16)));
#else
typedef float row __attribute__((vector_size(32)));
typedef int32_t places __attribute__((vector_size(32)));
#endif

/* Rows i and i + 4 become rows 2i and 2i + 1, their elements alternating. Row and column as one number of six bits, it is rotated
 * by one bit. */
INLINE void alternate(row to[SIDE], const row from[SIDE])
{
#ifdef __clang__
    for (int i = 0; i < SIDE / 2; i++)
        for (int k = 0; k < SIDE; k++) {
            to[2 * i][k] = from[i + k % 2 * SIDE / 2][k / 2];
            to[2 * i + 1][k] = from[i + k % 2 * SIDE / 2][SIDE / 2 + k / 2];
        }
#else
    const places low = {0, 8, 1, 9, 2, 10, 3, 11}, high = {4, 12, 5, 13, 6, 14, 7, 15};
#pragma GCC unroll 4
    for (int i = 0; i < SIDE / 2; i++) {
        to[2 * i] = __builtin_shuffle(from[i], from[i + SIDE / 2], low);
        to[2 * i + 1] = __builtin_shuffle(from[i], from[i + SIDE / 2], high);
    }
#endif
}

/* y[i y_step + k] = x[k x_step + i] */
INLINE void turn_tile(elem *y, int64_t y_step, const elem *x, int64_t x_step)
{
    row a[SIDE], b[SIDE];
#pragma GCC unroll 8
    for (int k = 0; k < SIDE; k++)
        memcpy(&a[k], x + k * x_step, sizeof a[k]);
    alternate(b, a);
    alternate(a, b);
    alternate(b, a);
#pragma GCC unroll 8
    for (int i = 0; i < SIDE; i++)
        memcpy(y + i * y_step, &b[i], sizeof b[i]);
}

/* The same for i < rows, k < columns. */
static PX_MULTIVERSION(turn, (elem * y, int64_t y_step, const elem *x, int64_t x_step, int64_t rows, int64_t columns),
                       (y, y_step, x, x_step, rows, columns))
{
    for (int64_t k = 0; k < columns; k += SIDE)
        for (int64_t i = 0; i < rows; i += SIDE) {
            if (k + SIDE <= columns && i + SIDE <= rows) {
                turn_tile(y + i * y_step + k, y_step, x + k * x_step + i, x_step);
                continue;
            }
            for (int64_t r = i; r < rows && r < i + SIDE; r++)
                for (int64_t c = k; c < columns && c < k + SIDE; c++)
                    y[r * y_step + c] = x[c * x_step + r];
        }
}

/* The axis of the result along which x lies in order; -1: there is none. */
static int axis_in_order(const px_walk *w)
{
    for (int axis = 0; axis < w->shape.rank; axis++)
        if (w->stride[0][axis] == 1)
            return axis;
    return -1;
}

/* The place of the result's element number `i`, counted without axis `but` and the last one, and where it is in x. */
static void place_of(const px_walk *w, int but, int64_t i, int64_t *at, int64_t *from)
{
    *at = *from = 0;
    for (int axis = w->shape.rank - 2; axis >= 0; axis--) {
        if (axis == but)
            continue;
        int64_t k = i % w->shape.dim[axis];
        i /= w->shape.dim[axis];
        *at += k * px_shape_tail(w->shape, axis + 1);
        *from += k * w->stride[0][axis];
    }
}

static void turn_axes(const px_walk *w, int axis, const elem *x, elem *y)
{
    int last = w->shape.rank - 1;
    int64_t columns = w->shape.dim[last], extent = w->shape.dim[axis], y_step = px_shape_tail(w->shape, axis + 1),
            blocks = (extent + BLOCK - 1) / BLOCK, others = px_shape_count(w->shape) / (columns * extent);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < others * blocks; k++) {
        int64_t at, from, first = k % blocks * BLOCK;
        place_of(w, axis, k / blocks, &at, &from);
        turn(y + at + first * y_step, y_step, x + from + first, w->stride[0][last],
             extent - first < BLOCK ? extent - first : BLOCK, columns);
    }
}

/* Rows that stay rows, or elements that have no neighbours in x. */
static void copy_rows(const px_walk *w, const elem *x, elem *y)
{
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < px_walk_pieces(w); k++) {
        px_piece p = px_walk_piece(w, k);
        if (p.step[0] == 1)
            memcpy(y + p.at, x + p.from[0], (size_t)p.n * sizeof y[0]);
        else
            for (int64_t i = 0; i < p.n; i++)
                y[p.at + i] = x[p.from[0] + i * p.step[0]];
    }
}

void KERNEL(permute)(const px_step *s)
{
    const px_permute_attr *a = s->node->attr;
    px_shape in = s->node->in[0]->shape;
    px_walk w = {.shape = s->node->out[0]->shape, .count = 1};
    for (int i = 0; i < in.rank; i++)
        w.stride[0][i] = px_shape_tail(in, a->from[i] + 1);
    w = px_walk_merged(&w);
    int axis = axis_in_order(&w);
    if (axis < 0 || axis == w.shape.rank - 1 || px_shape_count(w.shape) == 0)
        copy_rows(&w, s->in[0], s->out[0]);
    else
        turn_axes(&w, axis, s->in[0], s->out[0]);
}
