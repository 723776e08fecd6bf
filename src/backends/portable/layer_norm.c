/* layer_norm.c - portable layer normalisation. */
#include "backends/portable/portable.h"

#include <math.h>

/* x, gamma, beta, residual -> y, (mean, inverse), argument */
void KERNEL(layer_norm)(const px_step *s)
{
    int64_t D = px_shape_count(s->node->in[1]->shape), rows = px_shape_count(s->node->in[0]->shape) / D;
    const real *x = s->in[0], *gamma = s->in[1], *beta = s->in[2];
    real *y = s->out[0], *stats = s->out[1];
    double eps = ((const px_layer_norm_attr *)s->node->attr)->eps;
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const real *xr = x + r * D;
        double mean = 0, var = 0;
        for (int64_t i = 0; i < D; i++)
            mean += xr[i] / (double)D;
        for (int64_t i = 0; i < D; i++)
            var += (xr[i] - mean) * (xr[i] - mean) / (double)D;
        double inverse = 1 / sqrt(var + eps);
        for (int64_t i = 0; i < D; i++)
            y[r * D + i] = (real)((xr[i] - mean) * inverse * gamma[i] + beta[i]);
        stats[2 * r] = (real)mean;
        stats[2 * r + 1] = (real)inverse;
    }
    KERNEL(epilogue)(s);
}

/* dy, x, (mean, inverse), gamma, residual -> dx, dgamma, dbeta */
void KERNEL(layer_norm_back)(const px_step *s)
{
    int64_t D = px_shape_count(s->node->in[3]->shape), rows = px_shape_count(s->node->in[1]->shape) / D;
    const real *dy = s->in[0], *x = s->in[1], *stats = s->in[2], *gamma = s->in[3], *residual = s->in[4];
    real *dx = s->out[0], *dgamma = s->out[1], *dbeta = s->out[2];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < D; i++) {
        double sum = 0, dot = 0;
        for (int64_t r = 0; r < rows; r++) {
            sum += dy[r * D + i];
            dot += (double)dy[r * D + i] * ((x[r * D + i] - stats[2 * r]) * stats[2 * r + 1]);
        }
        dgamma[i] = (real)dot;
        dbeta[i] = (real)sum;
    }
    /* A second loop, since dx may share dy's memory. */
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        double mean = stats[2 * r], inverse = stats[2 * r + 1], sum = 0, dot = 0;
        for (int64_t i = r * D; i < (r + 1) * D; i++) {
            double d = (double)dy[i] * gamma[i - r * D];
            sum += d / (double)D;
            dot += d * (x[i] - mean) * inverse / (double)D;
        }
        for (int64_t i = r * D; i < (r + 1) * D; i++) {
            double d = (double)dy[i] * gamma[i - r * D], xhat = (x[i] - mean) * inverse;
            dx[i] = (real)(inverse * (d - sum - xhat * dot) + (residual ? residual[i] : 0));
        }
    }
}
