/* fast_gelu.c - gelu on plain memory, and the linear layer in front of it: a few hundred rows at a time go through the
 * matrix product and, still in the cache, through bias and gelu. Each such product runs on one thread. */
#include "base/simd.h"
#include "graph/op.h"
#include "ops/fast.h"
#include "ops/vmath.h"

#include <cblas.h>

enum { PIECE = 8192, ROWS = 256 };

/* ---- inner loops ---- */

PX_MULTIVERSION
static void gelu_piece(float *y, const float *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float bell;
        y[i] = x[i] * px_vphi(x[i], &bell);
    }
}

PX_MULTIVERSION
static void bias_gelu_rows(float *y, float *x, const float *bias, int64_t rows, int64_t M)
{
    for (int64_t r = 0; r < rows; r++) {
#pragma omp simd
        for (int64_t i = 0; i < M; i++) {
            float bell, v = x[r * M + i] + bias[i];
            x[r * M + i] = v;
            y[r * M + i] = v * px_vphi(v, &bell);
        }
    }
}

static inline float slope(float x)
{
    float bell, phi = px_vphi(x, &bell);
    return phi + x * bell * 0.39894228f;
}

PX_MULTIVERSION
static void back_piece(float *dx, const float *dy, const float *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = dy[i] * slope(x[i]);
}

PX_MULTIVERSION
static void back_rows(float *dx, const float *dy, const float *x, float *sum, int64_t rows, int64_t M)
{
    for (int64_t r = 0; r < rows; r++) {
#pragma omp simd
        for (int64_t i = 0; i < M; i++) {
            float d = dy[r * M + i] * slope(x[r * M + i]);
            dx[r * M + i] = d;
            sum[i] += d;
        }
    }
}

static int64_t part(int64_t i, int64_t n, int64_t most)
{
    return n - i < most ? n - i : most;
}

/* ---- kernels ---- */

static void gelu(const px_step *s)
{
    int64_t n = px_shape_count(s->node->out[0]->shape);
    const float *x = s->in[0];
    float *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        gelu_piece(y + i, x + i, part(i, n, PIECE));
}

static void gelu_back(const px_step *s)
{
    int64_t n = px_shape_count(s->node->out[0]->shape);
    const float *dy = s->in[0], *x = s->in[1];
    float *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        back_piece(dx + i, dy + i, x + i, part(i, n, PIECE));
}

/* dy, x (N, M) -> dx, sums over rows */
static void gelu_back_sums(const px_step *s)
{
    int64_t N = s->node->out[0]->shape.dim[0], M = s->node->out[0]->shape.dim[1];
    const float *dy = s->in[0], *x = s->in[1];
    float *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int k = 0; k < PX_CHUNKS; k++) {
        px_chunk c = px_chunk_start(s, N, M, k);
        for (int64_t r = c.first; r < c.last; r += PX_CHUNK_ROWS) {
            back_rows(dx + r * M, dy + r * M, x + r * M, c.part, part(r, c.last, PX_CHUNK_ROWS), M);
            px_chunk_flush(&c, M);
        }
    }
    px_chunks_sum(s, M, 0, M, s->out[1]);
}

/* x, weight, bias -> y, argument */
static void linear_gelu(const px_step *s)
{
    px_shape shape = s->node->in[1]->shape;
    int64_t N = s->node->in[0]->shape.dim[0], M = shape.dim[0], K = shape.dim[1];
    const float *x = s->in[0], *w = s->in[1], *bias = s->in[2];
    float *y = s->out[0], *argument = s->out[1];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < N; r += ROWS) {
        int64_t rows = part(r, N, ROWS);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)M, (int)K, 1, x + r * K, (int)K, w, (int)K,
                    0, argument + r * M, (int)M);
        bias_gelu_rows(y + r * M, argument + r * M, bias, rows, M);
    }
}

/* ---- preparation ---- */

bool px_fast_gelu(px_plan *p, px_step *s)
{
    px_fast_plain(p, s, gelu);
    return true;
}

bool px_fast_gelu_back(px_plan *p, px_step *s)
{
    bool sums = s->node->outputs > 1;
    px_fast_plain(p, s, sums ? gelu_back_sums : gelu_back);
    s->in_place = 1;
    if (sums)
        s->scratch_bytes = px_chunks_bytes(s->node->out[0]->shape.dim[1]);
    return true;
}

bool px_fast_linear_gelu(px_plan *p, px_step *s)
{
    if (s->node->out[1]->uses == 0) /* no gradient: nobody wants the argument */
        return px_onednn_matmul(p, s);
    px_fast_plain(p, s, linear_gelu);
    return true;
}
