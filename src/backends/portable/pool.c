/* pool.c - portable max pooling and global average pooling. */
#include "backends/portable/portable.h"
#include "ops/attr.h"

#include <math.h>
#include <string.h>

/* The place of the largest pixel that output (oh, ow) sees of a plane x (H, W): the first one, as PyTorch. */
static int largest(const px_sliding *k, const real *x, int H, int W, int oh, int ow)
{
    int best = -1;
    for (int i = 0; i < k->kernel[0]; i++)
        for (int j = 0; j < k->kernel[1]; j++) {
            int h = oh * k->stride[0] + i * k->dilation[0] - k->before[0],
                w = ow * k->stride[1] + j * k->dilation[1] - k->before[1];
            if (h >= 0 && h < H && w >= 0 && w < W && (best < 0 || x[h * W + w] > x[best] || isnan(x[h * W + w])))
                best = h * W + w;
        }
    return best;
}

/* x -> y, i32 place of each maximum within its plane */
void KERNEL(max_pool)(const px_step *s)
{
    const px_pool_attr *a = s->node->attr;
    px_shape in = s->node->in[0]->shape, out = s->node->out[0]->shape;
    int H = (int)in.dim[2], W = (int)in.dim[3], OH = (int)out.dim[2], OW = (int)out.dim[3];
    const real *x = s->in[0];
    real *y = s->out[0];
    int32_t *place = s->out[1];
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < in.dim[0] * in.dim[1]; p++)
        for (int oh = 0; oh < OH; oh++)
            for (int ow = 0; ow < OW; ow++) {
                int best = largest(&a->slide, x + p * H * W, H, W, oh, ow);
                y[(p * OH + oh) * OW + ow] = x[p * H * W + best];
                place[(p * OH + oh) * OW + ow] = best;
            }
}

/* dy, place -> dx */
void KERNEL(max_pool_back)(const px_step *s)
{
    px_shape in = s->node->out[0]->shape, out = s->node->in[0]->shape;
    int64_t plane = in.dim[2] * in.dim[3], cells = out.dim[2] * out.dim[3];
    const real *dy = s->in[0];
    const int32_t *place = s->in[1];
    real *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < in.dim[0] * in.dim[1]; p++) {
        memset(dx + p * plane, 0, (size_t)plane * sizeof dx[0]);
        for (int64_t i = 0; i < cells; i++)
            dx[p * plane + place[p * cells + i]] += dy[p * cells + i];
    }
}

void KERNEL(global_avg_pool)(const px_step *s)
{
    px_shape in = s->node->in[0]->shape;
    int64_t plane = in.dim[2] * in.dim[3];
    const real *x = s->in[0];
    real *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < in.dim[0] * in.dim[1]; p++) {
        double sum = 0;
        for (int64_t i = 0; i < plane; i++)
            sum += x[p * plane + i];
        y[p] = (real)(sum / (double)plane);
    }
}

void KERNEL(global_avg_pool_back)(const px_step *s)
{
    px_shape in = s->node->out[0]->shape;
    int64_t plane = in.dim[2] * in.dim[3];
    const real *dy = s->in[0];
    real *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < in.dim[0] * in.dim[1]; p++)
        for (int64_t i = 0; i < plane; i++)
            dx[p * plane + i] = dy[p] / (real)plane;
}
