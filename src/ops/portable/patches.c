/* patches.c - portable kernels between images (B, C, H, W) and patches (B, T, C p p). */
#include "ops/attr.h"
#include "ops/portable/portable.h"

/* Walks the runs of p pixels that image and patches share: `from` or `to` is the image. */
static void patches(const px_step *s, px_shape image, const real *from, real *to, bool cut)
{
    const px_patch_attr *a = s->node->attr;
    int64_t C = image.dim[1], H = image.dim[2], W = image.dim[3], p = a->patch, across = W / p, length = C * p * p;
    /* Strides of a patch's element (c, row, column). */
    int64_t sc = a->channels_last ? 1 : p * p, sr = a->channels_last ? p * C : p, sw = a->channels_last ? C : 1;
#pragma omp parallel for collapse(2) schedule(static)
    for (int64_t b = 0; b < image.dim[0]; b++)
        for (int64_t h = 0; h < H; h++)
            for (int64_t c = 0; c < C; c++)
                for (int64_t k = 0; k < across; k++) {
                    int64_t at = ((b * C + c) * H + h) * W + k * p;
                    int64_t in_patch = ((b * (H / p) + h / p) * across + k) * length + c * sc + h % p * sr;
                    for (int64_t w = 0; w < p; w++) {
                        if (cut)
                            to[in_patch + w * sw] = from[at + w];
                        else
                            to[at + w] = from[in_patch + w * sw];
                    }
                }
}

void KERNEL(patchify)(const px_step *s)
{
    patches(s, s->node->in[0]->shape, s->in[0], s->out[0], true);
}

void KERNEL(unpatchify)(const px_step *s)
{
    patches(s, s->node->out[0]->shape, s->in[0], s->out[0], false);
}
