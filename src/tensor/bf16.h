/* bf16.h - bfloat16: the upper half of a float. */
#ifndef PX_TENSOR_BF16_H
#define PX_TENSOR_BF16_H

#include <stdint.h>
#include <string.h>

typedef struct px_bf16 {
    uint16_t bits;
} px_bf16;

static inline __attribute__((always_inline)) float px_bf16_float(px_bf16 x)
{
    uint32_t bits = (uint32_t)x.bits << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* The nearest bf16, ties to even; NaN stays NaN. */
static inline __attribute__((always_inline)) px_bf16 px_bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (px_bf16){(uint16_t)(x != x ? 0x7fc0 : rounded)};
}

#endif
