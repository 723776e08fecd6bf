/* conv.c - portable convolution: one matrix product per image and group, on the image's columns (im2col). */
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

/* x, w -> y */
void KERNEL(conv2d)(const px_step *s)
{
    geometry g = geometry_of(s, s->node->in[0], s->node->in[1], s->node->out[0]);
    const real *x = s->in[0], *w = s->in[1], *bias = s->in[2];
    real *y = s->out[0], *col = s->scratch;
    int og = g.O / g.groups;
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
}

/* dy, w, x -> dx (x gives only its shape) */
void KERNEL(conv2d_back_data)(const px_step *s)
{
    geometry g = geometry_of(s, s->node->out[0], s->node->in[1], s->node->in[0]);
    const real *dy = s->in[0], *w = s->in[1];
    real *dx = s->out[0], *col = s->scratch;
    int og = g.O / g.groups;
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
    for (int n = 0; n < g.N; n++)
        for (int k = 0; k < g.groups; k++) {
            im2col(&g, x + ((int64_t)n * g.C + k * (g.C / g.groups)) * g.H * g.W, col);
            GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, og, g.rows, g.cols, 1,
                 dy + ((int64_t)n * g.O + k * og) * g.cols, g.cols, col, g.cols, n > 0, dw + (int64_t)k * og * g.rows,
                 g.rows);
        }
}

/* dy (N, C, H, W) or (N, C) -> (C): the gradient of a bias */
void KERNEL(channel_sum)(const px_step *s)
{
    px_shape shape = s->node->in[0]->shape;
    int64_t N = shape.dim[0], C = shape.dim[1], S = px_shape_tail(shape, 2);
    const real *dy = s->in[0];
    real *sum = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < C; c++) {
        double total = 0;
        for (int64_t n = 0; n < N; n++)
            for (int64_t i = 0; i < S; i++)
                total += dy[(n * C + c) * S + i];
        sum[c] = (real)total;
    }
}
