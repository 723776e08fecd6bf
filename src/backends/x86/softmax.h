/* softmax.h - softmax over rows of scores, and its gradient, by the vectors of vectors.h. A row holds K scores, then padding up to
 * padded(K); rows are `ld` floats apart. */
#ifndef PX_BACKENDS_X86_SOFTMAX_H
#define PX_BACKENDS_X86_SOFTMAX_H

#include "backends/x86/vectors.h"

#include <math.h>

/* px_vexp, except that below -87 it is 0. */
INLINE vec vexp(vec x)
{
    ivec low = x < -87.0f;
    x = choose(low, (vec){0} - 87.0f, x);
    vec n = (x * 1.44269504f + 12582912.0f) - 12582912.0f, r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    vec y = r * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    return (vec)(~low & (ivec)(y * (vec)((__builtin_convertvector(n, ivec) + 127) << 23)));
}

INLINE float total(vec v)
{
    float part[LANES];
    *at(part) = v;
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            part[i] += part[i + half];
    return part[0];
}

INLINE float largest(vec v)
{
    float part[LANES];
    *at(part) = v;
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            part[i] = part[i] > part[i + half] ? part[i] : part[i + half];
    return part[0];
}

/* Marks those of a row's last places that are padding beyond K. */
INLINE ivec padding_of(int64_t K)
{
    return numbers() >= (int32_t)(K - padded(K) + LANES);
}

/* p = products Q K^T -> e^(scale (p - largest)); *inverse gets 1 / their sum, *logs log(sum of e^(scale p)). Rows of
 * -infinity get zeros. */
static inline void softmax_rows(float *p, int64_t ld, float *inverse, float *logs, int64_t rows, int64_t K, float scale)
{
    int64_t Kp = padded(K);
    ivec padding = padding_of(K);
    for (int64_t r = 0; r < rows; r++, p += ld) {
        *at(p + Kp - LANES) = choose(padding, (vec){0} - INFINITY, from(p + Kp - LANES));
        vec most = from(p), sum = {0};
        for (int64_t k = LANES; k < Kp; k += LANES)
            most = choose(most > from(p + k), most, from(p + k));
        float top = scale * largest(most);
        top = top == -INFINITY ? 0 : top;
        for (int64_t k = 0; k < Kp; k += LANES) {
            vec e = vexp(scale * from(p + k) - top);
            *at(p + k) = e;
            sum += e;
        }
        float all = total(sum);
        inverse[r] = all == 0 ? 0 : 1 / all;
        logs[r] = all == 0 ? 0 : top + logf(all);
    }
}

/* p = products Q K^T, multiplied by `scale` -> probabilities; dp = their gradients -> gradients of p, times `factor` */
static inline void softmax_back_rows(float *p, float *dp, int64_t ld, const float *logs, int64_t rows, int64_t K,
                                     float scale, float factor)
{
    int64_t Kp = padded(K);
    ivec padding = padding_of(K);
    for (int64_t r = 0; r < rows; r++, p += ld, dp += ld) {
        *at(p + Kp - LANES) = choose(padding, (vec){0} - INFINITY, from(p + Kp - LANES));
        vec sum = {0};
        for (int64_t k = 0; k < Kp; k += LANES) {
            vec e = vexp(scale * from(p + k) - logs[r]);
            *at(p + k) = e;
            sum += e * from(dp + k);
        }
        float delta = total(sum);
        for (int64_t k = 0; k < Kp; k += LANES)
            *at(dp + k) = factor * from(p + k) * (from(dp + k) - delta);
    }
}

#endif
