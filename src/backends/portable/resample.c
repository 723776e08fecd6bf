/* resample.c - portable maps of weighted neighbours (ops/taps.h): each pixel by itself. */
#include "backends/portable/portable.h"
#include "ops/attr.h"

#include <string.h>

typedef struct both {
    px_taps h, w;
    int64_t planes, H, W, OH, OW; /* the inputs and outputs of the forward map */
} both;

static both both_of(const px_step *s)
{
    const px_resample_attr *a = s->node->attr;
    px_shape shape = s->node->out[0]->shape;
    char *second = (char *)s->scratch + (px_taps_bytes(&a->axis[0], false) + 7) / 8 * 8;
    return (both){.h = px_taps_make(&a->axis[0], false, s->scratch),
                  .w = px_taps_make(&a->axis[1], false, second),
                  .planes = shape.dim[0] * shape.dim[1],
                  .H = a->axis[0].inputs,
                  .W = a->axis[1].inputs,
                  .OH = a->axis[0].outputs,
                  .OW = a->axis[1].outputs};
}

/* x -> y */
void KERNEL(resample)(const px_step *s)
{
    both b = both_of(s);
    const real *x = s->in[0];
    real *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < b.planes; p++)
        for (int64_t oh = 0; oh < b.OH; oh++)
            for (int64_t ow = 0; ow < b.OW; ow++) {
                double sum = 0;
                for (int i = 0; i < b.h.count[oh]; i++)
                    for (int j = 0; j < b.w.count[ow]; j++)
                        sum += b.h.weight[oh * b.h.most + i] * b.w.weight[ow * b.w.most + j] *
                               x[(p * b.H + b.h.first[oh] + i) * b.W + b.w.first[ow] + j];
                y[(p * b.OH + oh) * b.OW + ow] = (real)sum;
            }
}

/* dy -> dx */
void KERNEL(resample_back)(const px_step *s)
{
    both b = both_of(s);
    const real *dy = s->in[0];
    real *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < b.planes; p++) {
        memset(dx + p * b.H * b.W, 0, (size_t)(b.H * b.W) * sizeof dx[0]);
        for (int64_t oh = 0; oh < b.OH; oh++)
            for (int64_t ow = 0; ow < b.OW; ow++)
                for (int i = 0; i < b.h.count[oh]; i++)
                    for (int j = 0; j < b.w.count[ow]; j++)
                        dx[(p * b.H + b.h.first[oh] + i) * b.W + b.w.first[ow] + j] +=
                            (real)(b.h.weight[oh * b.h.most + i] * b.w.weight[ow * b.w.most + j]) *
                            dy[(p * b.OH + oh) * b.OW + ow];
    }
}
