/* attention.c - portable attention: the whole (T, T) matrix of one sample and head at a time. */
#include "backends/portable/portable.h"
#include "ops/attr.h"

#include <cblas.h>
#include <math.h>

/* One head of one sample: where its matrices (T, d) begin in qkv, dqkv (rows of 3 D) and y, dy (rows of D). */
typedef struct head {
    int T, d, D;
    double scale;
    int64_t in, out, log;
} head;

static int heads_of(const px_step *s)
{
    return ((const px_attention_attr *)s->node->attr)->heads;
}

static head head_of(const px_step *s, px_shape qkv, int64_t b, int h)
{
    int heads = heads_of(s), T = (int)qkv.dim[1], D = (int)qkv.dim[2] / 3, d = D / heads;
    return (head){.T = T,
                  .d = d,
                  .D = D,
                  .scale = 1 / sqrt((double)d),
                  .in = b * T * 3 * D + h * d,
                  .out = b * T * D + h * d,
                  .log = (b * heads + h) * T};
}

/* scores (T, T) = scale Q K^T */
static void scores(const head *h, const real *qkv, real *p)
{
    GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, h->T, h->T, h->d, (real)h->scale, qkv + h->in, 3 * h->D,
         qkv + h->in + h->D, 3 * h->D, 0, p, h->T);
}

static void softmax(int64_t T, real *p, real *logs)
{
    for (int64_t r = 0; r < T; r++) {
        real *row = p + r * T, most = row[0];
        double sum = 0;
        for (int64_t i = 1; i < T; i++)
            most = row[i] > most ? row[i] : most;
        for (int64_t i = 0; i < T; i++)
            sum += exp((double)(row[i] - most));
        double log_sum = (double)most + log(sum);
        for (int64_t i = 0; i < T; i++)
            row[i] = (real)exp((double)row[i] - log_sum);
        logs[r] = (real)log_sum;
    }
}

/* qkv -> y, logarithms */
void KERNEL(attention)(const px_step *s)
{
    px_shape shape = s->node->in[0]->shape;
    const real *qkv = s->in[0];
    real *y = s->out[0], *logs = s->out[1], *p = s->scratch;
    for (int64_t b = 0; b < shape.dim[0]; b++)
        for (int k = 0; k < heads_of(s); k++) {
            head h = head_of(s, shape, b, k);
            scores(&h, qkv, p);
            softmax(h.T, p, logs + h.log);
            GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, h.T, h.d, h.T, 1, p, h.T, qkv + h.in + 2 * h.D, 3 * h.D, 0,
                 y + h.out, h.D);
        }
}

/* p (T, T): probabilities; dp: their gradients, becomes that of the products Q K^T */
static void softmax_back(int64_t T, double scale, const real *p, real *dp)
{
    for (int64_t r = 0; r < T; r++) {
        double delta = 0;
        for (int64_t i = r * T; i < (r + 1) * T; i++)
            delta += (double)p[i] * dp[i];
        for (int64_t i = r * T; i < (r + 1) * T; i++)
            dp[i] = (real)(p[i] * (dp[i] - delta) * scale);
    }
}

/* dy, qkv, logarithms -> dqkv */
void KERNEL(attention_back)(const px_step *s)
{
    px_shape shape = s->node->in[1]->shape;
    int64_t T = shape.dim[1];
    const real *dy = s->in[0], *qkv = s->in[1], *logs = s->in[2];
    real *dqkv = s->out[0], *p = s->scratch, *dp = p + T * T;
    for (int64_t b = 0; b < shape.dim[0]; b++)
        for (int k = 0; k < heads_of(s); k++) {
            head h = head_of(s, shape, b, k);
            const real *q = qkv + h.in, *d = dy + h.out;
            real *dq = dqkv + h.in;
            scores(&h, qkv, p);
            for (int64_t i = 0; i < T * T; i++)
                p[i] = (real)exp((double)(p[i] - logs[h.log + i / T]));
            GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, h.T, h.d, h.T, 1, p, h.T, d, h.D, 0, dq + 2 * h.D, 3 * h.D);
            GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, h.T, h.T, h.d, 1, d, h.D, q + 2 * h.D, 3 * h.D, 0, dp, h.T);
            softmax_back(T, h.scale, p, dp);
            GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, h.T, h.d, h.T, 1, dp, h.T, q + h.D, 3 * h.D, 0, dq,
                 3 * h.D);
            GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, h.T, h.d, h.T, 1, dp, h.T, q, 3 * h.D, 0, dq + h.D, 3 * h.D);
        }
}
