/* attention.c - attention by our own small matrix products; a task is one head of one sample. A block of rows of the
 * (T, T) matrix lives in the thread's scratch memory. Each task writes its own part of the outputs, so the result does
 * not depend on the number of threads. */
#include "backends/x86/kernels.h"
#include "ops/attr.h"
#include "ops/vmath.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { BLOCK = 96, TILE = 6 }; /* rows of P at a time; rows of a product whose sums are kept in registers */

/* All functions that return vectors are inlined, so the ABI for returning them does not matter. */
#pragma GCC diagnostic ignored "-Wpsabi"

/* Vectors of 16 and of 8 numbers, at any address. The compiler splits them if the processor's are shorter. */
typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float v4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t i16 __attribute__((vector_size(64), aligned(4), may_alias));

INLINE v16 *at(float *p)
{
    return (v16 *)p;
}

/* ---- C (M, N) = A (M, K) B (K, N) [+ C]; A has any strides, so it may be a transpose; N is a multiple of 8 ---- */

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

/* A panel of `columns` columns: all rows, six at a time, then the remaining ones. */
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

static bool is_wide(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

/* ---- rows of P: T numbers, padded to Tp, a multiple of 16 ---- */

/* Lanes of a where `mask` is -1, of b where it is 0. */
INLINE v16 choose(i16 mask, v16 a, v16 b)
{
    return (v16)((mask & (i16)a) | (~mask & (i16)b));
}

/* px_vexp, sixteen at a time. */
INLINE v16 vexp(v16 x)
{
    x = choose(x < -87.0f, (v16){0} - 87.0f, x);
    v16 n = (x * 1.44269504f + 12582912.0f) - 12582912.0f, r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    v16 y = r * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    return y * (v16)((__builtin_convertvector(n, i16) + 127) << 23);
}

typedef union parts {
    v16 all;
    v8 half[2];
    v4 quarter[4];
    float one[16];
} parts;

INLINE float total(v16 v)
{
    parts p = {.all = v};
    p.half[0] += p.half[1];
    p.quarter[0] += p.quarter[1];
    return (p.one[0] + p.one[2]) + (p.one[1] + p.one[3]);
}

INLINE float largest(v16 v)
{
    parts p = {.all = v};
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            p.one[i] = p.one[i] > p.one[i + half] ? p.one[i] : p.one[i + half];
    return p.one[0];
}

/* Marks those of a row's last sixteen places that are padding beyond T. */
INLINE i16 padding_of(int64_t T, int64_t Tp)
{
    i16 place = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return place >= (int32_t)(T - Tp + 16);
}

/* p = products Q K^T -> e^(scale (p - largest)); *inverse gets 1 / their sum, *logs log(sum of e^(scale p)) */
PX_MULTIVERSION
static void softmax_rows(float *p, float *inverse, float *logs, int64_t rows, int64_t T, int64_t Tp, float scale)
{
    i16 padding = padding_of(T, Tp);
    for (int64_t r = 0; r < rows; r++, p += Tp) {
        *at(p + Tp - 16) = choose(padding, (v16){0} - 1e30f, *at(p + Tp - 16));
        v16 most = *at(p), sum = {0};
        for (int64_t k = 16; k < Tp; k += 16)
            most = choose(most > *at(p + k), most, *at(p + k));
        float top = scale * largest(most);
        for (int64_t k = 0; k < Tp; k += 16) {
            v16 e = vexp(scale * *at(p + k) - top);
            *at(p + k) = e;
            sum += e;
        }
        float all = total(sum);
        inverse[r] = 1 / all;
        logs[r] = top + logf(all);
    }
}

/* p = products Q K^T -> probabilities; dp = their gradients -> gradients of the products */
PX_MULTIVERSION
static void softmax_back_rows(float *p, float *dp, const float *logs, int64_t rows, int64_t T, int64_t Tp, float scale)
{
    i16 padding = padding_of(T, Tp);
    for (int64_t r = 0; r < rows; r++, p += Tp, dp += Tp) {
        *at(p + Tp - 16) = choose(padding, (v16){0} - 1e30f, *at(p + Tp - 16));
        v16 sum = {0};
        for (int64_t k = 0; k < Tp; k += 16) {
            v16 e = vexp(scale * *at(p + k) - logs[r]);
            *at(p + k) = e;
            sum += e * *at(dp + k);
        }
        float delta = total(sum);
        for (int64_t k = 0; k < Tp; k += 16)
            *at(dp + k) = scale * *at(p + k) * (*at(dp + k) - delta);
    }
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

/* to (d, Tp) = from^T (T, d); zeros in the padding */
PX_MULTIVERSION
static void transpose(float *to, const float *from, int64_t ldf, int64_t T, int64_t Tp, int64_t d)
{
    int64_t whole = T / 16 * 16, wide = d / 16 * 16;
    for (int64_t t = 0; t < whole; t += 16)
        for (int64_t i = 0; i < wide; i += 16)
            transpose16(to + i * Tp + t, Tp, from + t * ldf + i, ldf);
    for (int64_t i = 0; i < d; i++) {
        if (whole < Tp)
            *at(to + i * Tp + whole) = (v16){0};
        for (int64_t t = i < wide ? whole : 0; t < T; t++)
            to[i * Tp + t] = from[t * ldf + i];
    }
}

/* ---- one sample and head ---- */

typedef struct sizes {
    int64_t B, H, T, Tp, d, D, rows; /* rows: in a block of P */
    float scale;
    bool wide;
} sizes;

/* `qkv`: the number of the input that holds it */
static sizes sizes_of(const px_node *n, int qkv)
{
    const px_attention_attr *a = n->attr;
    px_shape s = n->in[qkv]->shape;
    sizes z = {.B = s.dim[0], .H = a->heads, .T = s.dim[1], .D = s.dim[2] / 3, .wide = is_wide()};
    z.d = z.D / z.H;
    z.Tp = (z.T + 15) / 16 * 16;
    int64_t blocks = (z.T + BLOCK - 1) / BLOCK;
    z.rows = (z.T + blocks - 1) / blocks;
    z.scale = 1 / sqrtf((float)z.d);
    return z;
}

/* Floats of scratch memory per thread: whole cache lines, and one between threads. */
static int64_t lines(int64_t floats)
{
    return (floats + 15) / 16 * 16 + 16;
}

static int64_t forward_floats(const sizes *z)
{
    return lines(z->d * z->Tp + z->T * z->d + z->rows * (z->Tp + 2 * z->d + 1));
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

static void forward_head(const sizes *z, const elem *qkv, elem *y, float *logs, float *scratch)
{
    int64_t ld = 3 * z->D, d = z->d, T = z->T, Tp = z->Tp;
    float *kt = scratch, *v = kt + d * Tp, *p = v + T * d, *q = p + z->rows * Tp, *out = q + z->rows * d,
          *inverse = out + z->rows * d;
    load_rows(v, qkv + z->D, ld, T, d); /* the keys; v is a temporary place here */
    transpose(kt, v, d, T, Tp, d);
    load_rows(v, qkv + 2 * z->D, ld, T, d);
    for (int64_t r = 0; r < T; r += z->rows) {
        int64_t rows = T - r < z->rows ? T - r : z->rows;
        load_rows(q, qkv + r * ld, ld, rows, d);
        product(p, Tp, plain(q, d), kt, Tp, rows, Tp, d, false, z->wide);
        softmax_rows(p, inverse, logs + r, rows, T, Tp, z->scale);
        product(out, d, plain(p, Tp), v, d, rows, d, T, false, z->wide);
        store_rows(y + r * z->D, z->D, out, inverse, rows, d);
    }
}

static void backward_head(const sizes *z, const elem *dy, const elem *qkv, const float *logs, elem *dqkv,
                          float *scratch)
{
    int64_t ld = 3 * z->D, d = z->d, T = z->T, Tp = z->Tp;
    float *kt = scratch, *vt = kt + d * Tp, *k = vt + d * Tp, *dk = k + T * d, *dv = dk + T * d, *p = dv + T * d;
    float *dp = p + z->rows * Tp, *q = dp + z->rows * Tp, *g = q + z->rows * d;
    load_rows(k, qkv + z->D, ld, T, d);
    transpose(kt, k, d, T, Tp, d);
    load_rows(dv, qkv + 2 * z->D, ld, T, d); /* the values; dv is a temporary place here */
    transpose(vt, dv, d, T, Tp, d);
    for (int64_t r = 0; r < T; r += z->rows) {
        int64_t rows = T - r < z->rows ? T - r : z->rows;
        load_rows(q, qkv + r * ld, ld, rows, d);
        load_rows(g, dy + r * z->D, z->D, rows, d);
        product(p, Tp, plain(q, d), kt, Tp, rows, Tp, d, false, z->wide);
        product(dp, Tp, plain(g, d), vt, Tp, rows, Tp, d, false, z->wide);
        softmax_back_rows(p, dp, logs + r, rows, T, Tp, z->scale);
        product(dk, d, transposed(dp, Tp), q, d, T, d, rows, r > 0, z->wide);
        product(dv, d, transposed(p, Tp), g, d, T, d, rows, r > 0, z->wide);
        product(q, d, plain(dp, Tp), k, d, rows, d, T, false, z->wide); /* dq */
        store_rows(dqkv + r * ld, ld, q, NULL, rows, d);
    }
    store_rows(dqkv + z->D, ld, dk, NULL, T, d);
    store_rows(dqkv + 2 * z->D, ld, dv, NULL, T, d);
}

/* ---- kernels ---- */

void KERNEL(attention)(const px_step *s)
{
    sizes z = sizes_of(s->node, 0);
    int64_t floats = forward_floats(&z);
    const elem *qkv = s->in[0];
    elem *y = s->out[0];
    float *logs = s->out[1];
#pragma omp parallel for collapse(2) schedule(static) num_threads(px_fast_threads(s, 0, (size_t)floats * sizeof(float)))
    for (int64_t b = 0; b < z.B; b++)
        for (int64_t h = 0; h < z.H; h++)
            forward_head(&z, qkv + b * z.T * 3 * z.D + h * z.d, y + b * z.T * z.D + h * z.d, logs + (b * z.H + h) * z.T,
                         (float *)s->scratch + omp_get_thread_num() * floats);
}

/* dy, qkv, logarithms -> dqkv */
void KERNEL(attention_back)(const px_step *s)
{
    sizes z = sizes_of(s->node, 1);
    int64_t floats = backward_floats(&z);
    const elem *dy = s->in[0], *qkv = s->in[1];
    const float *logs = s->in[2];
    elem *dqkv = s->out[0];
#pragma omp parallel for collapse(2) schedule(static) num_threads(px_fast_threads(s, 0, (size_t)floats * sizeof(float)))
    for (int64_t b = 0; b < z.B; b++)
        for (int64_t h = 0; h < z.H; h++)
            backward_head(&z, dy + b * z.T * z.D + h * z.d, qkv + b * z.T * 3 * z.D + h * z.d,
                          logs + (b * z.H + h) * z.T, dqkv + b * z.T * 3 * z.D + h * z.d,
                          (float *)s->scratch + omp_get_thread_num() * floats);
}

#if !PX_ELEM_BF16
size_t px_fast_attention_bytes(const px_node *n, bool back)
{
    sizes z = sizes_of(n, back);
    return (size_t)((back ? backward_floats(&z) : forward_floats(&z)) * omp_get_max_threads()) * sizeof(float);
}
#endif
