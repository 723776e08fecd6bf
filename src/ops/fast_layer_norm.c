/* fast_layer_norm.c - layer normalisation; and sums over the rows of a matrix (the gradient of a bias). */
#include "base/simd.h"
#include "ops/fast.h"

#include <math.h>
#include <string.h>

static int64_t limit(int64_t left)
{
    return left < PX_CHUNK_ROWS ? left : PX_CHUNK_ROWS;
}

/* ---- inner loops ---- */

PX_MULTIVERSION
static void norm_rows(float *y, float *stats, const float *x, const float *gamma, const float *beta, int64_t rows,
                      int64_t D, float eps)
{
    for (int64_t r = 0; r < rows; r++, x += D, y += D) {
        float mean = 0, var = 0;
#pragma omp simd reduction(+ : mean)
        for (int64_t i = 0; i < D; i++)
            mean += x[i];
        mean /= (float)D;
#pragma omp simd reduction(+ : var)
        for (int64_t i = 0; i < D; i++)
            var += (x[i] - mean) * (x[i] - mean);
        float inverse = 1 / sqrtf(var / (float)D + eps);
#pragma omp simd
        for (int64_t i = 0; i < D; i++)
            y[i] = (x[i] - mean) * inverse * gamma[i] + beta[i];
        stats[2 * r] = mean;
        stats[2 * r + 1] = inverse;
    }
}

/* Adds this block's part of dgamma and dbeta to `dot` and `sum`. dx may be dy. */
PX_MULTIVERSION
static void back_rows(float *dx, const float *dy, const float *x, const float *stats, const float *gamma,
                      const float *around, float *dot, float *sum, int64_t rows, int64_t D)
{
    for (int64_t r = 0; r < rows; r++, x += D, dy += D, dx += D) {
        float mean = stats[2 * r], inverse = stats[2 * r + 1], first = 0, second = 0;
#pragma omp simd reduction(+ : first, second)
        for (int64_t i = 0; i < D; i++) {
            float xhat = (x[i] - mean) * inverse, d = dy[i] * gamma[i];
            first += d;
            second += d * xhat;
            dot[i] += dy[i] * xhat;
            sum[i] += dy[i];
        }
        first /= (float)D;
        second /= (float)D;
        if (around) {
#pragma omp simd
            for (int64_t i = 0; i < D; i++)
                dx[i] = inverse * (dy[i] * gamma[i] - first - (x[i] - mean) * inverse * second) + around[r * D + i];
        } else {
#pragma omp simd
            for (int64_t i = 0; i < D; i++)
                dx[i] = inverse * (dy[i] * gamma[i] - first - (x[i] - mean) * inverse * second);
        }
    }
}

PX_MULTIVERSION
static void sum_rows(float *sum, const float *x, int64_t rows, int64_t D)
{
    for (int64_t r = 0; r < rows; r++) {
#pragma omp simd
        for (int64_t i = 0; i < D; i++)
            sum[i] += x[r * D + i];
    }
}

PX_MULTIVERSION
static void flush(double *total, float *part, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        total[i] += (double)part[i];
        part[i] = 0;
    }
}

/* ---- chunks: all totals, then all parts ---- */

size_t px_chunks_bytes(int64_t n)
{
    return (size_t)(PX_CHUNKS * n) * (sizeof(double) + sizeof(float));
}

px_chunk px_chunk_start(const px_step *s, int64_t rows, int64_t n, int k)
{
    px_chunk c = {.first = rows * k / PX_CHUNKS, .last = rows * (k + 1) / PX_CHUNKS};
    c.total = (double *)s->scratch + k * n;
    c.part = (float *)((double *)s->scratch + PX_CHUNKS * n) + k * n;
    memset(c.total, 0, (size_t)n * sizeof c.total[0]);
    memset(c.part, 0, (size_t)n * sizeof c.part[0]);
    return c;
}

void px_chunk_flush(px_chunk *c, int64_t n)
{
    flush(c->total, c->part, n);
}

void px_chunks_sum(const px_step *s, int64_t n, int64_t from, int64_t count, float *out)
{
    const double *total = s->scratch;
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int k = 0; k < PX_CHUNKS; k++)
            sum += total[k * n + from + i];
        out[i] = (float)sum;
    }
}

/* ---- kernels ---- */

static void layer_norm(const px_step *s)
{
    int64_t D = px_shape_count(s->node->in[1]->shape), rows = px_shape_count(s->node->in[0]->shape) / D;
    const float *x = s->in[0], *gamma = s->in[1], *beta = s->in[2];
    float *y = s->out[0], *stats = s->out[1], eps = (float)*(const double *)s->node->attr;
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r += PX_CHUNK_ROWS)
        norm_rows(y + r * D, stats + 2 * r, x + r * D, gamma, beta, limit(rows - r), D, eps);
}

/* dy, x, statistics, gamma, around -> dx, dgamma, dbeta */
static void layer_norm_back(const px_step *s)
{
    int64_t D = px_shape_count(s->node->in[3]->shape), rows = px_shape_count(s->node->in[1]->shape) / D;
    const float *dy = s->in[0], *x = s->in[1], *stats = s->in[2], *gamma = s->in[3], *around = s->in[4];
    float *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int k = 0; k < PX_CHUNKS; k++) {
        px_chunk c = px_chunk_start(s, rows, 2 * D, k);
        for (int64_t r = c.first; r < c.last; r += PX_CHUNK_ROWS) {
            back_rows(dx + r * D, dy + r * D, x + r * D, stats + 2 * r, gamma, around ? around + r * D : NULL, c.part,
                      c.part + D, limit(c.last - r), D);
            px_chunk_flush(&c, 2 * D);
        }
    }
    px_chunks_sum(s, 2 * D, 0, D, s->out[1]);
    px_chunks_sum(s, 2 * D, D, D, s->out[2]);
}

/* dy (N, C) -> (C) */
static void channel_sum(const px_step *s)
{
    px_shape shape = s->node->in[0]->shape;
    int64_t rows = shape.dim[0], C = shape.dim[1];
    const float *dy = s->in[0];
#pragma omp parallel for schedule(static)
    for (int k = 0; k < PX_CHUNKS; k++) {
        px_chunk c = px_chunk_start(s, rows, C, k);
        for (int64_t r = c.first; r < c.last; r += PX_CHUNK_ROWS) {
            sum_rows(c.part, dy + r * C, limit(c.last - r), C);
            px_chunk_flush(&c, C);
        }
    }
    px_chunks_sum(s, C, 0, C, s->out[0]);
}

/* ---- preparation ---- */

bool px_fast_layer_norm(px_plan *p, px_step *s)
{
    px_fast_plain(p, s, layer_norm);
    return true;
}

bool px_fast_layer_norm_back(px_plan *p, px_step *s)
{
    px_fast_plain(p, s, layer_norm_back);
    s->in_place = 1;
    s->scratch_bytes = px_chunks_bytes(2 * px_shape_count(s->node->in[3]->shape));
    return true;
}

bool px_fast_channel_sum(px_plan *p, px_step *s)
{
    px_shape shape = s->node->in[0]->shape;
    if (shape.rank != 2)
        return false;
    px_fast_plain(p, s, channel_sum);
    s->scratch_bytes = px_chunks_bytes(shape.dim[1]);
    return true;
}
