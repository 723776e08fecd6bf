/* attention.c - attention by our own small matrix products; a task is one head of one sample. A block of rows of the
 * (queries, keys) matrix lives in the thread's scratch memory. Each task writes its own part of the outputs, so the result
 * does not depend on the number of threads. Where a bias is learned, a task is one head of some of the samples that share
 * their bias; how many depends on the shapes alone.
 *
 * This file is compiled for each length of vectors (vectors.h), and each for float and bf16 (kernels.h). */
#include "ops/attention.h"
#include "backends/rows.h"
#include "backends/x86/softmax.h"

#include <omp.h>

enum { BLOCK = 96 }; /* rows of P at a time */

/* A bias for some rows of P: rows of K numbers, `row` apart. Behind `end` nothing may be read. */
typedef struct bias {
    const float *at, *end;
    int64_t row;
} bias;

/* p = scale p + bias */
static void add_bias(float *p, int64_t ld, bias b, int64_t rows, int64_t K, float scale)
{
    int64_t Kp = padded(K);
    for (int64_t r = 0; r < rows; r++, p += ld, b.at += b.row) {
        int64_t whole = b.end - b.at >= Kp ? Kp : Kp - LANES;
        for (int64_t k = 0; k < whole; k += LANES)
            *at(p + k) = scale * from(p + k) + from(b.at + k);
        for (int64_t k = whole; k < K; k++)
            p[k] = scale * p[k] + b.at[k];
    }
}

/* y += factor x, in rows of n numbers; n is a multiple of LANES */
static void add_rows(float *y, const float *x, int64_t ld, int64_t rows, int64_t n, float factor)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = r * ld; i < r * ld + n; i += LANES)
            *at(y + i) += factor * from(x + i);
}

/* ---- one sample and head ---- */

typedef struct sizes {
    px_attention_sizes in;
    int64_t dp, Kp, ld; /* d and K, padded; from one row of P to the next one */
    int64_t rows;       /* in a block of P */
    float scale;
} sizes;

/* `first`: the number of the queries' input */
static sizes sizes_of(const px_node *n, int first)
{
    sizes z = {.in = px_attention_sizes_of(n, first)};
    z.dp = padded(z.in.d);
    z.Kp = padded(z.in.K);
    z.ld =
        z.Kp | LANES; /* an odd number of vectors: a column's elements are not all in the same few lines of the cache */
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
    return lines(z->in.d * z->Kp + z->in.K * z->dp + z->rows * (z->ld + 2 * z->dp + 1));
}

static int64_t backward_floats(const sizes *z)
{
    return lines(2 * z->in.d * z->Kp + 3 * z->in.K * z->dp + z->rows * (2 * z->ld + 4 * z->dp));
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
    product(p, z->ld, rows_of(q, z->dp), kt, rows, z->Kp, z->in.d, false);
    if (!x->bias.at)
        return z->scale;
    bias b = x->bias;
    b.at += r * b.row;
    add_bias(p, z->ld, b, rows, z->in.K, z->scale);
    return 1;
}

static void forward_head(const sizes *z, head x, elem *y, float *logs, float *scratch)
{
    int64_t d = z->in.d, dp = z->dp, K = z->in.K, Q = z->in.Q, D = z->in.D;
    float *kt = scratch, *v = kt + d * z->Kp, *p = v + K * dp, *q = p + z->rows * z->ld, *out = q + z->rows * dp,
          *inverse = out + z->rows * dp;
    pack_columns(kt, x.k, z->in.row_kv, K, d);
    pack_rows(v, x.v, z->in.row_kv, K, d);
    for (int64_t r = 0; r < Q; r += z->rows) {
        int64_t rows = Q - r < z->rows ? Q - r : z->rows;
        load_rows(q, x.q + r * z->in.row_q, z->in.row_q, rows, d);
        float scale = scores(z, &x, p, q, kt, r, rows);
        softmax_rows(p, z->ld, inverse, logs + r, rows, K, scale);
        product(out, dp, rows_of(p, z->ld), v, rows, dp, K, false);
        store_rows(y + r * D, D, out, inverse, rows, d);
    }
}

/* What backward_head reads and writes, besides the head's inputs. */
typedef struct gradients {
    const elem *dy;
    const float *logs;
    elem *dq, *dk, *dv;
    float *dbias; /* (Q, ld), to which the gradient is added; NULL: not wanted */
} gradients;

static void backward_head(const sizes *z, head x, gradients to, float *scratch)
{
    int64_t d = z->in.d, dp = z->dp, K = z->in.K, Q = z->in.Q, D = z->in.D, ld = z->ld, row_q = z->in.row_q;
    float *kt = scratch, *vt = kt + d * z->Kp, *k = vt + d * z->Kp, *dk = k + K * dp, *dv = dk + K * dp;
    float *p = dv + K * dp, *ds = p + z->rows * ld, *q = ds + z->rows * ld, *g = q + z->rows * dp;
    float *q_panels = g + z->rows * dp, *g_panels = q_panels + z->rows * dp;
    pack_columns(kt, x.k, z->in.row_kv, K, d);
    pack_columns(vt, x.v, z->in.row_kv, K, d);
    pack_rows(k, x.k, z->in.row_kv, K, d);
    for (int64_t r = 0; r < Q; r += z->rows) {
        int64_t rows = Q - r < z->rows ? Q - r : z->rows;
        const elem *xq = x.q + r * row_q, *xg = to.dy + r * D;
        load_rows(q, xq, row_q, rows, d);
        load_rows(g, xg, D, rows, d);
        float scale = scores(z, &x, p, q, kt, r, rows);
        product(ds, ld, rows_of(g, dp), vt, rows, z->Kp, d, false);
        softmax_back_rows(p, ds, ld, to.logs + r, rows, K, scale, z->scale);
        if (to.dbias)
            add_rows(to.dbias + r * ld, ds, ld, rows, z->Kp, 1 / z->scale);
        pack_rows(q_panels, xq, row_q, rows, d);
        pack_rows(g_panels, xg, D, rows, d);
        product(dk, dp, columns_of(ds, ld), q_panels, K, dp, rows, r > 0);
        product(dv, dp, columns_of(p, ld), g_panels, K, dp, rows, r > 0);
        product(q, dp, rows_of(ds, ld), k, rows, dp, K, false); /* dq */
        store_rows(to.dq + r * row_q, row_q, q, NULL, rows, d);
    }
    store_rows(to.dk, z->in.row_kv, dk, NULL, K, d);
    store_rows(to.dv, z->in.row_kv, dv, NULL, K, d);
}

/* ---- kernels ---- */

#if PX_ELEM_BF16
#define LANED(name) PX_LANED(px_fast_bf16_##name, PX_LANES)
#else
#define LANED(name) PX_LANED(px_fast_f32_##name, PX_LANES)
#endif
px_kernel LANED(attention), LANED(attention_back);

/* q, k, v, bias -> y, logarithms */
void LANED(attention)(const px_step *s)
{
    sizes z = sizes_of(s->node, 0);
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
    return learned ? lines(parts_of(z, true) * z->in.period * z->in.H * z->in.Q * z->ld) : 0;
}

/* One head of one sample, or of a part of those that share a bias. Head h of part c of the samples w, w + period, ... is
 * task (c period + w) H + h. */
static void backward_task(const px_step *s, const sizes *z, int64_t task, int64_t parts, float *dbias, float *scratch)
{
    const px_attention_sizes *a = &z->in;
    int64_t h = task % a->H, w = task / a->H % a->period, c = task / a->H / a->period, sharing = a->B / a->period;
    elem *first = s->out[0], *dk = a->packed ? first + a->D : s->out[1], *dv = a->packed ? first + 2 * a->D : s->out[2];
    if (dbias)
        memset(dbias, 0, (size_t)(a->Q * z->ld) * sizeof dbias[0]);
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

/* dbias (period, H, Q, K) = the sum of the parts (parts, period, H, Q, ld) */
static void sum_parts(const sizes *z, float *dbias, const float *part, int64_t parts)
{
    int64_t rows = z->in.period * z->in.H * z->in.Q, K = z->in.K;
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < parts; c++)
            for (int64_t k = 0; k < K; k++)
                dbias[r * K + k] = (c ? dbias[r * K + k] : 0) + part[(c * rows + r) * z->ld + k];
}

/* dy, q, k, v, bias, logarithms -> dq, dk, dv, dbias */
void LANED(attention_back)(const px_step *s)
{
    sizes z = sizes_of(s->node, 1);
    bool learned = learns_bias(s->node);
    int64_t floats = backward_floats(&z), shared = bias_floats(&z, learned), parts = parts_of(&z, learned);
    float *sums = s->scratch, *scratch = sums + shared;
#pragma omp parallel for schedule(static)                                                                              \
    num_threads(px_fast_threads(s, (size_t)shared * sizeof(float), (size_t)floats * sizeof(float)))
    for (int64_t task = 0; task < parts * z.in.period * z.in.H; task++)
        backward_task(s, &z, task, parts, learned ? sums + task * z.in.Q * z.ld : NULL,
                      scratch + omp_get_thread_num() * floats);
    if (learned)
        sum_parts(&z, s->out[3], sums, parts);
}

#if !PX_ELEM_BF16

/* ---- rows ---- */

#define BOTH(name)                                                                                                     \
    (px_kernel *const[])                                                                                               \
    {                                                                                                                  \
        PX_LANED(px_fast_f32_##name, PX_LANES), PX_LANED(px_fast_bf16_##name, PX_LANES)                                \
    }
px_kernel PX_LANED(px_fast_bf16_attention, PX_LANES), PX_LANED(px_fast_bf16_attention_back, PX_LANES);

/* q, k, v, bias -> y, logarithms */
static bool prepare(px_plan *p, px_step *s)
{
    sizes z = sizes_of(s->node, 0);
    s->scratch_bytes = (size_t)(forward_floats(&z) * omp_get_max_threads()) * sizeof(float);
    return px_fast_prepare(p, s, BOTH(attention), (px_activations){.in = {true, true, true}, .out = {true}});
}

/* dy, q, k, v, bias, logarithms -> dq, dk, dv, dbias */
static bool back_prepare(px_plan *p, px_step *s)
{
    sizes z = sizes_of(s->node, 1);
    int64_t shared = bias_floats(&z, learns_bias(s->node));
    s->scratch_bytes = (size_t)(shared + backward_floats(&z) * omp_get_max_threads()) * sizeof(float);
    return px_fast_prepare(p, s, BOTH(attention_back),
                           (px_activations){.first = 1, .in = {true, true, true, true}, .out = {true, true, true}});
}

#define NEEDS (PX_LANES == 16 ? PX_ISA_AVX512 : PX_LANES == 8 ? PX_ISA_AVX2 : PX_ISA_BASE)
const px_kernel_row PX_LANED(px_row_attention, PX_LANES) = {.op = &px_op_attention, .needs = NEEDS, .prepare = prepare};
const px_kernel_row PX_LANED(px_row_attention_back,
                             PX_LANES) = {.op = &px_op_attention_back, .needs = NEEDS, .prepare = back_prepare};
#endif
