/* vmath.h - exp, sigmoid, tanh, the normal distribution and gelu for inner loops in float, without branches and calls, so that the
 * compiler can vectorize the loops. */
#ifndef PX_OPS_VMATH_H
#define PX_OPS_VMATH_H

#include <stdint.h>
#include <string.h>

/* e^x for x <= 88, relative error below 1e-7; for x below -87 the result is e^-87 = 1.6e-38. */
static inline float px_vexp(float x)
{
    x = x < -87.0f ? -87.0f : x;
    /* Adding 1.5 * 2^23 leaves no bits for a fraction: n = x / ln 2, rounded, which is also in the sum's last bits. */
    float sum = x * 1.44269504f + 12582912.0f, n = sum - 12582912.0f;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f; /* ln 2 in two parts, the first of few bits */
    float y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1;
    uint32_t bits; /* n is not converted, since x may be NaN: then y is NaN */
    memcpy(&bits, &sum, sizeof bits);
    bits = (bits - 0x4B400000u + 127u) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return y * power;
}

/* Phi(x) = P(standard normal <= x), absolute error below 2.5e-7, mostly from rounding; *bell gets e^(-x^2/2).
 * The upper tail is e^(-x^2/2) times a polynomial in t = 1 / (1 + 0.35 z), z = |x| / sqrt 2, fitted to
 * e^(z^2) erfc(z) / 2 (relative error 1.4e-8 where e^(-z^2) matters). */
static inline float px_vphi(float x, float *bell)
{
    float z = __builtin_fabsf(x), t = 1 / (1 + 0.247487373f * z), e = px_vexp(-0.5f * x * x);
    float q = -0.10181881f;
    q = q * t + 0.39960226f;
    q = q * t - 0.36660779f;
    q = q * t + 0.36947913f;
    q = q * t - 0.019901415f;
    q = q * t + 0.12266681f;
    q = q * t + 0.096579805f;
    float tail = q * t * e;
    *bell = e;
    return x > 0 ? 1 - tail : tail;
}

/* 1 / (1 + e^-x), relative error below 3e-7 for x > -87; e^-87 below that. */
static inline float px_vsigmoid(float x)
{
    float e = px_vexp(-__builtin_fabsf(x)), least = 1 / (1 + e);
    return x < 0 ? e * least : least;
}

/* Near 0 a polynomial (that of tanhf in Moshier's Cephes library), else by e^(-2 |x|): relative error below 4e-7. */
static inline float px_vtanh(float x)
{
    float z = x * x, p = -5.70498872745e-3f, e = px_vexp(-2 * __builtin_fabsf(x)), far = (1 - e) / (1 + e);
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    return z < 0.390625f ? x + x * z * p : x < 0 ? -far : far;
}

/* ---- gelu and its slope, to be rounded to bf16: within one unit in the last place, or 1e-33 (x < -12.5) ---- */

/* For 0 <= z <= 12.5: e^(-z^2/2), relative error 3e-6, and P(standard normal > z) as a multiple of it. The factor is a
 * polynomial in t = 1 / (1 + z / 4), fitted to relative error 5e-5, and closer near the zero of gelu's slope. */
static inline float px_vtail_short(float z, float *bell)
{
    /* 2^x, x = n + r; as in px_vexp, n is in the last bits of the sum. */
    float x = -0.72134752f * z * z, sum = x + 12582912.0f, r = x - (sum - 12582912.0f);
    float y = 9.5701019e-3f;
    y = y * r + 5.5917860e-2f;
    y = y * r + 2.4024745e-1f;
    y = y * r + 6.9312182e-1f;
    y = y * r + 1;
    uint32_t bits, power;
    memcpy(&bits, &y, sizeof bits);
    memcpy(&power, &sum, sizeof power);
    bits += power << 23;
    memcpy(bell, &bits, sizeof bits);
    float t = 1 / (1 + 0.25f * z), q = 0.24422726f;
    q = q * t - 0.10984790f;
    q = q * t + 0.18515751f;
    q = q * t + 0.078932297f;
    q = q * t + 0.10153479f;
    return q * t;
}

/* x Phi(x) */
static inline float px_vgelu_short(float x)
{
    float z = __builtin_fabsf(x), bell;
    z = z > 12.5f ? 12.5f : z;
    float tail = px_vtail_short(z, &bell);
    return (x > 0 ? x : 0) - z * (tail * bell);
}

/* Phi(x) + x e^(-x^2/2) / sqrt(2 pi) */
static inline float px_vgelu_slope_short(float x)
{
    float z = __builtin_fabsf(x), bell;
    z = z > 12.5f ? 12.5f : z;
    float tail = px_vtail_short(z, &bell), slope = bell * (tail - 0.39894228f * z);
    return x > 0 ? 1 - slope : slope;
}

#endif
