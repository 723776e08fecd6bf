/* conv.c - portable convolution: one matrix product per image and group, on the image's columns (im2col). Groups of few
 * channels are too small for that: their taps are added up row by row. */
#include "backends/portable/portable.h"
#include "ops/attr.h"

#include <cblas.h>
#include <string.h>

/* Sizes of a convolution of x (N, C, H, W) by w (O, C/groups, KH, KW) to y (N, O, OH, OW), one group at a time. */
typedef struct geometry {
    int N, C, H, W, O, KH, KW, OH, OW, groups;
    px_sliding slide;
    int rows, cols; /* of a group's column matrix: C/groups * KH * KW, OH * OW */
} geometry;

static geometry geometry_of(const px_step *s, const px_value *x, const px_value *w, const px_value *y)
{
    const px_conv_attr *a = s->node->attr;
    geometry g = {.N = (int)x->shape.dim[0],
                  .C = (int)x->shape.dim[1],
                  .H = (int)x->shape.dim[2],
                  .W = (int)x->shape.dim[3],
                  .O = (int)w->shape.dim[0],
                  .KH = (int)w->shape.dim[2],
                  .KW = (int)w->shape.dim[3],
                  .OH = (int)y->shape.dim[2],
                  .OW = (int)y->shape.dim[3],
                  .slide = a->slide,
                  .groups = a->groups};
    g.rows = g.C / g.groups * g.KH * g.KW;
    g.cols = g.OH * g.OW;
    return g;
}

/* The place in x, along an axis, that output o sees by tap k. */
static int place(const geometry *g, int axis, int o, int k)
{
    return o * g->slide.stride[axis] + k * g->slide.dilation[axis] - g->slide.before[axis];
}

/* col[(c, kh, kw)][(oh, ow)] = x[c][oh * stride + kh * dilation - pad][...], 0 outside */
static void im2col(const geometry *g, const real *x, real *col)
{
#pragma omp parallel for schedule(static)
    for (int row = 0; row < g->rows; row++) {
        int c = row / (g->KH * g->KW), kh = row / g->KW % g->KH, kw = row % g->KW;
        for (int oh = 0; oh < g->OH; oh++)
            for (int ow = 0; ow < g->OW; ow++) {
                int h = place(g, 0, oh, kh), w = place(g, 1, ow, kw);
                bool inside = h >= 0 && h < g->H && w >= 0 && w < g->W;
                col[(int64_t)row * g->cols + oh * g->OW + ow] = inside ? x[((int64_t)c * g->H + h) * g->W + w] : 0;
            }
    }
}

/* The transpose: x[c][h][w] gets the sum of all elements of the columns that were read from it. */
static void col2im(const geometry *g, const real *col, real *x)
{
    int channels = g->C / g->groups;
    memset(x, 0, (size_t)channels * (size_t)(g->H * g->W) * sizeof x[0]);
#pragma omp parallel for schedule(static)
    for (int c = 0; c < channels; c++)
        for (int k = 0; k < g->KH * g->KW; k++) {
            int row = c * g->KH * g->KW + k, kh = k / g->KW, kw = k % g->KW;
            for (int oh = 0; oh < g->OH; oh++)
                for (int ow = 0; ow < g->OW; ow++) {
                    int h = place(g, 0, oh, kh), w = place(g, 1, ow, kw);
                    if (h >= 0 && h < g->H && w >= 0 && w < g->W)
                        x[((int64_t)c * g->H + h) * g->W + w] += col[(int64_t)row * g->cols + oh * g->OW + ow];
                }
        }
}

/* ---- groups of few channels ---- */

static bool is_narrow(const geometry *g)
{
    enum { FEW = 16 };
    return g->groups > 1 && g->C / g->groups < FEW;
}

/* The outputs `first` to before `last` along an axis that see the map by tap k. */
static void seeing(const geometry *g, int axis, int k, int *first, int *last)
{
    int stride = g->slide.stride[axis], from = place(g, axis, 0, k), extent = axis ? g->W : g->H;
    int outputs = axis ? g->OW : g->OH, end = from < extent ? (extent - 1 - from) / stride + 1 : 0;
    *first = from < 0 ? (-from + stride - 1) / stride : 0;
    *last = end < outputs ? end : outputs;
}

/* What is done for a tap, on planes x (H, W) and y (OH, OW). */
typedef enum to_do { FORWARD, BACK_DATA, BACK_WEIGHT } to_do;

static real tap(const geometry *g, to_do what, real *x, real *y, real weight, int kh, int kw)
{
    int top, bottom, left, right;
    seeing(g, 0, kh, &top, &bottom);
    seeing(g, 1, kw, &left, &right);
    int64_t step = g->slide.stride[1];
    double total = 0;
    for (int oh = top; oh < bottom; oh++) {
        int64_t at = (int64_t)place(g, 0, oh, kh) * g->W + place(g, 1, 0, kw);
        real *to = y + (int64_t)oh * g->OW;
        if (what == FORWARD)
            for (int64_t ow = left; ow < right; ow++)
                to[ow] += weight * x[at + ow * step];
        else if (what == BACK_DATA)
            for (int64_t ow = left; ow < right; ow++)
                x[at + ow * step] += weight * to[ow];
        else
            for (int64_t ow = left; ow < right; ow++)
                total += to[ow] * x[at + ow * step];
    }
    return (real)total;
}

static void narrow_forward(const geometry *g, const real *x, const real *w, const real *bias, real *y)
{
    int cg = g->C / g->groups, og = g->O / g->groups, taps = g->KH * g->KW;
    int64_t plane = (int64_t)g->H * g->W;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < (int64_t)g->N * g->O; p++) {
        int64_t n = p / g->O, o = p % g->O;
        for (int i = 0; i < g->cols; i++)
            y[p * g->cols + i] = bias ? bias[o] : 0;
        for (int c = 0; c < cg; c++)
            for (int k = 0; k < taps; k++)
                tap(g, FORWARD, (real *)x + (n * g->C + o / og * cg + c) * plane, y + p * g->cols,
                    w[(o * cg + c) * taps + k], k / g->KW, k % g->KW);
    }
}

static void narrow_back_data(const geometry *g, const real *dy, const real *w, real *dx)
{
    int cg = g->C / g->groups, og = g->O / g->groups, taps = g->KH * g->KW;
    int64_t plane = (int64_t)g->H * g->W;
    memset(dx, 0, (size_t)((int64_t)g->N * g->C * plane) * sizeof dx[0]);
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < (int64_t)g->N * g->C; p++) {
        int64_t n = p / g->C, c = p % g->C;
        for (int64_t o = c / cg * og; o < (c / cg + 1) * og; o++)
            for (int k = 0; k < taps; k++)
                tap(g, BACK_DATA, dx + p * plane, (real *)dy + (n * g->O + o) * g->cols,
                    w[(o * cg + c % cg) * taps + k], k / g->KW, k % g->KW);
    }
}

static void narrow_back_weight(const geometry *g, const real *x, const real *dy, real *dw)
{
    int cg = g->C / g->groups, og = g->O / g->groups, taps = g->KH * g->KW;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < (int64_t)g->O * g->rows; i++) {
        int64_t o = i / g->rows, c = o / og * cg + i % g->rows / taps;
        int k = (int)(i % taps);
        double total = 0;
        for (int64_t n = 0; n < g->N; n++)
            total += tap(g, BACK_WEIGHT, (real *)x + (n * g->C + c) * g->H * g->W,
                         (real *)dy + (n * g->O + o) * g->cols, 0, k / g->KW, k % g->KW);
        dw[i] = (real)total;
    }
}

/* ---- the three kernels ---- */

/* x, w, bias, residual -> y, argument */
void KERNEL(conv2d)(const px_step *s)
{
    geometry g = geometry_of(s, s->node->in[0], s->node->in[1], s->node->out[0]);
    const real *x = s->in[0], *w = s->in[1], *bias = s->in[2];
    real *y = s->out[0], *col = s->scratch;
    int og = g.O / g.groups;
    if (is_narrow(&g)) {
        narrow_forward(&g, x, w, bias, y);
        KERNEL(epilogue)(s);
        return;
    }
    for (int n = 0; n < g.N; n++)
        for (int k = 0; k < g.groups; k++) {
            im2col(&g, x + ((int64_t)n * g.C + k * (g.C / g.groups)) * g.H * g.W, col);
            real *yk = y + ((int64_t)n * g.O + k * og) * g.cols;
            for (int o = 0; o < og; o++)
                for (int i = 0; i < g.cols; i++)
                    yk[(int64_t)o * g.cols + i] = bias ? bias[k * og + o] : 0;
            GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, og, g.cols, g.rows, 1, w + (int64_t)k * og * g.rows, g.rows,
                 col, g.cols, 1, yk, g.cols);
        }
    KERNEL(epilogue)(s);
}

/* dy, w, x -> dx (x gives only its shape) */
void KERNEL(conv2d_back_data)(const px_step *s)
{
    geometry g = geometry_of(s, s->node->out[0], s->node->in[1], s->node->in[0]);
    const real *dy = s->in[0], *w = s->in[1];
    real *dx = s->out[0], *col = s->scratch;
    int og = g.O / g.groups;
    if (is_narrow(&g)) {
        narrow_back_data(&g, dy, w, dx);
        return;
    }
    for (int n = 0; n < g.N; n++)
        for (int k = 0; k < g.groups; k++) {
            GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, g.rows, g.cols, og, 1, w + (int64_t)k * og * g.rows, g.rows,
                 dy + ((int64_t)n * g.O + k * og) * g.cols, g.cols, 0, col, g.cols);
            col2im(&g, col, dx + ((int64_t)n * g.C + k * (g.C / g.groups)) * g.H * g.W);
        }
}

/* x, dy, w -> dw (w gives only its shape) */
void KERNEL(conv2d_back_weight)(const px_step *s)
{
    geometry g = geometry_of(s, s->node->in[0], s->node->out[0], s->node->in[1]);
    const real *x = s->in[0], *dy = s->in[1];
    real *dw = s->out[0], *col = s->scratch;
    int og = g.O / g.groups;
    if (is_narrow(&g)) {
        narrow_back_weight(&g, x, dy, dw);
        return;
    }
    if (g.N == 0)
        memset(dw, 0, (size_t)g.O * (size_t)g.rows * sizeof dw[0]);
    for (int n = 0; n < g.N; n++)
        for (int k = 0; k < g.groups; k++) {
            im2col(&g, x + ((int64_t)n * g.C + k * (g.C / g.groups)) * g.H * g.W, col);
            GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, og, g.rows, g.cols, 1,
                 dy + ((int64_t)n * g.O + k * og) * g.cols, g.cols, col, g.cols, n > 0, dw + (int64_t)k * og * g.rows,
                 g.rows);
        }
}
