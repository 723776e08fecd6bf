/* unary.c - the functions in ops/functions.h on any format, cut into pieces for the threads. Those that networks apply to
 * their activations become vectors; log, sin and cos are the library's, number by number. */
#include "backends/x86/kernels.h"
#include "ops/attr.h"
#include "ops/functions.h"
#include "ops/vmath.h"

#include <math.h>

enum { PIECE = 16384 }; /* elements: 64 KiB per buffer of floats, so that a piece stays in the second-level cache */

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

typedef struct function_of {
    px_function function;
    float a, b;
} function_of;

static function_of read_attr(const px_step *s)
{
    const px_unary_attr *at = s->node->attr;
    return (function_of){at->function, (float)at->a, (float)at->b};
}

PX_MULTIVERSION
static void piece(elem *out, const elem *in, int64_t n, function_of f)
{
    const float a = f.a, b = f.b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                            \
        {                                                                                                              \
            float x = up(in[i]);                                                                                       \
            out[i] = down(value);                                                                                      \
        }                                                                                                              \
        break;
    switch (f.function) {
        PX_FUNCTIONS(LOOP)
    case PX_FN_COUNT:
        break;
    }
#undef LOOP
}

PX_MULTIVERSION
static void back_piece(elem *out, const elem *dy, const elem *in, int64_t n, function_of f)
{
    const float a = f.a, b = f.b;
    (void)b;
#define LOOP(name, text, of, value, slope)                                                                             \
    case PX_FN_##name:                                                                                                 \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                            \
        {                                                                                                              \
            float x = up(in[i]), y = x;                                                                                \
            (void)x, (void)y;                                                                                          \
            out[i] = down(up(dy[i]) * (float)(slope));                                                                 \
        }                                                                                                              \
        break;
    switch (f.function) {
        PX_FUNCTIONS(LOOP)
    case PX_FN_COUNT:
        break;
    }
#undef LOOP
}

void KERNEL(unary)(const px_step *s)
{
    const elem *x = s->in[0];
    elem *y = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        piece(y + i, x + i, n - i < PIECE ? n - i : PIECE, read_attr(s));
}

/* dy, x or y -> dx */
void KERNEL(unary_back)(const px_step *s)
{
    const elem *dy = s->in[0], *in = s->in[1];
    elem *dx = s->out[0];
    int64_t n = px_shape_count(s->node->out[0]->shape);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        back_piece(dx + i, dy + i, in + i, n - i < PIECE ? n - i : PIECE, read_attr(s));
}
