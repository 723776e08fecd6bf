/* gelu.c - gelu on plain memory, and the linear layer in front of it.
 *
 * In float that layer goes a few hundred rows at a time through the matrix product and, still in the cache, through bias
 * and gelu; each such product runs on one thread. In bf16 an argument has 2^16 values: gelu and its slope are read from
 * tables, correctly rounded, of which a few thousand entries see all the use. */
#include "graph/op.h"
#include "ops/fast/kernels.h"
#include "ops/vmath.h"

#include <cblas.h>
#include <math.h>

enum { PIECE = 8192, ROWS = 256 };

/* ---- inner loops ---- */

#if PX_HALF
/* By the bits of the argument: in the lower half gelu, in the upper its slope, both as bf16. */
static uint32_t table[1 << 16];

/* Threads may fill it at the same time: with the same values. */
static void fill_table(void)
{
    static bool filled;
    if (__atomic_load_n(&filled, __ATOMIC_ACQUIRE))
        return;
    for (int i = 0; i < 1 << 16; i++) {
        double x = px_bf16_float((px_bf16){(uint16_t)i}), phi = 0.5 * erfc(-x * M_SQRT1_2);
        double bell = isinf(x) ? 0 : x * exp(-0.5 * x * x) * (0.5 * M_2_SQRTPI * M_SQRT1_2);
        px_bf16 gelu = px_bf16_of(phi == 0 ? 0 : (float)(x * phi)), slope = px_bf16_of((float)(phi + bell));
        table[i] = (uint32_t)slope.bits << 16 | gelu.bits;
    }
    __atomic_store_n(&filled, true, __ATOMIC_RELEASE);
}

PX_MULTIVERSION
static void gelu_piece(elem *y, const elem *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i].bits = (uint16_t)table[x[i].bits];
}

INLINE float slope(elem x)
{
    uint32_t bits = table[x.bits] & 0xffff0000u;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
#else
static void fill_table(void) {}

PX_MULTIVERSION
static void gelu_piece(elem *y, const elem *x, int64_t n)
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

INLINE float slope(elem x)
{
    float bell, phi = px_vphi(x, &bell);
    return phi + x * bell * 0.39894228f;
}
#endif

PX_MULTIVERSION
static void back_piece(elem *dx, const elem *dy, const elem *x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = down(up(dy[i]) * slope(x[i]));
}

PX_MULTIVERSION
static void back_rows(elem *dx, const elem *dy, const elem *x, float *sum, int64_t rows, int64_t M)
{
    for (int64_t r = 0; r < rows; r++) {
#pragma omp simd
        for (int64_t i = 0; i < M; i++) {
            float d = up(dy[r * M + i]) * slope(x[r * M + i]);
            dx[r * M + i] = down(d);
            sum[i] += d;
        }
    }
}

static int64_t part(int64_t i, int64_t n, int64_t most)
{
    return n - i < most ? n - i : most;
}

/* ---- kernels ---- */

void KERNEL(gelu)(const px_step *s)
{
    int64_t n = px_shape_count(s->node->out[0]->shape);
    const elem *x = s->in[0];
    elem *y = s->out[0];
    fill_table();
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += PIECE)
        gelu_piece(y + i, x + i, part(i, n, PIECE));
}

void KERNEL(gelu_back)(const px_step *s)
{
    int64_t n = px_shape_count(s->node->out[0]->shape);
    const elem *dy = s->in[0], *x = s->in[1];
    elem *dx = s->out[0];
    fill_table();
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
    fill_table();
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

#if !PX_HALF
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
