/* grouped.c - convolutions in groups of 1 (depthwise), 2, 4 or 8 channels, each with as many outputs as inputs: without a
 * product per group and image. Eight neighbouring channels are one vector. What an output needs of the other channels of
 * its group lies in the same vector, in other places.
 *
 * Rows of the source are copied into a ring in scratch memory, as float, eight channels together, with zeros on both
 * sides. A row of the result is then a sum over taps without any question about borders. For the gradient of the input
 * the source is dy, and columns (and rows) of the result that differ by the stride have the same taps. */
#include "backends/x86/grouped.h"
#include "ops/epilogue.h"

#include <omp.h>
#include <string.h>

typedef float vec __attribute__((vector_size(32)));
typedef int places __attribute__((vector_size(32)));

/* ---- rows in and out ---- */

static PX_MULTIVERSION(gather,
                       (float *restrict row, const elem *restrict x, int64_t W, int64_t pixel, int64_t channel,
                        int lanes),
                       (row, x, W, pixel, channel, lanes))
{
    if (channel == 1 && lanes == LANES)
        for (int64_t w = 0; w < W; w++)
#pragma omp simd
            for (int b = 0; b < LANES; b++)
                row[w * LANES + b] = up(x[w * pixel + b]);
    else
        for (int b = 0; b < lanes; b++)
            for (int64_t w = 0; w < W; w++)
                row[w * LANES + b] = up(x[w * pixel + b * channel]);
}

static PX_MULTIVERSION(scatter,
                       (elem *restrict y, const float *restrict row, int64_t W, int64_t pixel, int64_t channel,
                        int lanes),
                       (y, row, W, pixel, channel, lanes))
{
    if (channel == 1 && lanes == LANES)
        for (int64_t w = 0; w < W; w++)
#pragma omp simd
            for (int b = 0; b < LANES; b++)
                y[w * pixel + b] = down(row[w * LANES + b]);
    else
        for (int b = 0; b < lanes; b++)
            for (int64_t w = 0; w < W; w++)
                y[w * pixel + b * channel] = down(row[w * LANES + b]);
}

static int lanes_of(const map *m, int64_t c)
{
    return (int)(m->C - c < LANES ? m->C - c : LANES);
}

/* Vectors that one task makes: two if they share a line of memory. */
static int64_t step_of(const pass *p)
{
    return p->from.channel == 1 && p->from.B % (2 * LANES) == 0 ? 2 * LANES : LANES;
}

/* Row r of the source, channels from c on, is in the ring afterwards. */
static void hold(const pass *p, desk *d, const elem *x, int64_t n, int64_t c, int pieces, int64_t r)
{
    int64_t place = r % p->ring;
    if (d->held[place] == r)
        return;
    d->held[place] = r;
    for (int k = 0; k < pieces; k++) {
        int64_t first = c + k * LANES;
        gather(d->ring + (k * p->ring + place) * row_floats(p) + p->left * LANES,
               x + origin(&p->from, n, first) + r * p->from.W * p->from.pixel, p->from.W, p->from.pixel,
               p->from.channel, lanes_of(&p->from, first));
    }
}

/* ---- sums over taps ---- */

/* A tap of a row of results: the source of the first result, and the weights (group, 8). */
typedef struct tap {
    const float *x, *w;
} tap;

/* *sum += *w x, with member i of its group in each place of x. By address: vectors as arguments would depend on the
 * processor. */
INLINE void add_product(vec *sum, const vec *w, const float *x, int i, int group)
{
    vec v = *(const vec *)x;
    if (group > 1) {
#ifdef __clang__
        vec from = v;
        for (int b = 0; b < LANES; b++)
            v[b] = from[(b & -group) | i];
#else
        const places all = {0, 1, 2, 3, 4, 5, 6, 7};
        v = __builtin_shuffle(v, (all & -group) | i);
#endif
    }
    *sum += *w * v;
}

INLINE void tile(float *y, int64_t y_step, const tap *t, int taps, int64_t at, int64_t x_step, const float *bias, int n,
                 int group)
{
    vec sum[8];
#pragma GCC unroll 8
    for (int k = 0; k < n; k++)
        sum[k] = *(const vec *)bias;
    for (int j = 0; j < taps; j++) {
        const float *x = t[j].x + at * x_step;
#pragma GCC unroll 8
        for (int i = 0; i < group; i++) {
            vec w = *(const vec *)(t[j].w + i * LANES);
#pragma GCC unroll 8
            for (int k = 0; k < n; k++)
                add_product(&sum[k], &w, x + k * x_step, i, group);
        }
    }
#pragma GCC unroll 8
    for (int k = 0; k < n; k++)
        *(vec *)(y + (at + k) * y_step) = sum[k];
}

INLINE void sum_group(float *y, int64_t y_step, const tap *t, int taps, int64_t count, int64_t x_step,
                      const float *bias, int group)
{
    int64_t at = 0;
    for (; at + 8 <= count; at += 8)
        tile(y, y_step, t, taps, at, x_step, bias, 8, group);
    for (; at + 3 <= count; at += 3)
        tile(y, y_step, t, taps, at, x_step, bias, 3, group);
    for (; at < count; at++)
        tile(y, y_step, t, taps, at, x_step, bias, 1, group);
}

/* y[j] = bias + sum over taps of w x[j], for j < count */
static PX_MULTIVERSION(sum_taps,
                       (float *y, int64_t y_step, const tap *t, int taps, int64_t count, int64_t x_step,
                        const float *bias, int group),
                       (y, y_step, t, taps, count, x_step, bias, group))
{
    if (group == 1)
        sum_group(y, y_step, t, taps, count, x_step, bias, 1);
    else if (group == 2)
        sum_group(y, y_step, t, taps, count, x_step, bias, 2);
    else if (group == 4)
        sum_group(y, y_step, t, taps, count, x_step, bias, 4);
    else
        sum_group(y, y_step, t, taps, count, x_step, bias, 8);
}

/* The source's place, along an axis, that tap k of place o of the result sees; false: none. */
static bool sees(const pass *p, int axis, int64_t o, int k, int64_t *place)
{
    int64_t stride = p->slide.stride[axis], shift = (int64_t)k * p->slide.dilation[axis] - p->slide.before[axis];
    if (!p->back) {
        *place = o * stride + shift;
        return true;
    }
    if ((o - shift) % stride)
        return false;
    *place = (o - shift) / stride;
    return true;
}

/* The taps of the results in row o, columns first, first + stride, ... of a piece. */
static int list_taps(const pass *p, const desk *d, const float *weight, int piece, int64_t o, int64_t first, tap *t)
{
    int taps = 0;
    for (int kh = 0; kh < p->slide.kernel[0]; kh++) {
        int64_t r, c;
        if (!sees(p, 0, o, kh, &r) || r < 0 || r >= p->from.H)
            continue;
        const float *row = d->ring + (piece * p->ring + r % p->ring) * row_floats(p);
        for (int kw = 0; kw < p->slide.kernel[1]; kw++)
            if (sees(p, 1, first, kw, &c))
                t[taps++] =
                    (tap){row + (p->left + c) * LANES, weight + (kh * p->slide.kernel[1] + kw) * p->group * LANES};
    }
    return taps;
}

/* One row of the result, channels from c on. */
static void make_row(const pass *p, desk *d, const float *packed, const float *bias, elem *y, int64_t n, int64_t c,
                     int pieces, int64_t o)
{
    int64_t phases = p->back ? p->slide.stride[1] : 1, x_step = p->back ? LANES : p->slide.stride[1] * LANES;
    tap t[TAPS_MAX];
    for (int k = 0; k < pieces; k++) {
        int64_t first = c + k * LANES;
        const float *weight = packed + first / LANES * taps_of(p) * p->group * LANES;
        float *row = d->row + k * p->to.W * LANES;
        float start[LANES] __attribute__((aligned(32))) = {0};
        for (int b = 0; bias && b < lanes_of(&p->to, first); b++)
            start[b] = bias[first + b];
        for (int64_t q = 0; q < phases && q < p->to.W; q++) {
            int taps = list_taps(p, d, weight, k, o, q, t);
            sum_taps(row + q * LANES, phases * LANES, t, taps, (p->to.W - 1 - q) / phases + 1, x_step, start, p->group);
        }
        scatter(y + origin(&p->to, n, first) + o * p->to.W * p->to.pixel, row, p->to.W, p->to.pixel, p->to.channel,
                lanes_of(&p->to, first));
    }
}

/* w (C, group, KH, KW) -> (C/8, KH KW, group, 8): forward, a place in a vector is an output; back, it is an input */
static void pack(const pass *p, const float *w, float *packed)
{
    int64_t taps = taps_of(p), group = p->group;
#pragma omp parallel for schedule(static)
    for (int64_t v = 0; v < vectors(p); v++)
        for (int64_t k = 0; k < taps; k++)
            for (int64_t i = 0; i < group; i++)
                for (int64_t b = 0; b < LANES; b++) {
                    int64_t c = v * LANES + b, other = c / group * group + i;
                    int64_t from = p->back ? (other * group + c % group) * taps + k : (c * group + i) * taps + k;
                    packed[((v * taps + k) * group + i) * LANES + b] = c < p->from.C ? w[from] : 0;
                }
}

static void convolve(const px_step *s, const pass *p, const float *w, const float *bias)
{
    float *packed = s->scratch;
    pack(p, w, packed);
    const elem *x = s->in[0];
    elem *y = s->out[px_epilogue_argument(s->node)];
    int64_t step = step_of(p), across = (p->from.C + step - 1) / step;
#pragma omp parallel num_threads(px_fast_threads(s, shared_bytes(p, 1), thread_bytes(p)))
    {
        desk d = desk_of(s, p, shared_bytes(p, 1));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < p->N * across; i++) {
            int64_t n = i / across, c = i % across * step;
            int pieces = (int)(step / LANES);
            for (int64_t k = 0; k < p->ring; k++)
                d.held[k] = -1;
            for (int64_t o = 0; o < p->to.H; o++) {
                for (int kh = 0; kh < p->slide.kernel[0]; kh++) {
                    int64_t r;
                    if (sees(p, 0, o, kh, &r) && r >= 0 && r < p->from.H)
                        hold(p, &d, x, n, c, pieces, r);
                }
                make_row(p, &d, packed, bias, y, n, c, pieces, o);
            }
        }
    }
}

/* ---- the gradient of weights ---- */

INLINE void weigh_some(float *sum, const float *x, const float *dy, int64_t count, int64_t x_step, int64_t gap,
                       int taps, int group)
{
#pragma GCC unroll 8
    for (int i = 0; i < group; i++) {
        vec total[7];
#pragma GCC unroll 7
        for (int k = 0; k < taps; k++)
            total[k] = (vec){0};
        for (int64_t j = 0; j < count; j++) {
            vec d = *(const vec *)(dy + j * LANES);
#pragma GCC unroll 7
            for (int k = 0; k < taps; k++)
                add_product(&total[k], &d, x + j * x_step + k * gap, i, group);
        }
#pragma GCC unroll 7
        for (int k = 0; k < taps; k++)
            *(vec *)(sum + (k * group + i) * LANES) += total[k];
    }
}

INLINE void weigh_group(float *sum, const float *x, const float *dy, int64_t count, int64_t x_step, int64_t gap,
                        int taps, int group)
{
    if (taps == 3)
        weigh_some(sum, x, dy, count, x_step, gap, 3, group);
    else if (taps == 5)
        weigh_some(sum, x, dy, count, x_step, gap, 5, group);
    else if (taps == 7)
        weigh_some(sum, x, dy, count, x_step, gap, 7, group);
    else
        for (int k = 0; k < taps; k++)
            weigh_some(sum + k * group * LANES, x + k * gap, dy, count, x_step, gap, 1, group);
}

/* sum (taps, group, 8) += over j < count of dy[j] x[j x_step + tap gap], for a row of taps */
static PX_MULTIVERSION(weigh_row,
                       (float *sum, const float *x, const float *dy, int64_t count, int64_t x_step, int64_t gap,
                        int taps, int group),
                       (sum, x, dy, count, x_step, gap, taps, group))
{
    if (group == 1)
        weigh_group(sum, x, dy, count, x_step, gap, taps, 1);
    else if (group == 2)
        weigh_group(sum, x, dy, count, x_step, gap, taps, 2);
    else if (group == 4)
        weigh_group(sum, x, dy, count, x_step, gap, taps, 4);
    else
        weigh_group(sum, x, dy, count, x_step, gap, taps, 8);
}

/* One image's share of the gradient, channels from c on. */
static void weigh_image(const pass *p, desk *d, const elem *x, const elem *dy, float *sum, int64_t n, int64_t c,
                        int pieces)
{
    const px_sliding *k = &p->slide;
    for (int64_t i = 0; i < p->ring; i++)
        d->held[i] = -1;
    for (int64_t o = 0; o < p->to.H; o++)
        for (int q = 0; q < pieces; q++) {
            int64_t first = c + q * LANES;
            gather(d->row + q * p->to.W * LANES, dy + origin(&p->to, n, first) + o * p->to.W * p->to.pixel, p->to.W,
                   p->to.pixel, p->to.channel, lanes_of(&p->to, first));
            float *totals = sum + first / LANES * taps_of(p) * p->group * LANES;
            for (int kh = 0; kh < k->kernel[0]; kh++) {
                int64_t r = o * k->stride[0] + kh * k->dilation[0] - k->before[0];
                if (r < 0 || r >= p->from.H)
                    continue;
                hold(p, d, x, n, c, pieces, r);
                weigh_row(totals + kh * k->kernel[1] * p->group * LANES,
                          d->ring + (q * p->ring + r % p->ring) * row_floats(p), d->row + q * p->to.W * LANES, p->to.W,
                          k->stride[1] * LANES, k->dilation[1] * LANES, k->kernel[1], p->group);
            }
        }
}

static int parts_of(const pass *p)
{
    return p->N < PARTS ? (int)larger(p->N, 1) : PARTS;
}

/* Images in at most PARTS parts, whatever the number of threads; their sums are added in order. */
static void weigh(const px_step *s, const pass *p)
{
    int parts = parts_of(p);
    int64_t step = step_of(p), across = (p->from.C + step - 1) / step, taps = taps_of(p), group = p->group;
    float *sum = s->scratch, *dw = s->out[0];
#pragma omp parallel num_threads(px_fast_threads(s, shared_bytes(p, parts), thread_bytes(p)))
    {
        desk d = desk_of(s, p, shared_bytes(p, parts));
        memset(d.row, 0, (size_t)(PIECES * p->to.W * LANES) * sizeof(float));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < parts * across; i++) {
            int64_t part = i / across, c = i % across * step;
            float *own = sum + part * packed_floats(p);
            int64_t each = taps * group * LANES;
            memset(own + c / LANES * each, 0, (size_t)(step / LANES * each) * sizeof(float));
            for (int64_t n = p->N * part / parts; n < p->N * (part + 1) / parts; n++)
                weigh_image(p, &d, s->in[0], s->in[1], own, n, c, (int)(step / LANES));
        }
#pragma omp for schedule(static)
        for (int64_t o = 0; o < p->from.C; o++)
            for (int64_t j = 0; j < group * taps; j++) {
                double total = 0;
                for (int part = 0; part < parts; part++)
                    total += sum[part * packed_floats(p) + ((o / LANES * taps + j % taps) * group + j / taps) * LANES +
                                 o % LANES];
                dw[o * group * taps + j] = (float)total;
            }
    }
}

/* ---- steps ---- */

static pass forward_of(const px_node *n, px_shape x, int x_block, px_shape y, int y_block, px_shape w)
{
    return pass_of(n->attr, w, x, x_block, y, y_block, false);
}

/* x, w, bias -> y */
void KERNEL(grouped_conv2d)(const px_step *s)
{
    const px_node *n = s->node;
    pass p = forward_of(n, n->in[0]->shape, s->in_format[0].block, n->out[0]->shape, s->out_format[0].block,
                        n->in[1]->shape);
    convolve(s, &p, s->in[1], s->in[2]);
    KERNEL(epilogue)(s);
}

/* dy, w, x -> dx */
void KERNEL(grouped_conv2d_back_data)(const px_step *s)
{
    const px_node *n = s->node;
    pass p = pass_of(n->attr, n->in[1]->shape, n->in[0]->shape, s->in_format[0].block, n->out[0]->shape,
                     s->out_format[0].block, true);
    convolve(s, &p, s->in[1], NULL);
}

/* x, dy, w -> dw */
void KERNEL(grouped_conv2d_back_weight)(const px_step *s)
{
    const px_node *n = s->node;
    pass p =
        forward_of(n, n->in[0]->shape, s->in_format[0].block, n->in[1]->shape, s->in_format[1].block, n->out[0]->shape);
    weigh(s, &p);
}

#if !PX_ELEM_BF16
bool px_fast_grouped_fits(px_shape x, px_shape w)
{
    int64_t group = w.dim[1];
    return group < x.dim[1] && w.dim[0] == x.dim[1] && (group == 1 || group == 2 || group == 4 || group == 8) &&
           w.dim[2] * w.dim[3] <= TAPS_MAX;
}

size_t px_fast_grouped_bytes(const px_node *n, px_grouped_pass which)
{
    bool weight = which == PX_GROUPED_WEIGHT;
    pass p = pass_of(n->attr, n->in[weight ? 2 : 1]->shape, n->in[0]->shape, 1,
                     weight ? n->in[1]->shape : n->out[0]->shape, 1, which == PX_GROUPED_DATA);
    return shared_bytes(&p, weight ? parts_of(&p) : 1) + (size_t)omp_get_max_threads() * thread_bytes(&p);
}
#endif
