/* binary.c - functions of two numbers, each operand and the result in float or bf16: strips of numbers are converted to float,
 * computed, and converted back. A number for each channel meets an activation in the activation's own format. */
#include "backends/rows.h"
#include "backends/x86/kernels.h"
#include "ops/attr.h"
#include "ops/epilogue.h"
#include "ops/functions.h"
#include "ops/strides.h"

#include <string.h>

enum { STRIP = 512 }; /* elements; three strips of floats stay in the first-level cache */

/* An operand, or the result, of a piece. */
typedef struct operand {
    const void *at;
    bool bf16;
    int64_t step; /* 0: the same number for the whole piece */
} operand;

static PX_MULTIVERSION(widen, (float *y, const px_bf16 *x, int64_t n), (y, x, n))
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = px_bf16_float(x[i]);
}

static PX_MULTIVERSION(narrow, (px_bf16 * y, const float *x, int64_t n), (y, x, n))
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = px_bf16_of(x[i]);
}

/* n numbers from number `first` on as floats: in `strip`, or where they are. */
static const float *load(operand x, int64_t first, int64_t n, float strip[STRIP])
{
    if (x.step == 0) {
        if (first == 0)
            for (int64_t i = 0; i < STRIP; i++)
                strip[i] = x.bf16 ? px_bf16_float(*(const px_bf16 *)x.at) : *(const float *)x.at;
        return strip;
    }
    if (!x.bf16)
        return (const float *)x.at + first;
    widen(strip, (const px_bf16 *)x.at + first, n);
    return strip;
}

#define EACH(name, text, value)                                                                                        \
    case PX_##name:                                                                                                    \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                            \
        {                                                                                                              \
            float x = a[i], z = b[i];                                                                                  \
            y[i] = value;                                                                                              \
        }                                                                                                              \
        break;

static PX_MULTIVERSION(compute, (px_pair function, float *y, const float *a, const float *b, int64_t n),
                       (function, y, a, b, n))
{
    switch (function) {
        PX_PAIRS(EACH)
    }
}

/* What follows the function, of a piece of results: residual and activation. All have the results' type. */
typedef struct tail {
    const px_unary_attr *act; /* NULL: none */
    const char *residual;     /* NULL: none */
    char *argument;           /* NULL: it is not kept */
    bool bf16;
} tail;

static tail tail_of(const px_step *s)
{
    int residual = px_epilogue_residual(s->node), argument = px_epilogue_argument(s->node);
    return (tail){px_epilogue_act(s->node), residual ? s->in[residual] : NULL, argument ? s->out[argument] : NULL,
                  s->out_format[0].dtype == PX_BF16};
}

/* Number `first` to `first` + n of the results, which are at y. */
static void finish(const tail *t, void *y, int64_t first, int64_t n)
{
    size_t size = t->bf16 ? sizeof(px_bf16) : sizeof(float), at = (size_t)first * size;
    const void *residual = t->residual ? t->residual + at : NULL;
    void *argument = t->argument ? t->argument + at : NULL;
    if (!t->act && !residual)
        return;
    if (argument)
        memcpy(argument, y, (size_t)n * size);
    if (t->bf16)
        px_fast_bf16_finish(t->act, y, argument, residual, n);
    else
        px_fast_f32_finish(t->act, y, argument, residual, n);
}

/* Results, which in float are at their place already, and what follows them. */
static void store(void *y, int64_t at, const float *values, int64_t n, const tail *t)
{
    if (t->bf16) {
        narrow((px_bf16 *)y + at, values, n);
        finish(t, (px_bf16 *)y + at, at, n);
    } else {
        finish(t, (float *)y + at, at, n);
    }
}

static void piece(px_pair function, operand a, operand b, void *y, px_piece p, const tail *t)
{
    float strip_a[STRIP], strip_b[STRIP], strip_y[STRIP];
    for (int64_t k = 0; k < p.n; k += STRIP) {
        int64_t count = p.n - k < STRIP ? p.n - k : STRIP, at = p.at + k;
        float *out = t->bf16 ? strip_y : (float *)y + at;
        compute(function, out, load(a, k, count, strip_a), load(b, k, count, strip_b), count);
        store(y, at, out, count, t);
    }
}

static operand operand_of(const px_step *s, int i, px_piece p)
{
    bool bf16 = s->in_format[i].dtype == PX_BF16;
    size_t size = bf16 ? sizeof(px_bf16) : sizeof(float);
    return (operand){(const char *)s->in[i] + (size_t)p.from[i] * size, bf16, p.step[i]};
}

void px_fast_binary_run(const px_step *s)
{
    const px_node *node = s->node;
    px_walk w = px_walk_along(node->out[0]->shape, 2, (const px_shape[]){node->in[0]->shape, node->in[1]->shape});
    px_pair function = ((const px_binary_attr *)node->attr)->function;
    tail t = tail_of(s);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < px_walk_pieces(&w); k++) {
        px_piece p = px_walk_piece(&w, k);
        piece(function, operand_of(s, 0, p), operand_of(s, 1, p), s->out[0], p, &t);
    }
}

/* ---- a number for each channel, or for each channel of each sample, with (N, C, H, W) in a blocked format ---- */

/* The number of the operand that has the result's shape, the other one being (C, 1, 1), (1, C, 1, 1) or (N, C, 1, 1);
 * -1: there is none. */
static int whole_operand(const px_node *n)
{
    px_shape y = n->out[0]->shape;
    int whole = px_shape_equal(n->in[0]->shape, y) ? 0 : 1;
    px_shape x = n->in[1 - whole]->shape;
    if (!px_shape_equal(n->in[whole]->shape, y) || y.rank != 4 || x.rank < 3 || x.dim[x.rank - 1] != 1 ||
        x.dim[x.rank - 2] != 1 || x.dim[x.rank - 3] != y.dim[1])
        return -1;
    return whole;
}

static bool accepts(const px_plan *p, const px_step *s)
{
    int whole = whole_operand(s->node);
    if (whole < 0 || px_plan_undecided(p, s->node->in[whole]))
        return false;
    px_storage st = px_plan_format(p, s->node->in[whole]);
    return !st.own && st.block > 1;
}

/* A task's rows of `B` channels, its pattern (the channels' numbers), and the results. */
typedef struct rows {
    operand x;
    operand pattern;
    void *y;    /* all results */
    int64_t at; /* the place of the first row's in them */
    int64_t count, B;
    tail then;
} rows;

static operand moved(operand x, int64_t by)
{
    size_t size = x.bf16 ? sizeof(px_bf16) : sizeof(float);
    x.at = (const char *)x.at + (size_t)by * size;
    return x;
}

/* Channels `from` to `from` + width of all rows. If that is the whole row, several rows make a strip. */
static void strips(px_pair function, const rows *r, bool whole_first, int64_t from, int64_t width)
{
    float pattern[STRIP], strip_x[STRIP], strip_y[STRIP];
    int64_t repeat = width == r->B ? STRIP / width : 1;
    const float *one = load(moved(r->pattern, from), 0, width, strip_x);
    for (int64_t i = 0; i < repeat; i++)
        for (int64_t b = 0; b < width; b++)
            pattern[i * width + b] = one[b];
    for (int64_t k = 0; k < r->count; k += repeat) {
        int64_t n = (r->count - k < repeat ? r->count - k : repeat) * width, at = k * r->B + from;
        const float *x = load(moved(r->x, at), 0, n, strip_x);
        float *y = r->then.bf16 ? strip_y : (float *)r->y + r->at + at;
        compute(function, y, whole_first ? x : pattern, whole_first ? pattern : x, n);
        store(r->y, r->at + at, y, n, &r->then);
    }
}

static void per_channel(const px_step *s)
{
    const px_node *n = s->node;
    int whole = whole_operand(n), other = 1 - whole;
    px_blocks v = px_blocks_of(n->out[0], s->out_format[0]);
    px_pair function = ((const px_binary_attr *)n->attr)->function;
    bool each = px_shape_count(n->in[other]->shape) > v.G * v.B; /* each sample has its own numbers */
    int64_t piece = v.B < PX_PIECE ? PX_PIECE / v.B : 1, pieces = (v.S + piece - 1) / piece;
    operand x = {s->in[whole], s->in_format[whole].dtype == PX_BF16, 1},
            channels = {s->in[other], s->in_format[other].dtype == PX_BF16, 1};
    tail t = tail_of(s);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < v.N * v.G * pieces; k++) {
        int64_t plane = k / pieces, first = k % pieces * piece, at = (plane * v.S + first) * v.B;
        rows r = {.x = moved(x, at),
                  .pattern = moved(channels, (each ? plane : plane % v.G) * v.B),
                  .y = s->out[0],
                  .at = at,
                  .then = t,
                  .count = v.S - first < piece ? v.S - first : piece,
                  .B = v.B};
        for (int64_t from = 0; from < v.B; from += STRIP)
            strips(function, &r, whole == 0, from, v.B - from < STRIP ? v.B - from : STRIP);
    }
}

void px_fast_need_tail(px_plan *p, px_step *s, px_storage format)
{
    int residual = px_epilogue_residual(s->node), argument = px_epilogue_argument(s->node);
    if (residual)
        px_plan_need(p, s, residual, format);
    px_plan_make(p, s, 0, format);
    if (argument)
        px_plan_make(p, s, argument, format);
}

static bool prepare(px_plan *p, px_step *s)
{
    const px_node *n = s->node;
    int whole = whole_operand(n), other = 1 - whole;
    px_storage st = px_plan_format(p, n->in[whole]);
    s->in_place = 1 + whole;
    px_plan_need(p, s, whole, st);
    px_plan_need(p, s, other, px_storage_blocked(n->in[other], 1, px_plan_format(p, n->in[other]).dtype));
    px_fast_need_tail(p, s, px_storage_blocked(n->out[0], st.block, st.dtype));
    s->run = per_channel;
    s->kernel = "pretext:channels";
    return true;
}

const px_kernel_row px_row_binary_channels = {.op = &px_op_binary, .accepts = accepts, .prepare = prepare};
