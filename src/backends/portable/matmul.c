/* matmul.c - portable batched matrix product, with an epilogue. */
#include "backends/portable/portable.h"
#include "ops/attr.h"

#include <cblas.h>

/* a, b, bias, residual -> y = act(factor * op(a) op(b) + bias + residual), argument */
void KERNEL(matmul)(const px_step *s)
{
    const px_matmul_attr *at = s->node->attr;
    px_shape sa = s->node->in[0]->shape, sb = s->node->in[1]->shape, sy = s->node->out[0]->shape;
    int r = sy.rank, M = (int)sy.dim[r - 2], N = (int)sy.dim[r - 1];
    int lda = (int)sa.dim[r - 1], ldb = (int)sb.dim[r - 1], K = (int)sa.dim[at->transpose_a ? r - 2 : r - 1];
    const real *a = s->in[0], *b = s->in[1], *bias = s->in[2];
    real *y = s->out[0];
    int64_t batch = 1;
    for (int i = 0; i < r - 2; i++)
        batch *= sy.dim[i];
    for (int64_t i = 0; i < batch; i++) {
        real *yi = y + i * M * N;
        for (int64_t j = 0; j < (int64_t)M * N; j++)
            yi[j] = bias ? bias[j % N] : 0;
        if (M > 0 && N > 0 && K > 0) /* a sum over nothing leaves the bias; BLAS takes no empty matrices */
            GEMM(CblasRowMajor, at->transpose_a ? CblasTrans : CblasNoTrans,
                 at->transpose_b ? CblasTrans : CblasNoTrans, M, N, K, (real)at->factor,
                 a + i * px_shape_tail(sa, r - 2), lda, b + i * px_shape_tail(sb, r - 2), ldb, 1, yi, N);
    }
    KERNEL(epilogue)(s);
}
