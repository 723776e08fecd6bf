/* norm.c - batch normalisation on blocked formats (N, G, S, B); each kernel makes one pass over memory.
 *
 * Sums are taken in double over a fixed number of chunks of samples, and chunks are added in order: the result does not
 * depend on the number of threads. */
#include "ops/norm.h"
#include "backends/x86/norm_planes.h"
#include "ops/epilogue.h"

#include <string.h>

enum { CHUNKS = 64 };

/* Numbers per channel, in float, as the inner loops use them. */
typedef struct channels {
    float *mean, *a, *beta, *k1, *k2; /* (C) each; a = gamma * inverse; k1, k2: see back_plane */
} channels;

/* ---- activations other than relu: a tile at a time goes through a buffer in the first-level cache ---- */

enum { BUFFER = 512 };

/* Channels [first, first + width) of `rows` rows. */
typedef struct tile {
    int64_t rows, first, width, B;
} tile;

/* The tile at row i and channel b of a plane (S, B): whole rows if they fit. */
static tile tile_at(int64_t i, int64_t b, int64_t S, int64_t B)
{
    int64_t rows = B < BUFFER ? BUFFER / B : 1;
    return (tile){S - i < rows ? S - i : rows, b, B - b < BUFFER ? B - b : BUFFER, B};
}

/* The same elements as one row, where they lie one after the other. */
INLINE tile flat(tile t)
{
    return t.width == t.B ? (tile){1, t.first, t.rows * t.width, t.rows * t.width} : t;
}

INLINE void argument_rows(float *v, const elem *x, const elem *residual, tile t, int64_t width, const float *mean,
                          const float *a, const float *beta)
{
    for (int64_t r = 0; r < t.rows; r++) {
        if (width >= 8)
            fetch_ahead(x + r * t.B, width);
        if (width >= 8 && residual)
            fetch_ahead(residual + r * t.B, width);
#pragma omp simd
        for (int64_t b = 0; b < width; b++) {
            int64_t at = r * t.B + b;
            v[r * width + b] = (up(x[at]) - mean[b]) * a[b] + beta[b] + (residual ? up(residual[at]) : 0);
        }
    }
}

/* v (rows, width) = (x - mean) a + beta + residual */
static PX_MULTIVERSION(arguments,
                       (float *v, const elem *x, const elem *residual, tile t, const float *mean, const float *a,
                        const float *beta),
                       (v, x, residual, t, mean, a, beta))
{
    if (t.width == 16)
        argument_rows(v, x, residual, t, 16, mean, a, beta);
    else if (t.width == 8)
        argument_rows(v, x, residual, t, 8, mean, a, beta);
    else
        argument_rows(v, x, residual, t, t.width, mean, a, beta);
}

static PX_MULTIVERSION(load, (float *v, const elem *from, tile t), (v, from, t))
{
    t = flat(t);
    for (int64_t r = 0; r < t.rows; r++) {
        fetch_ahead(from + r * t.B, t.width);
#pragma omp simd
        for (int64_t b = 0; b < t.width; b++)
            v[r * t.width + b] = up(from[r * t.B + b]);
    }
}

static PX_MULTIVERSION(store, (elem * to, const float *v, tile t), (to, v, t))
{
    t = flat(t);
    for (int64_t r = 0; r < t.rows; r++)
#pragma omp simd
        for (int64_t b = 0; b < t.width; b++)
            to[r * t.B + b] = down(v[r * t.width + b]);
}

/* d (rows, B) = dy times slopes (rows, width) */
static PX_MULTIVERSION(times, (elem * d, const elem *dy, const float *slope, tile t), (d, dy, slope, t))
{
    t = flat(t);
    for (int64_t r = 0; r < t.rows; r++) {
        fetch_ahead(dy + r * t.B, t.width);
#pragma omp simd
        for (int64_t b = 0; b < t.width; b++)
            d[r * t.B + b] = down(up(dy[r * t.B + b]) * slope[r * t.width + b]);
    }
}

/* A plane of batch norm with any activation. `argument` may be NULL. */
static void norm_plane_by(const px_unary_attr *act, elem *y, elem *argument, const elem *x, const elem *residual,
                          int64_t S, int64_t B, const float *mean, const float *a, const float *beta)
{
    float v[BUFFER];
    for (int64_t i = 0, rows; i < S; i += rows) {
        rows = tile_at(i, 0, S, B).rows;
        for (int64_t b = 0; b < B; b += BUFFER) {
            tile t = tile_at(i, b, S, B);
            int64_t at = i * B + b;
            arguments(v, x + at, residual ? residual + at : NULL, t, mean + b, a + b, beta + b);
            if (argument)
                store(argument + at, v, t);
            KERNEL(values)(act, v, v, t.rows * t.width);
            store(y + at, v, t);
        }
    }
}

/* d = dy times the activation's slope, for a tile: from `of`, y or the argument, or NULL: from x. */
static void through_tile(const px_unary_attr *act, elem *d, const elem *dy, const elem *x, const elem *of, tile t,
                         const float *mean, const float *a, const float *beta)
{
    float v[BUFFER];
    if (of) {
        load(v, of, t);
        KERNEL(slopes)(act, v, t.rows * t.width);
    } else {
        arguments(v, x, NULL, t, mean, a, beta);
        KERNEL(slopes_at)(act, v, t.rows * t.width);
    }
    times(d, dy, v, t);
}

/* As back_sums_plane. */
static void back_sums_plane_by(const px_unary_attr *act, back_operands o, int64_t S, int64_t B)
{
    elem buffer[BUFFER];
    for (int64_t i = 0, rows; i < S; i += rows) {
        rows = tile_at(i, 0, S, B).rows;
        for (int64_t b = 0; b < B; b += BUFFER) {
            tile t = tile_at(i, b, S, B);
            int64_t at = i * B + b;
            elem *d = o.d ? o.d + at : buffer;
            const float *mean = o.mean + b, *a = o.a + b, *beta = o.beta + b;
            through_tile(act, d, o.dy + at, o.x + at, o.y ? o.y + at : NULL, t, mean, a, beta);
            back_operands part = {
                .dy = d, .x = o.x + at, .mean = mean, .a = a, .beta = beta, .sum = o.sum + b, .dot = o.dot + b};
            back_sums_plane(part, t.rows, t.width, false);
        }
    }
}

/* As back_plane. */
static void back_plane_by(const px_unary_attr *act, elem *dx, const elem *dy, const elem *x, int64_t S, int64_t B,
                          channels c)
{
    elem d[BUFFER];
    for (int64_t i = 0, rows; i < S; i += rows) {
        rows = tile_at(i, 0, S, B).rows;
        for (int64_t b = 0; b < B; b += BUFFER) {
            tile t = tile_at(i, b, S, B);
            int64_t at = i * B + b;
            through_tile(act, d, dy + at, x + at, NULL, t, c.mean + b, c.a + b, c.beta + b);
            back_plane(dx + at, d, x + at, t.rows, t.width, c.mean + b, c.a + b, c.beta + b, c.k1 + b, c.k2 + b, false);
        }
    }
}

/* ---- scratch: five float arrays of C, then chunk sums (CHUNKS, 2, C) in double ---- */

static size_t float_bytes(int64_t C)
{
    return (size_t)(5 * C + 15) / 16 * 16 * sizeof(float);
}

#if !PX_ELEM_BF16
size_t px_fast_norm_bytes(int64_t C)
{
    return float_bytes(C) + (size_t)(CHUNKS * 2 * C) * sizeof(double);
}
#endif

static double *chunk_sums(const px_step *s, int64_t C)
{
    double *sums = (double *)((char *)s->scratch + float_bytes(C));
    memset(sums, 0, (size_t)(CHUNKS * 2 * C) * sizeof sums[0]);
    return sums;
}

static channels channels_of(const px_step *s, int64_t C, const double *sums, const float *gamma, const float *beta,
                            const double *back)
{
    const px_norm_attr *at = s->node->attr;
    float *f = s->scratch;
    channels c = {f, f + C, f + 2 * C, f + 3 * C, f + 4 * C};
    double n = px_norm_count(s);
    for (int64_t i = 0; i < C; i++) {
        px_channel_moments m = px_channel_moments_of(sums, i, C, n, at->eps);
        double a = gamma[i] * m.inverse;
        c.mean[i] = (float)m.mean;
        c.a[i] = (float)a;
        c.beta[i] = beta[i];
        bool flows = back && !at->frozen;
        c.k1[i] = flows ? (float)(a * back[i] / n) : 0;
        c.k2[i] = flows ? (float)(a * m.inverse * back[C + i] / n) : 0;
    }
    return c;
}

/* Adds the chunks in order. */
static void add_chunks(const double *chunks, int64_t C, double *out)
{
    for (int64_t i = 0; i < 2 * C; i++) {
        double total = 0;
        for (int k = 0; k < CHUNKS; k++)
            total += chunks[k * 2 * C + i];
        out[i] = total;
    }
}

/* ---- kernels ---- */

static px_blocks blocks_of(const px_step *s, int input)
{
    return px_blocks_of(s->node->in[input], s->in_format[input]);
}

void KERNEL(batch_sums)(const px_step *s)
{
    px_blocks v = blocks_of(s, 0);
    int64_t C = v.G * v.B;
    const elem *x = s->in[0];
    double *chunks = chunk_sums(s, C);
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t k = 0; k < CHUNKS; k++)
        for (int64_t g = 0; g < v.G; g++)
            for (int64_t n = v.N * k / CHUNKS; n < v.N * (k + 1) / CHUNKS; n++)
                sums_plane(x + (n * v.G + g) * v.S * v.B, v.S, v.B, chunks + k * 2 * C + g * v.B,
                           chunks + (k * 2 + 1) * C + g * v.B);
    add_chunks(chunks, C, s->out[0]);
}

/* Whether the loops for relu, or those without an activation, do. */
static bool is_plain(const px_unary_attr *act)
{
    return !act || act->function == PX_FN_RELU;
}

/* x, sums, gamma, beta, residual -> y, argument */
void KERNEL(batch_norm)(const px_step *s)
{
    int argument = px_epilogue_argument(s->node);
    const px_unary_attr *act = px_epilogue_act(s->node);
    px_blocks v = blocks_of(s, 0);
    const elem *x = s->in[0], *residual = s->in[4];
    elem *y = s->out[0], *keep = argument ? s->out[argument] : NULL;
    channels c = channels_of(s, v.G * v.B, s->in[1], s->in[2], s->in[3], NULL);
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t n = 0; n < v.N; n++)
        for (int64_t g = 0; g < v.G; g++) {
            int64_t at0 = (n * v.G + g) * v.S * v.B, ch = g * v.B;
            const elem *more = residual ? residual + at0 : NULL;
            if (is_plain(act))
                norm_plane(y + at0, x + at0, more, v.S, v.B, c.mean + ch, c.a + ch, c.beta + ch, act != NULL);
            else
                norm_plane_by(act, y + at0, keep ? keep + at0 : NULL, x + at0, more, v.S, v.B, c.mean + ch, c.a + ch,
                              c.beta + ch);
        }
}

/* dy, x, sums, gamma, beta, y or argument -> back sums, d */
void KERNEL(batch_norm_back_sums)(const px_step *s)
{
    const px_norm_attr *at = s->node->attr;
    const px_unary_attr *act = px_epilogue_act(s->node);
    px_blocks v = blocks_of(s, 1);
    int64_t C = v.G * v.B;
    const elem *dy = s->in[0], *x = s->in[1], *y = s->in[5];
    elem *d = s->out[1];
    double *chunks = chunk_sums(s, C), *out = s->out[0], count = px_norm_count(s);
    channels c = channels_of(s, C, s->in[2], s->in[3], s->in[4], NULL);
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t k = 0; k < CHUNKS; k++)
        for (int64_t g = 0; g < v.G; g++)
            for (int64_t n = v.N * k / CHUNKS; n < v.N * (k + 1) / CHUNKS; n++) {
                int64_t at0 = (n * v.G + g) * v.S * v.B, ch = g * v.B;
                back_operands o = {
                    dy + at0, x + at0,     y ? y + at0 : NULL,      d ? d + at0 : NULL,           c.mean + ch,
                    c.a + ch, c.beta + ch, chunks + k * 2 * C + ch, chunks + (k * 2 + 1) * C + ch};
                if (is_plain(act))
                    back_sums_plane(o, v.S, v.B, act != NULL);
                else
                    back_sums_plane_by(act, o, v.S, v.B);
            }
    add_chunks(chunks, C, out);
    for (int64_t i = 0; i < C; i++) {
        px_channel_moments m = px_channel_moments_of(s->in[2], i, C, count, at->eps);
        /* The loops subtracted the mean rounded to float; the difference is a multiple of the first sum. */
        out[C + i] = (out[C + i] + out[i] * ((double)(float)m.mean - m.mean)) * m.inverse;
    }
}

/* d, x, sums, gamma, beta, back sums -> dx */
void KERNEL(batch_norm_back)(const px_step *s)
{
    const px_unary_attr *act = px_epilogue_act(s->node);
    px_blocks v = blocks_of(s, 1);
    const elem *dy = s->in[0], *x = s->in[1];
    elem *dx = s->out[0];
    channels c = channels_of(s, v.G * v.B, s->in[2], s->in[3], s->in[4], s->in[5]);
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t n = 0; n < v.N; n++)
        for (int64_t g = 0; g < v.G; g++) {
            int64_t at0 = (n * v.G + g) * v.S * v.B, ch = g * v.B;
            channels k = {c.mean + ch, c.a + ch, c.beta + ch, c.k1 + ch, c.k2 + ch};
            if (is_plain(act))
                back_plane(dx + at0, dy + at0, x + at0, v.S, v.B, k.mean, k.a, k.beta, k.k1, k.k2, act != NULL);
            else
                back_plane_by(act, dx + at0, dy + at0, x + at0, v.S, v.B, k);
        }
}
