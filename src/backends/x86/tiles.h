/* tiles.h - products of small bf16 matrices by AMX.
 *
 * AMX multiplies pairs of neighbours along the summed dimension, so every matrix here consists of pairs, 32 bits each.
 * A bf16 matrix X (rows, columns) has four forms: two are made by loading its rows in different ways, the other two
 * from these by transposing pairs as if they were numbers:
 *
 *     rows      (rows, columns/2)   pairs of neighbours in a row      left operand of  X .
 *     flipped   (columns/2, rows)   the transpose of the above        right operand of . X^T
 *     couples   (rows/2, columns)   pairs of neighbours in a column   right operand of . X
 *     flipped   (columns, rows/2)   the transpose of the above        left operand of  X^T .
 *
 * Sizes are padded with zeros: dimensions that are summed over to a multiple of 32, others of 16. Memory is aligned to
 * 64 bytes. For files that are compiled for AMX (meson.build), whose kernels run only on processors with AMX; in other
 * files this header is empty.
 */
#ifndef PX_BACKENDS_X86_TILES_H
#define PX_BACKENDS_X86_TILES_H

#include "backends/x86/kernels.h"

#include <stdbool.h>

#ifdef __AVX512BF16__ /* compilers do not agree on a macro for AMX */
#include <immintrin.h>

typedef uint32_t pair;

INLINE int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

INLINE int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Masks of the first `n` of 16 or 32 lanes. */
INLINE __mmask16 first16(int64_t n)
{
    return n >= 16 ? 0xffff : (__mmask16)((1u << (n > 0 ? n : 0)) - 1);
}

INLINE __mmask32 first32(int64_t n)
{
    return n >= 32 ? 0xffffffffu : (__mmask32)((1u << (n > 0 ? n : 0)) - 1);
}

/* ---- forms ---- */

/* to (padded, columns/2) = n rows of `from` with d elements each, padded with zeros */
static inline void load_rows(pair *to, const px_bf16 *from, int64_t ldf, int64_t n, int64_t padded, int64_t d,
                             int64_t columns)
{
    for (int64_t r = 0; r < padded; r++)
        for (int64_t i = 0; i < columns; i += 32) {
            __mmask32 mask = r < n ? first32(d - i) : 0;
            _mm512_store_si512(to + (r * columns + i) / 2, _mm512_maskz_loadu_epi16(mask, from + r * ldf + i));
        }
}

/* to (padded/2, columns) = couples of rows */
static inline void load_couples(pair *to, const px_bf16 *from, int64_t ldf, int64_t n, int64_t padded, int64_t d,
                                int64_t columns)
{
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37,
                                         5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (int64_t r = 0; r < padded; r += 2)
        for (int64_t i = 0; i < columns; i += 32) {
            __mmask32 mask = first32(d - i);
            __m512i a = _mm512_maskz_loadu_epi16(r < n ? mask : 0, from + r * ldf + i);
            __m512i b = _mm512_maskz_loadu_epi16(r + 1 < n ? mask : 0, from + (r + 1) * ldf + i);
            _mm512_store_si512(to + r / 2 * columns + i, _mm512_permutex2var_epi16(a, low, b));
            _mm512_store_si512(to + r / 2 * columns + i + 16, _mm512_permutex2var_epi16(a, high, b));
        }
}

/* `to` (n of `d` elements) = rows */
static inline void store_rows(px_bf16 *to, int64_t ldt, const pair *from, int64_t n, int64_t d, int64_t columns)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < d; i += 32)
            _mm512_mask_storeu_epi16(to + r * ldt + i, first32(d - i), _mm512_load_si512(from + (r * columns + i) / 2));
}

INLINE void flip16(pair *to, int64_t ldt, const pair *from, int64_t ldf)
{
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_load_si512(from + i * ldf);
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            a[i + 2 * k] = _mm512_unpacklo_epi64(b[i + k], b[i + 2 + k]);
            a[i + 2 * k + 1] = _mm512_unpackhi_epi64(b[i + k], b[i + 2 + k]);
        }
    /* a[4 i + k]: column k of each square of four in rows 4 i to 4 i + 3 */
    for (int k = 0; k < 4; k++) {
        b[k] = _mm512_shuffle_i32x4(a[k], a[4 + k], 0x88);
        b[4 + k] = _mm512_shuffle_i32x4(a[k], a[4 + k], 0xdd);
        b[8 + k] = _mm512_shuffle_i32x4(a[8 + k], a[12 + k], 0x88);
        b[12 + k] = _mm512_shuffle_i32x4(a[8 + k], a[12 + k], 0xdd);
    }
    for (int k = 0; k < 4; k++) {
        _mm512_store_si512(to + k * ldt, _mm512_shuffle_i32x4(b[k], b[8 + k], 0x88));
        _mm512_store_si512(to + (4 + k) * ldt, _mm512_shuffle_i32x4(b[4 + k], b[12 + k], 0x88));
        _mm512_store_si512(to + (8 + k) * ldt, _mm512_shuffle_i32x4(b[k], b[8 + k], 0xdd));
        _mm512_store_si512(to + (12 + k) * ldt, _mm512_shuffle_i32x4(b[4 + k], b[12 + k], 0xdd));
    }
}

/* to (columns, rows) = from (rows, columns)^T */
static inline void flip(pair *to, const pair *from, int64_t rows, int64_t columns)
{
    for (int64_t r = 0; r < rows; r += 16)
        for (int64_t i = 0; i < columns; i += 16)
            flip16(to + i * rows + r, rows, from + r * columns + i, columns);
}

/* Sixteen pairs. */
INLINE __m512i pairs_of(__m512 first, __m512 second)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

/* ---- C (M, N), float, = A (M, K) B (K, N) [+ C]; K counts elements and is a multiple of 32, M and N of 16 ---- */

/* A thread's tiles: eight, each of 16 rows of 64 bytes. */
INLINE void tiles_begin(void)
{
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&shape);
}

INLINE void tiles_end(void)
{
    _tile_release();
}

/* Tiles 0 to 3 hold C; 4, 5: A; 6, 7: B. `high`, `wide`: C has two tiles of rows, of columns. */
INLINE void tile_product(float *c, int64_t ldc, const pair *a, int64_t lda, const pair *b, int64_t ldb, int64_t K,
                         const bool high, const bool wide, bool add)
{
    size_t row_a = (size_t)lda * sizeof *a, row_b = (size_t)ldb * sizeof *b, row_c = (size_t)ldc * sizeof *c;
    float *below = c + 16 * ldc;
    if (add) {
        _tile_loadd(0, c, row_c);
        if (wide)
            _tile_loadd(1, c + 16, row_c);
        if (high)
            _tile_loadd(2, below, row_c);
        if (high && wide)
            _tile_loadd(3, below + 16, row_c);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t k = 0; k < K / 2; k += 16, a += 16, b += 16 * ldb) {
        _tile_loadd(4, a, row_a);
        _tile_loadd(6, b, row_b);
        _tile_dpbf16ps(0, 4, 6);
        if (wide) {
            _tile_loadd(7, b + 16, row_b);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (high) {
            _tile_loadd(5, a + 16 * lda, row_a);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (high && wide)
            _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, row_c);
    if (wide)
        _tile_stored(1, c + 16, row_c);
    if (high)
        _tile_stored(2, below, row_c);
    if (high && wide)
        _tile_stored(3, below + 16, row_c);
}

/* Call it between tiles_begin and tiles_end. */
static void product(float *c, int64_t ldc, const pair *a, int64_t lda, const pair *b, int64_t ldb, int64_t M, int64_t N,
                    int64_t K, bool add)
{
    __asm__ volatile("" ::: "memory"); /* gcc does not know that tiles are loaded from memory */
    for (int64_t i = 0; i < M; i += 32)
        for (int64_t j = 0; j < N; j += 32) {
            bool high = i + 32 <= M, wide = j + 32 <= N;
            float *to = c + i * ldc + j;
            const pair *left = a + i * lda, *right = b + j;
            if (high && wide)
                tile_product(to, ldc, left, lda, right, ldb, K, true, true, add);
            else if (high)
                tile_product(to, ldc, left, lda, right, ldb, K, true, false, add);
            else if (wide)
                tile_product(to, ldc, left, lda, right, ldb, K, false, true, add);
            else
                tile_product(to, ldc, left, lda, right, ldb, K, false, false, add);
        }
}

#endif
#endif
