/* vectors.h - small matrix products by vectors of 16 and of 8 numbers, for kernels that keep their matrices in scratch memory. A
 * function with PX_MULTIVERSION calls `panel` for each of its panels of columns. */
#ifndef PX_BACKENDS_X86_VECTORS_H
#define PX_BACKENDS_X86_VECTORS_H

#include "backends/x86/kernels.h"

enum { TILE = 6 }; /* rows whose sums are kept in registers */

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

#endif
