/* vectors.h - small matrix products by vectors, for kernels that keep their matrices in scratch memory. A file that includes
 * it is compiled for each length of vectors: PX_LANES floats are 4 (any processor), 8 (AVX2) or 16 (AVX-512).
 *
 *     float b[K * padded(N)], c[M * ldc];      // ldc: at least padded(N)
 *     pack_rows(b, from, ldf, K, N);           // or pack_columns(b, from, ldf, N, K), which transposes
 *     product(c, ldc, rows_of(a, lda), b, M, padded(N), K, false);
 *
 * The right operand (K, N) is packed into panels of two vectors' columns, (N / 2 LANES, K, 2 LANES); the last panel may be one
 * vector wide. Columns beyond N are zeros. Each sum is over k in order, wherever a tile begins. */
#ifndef PX_BACKENDS_X86_VECTORS_H
#define PX_BACKENDS_X86_VECTORS_H

#ifndef PX_LANES /* for tools that look at this file alone */
#define PX_LANES 4
#define PX_ELEM_BF16 0
#endif
#include "backends/x86/kernels.h"

enum { LANES = PX_LANES, PANEL = 2 * LANES };
enum { TILE = 6 }; /* rows of a panel whose sums are kept in registers: 12 vectors of 16 */

/* Names of what is compiled for each length: px_fast_f32_attention_8 is PX_LANED(px_fast_f32_attention, 8). */
#define PX_LANED_(name, lanes) name##_##lanes
#define PX_LANED(name, lanes) PX_LANED_(name, lanes)

/* All functions that return vectors are inlined, so the ABI for returning them does not matter. */
#pragma GCC diagnostic ignored "-Wpsabi"

/* At any address. */
typedef float vec __attribute__((vector_size(4 * PX_LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * PX_LANES), aligned(4), may_alias));

INLINE vec *at(float *p)
{
    return (vec *)p;
}

INLINE vec from(const float *p)
{
    return *(const vec *)p;
}

/* Lanes of a where `mask` is -1, of b where it is 0. */
INLINE vec choose(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

/* The numbers of the lanes. */
INLINE ivec numbers(void)
{
    ivec n = {0};
    for (int i = 0; i < LANES; i++)
        n[i] = i;
    return n;
}

INLINE int64_t padded(int64_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/* ---- C (M, N) = A (M, K) B (K, N) [+ C] ---- */

/* A's element (i, k) is at[i * ld + k], or, transposed, at[k * ld + i]. */
typedef struct matrix {
    const float *at;
    int64_t ld;
    bool transposed;
} matrix;

INLINE matrix rows_of(const float *at, int64_t ld)
{
    return (matrix){at, ld, false};
}

INLINE matrix columns_of(const float *at, int64_t ld)
{
    return (matrix){at, ld, true};
}

/* `transposed`, `rows` and `vectors` are constants after inlining: all sums stay in registers. */
INLINE void tile(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t K, const bool transposed,
                 const int rows, const int vectors, bool add)
{
    vec sum[TILE][2];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = add ? from(c + r * ldc + LANES * v) : (vec){0};
    for (int64_t k = 0; k < K; k++)
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++)
                sum[r][v] += a[transposed ? k * lda + r : r * lda + k] * from(b + (k * vectors + v) * LANES);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            *at(c + r * ldc + LANES * v) = sum[r][v];
}

/* All rows of a panel: TILE at a time; the last few in tiles of at least three rows if there are so many, since a tile of
 * fewer waits for its sums. */
INLINE void panel(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t M, int64_t K,
                  const bool transposed, const int vectors, bool add)
{
    const int64_t next = transposed ? 1 : lda;
    int64_t i = 0;
    for (; M - i >= TILE + 3 || M - i == TILE; i += TILE)
        tile(c + i * ldc, ldc, a + i * next, lda, b, K, transposed, TILE, vectors, add);
    if (M - i > TILE) {
        tile(c + i * ldc, ldc, a + i * next, lda, b, K, transposed, 4, vectors, add);
        i += 4;
    }
    c += i * ldc;
    a += i * next;
    if (M - i == 5)
        tile(c, ldc, a, lda, b, K, transposed, 5, vectors, add);
    else if (M - i == 4)
        tile(c, ldc, a, lda, b, K, transposed, 4, vectors, add);
    else if (M - i == 3)
        tile(c, ldc, a, lda, b, K, transposed, 3, vectors, add);
    else if (M - i == 2)
        tile(c, ldc, a, lda, b, K, transposed, 2, vectors, add);
    else if (M - i == 1)
        tile(c, ldc, a, lda, b, K, transposed, 1, vectors, add);
}

/* All panels. N: a multiple of LANES */
INLINE void panels(float *c, int64_t ldc, matrix a, const float *b, int64_t M, int64_t N, int64_t K,
                   const bool transposed, bool add)
{
    int64_t j = 0;
    for (; j + PANEL <= N; j += PANEL)
        panel(c + j, ldc, a.at, a.ld, b + j * K, M, K, transposed, 2, add);
    if (j < N)
        panel(c + j, ldc, a.at, a.ld, b + j * K, M, K, transposed, 1, add);
}

static inline void product(float *c, int64_t ldc, matrix a, const float *b, int64_t M, int64_t N, int64_t K, bool add)
{
    if (a.transposed)
        panels(c, ldc, a, b, M, N, K, true, add);
    else
        panels(c, ldc, a, b, M, N, K, false, add);
}

/* ---- from elements in memory to dense floats and to panels ---- */

/* The first n of a vector's elements, and zeros. */
INLINE vec load(const elem *x, int64_t n)
{
    vec v = {0};
    for (int i = 0; i < LANES && i < n; i++)
        v[i] = up(x[i]);
    return v;
}

#if PX_ELEM_BF16
typedef uint16_t half_vec __attribute__((vector_size(2 * PX_LANES), aligned(2), may_alias));
typedef uint32_t bits_vec __attribute__((vector_size(4 * PX_LANES), aligned(4), may_alias));
INLINE vec load_all(const elem *x)
{
    return (vec)(__builtin_convertvector(*(const half_vec *)x, bits_vec) << 16);
}
#else
INLINE vec load_all(const elem *x)
{
    return from(x);
}
#endif

/* Dense rows of padded(n) floats, zeros beyond n. */
static inline void load_rows(float *to, const elem *x, int64_t ldx, int64_t rows, int64_t n)
{
    for (int64_t r = 0, np = padded(n); r < rows; r++, x += ldx, to += np) {
        int64_t i = 0;
        for (; i + LANES <= n; i += LANES)
            *at(to + i) = load_all(x + i);
        if (i < n)
            *at(to + i) = load(x + i, n - i);
    }
}

/* B = X (K, N) */
static inline void pack_rows(float *to, const elem *x, int64_t ldx, int64_t K, int64_t N)
{
    for (int64_t j = 0, Np = padded(N); j < Np; j += LANES) {
        int64_t width = j / PANEL * PANEL + PANEL <= Np ? PANEL : LANES;
        float *t = to + j / PANEL * PANEL * K + j % PANEL;
        for (int64_t k = 0; k < K; k++, t += width)
            *at(t) = j + LANES <= N ? load_all(x + k * ldx + j) : load(x + k * ldx + j, N - j);
    }
}

#ifdef __clang__ /* its shuffles need constant indices */
INLINE void exchange(vec row[LANES], const int s)
{
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < LANES; k++)
            if (!(i & s) && (k & s)) {
                float x = row[i][k];
                row[i][k] = row[i + s][k - s];
                row[i + s][k - s] = x;
            }
}
#else
/* Exchanges the off-diagonal squares of side s between rows i and i + s. */
INLINE void exchange(vec row[LANES], const int s)
{
    ivec low = {0}, high = {0};
    for (int k = 0; k < LANES; k++) {
        low[k] = k & s ? LANES + k - s : k;
        high[k] = k & s ? LANES + k : k + s;
    }
    for (int i = 0; i < LANES; i++)
        if (!(i & s)) {
            vec a = row[i], b = row[i + s];
            row[i] = __builtin_shuffle(a, b, low);
            row[i + s] = __builtin_shuffle(a, b, high);
        }
}
#endif

INLINE void transpose(vec row[LANES])
{
    exchange(row, 1);
    exchange(row, 2);
    if (LANES >= 8)
        exchange(row, 4);
    if (LANES >= 16)
        exchange(row, 8);
}

/* B = X^T, X (N, K): LANES columns of B at a time. */
static inline void pack_columns(float *to, const elem *x, int64_t ldx, int64_t N, int64_t K)
{
    for (int64_t j = 0, Np = padded(N); j < Np; j += LANES) {
        int64_t width = j / PANEL * PANEL + PANEL <= Np ? PANEL : LANES, there = N - j < LANES ? N - j : LANES;
        float *t = to + j / PANEL * PANEL * K + j % PANEL;
        for (int64_t k = 0; k < K; k += LANES) {
            vec row[LANES];
            for (int i = 0; i < LANES; i++) {
                const elem *e = x + (j + i) * ldx + k;
                row[i] = i >= there ? (vec){0} : k + LANES <= K ? load_all(e) : load(e, K - k);
            }
            transpose(row);
            for (int i = 0; i < LANES && k + i < K; i++)
                *at(t + (k + i) * width) = row[i];
        }
    }
}

/* ---- from dense floats to elements ---- */

/* x: rows of padded(n); `factor`: one per row, NULL: 1 */
static inline void store_rows(elem *to, int64_t ldt, const float *x, const float *factor, int64_t rows, int64_t n)
{
    for (int64_t r = 0, np = padded(n); r < rows; r++) {
        float by = factor ? factor[r] : 1;
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            to[r * ldt + i] = down(x[r * np + i] * by);
    }
}

#endif
