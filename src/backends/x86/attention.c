/* attention.c - attention by our own small matrix products; a task is one head of one sample. A block of rows of the
 * (queries, keys) matrix lives in the thread's scratch memory. Each task writes its own part of the outputs, so the result
 * does not depend on the number of threads. Where a bias is learned, a task is one head of some of the samples that share
 * their bias; how many depends on the shapes alone. */
#include "ops/attention.h"
#include "backends/x86/vectors.h"
#include "ops/vmath.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { BLOCK = 96 }; /* rows of P at a time */

/* `wide`: the processor has enough registers for 6 x 32 sums. */
PX_MULTIVERSION
static void product(float *c, int64_t ldc, matrix a, const float *b, int64_t ldb, int64_t M, int64_t N, int64_t K,
                    bool add, bool wide)
{
    int64_t j = 0;
    for (; wide && j + 32 <= N; j += 32)
        panel(c + j, ldc, a, b + j, ldb, M, K, 32, add);
    for (; j + 16 <= N; j += 16)
        panel(c + j, ldc, a, b + j, ldb, M, K, 16, add);
    for (; j < N; j += 8)
        panel(c + j, ldc, a, b + j, ldb, M, K, 8, add);
}

/* ---- rows of P: K numbers, padded to Kp, a multiple of 16 ---- */

/* Lanes of a where `mask` is -1, of b where it is 0. */
INLINE v16 choose(i16 mask, v16 a, v16 b)
{
    return (v16)((mask & (i16)a) | (~mask & (i16)b));
}

/* px_vexp, sixteen at a time, except that below -87 it is 0. */
INLINE v16 vexp(v16 x)
{
    i16 low = x < -87.0f;
    x = choose(low, (v16){0} - 87.0f, x);
    v16 n = (x * 1.44269504f + 12582912.0f) - 12582912.0f, r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    v16 y = r * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    return (v16)(~low & (i16)(y * (v16)((__builtin_convertvector(n, i16) + 127) << 23)));
}

typedef union lanes {
    v16 all;
    v8 half[2];
    v4 quarter[4];
    float one[16];
} lanes;

INLINE float total(v16 v)
{
    lanes p = {.all = v};
    p.half[0] += p.half[1];
    p.quarter[0] += p.quarter[1];
    return (p.one[0] + p.one[2]) + (p.one[1] + p.one[3]);
}

INLINE float largest(v16 v)
{
    lanes p = {.all = v};
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            p.one[i] = p.one[i] > p.one[i + half] ? p.one[i] : p.one[i + half];
    return p.one[0];
}

/* Marks those of a row's last sixteen places that are padding beyond K. */
INLINE i16 padding_of(int64_t K, int64_t Kp)
{
    i16 place = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return place >= (int32_t)(K - Kp + 16);
}

/* A bias for some rows of P: rows of K numbers, `row` apart. Behind `end` nothing may be read. */
typedef struct bias {
    const float *at, *end;
    int64_t row;
} bias;

/* p = scale p + bias */
PX_MULTIVERSION
static void add_bias(float *p, bias b, int64_t rows, int64_t K, int64_t Kp, float scale)
{
    for (int64_t r = 0; r < rows; r++, p += Kp, b.at += b.row) {
        int64_t whole = b.end - b.at >= Kp ? Kp : K / 16 * 16;
        for (int64_t k = 0; k < whole; k += 16)
            *at(p + k) = scale * *at(p + k) + *(const v16 *)(b.at + k);
        for (int64_t k = whole; k < K; k++)
            p[k] = scale * p[k] + b.at[k];
    }
}

/* p = products Q K^T -> e^(scale (p - largest)); *inverse gets 1 / their sum, *logs log(sum of e^(scale p)). Rows of
 * -infinity get zeros. */
PX_MULTIVERSION
static void softmax_rows(float *p, float *inverse, float *logs, int64_t rows, int64_t K, int64_t Kp, float scale)
{
    i16 padding = padding_of(K, Kp);
    for (int64_t r = 0; r < rows; r++, p += Kp) {
        *at(p + Kp - 16) = choose(padding, (v16){0} - INFINITY, *at(p + Kp - 16));
        v16 most = *at(p), sum = {0};
        for (int64_t k = 16; k < Kp; k += 16)
            most = choose(most > *at(p + k), most, *at(p + k));
        float top = scale * largest(most);
        top = top == -INFINITY ? 0 : top;
        for (int64_t k = 0; k < Kp; k += 16) {
            v16 e = vexp(scale * *at(p + k) - top);
            *at(p + k) = e;
            sum += e;
        }
        float all = total(sum);
        inverse[r] = all == 0 ? 0 : 1 / all;
        logs[r] = all == 0 ? 0 : top + logf(all);
    }
}

/* p = products Q K^T, multiplied by `scale` -> probabilities; dp = their gradients -> gradients of p, times `factor` */
PX_MULTIVERSION
static void softmax_back_rows(float *p, float *dp, const float *logs, int64_t rows, int64_t K, int64_t Kp, float scale,
                              float factor)
{
    i16 padding = padding_of(K, Kp);
    for (int64_t r = 0; r < rows; r++, p += Kp, dp += Kp) {
        *at(p + Kp - 16) = choose(padding, (v16){0} - INFINITY, *at(p + Kp - 16));
        v16 sum = {0};
        for (int64_t k = 0; k < Kp; k += 16) {
            v16 e = vexp(scale * *at(p + k) - logs[r]);
            *at(p + k) = e;
            sum += e * *at(dp + k);
        }
        float delta = total(sum);
        for (int64_t k = 0; k < Kp; k += 16)
            *at(dp + k) = factor * *at(p + k) * (*at(dp + k) - delta);
    }
}

/* y += factor x; n is a multiple of 16 */
PX_MULTIVERSION
static void add_rows(float *y, const float *x, int64_t n, float factor)
{
    for (int64_t i = 0; i < n; i += 16)
        *at(y + i) += factor * *(const v16 *)(x + i);
}

/* ---- a head's matrices: between strided elements and dense floats ---- */

PX_MULTIVERSION
static void load_rows(float *to, const elem *from, int64_t ldf, int64_t rows, int64_t d)
{
    for (int64_t r = 0; r < rows; r++) {
#pragma omp simd
        for (int64_t i = 0; i < d; i++)
            to[r * d + i] = up(from[r * ldf + i]);
    }
}

/* `factor`: one per row; NULL: 1 */
PX_MULTIVERSION
static void store_rows(elem *to, int64_t ldt, const float *from, const float *factor, int64_t rows, int64_t d)
{
    for (int64_t r = 0; r < rows; r++) {
        float by = factor ? factor[r] : 1;
#pragma omp simd
        for (int64_t i = 0; i < d; i++)
            to[r * ldt + i] = down(from[r * d + i] * by);
    }
}

#ifdef __clang__ /* its shuffles need constant indices */
INLINE void transpose16(float *to, int64_t ldt, const float *from, int64_t ldf)
{
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < 16; k++)
            to[i * ldt + k] = from[k * ldf + i];
}
#else
/* Exchanges the off-diagonal squares of side s between rows i and i + s. */
INLINE void exchange(v16 row[16], const int s)
{
    i16 low, high;
    for (int k = 0; k < 16; k++) {
        low[k] = k & s ? 16 + k - s : k;
        high[k] = k & s ? 16 + k : k + s;
    }
    for (int i = 0; i < 16; i++)
        if (!(i & s)) {
            v16 a = row[i], b = row[i + s];
            row[i] = __builtin_shuffle(a, b, low);
            row[i + s] = __builtin_shuffle(a, b, high);
        }
}

INLINE void transpose16(float *to, int64_t ldt, const float *from, int64_t ldf)
{
    v16 row[16];
    for (int i = 0; i < 16; i++)
        row[i] = *(const v16 *)(from + i * ldf);
    exchange(row, 1);
    exchange(row, 2);
    exchange(row, 4);
    exchange(row, 8);
    for (int i = 0; i < 16; i++)
        *at(to + i * ldt) = row[i];
}
#endif

/* to (d, Kp) = from^T (K, d); zeros in the padding */
PX_MULTIVERSION
static void transpose(float *to, const float *from, int64_t ldf, int64_t K, int64_t Kp, int64_t d)
{
    int64_t whole = K / 16 * 16, wide = d / 16 * 16;
    for (int64_t t = 0; t < whole; t += 16)
        for (int64_t i = 0; i < wide; i += 16)
            transpose16(to + i * Kp + t, Kp, from + t * ldf + i, ldf);
    for (int64_t i = 0; i < d; i++) {
        if (whole < Kp)
            *at(to + i * Kp + whole) = (v16){0};
        for (int64_t t = i < wide ? whole : 0; t < K; t++)
            to[i * Kp + t] = from[t * ldf + i];
    }
}

/* ---- one sample and head ---- */

typedef struct sizes {
    px_attention_sizes in;
    int64_t Kp, rows; /* rows: in a block of P */
    float scale;
    bool wide;
} sizes;

/* `first`: the number of the queries' input */
static sizes sizes_of(const px_node *n, int first)
{
    sizes z = {.in = px_attention_sizes_of(n, first)};
    z.Kp = (z.in.K + 15) / 16 * 16;
    int64_t blocks = (z.in.Q + BLOCK - 1) / BLOCK;
    z.rows = blocks > 0 ? (z.in.Q + blocks - 1) / blocks : 0;
    z.scale = (float)z.in.scale;
    return z;
}

/* Floats of scratch memory per thread: whole cache lines, and one between threads. */
static int64_t lines(int64_t floats)
{
    return (floats + 15) / 16 * 16 + 16;
}

static int64_t forward_floats(const sizes *z)
{
    int64_t K = z->in.K, d = z->in.d;
    return lines(d * z->Kp + K * d + z->rows * (z->Kp + 2 * d + 1));
}

static int64_t backward_floats(const sizes *z)
{
    int64_t K = z->in.K, d = z->in.d;
    return lines(2 * d * z->Kp + 3 * K * d + 2 * z->rows * (z->Kp + d));
}

static matrix plain(const float *at, int64_t row)
{
    return (matrix){at, row, 1};
}

static matrix transposed(const float *at, int64_t row)
{
    return (matrix){at, 1, row};
}

/* A head's first rows, and its bias (at NULL: none). */
typedef struct head {
    const elem *q, *k, *v;
    bias bias;
} head;

static head head_of(const px_step *s, const sizes *z, int first, int64_t b, int64_t h)
{
    void *const *in = s->in + first;
    const px_attention_sizes *a = &z->in;
    const elem *q = in[PX_ATTENTION_Q], *k = a->packed ? q + a->D : in[PX_ATTENTION_K],
               *v = a->packed ? q + 2 * a->D : in[PX_ATTENTION_V];
    int64_t kv = px_attention_kv(a, b, h);
    head x = {.q = q + px_attention_q(a, b, h), .k = k + kv, .v = v + kv};
    if (a->biased) {
        const float *all = in[PX_ATTENTION_BIAS];
        x.bias = (bias){.at = all + px_attention_bias(a, b, h),
                        .end = all + px_shape_count(s->node->in[first + PX_ATTENTION_BIAS]->shape),
                        .row = a->bias_query};
    }
    return x;
}

/* p = products of queries q with keys kt; returns by what they remain to be multiplied */
static float scores(const sizes *z, const head *x, float *p, const float *q, const float *kt, int64_t r, int64_t rows)
{
    product(p, z->Kp, plain(q, z->in.d), kt, z->Kp, rows, z->Kp, z->in.d, false, z->wide);
    if (!x->bias.at)
        return z->scale;
    bias b = x->bias;
    b.at += r * b.row;
    add_bias(p, b, rows, z->in.K, z->Kp, z->scale);
    return 1;
}

static void forward_head(const sizes *z, head x, elem *y, float *logs, float *scratch)
{
    int64_t d = z->in.d, K = z->in.K, Q = z->in.Q, D = z->in.D, Kp = z->Kp;
    float *kt = scratch, *v = kt + d * Kp, *p = v + K * d, *q = p + z->rows * Kp, *out = q + z->rows * d,
          *inverse = out + z->rows * d;
    load_rows(v, x.k, z->in.row_kv, K, d); /* the keys; v is a temporary place here */
    transpose(kt, v, d, K, Kp, d);
    load_rows(v, x.v, z->in.row_kv, K, d);
    for (int64_t r = 0; r < Q; r += z->rows) {
        int64_t rows = Q - r < z->rows ? Q - r : z->rows;
        load_rows(q, x.q + r * z->in.row_q, z->in.row_q, rows, d);
        float scale = scores(z, &x, p, q, kt, r, rows);
        softmax_rows(p, inverse, logs + r, rows, K, Kp, scale);
        product(out, d, plain(p, Kp), v, d, rows, d, K, false, z->wide);
        store_rows(y + r * D, D, out, inverse, rows, d);
    }
}

/* What backward_head reads and writes, besides the head's inputs. */
typedef struct gradients {
    const elem *dy;
    const float *logs;
    elem *dq, *dk, *dv;
    float *dbias; /* (Q, Kp), to which the gradient is added; NULL: not wanted */
} gradients;

static void backward_head(const sizes *z, head x, gradients to, float *scratch)
{
    int64_t d = z->in.d, K = z->in.K, Q = z->in.Q, D = z->in.D, Kp = z->Kp, row_q = z->in.row_q;
    float *kt = scratch, *vt = kt + d * Kp, *k = vt + d * Kp, *dk = k + K * d, *dv = dk + K * d, *p = dv + K * d;
    float *dp = p + z->rows * Kp, *q = dp + z->rows * Kp, *g = q + z->rows * d;
    load_rows(k, x.k, z->in.row_kv, K, d);
    transpose(kt, k, d, K, Kp, d);
    load_rows(dv, x.v, z->in.row_kv, K, d); /* the values; dv is a temporary place here */
    transpose(vt, dv, d, K, Kp, d);
    for (int64_t r = 0; r < Q; r += z->rows) {
        int64_t rows = Q - r < z->rows ? Q - r : z->rows;
        load_rows(q, x.q + r * row_q, row_q, rows, d);
        load_rows(g, to.dy + r * D, D, rows, d);
        float scale = scores(z, &x, p, q, kt, r, rows);
        product(dp, Kp, plain(g, d), vt, Kp, rows, Kp, d, false, z->wide);
        softmax_back_rows(p, dp, to.logs + r, rows, K, Kp, scale, z->scale);
        if (to.dbias)
            add_rows(to.dbias + r * Kp, dp, rows * Kp, 1 / z->scale);
        product(dk, d, transposed(dp, Kp), q, d, K, d, rows, r > 0, z->wide);
        product(dv, d, transposed(p, Kp), g, d, K, d, rows, r > 0, z->wide);
        product(q, d, plain(dp, Kp), k, d, rows, d, K, false, z->wide); /* dq */
        store_rows(to.dq + r * row_q, row_q, q, NULL, rows, d);
    }
    store_rows(to.dk, z->in.row_kv, dk, NULL, K, d);
    store_rows(to.dv, z->in.row_kv, dv, NULL, K, d);
}

/* ---- kernels ---- */

/* q, k, v, bias -> y, logarithms */
void KERNEL(attention)(const px_step *s)
{
    sizes z = sizes_of(s->node, 0);
    z.wide = px_plan_isa(s->plan) >= PX_ISA_AVX512;
    int64_t floats = forward_floats(&z);
    elem *y = s->out[0];
    float *logs = s->out[1];
#pragma omp parallel for collapse(2) schedule(static) num_threads(px_fast_threads(s, 0, (size_t)floats * sizeof(float)))
    for (int64_t b = 0; b < z.in.B; b++)
        for (int64_t h = 0; h < z.in.H; h++)
            forward_head(&z, head_of(s, &z, 0, b, h), y + px_attention_y(&z.in, b, h), logs + (b * z.in.H + h) * z.in.Q,
                         (float *)s->scratch + omp_get_thread_num() * floats);
}

/* How many parts the samples that share a bias are cut into. If the bias is learned, the parts' sums are kept until all are
 * there, so there are only as many as give work to PX_CHUNKS threads. */
static int64_t parts_of(const sizes *z, bool learned)
{
    int64_t sharing = z->in.B / z->in.period, heads = z->in.period * z->in.H;
    int64_t parts = (PX_CHUNKS + heads - 1) / heads;
    return !learned || parts > sharing ? sharing : parts;
}

static bool learns_bias(const px_node *n)
{
    return n->out[3]->shape.rank == 4;
}

/* The floats of all parts' sums, whole cache lines. */
static int64_t bias_floats(const sizes *z, bool learned)
{
    return learned ? lines(parts_of(z, true) * z->in.period * z->in.H * z->in.Q * z->Kp) : 0;
}

/* One head of one sample, or of a part of those that share a bias. Head h of part c of the samples w, w + period, ... is
 * task (c period + w) H + h. */
static void backward_task(const px_step *s, const sizes *z, int64_t task, int64_t parts, float *dbias, float *scratch)
{
    const px_attention_sizes *a = &z->in;
    int64_t h = task % a->H, w = task / a->H % a->period, c = task / a->H / a->period, sharing = a->B / a->period;
    elem *first = s->out[0], *dk = a->packed ? first + a->D : s->out[1], *dv = a->packed ? first + 2 * a->D : s->out[2];
    if (dbias)
        memset(dbias, 0, (size_t)(a->Q * z->Kp) * sizeof dbias[0]);
    for (int64_t i = sharing * c / parts; i < sharing * (c + 1) / parts; i++) {
        int64_t b = i * a->period + w, kv = px_attention_kv(a, b, h);
        gradients to = {.dy = (const elem *)s->in[0] + px_attention_y(a, b, h),
                        .logs = (const float *)s->in[1 + PX_ATTENTION_INPUTS] + (b * a->H + h) * a->Q,
                        .dq = first + px_attention_q(a, b, h),
                        .dk = dk + kv,
                        .dv = dv + kv,
                        .dbias = dbias};
        backward_head(z, head_of(s, z, 1, b, h), to, scratch);
    }
}

/* dbias (period, H, Q, K) = the sum of the parts (parts, period, H, Q, Kp) */
static void sum_parts(const sizes *z, float *dbias, const float *part, int64_t parts)
{
    int64_t rows = z->in.period * z->in.H * z->in.Q, K = z->in.K;
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < parts; c++)
            for (int64_t k = 0; k < K; k++)
                dbias[r * K + k] = (c ? dbias[r * K + k] : 0) + part[(c * rows + r) * z->Kp + k];
}

/* dy, q, k, v, bias, logarithms -> dq, dk, dv, dbias */
void KERNEL(attention_back)(const px_step *s)
{
    sizes z = sizes_of(s->node, 1);
    z.wide = px_plan_isa(s->plan) >= PX_ISA_AVX512;
    bool learned = learns_bias(s->node);
    int64_t floats = backward_floats(&z), shared = bias_floats(&z, learned), parts = parts_of(&z, learned);
    float *sums = s->scratch, *scratch = sums + shared;
#pragma omp parallel for schedule(static)                                                                              \
    num_threads(px_fast_threads(s, (size_t)shared * sizeof(float), (size_t)floats * sizeof(float)))
    for (int64_t task = 0; task < parts * z.in.period * z.in.H; task++)
        backward_task(s, &z, task, parts, learned ? sums + task * z.in.Q * z.Kp : NULL,
                      scratch + omp_get_thread_num() * floats);
    if (learned)
        sum_parts(&z, s->out[3], sums, parts);
}

#if !PX_ELEM_BF16
size_t px_fast_attention_bytes(const px_node *n, bool back)
{
    sizes z = sizes_of(n, back);
    int64_t each = back ? backward_floats(&z) : forward_floats(&z), shared = back ? bias_floats(&z, learns_bias(n)) : 0;
    return (size_t)(shared + each * omp_get_max_threads()) * sizeof(float);
}
#endif
