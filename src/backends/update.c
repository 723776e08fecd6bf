/* update.c - the loops of optimizers: once as they stand, once for each level of vectors. */
#include "backends/rows.h"
#include "base/simd.h"

#include <math.h>

/* Ranks on different processors must make the same weights from the same gradients, so that copies of the model never
 * drift apart. So there are no fused multiply-adds here, which not all processors have. Everything is bound by memory
 * anyway. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif

#define LOOP static inline __attribute__((always_inline)) void

/* Partial sums of a block: the widest vector, or several narrower ones, in the same order. */
enum { LANES = 16 };

LOOP sum_products_loop_of(const float *restrict g, const float *restrict w, int64_t n, double *sum)
{
    double lane[LANES] = {0};
    int64_t whole = n / LANES * LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] += (double)g[i + k] * w[i + k];
    for (int64_t i = whole; i < n; i++)
        lane[i - whole] += (double)g[i] * w[i];
    *sum = 0;
    for (int k = 0; k < LANES; k++)
        *sum += lane[k];
}

/* d is the gradient with decay. */
LOOP sgd_loop_of(float *restrict w, float *restrict velocity, const float *restrict g, int64_t n, px_update_sgd u)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = u.factor * g[i] + u.decay * w[i];
        float v = u.momentum * velocity[i] + d;
        velocity[i] = v;
        w[i] -= u.rate * (u.nesterov ? d + u.momentum * v : v);
    }
}

LOOP lars_loop_of(float *restrict w, float *restrict velocity, const float *restrict g, int64_t n, px_update_sgd u)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = u.rate * (u.factor * g[i] + u.decay * w[i]);
        float v = u.momentum * velocity[i] + d;
        velocity[i] = v;
        w[i] -= u.nesterov ? d + u.momentum * v : v;
    }
}

LOOP adam_loop_of(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, int64_t n,
                  px_update_adam u)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = u.factor * g[i] + u.decay * w[i];
        m[i] += u.one_minus_beta1 * (d - m[i]);
        v[i] = u.beta2 * v[i] + u.one_minus_beta2 * d * d;
        w[i] = u.keep * w[i] - u.rate * m[i] / (sqrtf(v[i]) / u.root_correction + u.eps);
    }
}

LOOP moments_loop_of(float *restrict m, float *restrict v, const float *restrict g, int64_t n, px_update_adam u)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = u.factor * g[i];
        m[i] += u.one_minus_beta1 * (d - m[i]);
        v[i] = u.beta2 * v[i] + u.one_minus_beta2 * d * d;
    }
}

static inline __attribute__((always_inline)) float lamb_direction(float w, float m, float v, px_update_lamb u)
{
    return m / u.correction / (sqrtf(v) / u.root_correction + u.eps) + u.decay * w;
}

LOOP lamb_squares_loop_of(const float *restrict w, const float *restrict m, const float *restrict v, int64_t n,
                          px_update_lamb u, double *sum)
{
    double lane[LANES] = {0};
    int64_t whole = n / LANES * LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float d = lamb_direction(w[i + k], m[i + k], v[i + k], u);
            lane[k] += (double)d * d;
        }
    for (int64_t i = whole; i < n; i++) {
        float d = lamb_direction(w[i], m[i], v[i], u);
        lane[i - whole] += (double)d * d;
    }
    *sum = 0;
    for (int k = 0; k < LANES; k++)
        *sum += lane[k];
}

LOOP lamb_loop_of(float *restrict w, const float *restrict m, const float *restrict v, int64_t n, px_update_lamb u)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        w[i] -= u.rate * lamb_direction(w[i], m[i], v[i], u);
}

/* ---- as they stand ---- */

static double sum_products(const float *g, const float *w, int64_t n)
{
    double sum;
    sum_products_loop_of(g, w, n, &sum);
    return sum;
}

static double sum_squares(const float *g, int64_t n)
{
    return sum_products(g, g, n);
}

static void sgd(float *w, float *velocity, const float *g, int64_t n, const px_update_sgd *u)
{
    sgd_loop_of(w, velocity, g, n, *u);
}

static void lars(float *w, float *velocity, const float *g, int64_t n, const px_update_sgd *u)
{
    lars_loop_of(w, velocity, g, n, *u);
}

static void adam(float *w, float *m, float *v, const float *g, int64_t n, const px_update_adam *u)
{
    adam_loop_of(w, m, v, g, n, *u);
}

static void moments(float *m, float *v, const float *g, int64_t n, const px_update_adam *u)
{
    moments_loop_of(m, v, g, n, *u);
}

static double lamb_squares(const float *w, const float *m, const float *v, int64_t n, const px_update_lamb *u)
{
    double sum;
    lamb_squares_loop_of(w, m, v, n, *u, &sum);
    return sum;
}

static void lamb(float *w, const float *m, const float *v, int64_t n, const px_update_lamb *u)
{
    lamb_loop_of(w, m, v, n, *u);
}

const px_update px_update_portable = {sum_squares, sum_products, sgd, lars, adam, moments, lamb_squares, lamb};

/* ---- by vectors ---- */

static PX_MULTIVERSION(wide_products, (const float *g, const float *w, int64_t n, double *sum), (g, w, n, sum))
{
    sum_products_loop_of(g, w, n, sum);
}

static double fast_products(const float *g, const float *w, int64_t n)
{
    double sum;
    wide_products(g, w, n, &sum);
    return sum;
}

static double fast_squares(const float *g, int64_t n)
{
    return fast_products(g, g, n);
}

static PX_MULTIVERSION(fast_sgd, (float *w, float *velocity, const float *g, int64_t n, const px_update_sgd *u),
                       (w, velocity, g, n, u))
{
    sgd_loop_of(w, velocity, g, n, *u);
}

static PX_MULTIVERSION(fast_lars, (float *w, float *velocity, const float *g, int64_t n, const px_update_sgd *u),
                       (w, velocity, g, n, u))
{
    lars_loop_of(w, velocity, g, n, *u);
}

static PX_MULTIVERSION(fast_adam, (float *w, float *m, float *v, const float *g, int64_t n, const px_update_adam *u),
                       (w, m, v, g, n, u))
{
    adam_loop_of(w, m, v, g, n, *u);
}

static PX_MULTIVERSION(fast_moments, (float *m, float *v, const float *g, int64_t n, const px_update_adam *u),
                       (m, v, g, n, u))
{
    moments_loop_of(m, v, g, n, *u);
}

static PX_MULTIVERSION(wide_lamb_squares,
                       (const float *w, const float *m, const float *v, int64_t n, const px_update_lamb *u,
                        double *sum),
                       (w, m, v, n, u, sum))
{
    lamb_squares_loop_of(w, m, v, n, *u, sum);
}

static double fast_lamb_squares(const float *w, const float *m, const float *v, int64_t n, const px_update_lamb *u)
{
    double sum;
    wide_lamb_squares(w, m, v, n, u, &sum);
    return sum;
}

static PX_MULTIVERSION(fast_lamb, (float *w, const float *m, const float *v, int64_t n, const px_update_lamb *u),
                       (w, m, v, n, u))
{
    lamb_loop_of(w, m, v, n, *u);
}

const px_update px_update_fast = {fast_squares, fast_products, fast_sgd,          fast_lars,
                                  fast_adam,    fast_moments,  fast_lamb_squares, fast_lamb};
