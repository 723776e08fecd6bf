/* patches.c - portable kernels between images (B, C, H, W) and patches (B, K, C p p): all patches, row by row, or those
 * at given places. */
#include "backends/portable/portable.h"
#include "base/error.h"
#include "ops/attr.h"

#include <string.h>

typedef struct layout {
    int64_t C, H, W, p;   /* of the image; side of a patch */
    int64_t sc, sr, sw;   /* strides of a patch's element (c, row, column) */
    int64_t K;            /* patches per sample */
    const int32_t *place; /* (B, K) */
} layout;

static layout layout_of(const px_step *s, px_shape image, px_shape patches, const int32_t *place)
{
    const px_patch_attr *a = s->node->attr;
    layout l = {image.dim[1], image.dim[2], image.dim[3], a->patch, .K = patches.dim[1], .place = place};
    l.sc = a->channels_last ? 1 : l.p * l.p;
    l.sr = a->channels_last ? l.p * l.C : l.p;
    l.sw = a->channels_last ? l.C : 1;
    return l;
}

/* Where the upper left pixel of patch k of sample b is. */
static int64_t corner(const layout *l, int64_t b, int64_t k)
{
    int64_t t = l->place ? l->place[b * l->K + k] : k, across = l->W / l->p;
    PX_CHECK(t >= 0 && t < l->H / l->p * across);
    return b * l->C * l->H * l->W + t / across * l->p * l->W + t % across * l->p;
}

/* x, places -> patches */
void KERNEL(patchify)(const px_step *s)
{
    layout l = layout_of(s, s->node->in[0]->shape, s->node->out[0]->shape, s->in[1]);
    int64_t B = s->node->in[0]->shape.dim[0];
    const real *x = s->in[0];
    real *y = s->out[0];
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t b = 0; b < B; b++)
        for (int64_t k = 0; k < l.K; k++) {
            const real *from = x + corner(&l, b, k);
            real *to = y + (b * l.K + k) * l.C * l.p * l.p;
            for (int64_t c = 0; c < l.C; c++)
                for (int64_t h = 0; h < l.p; h++)
                    for (int64_t w = 0; w < l.p; w++)
                        to[c * l.sc + h * l.sr + w * l.sw] = from[(c * l.H + h) * l.W + w];
        }
}

/* dy, x, places -> dx */
void KERNEL(unpatchify)(const px_step *s)
{
    layout l = layout_of(s, s->node->out[0]->shape, s->node->in[0]->shape, s->in[2]);
    int64_t B = s->node->out[0]->shape.dim[0], pixels = l.C * l.H * l.W;
    const real *dy = s->in[0];
    real *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < B; b++) {
        memset(dx + b * pixels, 0, (size_t)pixels * sizeof dx[0]);
        for (int64_t k = 0; k < l.K; k++) {
            const real *from = dy + (b * l.K + k) * l.C * l.p * l.p;
            real *to = dx + corner(&l, b, k);
            for (int64_t c = 0; c < l.C; c++)
                for (int64_t h = 0; h < l.p; h++)
                    for (int64_t w = 0; w < l.p; w++)
                        to[(c * l.H + h) * l.W + w] += from[c * l.sc + h * l.sr + w * l.sw];
        }
    }
}
