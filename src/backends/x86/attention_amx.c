/* attention_amx.c - attention in bf16 by AMX, of packed queries, keys and values without a bias; a task is one head of
 * one sample.
 *
 * Probabilities are stored transposed, (keys, queries): sixteen queries are the lanes of a vector, so maxima and sums
 * over the keys need no operation across lanes. Each block of a few queries meets all keys, so that it stays in the
 * first two caches. Probabilities and their gradients are rounded to bf16 before they are multiplied; all sums are
 * float. Each task writes its own part of the outputs: the result does not depend on the number of threads. */
#include "backends/rows.h"
#include "backends/x86/tiles.h"
#include "graph/op.h"
#include "ops/attention.h"

#include <math.h>
#include <omp.h>

/* BLOCK queries are worked on at a time. Backward also sums over queries: up to SPAN of them before it writes sums to
 * memory. */
enum { BLOCK = 32, SPAN = 256 };

typedef struct sizes {
    int64_t B, H, T, D, d;
    int64_t keys, summed, width, span; /* T rounded up to 16 and to 32, d rounded up to 32, min(SPAN, summed) */
    float scale;
} sizes;

static int64_t padded(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

/* `qkv`: the number of the input that holds it */
static sizes sizes_of(const px_node *n, int qkv)
{
    px_attention_sizes a = px_attention_sizes_of(n, qkv);
    sizes z = {.B = a.B, .H = a.H, .T = a.K, .D = a.D, .d = a.d, .scale = (float)a.scale};
    z.keys = padded(z.T, 16);
    z.summed = padded(z.T, 32);
    z.width = padded(z.d, 32);
    z.span = smaller(z.summed, SPAN);
    return z;
}

/* ---- softmax over keys ---- */

static const float LOG2_E = 1.44269504f, LN_2 = 0.69314718f;

/* 2^x with a relative error below 3e-6, that of the polynomial fitted on [-1/2, 1/2] (bf16 rounds by 4e-3). */
INLINE __m512 exp2_of(__m512 x)
{
    __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), r = _mm512_sub_ps(x, n);
    __m512 y = _mm512_set1_ps(9.5701e-3f);
    y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(0.05591786f));
    y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(0.24024745f));
    y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(0.69312181f));
    y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(0.99999926f));
    return _mm512_scalef_ps(y, n);
}

/* The largest element of each of 16 columns of s (T, ld). */
INLINE __m512 largest16(const float *s, int64_t ld, int64_t T)
{
    __m512 most[4];
    for (int64_t i = 0; i < 4; i++)
        most[i] = _mm512_load_ps(s + (i < T ? i : 0) * ld);
    for (int64_t t = 4; t + 4 <= T; t += 4)
        for (int i = 0; i < 4; i++)
            most[i] = _mm512_max_ps(_mm512_load_ps(s + (t + i) * ld), most[i]);
    for (int64_t t = T / 4 * 4; t < T; t++)
        most[0] = _mm512_max_ps(_mm512_load_ps(s + t * ld), most[0]);
    return _mm512_max_ps(_mm512_max_ps(most[0], most[1]), _mm512_max_ps(most[2], most[3]));
}

/* For 16 queries: products s (T, ld) of keys and queries -> couples p (summed/2, ld) of e^(scale (s - largest)), with
 * zeros beyond T; returns 1 / their sum. logs gets log(sum of e^(scale s)) of the first n queries. */
INLINE __m512 softmax16(const sizes *z, pair *p, const float *s, int64_t ld, float *logs, int64_t n)
{
    const __m512 factor = _mm512_set1_ps(z->scale * LOG2_E);
    __m512 most = largest16(s, ld, z->T), sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    most = _mm512_mul_ps(most, factor);
    int64_t t = 0;
    for (; t + 1 < z->T; t += 2) {
        __m512 a = exp2_of(_mm512_fmsub_ps(_mm512_load_ps(s + t * ld), factor, most));
        __m512 b = exp2_of(_mm512_fmsub_ps(_mm512_load_ps(s + (t + 1) * ld), factor, most));
        _mm512_store_si512(p + t / 2 * ld, pairs_of(a, b));
        sum[0] = _mm512_add_ps(sum[0], a);
        sum[1] = _mm512_add_ps(sum[1], b);
    }
    if (t < z->T) {
        __m512 a = exp2_of(_mm512_fmsub_ps(_mm512_load_ps(s + t * ld), factor, most));
        _mm512_store_si512(p + t / 2 * ld, pairs_of(a, _mm512_setzero_ps()));
        sum[0] = _mm512_add_ps(sum[0], a);
        t += 2;
    }
    for (; t < z->summed; t += 2)
        _mm512_store_si512(p + t / 2 * ld, _mm512_setzero_si512());
    float all[16], top[16];
    _mm512_storeu_ps(all, _mm512_add_ps(sum[0], sum[1]));
    _mm512_storeu_ps(top, most);
    for (int64_t q = 0; q < n && q < 16; q++)
        logs[q] = (top[q] + log2f(all[q])) * LN_2;
    return _mm512_div_ps(_mm512_set1_ps(1), _mm512_loadu_ps(all));
}

/* For a block of `ld` queries: s (T, ld) becomes the probabilities; dp (T, ld) holds their gradients; `sum` gets the
 * sums over keys of probability times gradient. */
INLINE void probabilities(const sizes *z, float *s, const float *dp, const int64_t ld, const float *logs, int64_t n,
                          __m512 sum[2])
{
    const __m512 factor = _mm512_set1_ps(z->scale * LOG2_E);
    __m512 top[2];
    for (int v = 0; v < ld / 16; v++) {
        top[v] = _mm512_mul_ps(_mm512_maskz_loadu_ps(first16(n - 16 * v), logs + 16 * v), _mm512_set1_ps(LOG2_E));
        sum[v] = _mm512_setzero_ps();
    }
    for (int64_t t = 0; t < z->T; t++, s += ld, dp += ld)
        for (int v = 0; v < ld / 16; v++) {
            __m512 e = exp2_of(_mm512_fmsub_ps(_mm512_load_ps(s + 16 * v), factor, top[v]));
            _mm512_store_ps(s + 16 * v, e);
            sum[v] = _mm512_fmadd_ps(e, _mm512_load_ps(dp + 16 * v), sum[v]);
        }
}

/* After that: s -> p, and the gradients of s -> ds, both as rows of a span of queries; ds also as couples dst
 * (summed/2, ld), with zeros beyond T. */
INLINE void softmax_back(const sizes *z, const float *s, const float *dp, const int64_t ld, const __m512 sum[2],
                         pair *p, pair *ds, int64_t span, pair *dst)
{
    const __m512 scale = _mm512_set1_ps(z->scale), zero = _mm512_setzero_ps();
    for (int64_t t = 0; t < z->summed; t += 2, dst += ld) {
        __m512 d[2][2] = {{zero, zero}, {zero, zero}};
        for (int r = 0; r < 2 && t + r < z->T; r++) {
            __m512 e[2] = {zero, zero};
            for (int v = 0; v < ld / 16; v++) {
                int64_t at = (t + r) * ld + 16 * v;
                e[v] = _mm512_load_ps(s + at);
                d[r][v] = _mm512_mul_ps(_mm512_mul_ps(e[v], scale), _mm512_sub_ps(_mm512_load_ps(dp + at), sum[v]));
            }
            _mm512_store_si512(p + (t + r) * span / 2, (__m512i)_mm512_cvtne2ps_pbh(e[1], e[0]));
            _mm512_store_si512(ds + (t + r) * span / 2, (__m512i)_mm512_cvtne2ps_pbh(d[r][1], d[r][0]));
        }
        for (int v = 0; v < ld / 16; v++)
            _mm512_store_si512(dst + 16 * v, pairs_of(d[0][v], d[1][v]));
    }
}

/* y (n, d) = (factor of each column * from (width, ld))^T; `flat`, `turned`: temporary memory for pairs */
static void store_flipped(const sizes *z, px_bf16 *y, int64_t ldy, const float *from, int64_t ld,
                          const __m512 factor[2], pair *flat, pair *turned, int64_t n)
{
    for (int64_t i = 0; i < z->width; i += 2)
        for (int64_t q = 0; q < ld; q += 16)
            _mm512_store_si512(flat + i / 2 * ld + q,
                               pairs_of(_mm512_mul_ps(_mm512_load_ps(from + i * ld + q), factor[q / 16]),
                                        _mm512_mul_ps(_mm512_load_ps(from + (i + 1) * ld + q), factor[q / 16])));
    flip(turned, flat, z->width / 2, ld);
    store_rows(y, ldy, turned, n, z->d, z->width);
}

/* to (n, d) = from (n, width) */
static void store_rounded(const sizes *z, px_bf16 *to, int64_t ldt, const float *from)
{
    for (int64_t r = 0; r < z->T; r++)
        for (int64_t i = 0; i < z->d; i += 32) {
            const float *at = from + r * z->width + i;
            __m512i both = (__m512i)_mm512_cvtne2ps_pbh(_mm512_load_ps(at + 16), _mm512_load_ps(at));
            _mm512_mask_storeu_epi16(to + r * ldt + i, first32(z->d - i), both);
        }
}

/* ---- a thread's scratch memory; every matrix takes whole cache lines ---- */

typedef struct forward_memory {
    pair *k, *v, *q, *qt, *p; /* forms (tiles.h): rows; columns; rows; right operand; couples */
    float *s, *o;
} forward_memory;

typedef struct backward_memory {
    pair *k, *v, *kt, *load, *qt, *gt, *dst; /* rows, rows, columns; rows to flip; right operands; couples */
    pair *p, *ds, *q, *g;                    /* for a span of queries: rows, rows, couples, couples */
    float *s, *dp, *dq, *dk, *dv;
} backward_memory;

/* Takes `n` numbers of 32 bits at offset *next of the memory. */
static void *take(char *memory, size_t *next, int64_t n)
{
    void *p = memory ? memory + *next : NULL;
    *next += (size_t)n * 4;
    return p;
}

/* Returns the number of bytes; with `memory` NULL that is all it does. */
static size_t forward_layout(const sizes *z, char *memory, forward_memory *m)
{
    size_t next = 0;
    m->k = take(memory, &next, z->keys * z->width / 2);
    m->v = take(memory, &next, z->width * z->summed / 2);
    m->q = take(memory, &next, BLOCK * z->width / 2);
    m->qt = take(memory, &next, BLOCK * z->width / 2);
    m->s = take(memory, &next, z->keys * BLOCK);
    m->p = take(memory, &next, z->summed / 2 * (BLOCK > z->width ? BLOCK : z->width)); /* first also the values */
    m->o = take(memory, &next, z->width * BLOCK);
    return next + 64; /* a cache line between threads */
}

static size_t backward_layout(const sizes *z, char *memory, backward_memory *m)
{
    size_t next = 0;
    m->k = take(memory, &next, z->keys * z->width / 2);
    m->v = take(memory, &next, z->keys * z->width / 2);
    m->kt = take(memory, &next, z->width * z->summed / 2);
    m->load = take(memory, &next, z->width * (z->summed > BLOCK ? z->summed : BLOCK) / 2);
    m->qt = take(memory, &next, BLOCK * z->width / 2);
    m->gt = take(memory, &next, BLOCK * z->width / 2);
    m->dst = take(memory, &next, z->summed / 2 * BLOCK);
    m->p = take(memory, &next, z->keys * z->span / 2);
    m->ds = take(memory, &next, z->keys * z->span / 2);
    m->q = take(memory, &next, z->span / 2 * z->width);
    m->g = take(memory, &next, z->span / 2 * z->width);
    m->s = take(memory, &next, z->keys * BLOCK);
    m->dp = take(memory, &next, z->keys * BLOCK);
    m->dq = take(memory, &next, z->width * BLOCK);
    m->dk = take(memory, &next, z->keys * z->width);
    m->dv = take(memory, &next, z->keys * z->width);
    return next + 64;
}

/* ---- one sample and head ---- */

/* Rows lie too far apart for the processor's own prefetching: brings those of the next task into the second cache... */
INLINE void fetch_rows(const px_bf16 *from, int64_t ldf, int64_t first, int64_t last, int64_t d)
{
    for (int64_t r = first; r < last; r++)
        for (int64_t i = 0; i < d; i += 32)
            __builtin_prefetch(from + r * ldf + i, 0, 2);
}

/* ... and fetches, for writing, those that this task will write. */
INLINE void own_rows(px_bf16 *to, int64_t ldt, int64_t first, int64_t last, int64_t d)
{
    for (int64_t r = first; r < last; r++)
        for (int64_t i = 0; i < d; i += 32)
            __builtin_prefetch(to + r * ldt + i, 1, 3);
}

/* A block's share of the next task's q, k and v. */
INLINE void fetch_qkv(const sizes *z, const px_bf16 *next, int64_t first)
{
    int64_t last = smaller(first + BLOCK, z->T);
    for (int i = 0; i < 3; i++)
        fetch_rows(next + i * z->D, 3 * z->D, first, last, z->d);
}

/* Where a task's data begin in qkv and in y; head h of sample b is task b H + h. */
INLINE int64_t in_qkv(const sizes *z, int64_t task)
{
    return task / z->H * z->T * 3 * z->D + task % z->H * z->d;
}

INLINE int64_t in_y(const sizes *z, int64_t task)
{
    return task / z->H * z->T * z->D + task % z->H * z->d;
}

/* n queries, in `ld` lanes (16 or 32) */
INLINE void forward_block(const sizes *z, const forward_memory *m, const px_bf16 *q, px_bf16 *y, float *logs, int64_t n,
                          const int64_t ld)
{
    __m512 inverse[2];
    load_rows(m->q, q, 3 * z->D, n, ld, z->d, z->width);
    flip(m->qt, m->q, ld, z->width / 2);
    product(m->s, ld, m->k, z->width / 2, m->qt, ld, z->keys, ld, z->width, false);
    for (int64_t i = 0; i < ld; i += 16)
        inverse[i / 16] = softmax16(z, m->p + i, m->s + i, ld, logs + i, n - i);
    product(m->o, ld, m->v, z->summed / 2, m->p, ld, z->width, ld, z->summed, false);
    store_flipped(z, y, z->D, m->o, ld, inverse, m->qt, m->q, n);
}

/* `next`: the qkv of the task after this one */
INLINE void forward_head(const sizes *z, const px_bf16 *qkv, const px_bf16 *next, px_bf16 *y, float *logs,
                         char *scratch)
{
    int64_t ld = 3 * z->D, T = z->T;
    forward_memory m;
    forward_layout(z, scratch, &m);
    load_rows(m.k, qkv + z->D, ld, T, z->keys, z->d, z->width);
    load_couples(m.p, qkv + 2 * z->D, ld, T, z->summed, z->d, z->width);
    flip(m.v, m.p, z->summed / 2, z->width);
    for (int64_t i = 0; i < T; i += BLOCK) {
        int64_t n = smaller(T - i, BLOCK);
        fetch_qkv(z, next, i);
        own_rows(y, z->D, i, i + n, z->d);
        if (n > 16)
            forward_block(z, &m, qkv + i * ld, y + i * z->D, logs + i, n, BLOCK);
        else
            forward_block(z, &m, qkv + i * ld, y + i * z->D, logs + i, n, 16);
    }
}

/* For n queries, in `ld` lanes: computes dq, and probabilities and ds as rows at p, ds (keys, span). */
INLINE void backward_block(const sizes *z, const backward_memory *m, const px_bf16 *q, const px_bf16 *dy,
                           const float *logs, px_bf16 *dq, pair *p, pair *ds, int64_t span, int64_t n, const int64_t ld)
{
    const __m512 one[2] = {_mm512_set1_ps(1), _mm512_set1_ps(1)};
    __m512 sum[2];
    load_rows(m->load, q, 3 * z->D, n, ld, z->d, z->width);
    flip(m->qt, m->load, ld, z->width / 2);
    load_rows(m->load, dy, z->D, n, ld, z->d, z->width);
    flip(m->gt, m->load, ld, z->width / 2);
    product(m->s, ld, m->k, z->width / 2, m->qt, ld, z->keys, ld, z->width, false);
    product(m->dp, ld, m->v, z->width / 2, m->gt, ld, z->keys, ld, z->width, false);
    probabilities(z, m->s, m->dp, ld, logs, n, sum);
    softmax_back(z, m->s, m->dp, ld, sum, p, ds, span, m->dst);
    product(m->dq, ld, m->kt, z->summed / 2, m->dst, ld, z->width, ld, z->summed, false);
    store_flipped(z, dq, 3 * z->D, m->dq, ld, one, m->qt, m->load, n);
}

/* `next_dy`, `next_qkv`: of the task after this one */
INLINE void backward_head(const sizes *z, const px_bf16 *dy, const px_bf16 *qkv, const float *logs,
                          const px_bf16 *next_dy, const px_bf16 *next_qkv, px_bf16 *dqkv, char *scratch)
{
    int64_t ld = 3 * z->D, T = z->T;
    backward_memory m;
    backward_layout(z, scratch, &m);
    load_rows(m.k, qkv + z->D, ld, T, z->keys, z->d, z->width);
    load_rows(m.v, qkv + 2 * z->D, ld, T, z->keys, z->d, z->width);
    load_couples(m.load, qkv + z->D, ld, T, z->summed, z->d, z->width);
    flip(m.kt, m.load, z->summed / 2, z->width);
    for (int64_t from = 0; from < T; from += z->span) {
        int64_t rows = smaller(T - from, z->span), span = padded(rows, 32);
        for (int64_t i = 0; i < rows; i += BLOCK) {
            int64_t r = from + i, n = smaller(rows - i, BLOCK);
            const px_bf16 *q = qkv + r * ld, *g = dy + r * z->D;
            fetch_qkv(z, next_qkv, r);
            fetch_rows(next_dy, z->D, r, r + n, z->d);
            for (int k = 0; k < 3; k++)
                own_rows(dqkv + k * z->D, ld, r, r + n, z->d);
            if (n > 16)
                backward_block(z, &m, q, g, logs + r, dqkv + r * ld, m.p + i / 2, m.ds + i / 2, span, n, BLOCK);
            else
                backward_block(z, &m, q, g, logs + r, dqkv + r * ld, m.p + i / 2, m.ds + i / 2, span, n, 16);
        }
        load_couples(m.q, qkv + from * ld, ld, rows, span, z->d, z->width);
        load_couples(m.g, dy + from * z->D, z->D, rows, span, z->d, z->width);
        product(m.dk, z->width, m.ds, span / 2, m.q, z->width, z->keys, z->width, span, from > 0);
        product(m.dv, z->width, m.p, span / 2, m.g, z->width, z->keys, z->width, span, from > 0);
    }
    store_rounded(z, dqkv + z->D, ld, m.dk);
    store_rounded(z, dqkv + 2 * z->D, ld, m.dv);
}

/* ---- kernels ---- */

/* One task of the kernel's step; next: the task after it, or the task itself. */
typedef void head(const px_step *s, const sizes *z, int64_t task, int64_t next, char *scratch);

static void forward_task(const px_step *s, const sizes *z, int64_t task, int64_t next, char *scratch)
{
    const px_bf16 *qkv = s->in[0];
    forward_head(z, qkv + in_qkv(z, task), qkv + in_qkv(z, next), (px_bf16 *)s->out[0] + in_y(z, task),
                 (float *)s->out[1] + task * z->T, scratch);
}

static void backward_task(const px_step *s, const sizes *z, int64_t task, int64_t next, char *scratch)
{
    const px_bf16 *dy = s->in[0], *qkv = s->in[1];
    backward_head(z, dy + in_y(z, task), qkv + in_qkv(z, task),
                  (const float *)s->in[1 + PX_ATTENTION_INPUTS] + task * z->T, dy + in_y(z, next),
                  qkv + in_qkv(z, next), (px_bf16 *)s->out[0] + in_qkv(z, task), scratch);
}

static void all_heads(const px_step *s, const sizes *z, size_t bytes, head *run)
{
    int64_t tasks = z->B * z->H;
#pragma omp parallel num_threads(px_fast_threads(s, 0, bytes))
    {
        char *scratch = (char *)s->scratch + (size_t)omp_get_thread_num() * bytes;
        tiles_begin();
#pragma omp for schedule(static)
        for (int64_t task = 0; task < tasks; task++)
            run(s, z, task, task + 1 < tasks ? task + 1 : task, scratch);
        tiles_end();
    }
}

/* qkv -> y, logarithms */
static void attention(const px_step *s)
{
    sizes z = sizes_of(s->node, 0);
    all_heads(s, &z, forward_layout(&z, NULL, &(forward_memory){0}), forward_task);
}

/* dy, qkv, logarithms -> dqkv */
static void attention_back(const px_step *s)
{
    sizes z = sizes_of(s->node, 1);
    all_heads(s, &z, backward_layout(&z, NULL, &(backward_memory){0}), backward_task);
}

static size_t bytes_of(const px_node *n, bool back)
{
    sizes z = sizes_of(n, back);
    size_t bytes =
        back ? backward_layout(&z, NULL, &(backward_memory){0}) : forward_layout(&z, NULL, &(forward_memory){0});
    return bytes * (size_t)omp_get_max_threads();
}

/* ---- rows ---- */

/* Packed qkv, and backward dy before it, in bf16. */
static bool fits(const px_plan *p, const px_step *s, bool back)
{
    px_attention_sizes z = px_attention_sizes_of(s->node, back);
    return px_plan_format(p, s->node->in[back]).dtype == PX_BF16 && z.d % 8 == 0 && z.packed && !z.biased;
}

static bool accepts(const px_plan *p, const px_step *s)
{
    return fits(p, s, false);
}

static bool back_accepts(const px_plan *p, const px_step *s)
{
    return fits(p, s, true);
}

static bool prepare(px_plan *p, px_step *s)
{
    px_plan_need(p, s, 0, px_storage_blocked(s->node->in[0], 1, PX_BF16));
    px_plan_make(p, s, 0, px_storage_blocked(s->node->out[0], 1, PX_BF16));
    px_plan_make(p, s, 1, px_storage_plain(s->node->out[1]));
    s->scratch_bytes = bytes_of(s->node, false);
    s->run = attention;
    s->kernel = "pretext:amx_bf16";
    return true;
}

static bool back_prepare(px_plan *p, px_step *s)
{
    px_plan_need(p, s, 0, px_storage_blocked(s->node->in[0], 1, PX_BF16));
    px_plan_need(p, s, 1, px_storage_blocked(s->node->in[1], 1, PX_BF16));
    px_plan_need(p, s, 1 + PX_ATTENTION_INPUTS, px_storage_plain(s->node->in[1 + PX_ATTENTION_INPUTS]));
    px_plan_make(p, s, 0, px_storage_blocked(s->node->out[0], 1, PX_BF16));
    for (int i = 1; i < s->node->outputs; i++) /* empty */
        px_plan_make(p, s, i, px_storage_plain(s->node->out[i]));
    s->scratch_bytes = bytes_of(s->node, true);
    s->run = attention_back;
    s->kernel = "pretext:amx_bf16";
    return true;
}

const px_kernel_row px_row_attention_amx = {
    .op = &px_op_attention, .needs = PX_ISA_AMX, .accepts = accepts, .prepare = prepare};
const px_kernel_row px_row_attention_back_amx = {
    .op = &px_op_attention_back, .needs = PX_ISA_AMX, .accepts = back_accepts, .prepare = back_prepare};
