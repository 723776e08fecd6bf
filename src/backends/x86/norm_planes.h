/* norm_planes.h - inner loops of norm.c over one plane, S rows of B channels, with a relu or without activation. If B is 8 or
 * 16, it is a constant after inlining. Compiled for activations in float and in bf16 (kernels.h). */
#ifndef PX_BACKENDS_X86_NORM_PLANES_H
#define PX_BACKENDS_X86_NORM_PLANES_H

#include "backends/x86/kernels.h"

#ifdef PX_ELEM_BF16

/* sums_tile reads only a few rows at a time, so it prefetches further ahead: by this many rows. */
enum { APART = 8 };

/* Partial sums of TILE channels and RUN rows stay in registers, then are added to the sums in double. For bf16 they can
 * be float: the square of a bf16 is exact in float, and a sum of a few of them nearly so. For floats this is not so. */
#if PX_ELEM_BF16
typedef float partial;
enum { TILE = 64, RUN = 8 };
#else
typedef double partial;
enum { TILE = 16, RUN = 1024 };
#endif

INLINE void sums_tile(const elem *x, int64_t rows, int64_t B, const int width, double *sum, double *square)
{
    partial first[TILE] = {0}, second[TILE] = {0};
    for (int64_t i = 0; i < rows; i++) {
        fetch_ahead(x + (i + APART) * B, width);
#pragma omp simd
        for (int b = 0; b < width; b++) {
            partial v = up(x[i * B + b]);
            first[b] += v;
            second[b] += v * v;
        }
    }
    for (int b = 0; b < width; b++) {
        sum[b] += (double)first[b];
        square[b] += (double)second[b];
    }
}

static PX_MULTIVERSION(sums_plane, (const elem *x, int64_t S, int64_t B, double *sum, double *square),
                       (x, S, B, sum, square))
{
    for (int64_t i = 0; i < S; i += RUN) {
        int64_t rows = S - i < RUN ? S - i : RUN, b = 0;
        for (; b + TILE <= B; b += TILE)
            sums_tile(x + i * B + b, rows, B, TILE, sum + b, square + b);
        for (; b + 8 <= B; b += 8)
            sums_tile(x + i * B + b, rows, B, 8, sum + b, square + b);
        if (b < B)
            sums_tile(x + i * B + b, rows, B, (int)(B - b), sum + b, square + b);
    }
}

INLINE void norm_rows(elem *y, const elem *x, const elem *residual, int64_t S, int64_t B, const float *mean,
                      const float *a, const float *beta, bool relu)
{
    for (int64_t i = 0; i < S; i++) {
        fetch_ahead(x + i * B, B);
        if (residual)
            fetch_ahead(residual + i * B, B);
#pragma omp simd
        for (int64_t b = 0; b < B; b++) {
            float v = (up(x[i * B + b]) - mean[b]) * a[b] + beta[b];
            if (residual)
                v += up(residual[i * B + b]);
            y[i * B + b] = down(relu && v <= 0 ? 0 : v);
        }
    }
}

/* Makes the choices outside the loops. */
INLINE void norm_choose(elem *y, const elem *x, const elem *residual, int64_t S, int64_t B, const float *mean,
                        const float *a, const float *beta, bool relu)
{
    if (residual && relu)
        norm_rows(y, x, residual, S, B, mean, a, beta, true);
    else if (residual)
        norm_rows(y, x, residual, S, B, mean, a, beta, false);
    else if (relu)
        norm_rows(y, x, NULL, S, B, mean, a, beta, true);
    else
        norm_rows(y, x, NULL, S, B, mean, a, beta, false);
}

static PX_MULTIVERSION(norm_plane,
                       (elem * y, const elem *x, const elem *residual, int64_t S, int64_t B, const float *mean,
                        const float *a, const float *beta, bool relu),
                       (y, x, residual, S, B, mean, a, beta, relu))
{
    if (B == 16)
        norm_choose(y, x, residual, S, 16, mean, a, beta, relu);
    else if (B == 8)
        norm_choose(y, x, residual, S, 8, mean, a, beta, relu);
    else
        norm_choose(y, x, residual, S, B, mean, a, beta, relu);
}

/* g = dy where the relu's argument v is positive, else 0. v has the sign of y, or is computed again from x. NaN passes
 * through. */
INLINE float through(float dy, float x, const elem *y, int64_t at, float mean, float a, float beta, bool relu)
{
    if (!relu)
        return dy;
    float v = y ? up(y[at]) : (x - mean) * a + beta;
    return v <= 0 ? 0 : dy;
}

/* The operands of a plane's backward sums; d and y may be NULL. */
typedef struct back_operands {
    const elem *dy, *x, *y;
    elem *d;
    const float *mean, *a, *beta;
    double *sum, *dot;
} back_operands;

INLINE void back_sums_tile(back_operands o, int64_t from, int64_t rows, int64_t B, int64_t b0, const int width,
                           const bool relu, const bool masked)
{
    partial first[TILE] = {0}, second[TILE] = {0};
    for (int64_t i = from; i < from + rows; i++) {
        fetch_ahead(o.dy + (i + APART) * B + b0, width);
        fetch_ahead(o.x + (i + APART) * B + b0, width);
        if (masked)
            fetch_ahead(o.y + (i + APART) * B + b0, width);
#pragma omp simd
        for (int b = 0; b < width; b++) {
            int64_t at = i * B + b0 + b, c = b0 + b;
            float v = up(o.x[at]);
            float g = through(up(o.dy[at]), v, masked ? o.y : NULL, at, o.mean[c], o.a[c], o.beta[c], relu);
            if (masked)
                o.d[at] = down(g);
            first[b] += (partial)g;
            second[b] += (partial)g * (partial)(v - o.mean[c]);
        }
    }
    for (int b = 0; b < width; b++) {
        o.sum[b0 + b] += (double)first[b];
        o.dot[b0 + b] += (double)second[b];
    }
}

INLINE void back_sums_rows(back_operands o, int64_t S, int64_t B, const bool relu, const bool masked)
{
    for (int64_t i = 0; i < S; i += RUN) {
        int64_t rows = S - i < RUN ? S - i : RUN, b = 0;
        for (; b + TILE <= B; b += TILE)
            back_sums_tile(o, i, rows, B, b, TILE, relu, masked);
        for (; b + 8 <= B; b += 8)
            back_sums_tile(o, i, rows, B, b, 8, relu, masked);
        if (b < B)
            back_sums_tile(o, i, rows, B, b, (int)(B - b), relu, masked);
    }
}

static PX_MULTIVERSION(back_sums_plane, (back_operands o, int64_t S, int64_t B, bool relu), (o, S, B, relu))
{
    if (o.d)
        back_sums_rows(o, S, B, true, true);
    else if (relu)
        back_sums_rows(o, S, B, true, false);
    else
        back_sums_rows(o, S, B, false, false);
}

/* dx = a g - k1 - (x - mean) k2 with k1 = a mean(d), k2 = a inverse mean(d xhat) */
INLINE void back_rows(elem *dx, const elem *dy, const elem *x, int64_t S, int64_t B, const float *mean, const float *a,
                      const float *beta, const float *k1, const float *k2, bool relu)
{
    for (int64_t i = 0; i < S; i++) {
        fetch_ahead(dy + i * B, B);
        fetch_ahead(x + i * B, B);
#pragma omp simd
        for (int64_t b = 0; b < B; b++) {
            float v = up(x[i * B + b]), g = through(up(dy[i * B + b]), v, NULL, 0, mean[b], a[b], beta[b], relu);
            dx[i * B + b] = down(a[b] * g - k1[b] - (v - mean[b]) * k2[b]);
        }
    }
}

static PX_MULTIVERSION(back_plane,
                       (elem * dx, const elem *dy, const elem *x, int64_t S, int64_t B, const float *mean,
                        const float *a, const float *beta, const float *k1, const float *k2, bool relu),
                       (dx, dy, x, S, B, mean, a, beta, k1, k2, relu))
{
    if (B == 16 && relu)
        back_rows(dx, dy, x, S, 16, mean, a, beta, k1, k2, true);
    else if (B == 16)
        back_rows(dx, dy, x, S, 16, mean, a, beta, k1, k2, false);
    else if (B == 8 && relu)
        back_rows(dx, dy, x, S, 8, mean, a, beta, k1, k2, true);
    else if (B == 8)
        back_rows(dx, dy, x, S, 8, mean, a, beta, k1, k2, false);
    else if (relu)
        back_rows(dx, dy, x, S, B, mean, a, beta, k1, k2, true);
    else
        back_rows(dx, dy, x, S, B, mean, a, beta, k1, k2, false);
}

#endif
#endif
