/* binary.c - functions of two numbers, each operand and the result in float or bf16: strips of numbers are converted to float,
 * computed, and converted back. */
#include "backends/x86/kernels.h"
#include "ops/attr.h"
#include "ops/functions.h"
#include "ops/strides.h"

enum { STRIP = 512 }; /* elements; three strips of floats stay in the first-level cache */

/* An operand, or the result, of a piece. */
typedef struct operand {
    const void *at;
    bool bf16;
    int64_t step; /* 0: the same number for the whole piece */
} operand;

PX_MULTIVERSION
static void widen(float *y, const px_bf16 *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = px_bf16_float(x[i]);
}

PX_MULTIVERSION
static void narrow(px_bf16 *y, const float *x, int64_t n)
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

PX_MULTIVERSION
static void compute(px_pair function, float *y, const float *a, const float *b, int64_t n)
{
    switch (function) {
        PX_PAIRS(EACH)
    }
}

static void piece(px_pair function, operand a, operand b, void *y, bool bf16, int64_t n)
{
    float strip_a[STRIP], strip_b[STRIP], strip_y[STRIP];
    for (int64_t k = 0; k < n; k += STRIP) {
        int64_t count = n - k < STRIP ? n - k : STRIP;
        float *out = bf16 ? strip_y : (float *)y + k;
        compute(function, out, load(a, k, count, strip_a), load(b, k, count, strip_b), count);
        if (bf16)
            narrow((px_bf16 *)y + k, out, count);
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
    bool bf16 = s->out_format[0].dtype == PX_BF16;
    size_t size = bf16 ? sizeof(px_bf16) : sizeof(float);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < px_walk_pieces(&w); k++) {
        px_piece p = px_walk_piece(&w, k);
        piece(function, operand_of(s, 0, p), operand_of(s, 1, p), (char *)s->out[0] + (size_t)p.at * size, bf16, p.n);
    }
}
