/* fast_attention.c - attention by own small matrix products, one sample and head a task. A block of rows of the (T, T)
 * matrix lives in the thread's scratch memory; each task writes its own part of the outputs, so the result does not
 * depend on the number of threads. */
#include "base/simd.h"
#include "ops/attr.h"
#include "ops/fast.h"
#include "ops/vmath.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { BLOCK = 96, TILE = 6 }; /* rows of P at a time; rows of a product whose sums are kept in registers */

#define INLINE static inline __attribute__((always_inline))

/* Vectors of 16 and of 8 numbers, at any address. The compiler splits them where the processor's are shorter. */
typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));

/* ---- C (M, N) = A (M, K) B (K, N) [+ C]; A by any strides, so that it may be a transpose; N a multiple of 8 ---- */

typedef struct matrix {
    const float *at;
    int64_t row, column; /* strides */
} matrix;

/* `rows` and `vectors` are constants after inlining: all sums stay in registers. */
INLINE void tile16(float *c, int64_t ldc, matrix a, const float *b, int64_t ldb, int64_t K, const int rows,
                   const int vectors, bool add)
{
    v16 sum[TILE][2];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = add ? *(const v16 *)(c + r * ldc + 16 * v) : (v16){0};
    for (int64_t k = 0; k < K; k++)
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++)
                sum[r][v] += a.at[r * a.row + k * a.column] * *(const v16 *)(b + k * ldb + 16 * v);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            *(v16 *)(c + r * ldc + 16 * v) = sum[r][v];
}

INLINE void tile8(float *c, int64_t ldc, matrix a, const float *b, int64_t ldb, int64_t K, const int rows, bool add)
{
    v8 sum[TILE];
    for (int r = 0; r < rows; r++)
        sum[r] = add ? *(const v8 *)(c + r * ldc) : (v8){0};
    for (int64_t k = 0; k < K; k++)
        for (int r = 0; r < rows; r++)
            sum[r] += a.at[r * a.row + k * a.column] * *(const v8 *)(b + k * ldb);
    for (int r = 0; r < rows; r++)
        *(v8 *)(c + r * ldc) = sum[r];
}

INLINE void tile(float *c, int64_t ldc, matrix a, const float *b, int64_t ldb, int64_t K, const int rows, int columns,
                 bool add)
{
    if (columns == 32)
        tile16(c, ldc, a, b, ldb, K, rows, 2, add);
    else if (columns == 16)
        tile16(c, ldc, a, b, ldb, K, rows, 1, add);
    else
        tile8(c, ldc, a, b, ldb, K, rows, add);
}

/* A panel of `columns` columns: all rows, six at a time, then what is left. */
INLINE void panel(float *c, int64_t ldc, matrix a, const float *b, int64_t ldb, int64_t M, int64_t K, int columns,
                  bool add)
{
    int64_t i = 0;
    for (; i + TILE <= M; i += TILE, a.at += TILE * a.row)
        tile(c + i * ldc, ldc, a, b, ldb, K, TILE, columns, add);
    for (int rows = 4; rows > 0; rows /= 2)
        for (; i + rows <= M; i += rows, a.at += rows * a.row) {
            if (rows == 4)
                tile(c + i * ldc, ldc, a, b, ldb, K, 4, columns, add);
            else if (rows == 2)
                tile(c + i * ldc, ldc, a, b, ldb, K, 2, columns, add);
            else
                tile(c + i * ldc, ldc, a, b, ldb, K, 1, columns, add);
        }
}

/* `wide`: the processor has registers for 6 x 32 sums. */
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

static bool is_wide(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

/* ---- rows of P: T numbers, padded with zeros to Tp ---- */

/* p = scores -> e^(scale (p - largest)); *sum gets 1 / their sum, logs the logarithm of the sum of e^(scale p) */
PX_MULTIVERSION
static void softmax_rows(float *p, float *inverse, float *logs, int64_t rows, int64_t T, int64_t Tp, float scale)
{
    for (int64_t r = 0; r < rows; r++, p += Tp) {
        float most = p[0], sum = 0;
#pragma omp simd reduction(max : most)
        for (int64_t i = 0; i < T; i++)
            most = p[i] > most ? p[i] : most;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < T; i++) {
            p[i] = px_vexp(scale * (p[i] - most));
            sum += p[i];
        }
        memset(p + T, 0, (size_t)(Tp - T) * sizeof p[0]);
        inverse[r] = 1 / sum;
        logs[r] = scale * most + logf(sum);
    }
}

/* y (rows, d) = rows of o times `inverse` */
PX_MULTIVERSION
static void scale_rows(float *y, int64_t ldy, const float *o, const float *inverse, int64_t rows, int64_t d)
{
    for (int64_t r = 0; r < rows; r++) {
#pragma omp simd
        for (int64_t i = 0; i < d; i++)
            y[r * ldy + i] = o[r * d + i] * inverse[r];
    }
}

/* p = scores -> probabilities; dp = their gradients -> gradients of the products Q K^T */
PX_MULTIVERSION
static void softmax_back_rows(float *p, float *dp, const float *logs, int64_t rows, int64_t T, int64_t Tp, float scale)
{
    for (int64_t r = 0; r < rows; r++, p += Tp, dp += Tp) {
        float delta = 0;
#pragma omp simd reduction(+ : delta)
        for (int64_t i = 0; i < T; i++) {
            p[i] = px_vexp(scale * p[i] - logs[r]);
            delta += p[i] * dp[i];
        }
#pragma omp simd
        for (int64_t i = 0; i < T; i++)
            dp[i] = scale * p[i] * (dp[i] - delta);
        memset(p + T, 0, (size_t)(Tp - T) * sizeof p[0]);
        memset(dp + T, 0, (size_t)(Tp - T) * sizeof p[0]);
    }
}

/* ---- copies of a head's matrices ---- */

static void copy_rows(float *to, int64_t ldt, const float *from, int64_t ldf, int64_t rows, int64_t d)
{
    for (int64_t r = 0; r < rows; r++)
        memcpy(to + r * ldt, from + r * ldf, (size_t)d * sizeof to[0]);
}

/* to (d, Tp) = from^T (T, d); zeros in the padding */
static void transpose(float *to, const float *from, int64_t ldf, int64_t T, int64_t Tp, int64_t d)
{
    for (int64_t i = 0; i < d; i++)
        for (int64_t t = T; t < Tp; t++)
            to[i * Tp + t] = 0;
    for (int64_t t0 = 0; t0 < T; t0 += 16)
        for (int64_t i = 0; i < d; i++)
            for (int64_t t = t0; t < T && t < t0 + 16; t++)
                to[i * Tp + t] = from[t * ldf + i];
}

/* ---- one sample and head ---- */

typedef struct sizes {
    int64_t B, H, T, Tp, d, D, rows; /* rows: of a block of P */
    float scale;
    bool wide;
} sizes;

static sizes sizes_of(const px_node *n, int qkv)
{
    const px_attention_attr *a = n->attr;
    px_shape s = n->in[qkv]->shape;
    sizes z = {.B = s.dim[0], .H = a->heads, .T = s.dim[1], .D = s.dim[2] / 3, .wide = is_wide()};
    z.d = z.D / z.H;
    z.Tp = (z.T + 7) / 8 * 8;
    z.rows = z.T < BLOCK ? z.T : BLOCK;
    z.scale = 1 / sqrtf((float)z.d);
    return z;
}

/* Floats of scratch a thread; whole cache lines, and one between threads. */
static int64_t lines(int64_t floats)
{
    return (floats + 15) / 16 * 16 + 16;
}

static int64_t forward_floats(const sizes *z)
{
    return lines(z->d * z->Tp + z->T * z->d + z->rows * (z->Tp + z->d + 1));
}

static int64_t backward_floats(const sizes *z)
{
    return lines(2 * z->d * z->Tp + 3 * z->T * z->d + 2 * z->rows * (z->Tp + z->d));
}

static matrix plain(const float *at, int64_t row)
{
    return (matrix){at, row, 1};
}

static matrix transposed(const float *at, int64_t row)
{
    return (matrix){at, 1, row};
}

static void forward_head(const sizes *z, const float *qkv, float *y, float *logs, float *scratch)
{
    int64_t ld = 3 * z->D, d = z->d, T = z->T, Tp = z->Tp;
    float *kt = scratch, *v = kt + d * Tp, *p = v + T * d, *o = p + z->rows * Tp, *inverse = o + z->rows * d;
    transpose(kt, qkv + z->D, ld, T, Tp, d);
    copy_rows(v, d, qkv + 2 * z->D, ld, T, d);
    for (int64_t r = 0; r < T; r += z->rows) {
        int64_t rows = T - r < z->rows ? T - r : z->rows;
        product(p, Tp, plain(qkv + r * ld, ld), kt, Tp, rows, Tp, d, false, z->wide);
        softmax_rows(p, inverse, logs + r, rows, T, Tp, z->scale);
        product(o, d, plain(p, Tp), v, d, rows, d, T, false, z->wide);
        scale_rows(y + r * z->D, z->D, o, inverse, rows, d);
    }
}

static void backward_head(const sizes *z, const float *dy, const float *qkv, const float *logs, float *dqkv,
                          float *scratch)
{
    int64_t ld = 3 * z->D, d = z->d, T = z->T, Tp = z->Tp;
    float *kt = scratch, *vt = kt + d * Tp, *k = vt + d * Tp, *dk = k + T * d, *dv = dk + T * d, *p = dv + T * d,
          *dp = p + z->rows * Tp, *q = dp + z->rows * Tp, *g = q + z->rows * d;
    transpose(kt, qkv + z->D, ld, T, Tp, d);
    transpose(vt, qkv + 2 * z->D, ld, T, Tp, d);
    copy_rows(k, d, qkv + z->D, ld, T, d);
    for (int64_t r = 0; r < T; r += z->rows) {
        int64_t rows = T - r < z->rows ? T - r : z->rows;
        copy_rows(q, d, qkv + r * ld, ld, rows, d);
        copy_rows(g, d, dy + r * z->D, z->D, rows, d);
        product(p, Tp, plain(q, d), kt, Tp, rows, Tp, d, false, z->wide);
        product(dp, Tp, plain(g, d), vt, Tp, rows, Tp, d, false, z->wide);
        softmax_back_rows(p, dp, logs + r, rows, T, Tp, z->scale);
        product(dv, d, transposed(p, Tp), g, d, T, d, rows, r > 0, z->wide);
        product(dk, d, transposed(dp, Tp), q, d, T, d, rows, r > 0, z->wide);
        product(q, d, plain(dp, Tp), k, d, rows, d, T, false, z->wide); /* q has been read */
        copy_rows(dqkv + r * ld, ld, q, d, rows, d);
    }
    copy_rows(dqkv + z->D, ld, dk, d, T, d);
    copy_rows(dqkv + 2 * z->D, ld, dv, d, T, d);
}

/* ---- kernels ---- */

/* Threads that the scratch memory was made for. */
static int threads_for(const px_step *s, int64_t floats)
{
    int most = (int)(s->scratch_bytes / ((size_t)floats * sizeof(float))), now = omp_get_max_threads();
    return now < most ? now : most;
}

static void attention(const px_step *s)
{
    sizes z = sizes_of(s->node, 0);
    int64_t floats = forward_floats(&z);
    const float *qkv = s->in[0];
    float *y = s->out[0], *logs = s->out[1];
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads_for(s, floats))
    for (int64_t b = 0; b < z.B; b++)
        for (int64_t h = 0; h < z.H; h++)
            forward_head(&z, qkv + b * z.T * 3 * z.D + h * z.d, y + b * z.T * z.D + h * z.d, logs + (b * z.H + h) * z.T,
                         (float *)s->scratch + omp_get_thread_num() * floats);
}

/* dy, qkv, logarithms -> dqkv */
static void attention_back(const px_step *s)
{
    sizes z = sizes_of(s->node, 1);
    int64_t floats = backward_floats(&z);
    const float *dy = s->in[0], *qkv = s->in[1], *logs = s->in[2];
    float *dqkv = s->out[0];
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads_for(s, floats))
    for (int64_t b = 0; b < z.B; b++)
        for (int64_t h = 0; h < z.H; h++)
            backward_head(&z, dy + b * z.T * z.D + h * z.d, qkv + b * z.T * 3 * z.D + h * z.d,
                          logs + (b * z.H + h) * z.T, dqkv + b * z.T * 3 * z.D + h * z.d,
                          (float *)s->scratch + omp_get_thread_num() * floats);
}

static bool prepare(px_plan *p, px_step *s, px_kernel *kernel, const sizes *z, int64_t floats)
{
    if (z->d % 8)
        return false;
    px_fast_plain(p, s, kernel);
    s->scratch_bytes = (size_t)(floats * omp_get_max_threads()) * sizeof(float);
    return true;
}

bool px_fast_attention(px_plan *p, px_step *s)
{
    sizes z = sizes_of(s->node, 0);
    return prepare(p, s, attention, &z, forward_floats(&z));
}

bool px_fast_attention_back(px_plan *p, px_step *s)
{
    sizes z = sizes_of(s->node, 1);
    return prepare(p, s, attention_back, &z, backward_floats(&z));
}
