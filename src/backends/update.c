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

LOOP adamw_loop_of(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, int64_t n,
                   px_update_adamw u)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = u.factor * g[i];
        m[i] += u.one_minus_beta1 * (d - m[i]);
        v[i] = u.beta2 * v[i] + u.one_minus_beta2 * d * d;
        w[i] = u.keep * w[i] - u.rate * m[i] / (sqrtf(v[i]) / u.root_correction + u.eps);
    }
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

static void adamw(float *w, float *m, float *v, const float *g, int64_t n, const px_update_adamw *u)
{
    adamw_loop_of(w, m, v, g, n, *u);
}

const px_update px_update_portable = {sum_squares, sum_products, sgd, lars, adamw};

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

static PX_MULTIVERSION(fast_adamw, (float *w, float *m, float *v, const float *g, int64_t n, const px_update_adamw *u),
                       (w, m, v, g, n, u))
{
    adamw_loop_of(w, m, v, g, n, *u);
}

const px_update px_update_fast = {fast_squares, fast_products, fast_sgd, fast_lars, fast_adamw};
