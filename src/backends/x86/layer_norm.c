/* layer_norm.c - layer normalisation; and sums over the rows of a matrix (the gradient of a bias). */
#include "backends/x86/kernels.h"
#include "ops/epilogue.h"

#include <math.h>
#include <string.h>

static int64_t limit(int64_t left)
{
    return left < PX_CHUNK_ROWS ? left : PX_CHUNK_ROWS;
}

/* ---- inner loops ---- */

static PX_MULTIVERSION(norm_rows,
                       (elem * y, float *stats, const elem *x, const float *gamma, const float *beta, int64_t rows,
                        int64_t D, float eps),
                       (y, stats, x, gamma, beta, rows, D, eps))
{
    for (int64_t r = 0; r < rows; r++, x += D, y += D) {
        float mean = 0, var = 0;
#pragma omp simd reduction(+ : mean)
        for (int64_t i = 0; i < D; i++)
            mean += up(x[i]);
        mean /= (float)D;
#pragma omp simd reduction(+ : var)
        for (int64_t i = 0; i < D; i++)
            var += (up(x[i]) - mean) * (up(x[i]) - mean);
        float inverse = 1 / sqrtf(var / (float)D + eps);
#pragma omp simd
        for (int64_t i = 0; i < D; i++)
            y[i] = down((up(x[i]) - mean) * inverse * gamma[i] + beta[i]);
        stats[2 * r] = mean;
        stats[2 * r + 1] = inverse;
    }
}

/* Adds this block's part of dgamma and dbeta to `dot` and `sum`. dx may be dy. */
static PX_MULTIVERSION(back_rows,
                       (elem * dx, const elem *dy, const elem *x, const float *stats, const float *gamma,
                        const elem *residual, float *dot, float *sum, int64_t rows, int64_t D),
                       (dx, dy, x, stats, gamma, residual, dot, sum, rows, D))
{
    for (int64_t r = 0; r < rows; r++, x += D, dy += D, dx += D) {
        float mean = stats[2 * r], inverse = stats[2 * r + 1], first = 0, second = 0;
        fetch_ahead(dy, D);
        fetch_ahead(x, D);
        if (residual)
            fetch_ahead(residual + r * D, D);
#pragma omp simd reduction(+ : first, second)
        for (int64_t i = 0; i < D; i++) {
            float g = up(dy[i]), xhat = (up(x[i]) - mean) * inverse, d = g * gamma[i];
            first += d;
            second += d * xhat;
            dot[i] += g * xhat;
            sum[i] += g;
        }
        first /= (float)D;
        second /= (float)D;
        if (residual) {
#pragma omp simd
            for (int64_t i = 0; i < D; i++)
                dx[i] = down(inverse * (up(dy[i]) * gamma[i] - first - (up(x[i]) - mean) * inverse * second) +
                             up(residual[r * D + i]));
        } else {
#pragma omp simd
            for (int64_t i = 0; i < D; i++)
                dx[i] = down(inverse * (up(dy[i]) * gamma[i] - first - (up(x[i]) - mean) * inverse * second));
        }
    }
}

static PX_MULTIVERSION(sum_rows, (float *sum, const elem *x, int64_t rows, int64_t D), (sum, x, rows, D))
{
    for (int64_t r = 0; r < rows; r++) {
        fetch_ahead(x + r * D, D);
#pragma omp simd
        for (int64_t i = 0; i < D; i++)
            sum[i] += up(x[r * D + i]);
    }
}

/* ---- kernels ---- */

/* x, gamma, beta, residual -> y, statistics, argument */
void KERNEL(layer_norm)(const px_step *s)
{
    int64_t D = px_shape_count(s->node->in[1]->shape), rows = px_shape_count(s->node->in[0]->shape) / D;
    int argument = px_epilogue_argument(s->node);
    const px_unary_attr *act = px_epilogue_act(s->node);
    const elem *x = s->in[0], *residual = s->in[3];
    const float *gamma = s->in[1], *beta = s->in[2];
    elem *y = s->out[0], *keep = argument ? s->out[argument] : NULL, *to = keep ? keep : y;
    float *stats = s->out[1], eps = (float)((const px_layer_norm_attr *)s->node->attr)->eps;
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r += PX_CHUNK_ROWS) {
        int64_t at = r * D;
        norm_rows(to + at, stats + 2 * r, x + at, gamma, beta, limit(rows - r), D, eps);
        if (act || residual)
            KERNEL(finish)(act, y + at, keep ? keep + at : NULL, residual ? residual + at : NULL, limit(rows - r) * D);
    }
}

/* dy, x, statistics, gamma, residual -> dx, dgamma, dbeta */
void KERNEL(layer_norm_back)(const px_step *s)
{
    int64_t D = px_shape_count(s->node->in[3]->shape), rows = px_shape_count(s->node->in[1]->shape) / D;
    const elem *dy = s->in[0], *x = s->in[1], *residual = s->in[4];
    const float *stats = s->in[2], *gamma = s->in[3];
    elem *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int k = 0; k < PX_CHUNKS; k++) {
        px_chunk c = px_chunk_start(s, rows, 2 * D, k);
        for (int64_t r = c.first; r < c.last; r += PX_CHUNK_ROWS) {
            back_rows(dx + r * D, dy + r * D, x + r * D, stats + 2 * r, gamma, residual ? residual + r * D : NULL,
                      c.partial, c.partial + D, limit(c.last - r), D);
            px_chunk_flush(&c, 2 * D);
        }
    }
    px_chunks_sum(s, 2 * D, 0, D, s->out[1]);
    px_chunks_sum(s, 2 * D, D, D, s->out[2]);
}

/* dy (N, C) -> (C) */
void KERNEL(sum_rows)(const px_step *s)
{
    px_shape shape = s->node->in[0]->shape;
    int64_t rows = shape.dim[0], C = shape.dim[1];
    const elem *dy = s->in[0];
#pragma omp parallel for schedule(static)
    for (int k = 0; k < PX_CHUNKS; k++) {
        px_chunk c = px_chunk_start(s, rows, C, k);
        for (int64_t r = c.first; r < c.last; r += PX_CHUNK_ROWS) {
            sum_rows(c.partial, dy + r * C, limit(c.last - r), C);
            px_chunk_flush(&c, C);
        }
    }
    px_chunks_sum(s, C, 0, C, s->out[0]);
}
