/* attention.c - portable attention: the whole (queries, keys) matrix of one sample and head at a time. */
#include "ops/attention.h"
#include "backends/portable/portable.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* What the kernels read and write, for one head of one sample. Rows are z->row_q, z->row_kv and z->D apart. */
typedef struct head {
    int Q, K, d, row_q, row_kv, D;
    real scale;
    const real *q, *k, *v, *bias; /* bias NULL: none */
    int64_t bias_query, log;      /* stride; where the logarithms of the head's rows begin */
} head;

/* `first`: the number of the queries' input */
static head head_of(const px_step *s, const px_attention_sizes *z, int first, int64_t b, int64_t h)
{
    void *const *in = s->in + first;
    const real *q = in[PX_ATTENTION_Q], *k = z->packed ? q + z->D : in[PX_ATTENTION_K],
               *v = z->packed ? q + 2 * z->D : in[PX_ATTENTION_V], *bias = in[PX_ATTENTION_BIAS];
    int64_t kv = px_attention_kv(z, b, h);
    return (head){.Q = (int)z->Q,
                  .K = (int)z->K,
                  .d = (int)z->d,
                  .row_q = (int)z->row_q,
                  .row_kv = (int)z->row_kv,
                  .D = (int)z->D,
                  .scale = (real)z->scale,
                  .q = q + px_attention_q(z, b, h),
                  .k = k + kv,
                  .v = v + kv,
                  .bias = z->biased ? bias + px_attention_bias(z, b, h) : NULL,
                  .bias_query = z->bias_query,
                  .log = (b * z->H + h) * z->Q};
}

/* p (Q, K) = scale Q K^T + bias */
static void scores(const head *h, real *p)
{
    GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, h->Q, h->K, h->d, h->scale, h->q, h->row_q, h->k, h->row_kv, 0, p,
         h->K);
    for (int64_t r = 0; h->bias && r < h->Q; r++)
        for (int64_t i = 0; i < h->K; i++)
            p[r * h->K + i] += h->bias[r * h->bias_query + i];
}

/* A query all of whose keys have the bias -infinity gets zeros, and 0 as its logarithm. */
static void softmax(const head *h, real *p, real *logs)
{
    for (int64_t r = 0; r < h->Q; r++) {
        real *row = p + r * h->K, most = row[0];
        double sum = 0;
        for (int64_t i = 1; i < h->K; i++)
            most = row[i] > most ? row[i] : most;
        bool nothing = isinf(most) && most < 0;
        for (int64_t i = 0; i < h->K && !nothing; i++)
            sum += exp((double)(row[i] - most));
        double log_sum = nothing ? 0 : (double)most + log(sum);
        for (int64_t i = 0; i < h->K; i++)
            row[i] = (real)exp((double)row[i] - log_sum);
        logs[r] = (real)log_sum;
    }
}

/* q, k, v, bias -> y, logarithms */
void KERNEL(attention)(const px_step *s)
{
    px_attention_sizes z = px_attention_sizes_of(s->node, 0);
    real *logs = s->out[1], *p = s->scratch;
    for (int64_t b = 0; b < z.B; b++)
        for (int64_t k = 0; k < z.H; k++) {
            head h = head_of(s, &z, 0, b, k);
            scores(&h, p);
            softmax(&h, p, logs + h.log);
            GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, h.Q, h.d, h.K, 1, p, h.K, h.v, h.row_kv, 0,
                 (real *)s->out[0] + px_attention_y(&z, b, k), h.D);
        }
}

/* p (Q, K): probabilities; dp: their gradients, becomes those of the scores, which are also added to `total` */
static void softmax_back(int64_t Q, int64_t K, const real *p, real *dp, double *total)
{
    for (int64_t r = 0; r < Q; r++) {
        double delta = 0;
        for (int64_t i = r * K; i < (r + 1) * K; i++)
            delta += (double)p[i] * dp[i];
        for (int64_t i = r * K; i < (r + 1) * K; i++) {
            double d = p[i] * (dp[i] - delta);
            dp[i] = (real)d;
            total[i] += d;
        }
    }
}

static void back(const px_step *s, const px_attention_sizes *z, int64_t b, int64_t k, double *total)
{
    int64_t n = z->Q * z->K, kv = px_attention_kv(z, b, k);
    const head h = head_of(s, z, 1, b, k);
    const real *dy = (const real *)s->in[0] + px_attention_y(z, b, k), *logs = s->in[1 + PX_ATTENTION_INPUTS];
    real *first = s->out[0], *dq = first + px_attention_q(z, b, k);
    real *dk = z->packed ? first + z->D : s->out[1], *dv = z->packed ? first + 2 * z->D : s->out[2];
    real *p = (real *)(total + n), *dp = p + n;
    scores(&h, p);
    for (int64_t i = 0; i < n; i++)
        p[i] = (real)exp((double)(p[i] - logs[h.log + i / z->K]));
    GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, h.K, h.d, h.Q, 1, p, h.K, dy, h.D, 0, dv + kv, h.row_kv);
    GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, h.Q, h.K, h.d, 1, dy, h.D, h.v, h.row_kv, 0, dp, h.K);
    softmax_back(h.Q, h.K, p, dp, total);
    GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, h.Q, h.d, h.K, h.scale, dp, h.K, h.k, h.row_kv, 0, dq, h.row_q);
    GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, h.K, h.d, h.Q, h.scale, dp, h.K, h.q, h.row_q, 0, dk + kv, h.row_kv);
}

/* dy, q, k, v, bias, logarithms -> dq, dk, dv, dbias */
void KERNEL(attention_back)(const px_step *s)
{
    px_attention_sizes z = px_attention_sizes_of(s->node, 1);
    int64_t n = z.Q * z.K;
    bool wants_bias = s->node->out[3]->shape.rank == 4;
    double *total = s->scratch;
    for (int64_t w = 0; w < z.period; w++)
        for (int64_t k = 0; k < z.H; k++) {
            memset(total, 0, (size_t)n * sizeof total[0]);
            for (int64_t b = w; b < z.B; b += z.period)
                back(s, &z, b, k, total);
            for (int64_t i = 0; wants_bias && i < n; i++)
                ((real *)s->out[3])[(w * z.H + k) * n + i] = (real)total[i];
        }
}
