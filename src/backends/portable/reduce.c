/* reduce.c - portable kernels of reductions over axes. Each output is computed by one thread, in double, in an order that only
 * the shape decides. */
#include "backends/portable/portable.h"
#include "ops/attr.h"
#include "ops/strides.h"

#include <math.h>

enum { LANES = 64 };

/* Where the elements of the outputs are: output (o, c) has those at outer(o) + inner(k) + c + r, for k < inners, r < run. */
typedef struct reduction {
    px_reduction kind;
    px_walk outer, inner;
    int64_t outers, inners;
    int64_t columns, run; /* the axes at the end, which are kept or are reduced: one of the two is 1 */
} reduction;

static reduction reduction_of(const px_step *s)
{
    const px_reduce_attr *at = s->node->attr;
    px_shape x = s->node->in[0]->shape;
    px_walk outer = {.shape = x, .count = 1}, inner = outer;
    reduction r = {.kind = at->kind, .columns = 1, .run = 1};
    bool over = x.rank > 0 && at->over[x.rank - 1], at_end = true;
    for (int i = x.rank - 1; i >= 0; i--) {
        outer.stride[0][i] = inner.stride[0][i] = px_shape_tail(x, i + 1);
        at_end = at_end && (at->over[i] == over || x.dim[i] == 1);
        if (at_end)
            *(over ? &r.run : &r.columns) *= x.dim[i];
        if (at_end || at->over[i])
            outer.shape.dim[i] = 1;
        if (at_end || !at->over[i])
            inner.shape.dim[i] = 1;
    }
    r.outer = px_walk_merged(&outer);
    r.inner = px_walk_merged(&inner);
    r.outers = px_shape_count(r.outer.shape);
    r.inners = px_shape_count(r.inner.shape);
    return r;
}

/* Takes n elements into the lanes: for the largest, for sums, or with `most` for sums of e^(x - most). */
static void take(double lane[LANES], const real *x, int64_t n, bool largest, const double *most)
{
    if (largest) /* NaN stays: nothing is larger */
        for (int64_t i = 0; i < n; i++)
            lane[i] = up(x[i]) > lane[i] || up(x[i]) != up(x[i]) ? up(x[i]) : lane[i];
    else if (most)
        for (int64_t i = 0; i < n; i++)
            lane[i] += exp(up(x[i]) - most[i]);
    else
        for (int64_t i = 0; i < n; i++)
            lane[i] += up(x[i]);
}

/* One result for each of `n` columns, x being the first element of the first column; a run has one column, whose elements are
 * shared out among the lanes. */
static void pass(const reduction *r, const real *x, int64_t n, bool largest, const double *most, double lane[LANES])
{
    for (int i = 0; i < LANES; i++)
        lane[i] = largest ? -INFINITY : 0;
    for (int64_t k = 0; k < r->inners; k++) {
        const real *at = x + px_walk_at(&r->inner, 0, k, 0);
        if (r->run == 1)
            take(lane, at, n, largest, most);
        for (int64_t i = 0; r->run > 1 && i < r->run; i += LANES)
            take(lane, at + i, r->run - i < LANES ? r->run - i : LANES, largest, most);
    }
    for (int i = 1; r->run > 1 && i < LANES; i++)
        if (!largest)
            lane[0] += lane[i];
        else if (lane[i] > lane[0] || lane[i] != lane[i])
            lane[0] = lane[i];
}

static void log_sum_exp(const reduction *r, const real *x, int64_t n, double lane[LANES])
{
    double most[LANES], shift[LANES];
    pass(r, x, n, true, NULL, most);
    for (int i = 0; i < LANES; i++)
        shift[i] = most[r->run > 1 ? 0 : i];
    pass(r, x, n, false, shift, lane);
    for (int i = 0; i < n; i++)
        lane[i] = isfinite(most[i]) ? most[i] + log(lane[i]) : most[i];
}

/* The results of `n` columns of output row `o`, from column `first` on. */
static void results(const reduction *r, const real *x, int64_t o, int64_t first, int64_t n, double lane[LANES])
{
    x += px_walk_at(&r->outer, 0, o, 0) + first;
    if (r->kind == PX_LOG_SUM_EXP)
        log_sum_exp(r, x, n, lane);
    else
        pass(r, x, n, r->kind == PX_AMAX, NULL, lane);
    for (int i = 0; i < n && r->kind == PX_MEAN; i++)
        lane[i] /= (double)(r->inners * r->run);
}

/* Stores the results in y or, sums of bf16, in float in `sums`; the other one is NULL. */
static void reduce_to(const px_step *s, real *y, wide *sums)
{
    reduction r = reduction_of(s);
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t o = 0; o < r.outers; o++)
        for (int64_t c = 0; c < r.columns; c += LANES) {
            double lane[LANES];
            int64_t n = r.columns - c < LANES ? r.columns - c : LANES, at = o * r.columns + c;
            results(&r, s->in[0], o, c, n, lane);
            for (int64_t i = 0; y && i < n; i++)
                y[at + i] = down((wide)lane[i]);
            for (int64_t i = 0; sums && i < n; i++)
                sums[at + i] = (wide)lane[i];
        }
}

void KERNEL(reduce)(const px_step *s)
{
    reduce_to(s, s->out[0], NULL);
}

void KERNEL(sum)(const px_step *s)
{
    reduce_to(s, NULL, s->out[0]);
}

/* The place of the largest element along the one reduced axis; the first one of several. */
void KERNEL(argmax)(const px_step *s)
{
    int axis = ((const px_argmax_attr *)s->node->attr)->axis;
    px_shape x = s->node->in[0]->shape;
    int64_t tail = px_shape_tail(x, axis + 1), extent = x.dim[axis], n = px_shape_count(s->node->out[0]->shape);
    int32_t *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < n; k++) {
        const real *at = (const real *)s->in[0] + k / tail * extent * tail + k % tail;
        int64_t best = 0;
        for (int64_t i = 1; i < extent; i++)
            best = up(at[i * tail]) > up(at[best * tail]) ? i : best;
        y[k] = (int32_t)best;
    }
}
