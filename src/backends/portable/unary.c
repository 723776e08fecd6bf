/* unary.c - portable kernels of the functions in ops/functions.h: a loop for each. */
#include "backends/portable/portable.h"
#include "ops/attr.h"
#include "ops/functions.h"

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

void KERNEL(unary)(const px_step *s)
{
    const px_unary_attr *at = s->node->attr;
    const real *in = s->in[0], a = (real)at->a, b = (real)at->b;
    real *out = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        _Pragma("omp parallel for simd schedule(static)") for (int64_t i = 0; i < n; i++)                              \
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

/* dy, x or y -> dx */
void KERNEL(unary_back)(const px_step *s)
{
    const px_unary_attr *at = s->node->attr;
    const real *dy = s->in[0], *in = s->in[1], a = (real)at->a, b = (real)at->b;
    real *out = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
    (void)b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        _Pragma("omp parallel for simd schedule(static)") for (int64_t i = 0; i < n; i++)                              \
        {                                                                                                              \
            real x = in[i], y = x;                                                                                     \
            (void)x, (void)y;                                                                                          \
            out[i] = dy[i] * (real)(slope);                                                                            \
        }                                                                                                              \
        break;
    switch (at->function) {
        PX_FUNCTIONS(LOOP)
    case PX_FN_COUNT:
        break;
    }
#undef LOOP
}
