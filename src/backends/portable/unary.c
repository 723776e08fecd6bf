/* unary.c - portable kernels of the functions in ops/functions.h: a loop for each. */
#include "backends/portable/portable.h"
#include "ops/epilogue.h"
#include "ops/functions.h"

#include <string.h>
#include <tgmath.h>

#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" /* loops that call the C library stay scalar, and clang warns of it */
#endif

typedef real number;
#define EXP(x) exp(x)
#define LOG(x) log(x)
#define SQRT(x) sqrt(x)
#define SIN(x) sin(x)
#define COS(x) cos(x)
#define TANH(x) tanh(x)
#define SIGMOID(x) (1 / (1 + exp(-(x))))

/* In double whatever the type, as in float 1 - erfc would have few digits. */
static double phi(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}
#define GELU(x) (real)((x)*phi(x))
#define GELU_SLOPE(x) (real)(phi(x) + (x)*exp(-0.5 * (double)(x) * (double)(x)) * 0.3989422804014327)

enum { PIECE = 256 };

void KERNEL(values)(const px_unary_attr *at, real *out, const real *in, int64_t n)
{
    const real a = (real)at->a, b = (real)at->b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                            \
        {                                                                                                              \
            real x = in[i];                                                                                            \
            out[i] = value;                                                                                            \
        }                                                                                                              \
        break;
    switch (at->function) {
        PX_FUNCTIONS(LOOP)
    case PX_FN_COUNT:
        break;
    }
#undef LOOP
}

void KERNEL(slopes)(const px_unary_attr *at, real *v, int64_t n)
{
    const real a = (real)at->a, b = (real)at->b;
    (void)b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                            \
        {                                                                                                              \
            real x = v[i], y = x;                                                                                      \
            (void)x, (void)y;                                                                                          \
            v[i] = (real)(slope);                                                                                      \
        }                                                                                                              \
        break;
    switch (at->function) {
        PX_FUNCTIONS(LOOP)
    case PX_FN_COUNT:
        break;
    }
#undef LOOP
}

void KERNEL(slopes_at)(const px_unary_attr *at, real *v, int64_t n)
{
    if (px_slope_of(at->function) == PX_SLOPE_Y)
        KERNEL(values)(at, v, v, n);
    KERNEL(slopes)(at, v, n);
}

void KERNEL(unary)(const px_step *s)
{
    const real *x = s->in[0];
    real *y = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        KERNEL(values)(s->node->attr, y + i, x + i, n - i < PIECE ? n - i : PIECE);
}

/* dy, x or y -> dx */
void KERNEL(unary_back)(const px_step *s)
{
    const real *dy = s->in[0], *in = s->in[1];
    real *dx = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t count = n - i < PIECE ? n - i : PIECE;
        real slope[PIECE];
        memcpy(slope, in + i, (size_t)count * sizeof slope[0]);
        KERNEL(slopes)(s->node->attr, slope, count);
        for (int64_t k = 0; k < count; k++)
            dx[i + k] = dy[i + k] * slope[k];
    }
}

/* dy, x or y (N, C) -> dx, its sums over rows */
void KERNEL(unary_back_sums)(const px_step *s)
{
    KERNEL(unary_back)(s);
    int64_t N = s->node->out[0]->shape.dim[0], C = s->node->out[0]->shape.dim[1];
    const real *dx = s->out[0];
    real *sum = s->out[1];
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < C; c++) {
        double total = 0;
        for (int64_t n = 0; n < N; n++)
            total += dx[n * C + c];
        sum[c] = (real)total;
    }
}
