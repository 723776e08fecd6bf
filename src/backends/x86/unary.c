/* unary.c - the functions in ops/functions.h on any format, cut into pieces for the threads. Those that networks apply to
 * their activations become vectors; log, sin and cos are the library's, number by number. */
#include "backends/x86/kernels.h"
#include "ops/epilogue.h"
#include "ops/functions.h"
#include "ops/vmath.h"

#include <math.h>

enum {
    PIECE = 16384, /* elements: 64 KiB per buffer of floats, so that a piece stays in the second-level cache */
    STRIP = 256,   /* elements between two prefetches */
};

#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" /* loops that call the C library stay scalar, and clang warns of it */
#endif

typedef float number;
#define EXP(x) expf(x)
#define LOG(x) logf(x)
#define SQRT(x) sqrtf(x)
#define SIN(x) sinf(x)
#define COS(x) cosf(x)
#define TANH(x) px_vtanh(x)
#define SIGMOID(x) px_vsigmoid(x)

#if PX_ELEM_BF16
#define GELU(x) px_vgelu_short(x)
#define GELU_SLOPE(x) px_vgelu_slope_short(x)
#else
INLINE float gelu(float x)
{
    float bell;
    return x * px_vphi(x, &bell);
}

INLINE float gelu_slope(float x)
{
    float bell, phi = px_vphi(x, &bell);
    return phi + x * bell * 0.39894228f;
}
#define GELU(x) gelu(x)
#define GELU_SLOPE(x) gelu_slope(x)
#endif

/* A loop over n numbers for each function: STATEMENT may use x, y, value and slope of the table's row. */
#define EACH(n, x_of, statement)                                                                                       \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                                \
    {                                                                                                                  \
        float x = x_of, y = x;                                                                                         \
        (void)x, (void)y;                                                                                              \
        statement;                                                                                                     \
    }                                                                                                                  \
    break;
#define SWITCH(function)                                                                                               \
    switch (function) {                                                                                                \
        PX_FUNCTIONS(LOOP)                                                                                             \
    case PX_FN_COUNT:                                                                                                  \
        break;                                                                                                         \
    }

/* ---- on elements in memory; each strip prefetches a later one ---- */

INLINE void strip(const px_unary_attr *f, elem *out, const elem *in, int64_t n)
{
    const float a = (float)f->a, b = (float)f->b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        EACH(n, up(in[i]), out[i] = down(value))
    SWITCH(f->function)
#undef LOOP
}

INLINE void back_strip(const px_unary_attr *f, elem *out, const elem *dy, const elem *in, int64_t n)
{
    const float a = (float)f->a, b = (float)f->b;
    (void)b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        EACH(n, up(in[i]), out[i] = down(up(dy[i]) * (float)(slope)))
    SWITCH(f->function)
#undef LOOP
}

INLINE void back_sums_strip(const px_unary_attr *f, elem *out, const elem *dy, const elem *in, float *sum, int64_t n)
{
    const float a = (float)f->a, b = (float)f->b;
    (void)b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        EACH(n, up(in[i]), float d = up(dy[i]) * (float)(slope); out[i] = down(d); sum[i] += d)
    SWITCH(f->function)
#undef LOOP
}

static int64_t part(int64_t i, int64_t n, int64_t most)
{
    return n - i < most ? n - i : most;
}

static PX_MULTIVERSION(piece, (const px_unary_attr *f, elem *out, const elem *in, int64_t n), (f, out, in, n))
{
    for (int64_t k = 0; k < n; k += STRIP) {
        fetch_ahead(in + k, STRIP);
        strip(f, out + k, in + k, part(k, n, STRIP));
    }
}

static PX_MULTIVERSION(back_piece, (const px_unary_attr *f, elem *out, const elem *dy, const elem *in, int64_t n),
                       (f, out, dy, in, n))
{
    for (int64_t k = 0; k < n; k += STRIP) {
        fetch_ahead(dy + k, STRIP);
        fetch_ahead(in + k, STRIP);
        back_strip(f, out + k, dy + k, in + k, part(k, n, STRIP));
    }
}

static PX_MULTIVERSION(back_rows,
                       (const px_unary_attr *f, elem *dx, const elem *dy, const elem *in, float *sum, int64_t rows,
                        int64_t C),
                       (f, dx, dy, in, sum, rows, C))
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < C; k += STRIP) {
            int64_t at = r * C + k, n = part(k, C, STRIP);
            fetch_ahead(dy + at, n);
            fetch_ahead(in + at, n);
            back_sums_strip(f, dx + at, dy + at, in + at, sum + k, n);
        }
}

/* ---- on floats in the cache ---- */

static PX_MULTIVERSION(values, (const px_unary_attr *f, float *out, const float *in, int64_t n), (f, out, in, n))
{
    const float a = (float)f->a, b = (float)f->b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        EACH(n, in[i], out[i] = value)
    SWITCH(f->function)
#undef LOOP
}

static PX_MULTIVERSION(slopes, (const px_unary_attr *f, float *v, int64_t n), (f, v, n))
{
    const float a = (float)f->a, b = (float)f->b;
    (void)b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        EACH(n, v[i], v[i] = (float)(slope))
    SWITCH(f->function)
#undef LOOP
}

void KERNEL(values)(const px_unary_attr *f, float *out, const float *in, int64_t n)
{
    values(f, out, in, n);
}

void KERNEL(slopes)(const px_unary_attr *f, float *v, int64_t n)
{
    slopes(f, v, n);
}

void KERNEL(slopes_at)(const px_unary_attr *f, float *v, int64_t n)
{
    if (px_slope_of(f->function) == PX_SLOPE_Y)
        values(f, v, v, n);
    slopes(f, v, n);
}

/* ---- kernels ---- */

void KERNEL(unary)(const px_step *s)
{
    const elem *x = s->in[0];
    elem *y = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        piece(s->node->attr, y + i, x + i, part(i, n, PIECE));
}

/* dy, x or y -> dx */
void KERNEL(unary_back)(const px_step *s)
{
    const elem *dy = s->in[0], *in = s->in[1];
    elem *dx = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        back_piece(s->node->attr, dx + i, dy + i, in + i, part(i, n, PIECE));
}

/* dy, x or y (N, C) -> dx, its sums over rows */
void KERNEL(unary_back_sums)(const px_step *s)
{
    int64_t N = s->node->out[0]->shape.dim[0], C = s->node->out[0]->shape.dim[1];
    const elem *dy = s->in[0], *in = s->in[1];
    elem *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int k = 0; k < PX_CHUNKS; k++) {
        px_chunk c = px_chunk_start(s, N, C, k);
        for (int64_t r = c.first; r < c.last; r += PX_CHUNK_ROWS) {
            int64_t rows = part(r, c.last, PX_CHUNK_ROWS);
            back_rows(s->node->attr, dx + r * C, dy + r * C, in + r * C, c.partial, rows, C);
            px_chunk_flush(&c, C);
        }
    }
    px_chunks_sum(s, C, 0, C, s->out[1]);
}
