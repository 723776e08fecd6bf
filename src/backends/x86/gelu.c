/* gelu.c - gelu on plain memory, and the linear layer before it.
 *
 * In float, a few hundred rows at a time go through the layer's matrix product and, while they are in the cache,
 * through bias and gelu; each of these products runs on one thread. */
#include "backends/x86/kernels.h"
#include "graph/op.h"
#include "ops/vmath.h"

#include <cblas.h>
#include <math.h>

enum { PIECE = 8192, ROWS = 256 };

/* ---- inner loops: blocks of elements, each of which prefetches a later one ---- */

enum { BLOCK = 256 };

static int64_t part(int64_t i, int64_t n, int64_t most)
{
    return n - i < most ? n - i : most;
}

#if PX_ELEM_BF16
INLINE elem gelu(elem x)
{
    return down(px_vgelu_short(up(x)));
}

INLINE float slope(elem x)
{
    return px_vgelu_slope_short(up(x));
}
#else
INLINE elem gelu(elem x)
{
    float bell;
    return x * px_vphi(x, &bell);
}

INLINE float slope(elem x)
{
    float bell, phi = px_vphi(x, &bell);
    return phi + x * bell * 0.39894228f;
}

PX_MULTIVERSION
static void bias_gelu_rows(float *y, float *x, const float *bias, int64_t rows, int64_t M)
{
    for (int64_t r = 0; r < rows; r++) {
#pragma omp simd
        for (int64_t i = 0; i < M; i++) {
            x[r * M + i] += bias[i];
            y[r * M + i] = gelu(x[r * M + i]);
        }
    }
}
#endif

PX_MULTIVERSION
static void gelu_piece(elem *y, const elem *x, int64_t n)
{
    for (int64_t k = 0; k < n; k += BLOCK) {
        fetch_ahead(x + k, BLOCK);
#pragma omp simd
        for (int64_t i = k; i < k + part(k, n, BLOCK); i++)
            y[i] = gelu(x[i]);
    }
}

PX_MULTIVERSION
static void back_piece(elem *dx, const elem *dy, const elem *x, int64_t n)
{
    for (int64_t k = 0; k < n; k += BLOCK) {
        fetch_ahead(dy + k, BLOCK);
        fetch_ahead(x + k, BLOCK);
#pragma omp simd
        for (int64_t i = k; i < k + part(k, n, BLOCK); i++)
            dx[i] = down(up(dy[i]) * slope(x[i]));
    }
}

/* A row, or BLOCK elements of it. */
INLINE void back_sums(elem *dx, const elem *dy, const elem *x, float *sum, int64_t n)
{
    fetch_ahead(dy, n);
    fetch_ahead(x, n);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = up(dy[i]) * slope(x[i]);
        dx[i] = down(d);
        sum[i] += d;
    }
}

PX_MULTIVERSION
static void back_rows(elem *dx, const elem *dy, const elem *x, float *sum, int64_t rows, int64_t M)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < M; k += BLOCK)
            back_sums(dx + r * M + k, dy + r * M + k, x + r * M + k, sum + k, part(k, M, BLOCK));
}

/* ---- kernels ---- */

void KERNEL(gelu)(const px_step *s)
{
    int64_t n = px_shape_count(s->node->out[0]->shape);
    const elem *x = s->in[0];
    elem *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        gelu_piece(y + i, x + i, part(i, n, PIECE));
}

void KERNEL(gelu_back)(const px_step *s)
{
    int64_t n = px_shape_count(s->node->out[0]->shape);
    const elem *dy = s->in[0], *x = s->in[1];
    elem *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        back_piece(dx + i, dy + i, x + i, part(i, n, PIECE));
}

/* dy, x (N, M) -> dx, sums over rows */
void KERNEL(gelu_back_sums)(const px_step *s)
{
    int64_t N = s->node->out[0]->shape.dim[0], M = s->node->out[0]->shape.dim[1];
    const elem *dy = s->in[0], *x = s->in[1];
    elem *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int k = 0; k < PX_CHUNKS; k++) {
        px_chunk c = px_chunk_start(s, N, M, k);
        for (int64_t r = c.first; r < c.last; r += PX_CHUNK_ROWS) {
            back_rows(dx + r * M, dy + r * M, x + r * M, c.partial, part(r, c.last, PX_CHUNK_ROWS), M);
            px_chunk_flush(&c, M);
        }
    }
    px_chunks_sum(s, M, 0, M, s->out[1]);
}

#if !PX_ELEM_BF16
/* x, weight, bias -> y, argument */
void px_fast_f32_linear_gelu(const px_step *s)
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
#endif
