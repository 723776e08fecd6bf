/* linear.c - linear layers in float by BLAS. One whose activation's argument is kept: a few hundred rows at a time go through
 * the matrix product and, while they are in the cache, through bias, residual and activation; each of these products runs
 * on one thread. And the gradient of a weight. */
#include "backends/x86/kernels.h"
#include "ops/epilogue.h"

#include <cblas.h>

enum { ROWS = 256 };

/* v += bias + more; either may be NULL */
static PX_MULTIVERSION(add_row, (float *v, const float *bias, const float *more, int64_t M), (v, bias, more, M))
{
    for (int64_t i = 0; bias && i < M; i++)
        v[i] += bias[i];
    for (int64_t i = 0; more && i < M; i++)
        v[i] += more[i];
}

/* x (N, K), weight (M, K), bias (M), residual (N, M) -> y (N, M), argument (N, M) */
void px_fast_linear(const px_step *s)
{
    px_shape shape = s->node->in[1]->shape;
    int64_t N = s->node->in[0]->shape.dim[0], M = shape.dim[0], K = shape.dim[1];
    const float *x = s->in[0], *w = s->in[1], *bias = s->in[2], *residual = s->in[3];
    float *y = s->out[0], *argument = s->out[1];
    const px_unary_attr *act = px_epilogue_act(s->node);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < N; r += ROWS) {
        int64_t rows = N - r < ROWS ? N - r : ROWS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)M, (int)K, 1, x + r * K, (int)K, w, (int)K,
                    0, argument + r * M, (int)M);
        for (int64_t i = r; i < r + rows; i++) {
            add_row(argument + i * M, bias, residual ? residual + i * M : NULL, M);
            px_fast_f32_values(act, y + i * M, argument + i * M, M);
        }
    }
}

/* dy (N, M), x (N, K) -> factor dy^T x (M, K) */
void px_fast_linear_back_weight(const px_step *s)
{
    px_shape dy = s->node->in[0]->shape, x = s->node->in[1]->shape;
    int N = (int)dy.dim[0], M = (int)dy.dim[1], K = (int)x.dim[1];
    float factor = (float)((const px_matmul_attr *)s->node->attr)->factor;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, M, K, N, factor, s->in[0], M, s->in[1], K, 0, s->out[0], K);
}
