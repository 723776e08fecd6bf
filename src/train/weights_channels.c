/* weights_channels.c - filters that were trained on RGB, for images of other channels. */
#include "train/weights_private.h"

#include <string.h>

const char *px_weights_first_filters(const px_graph *bare)
{
    for (int i = 0; i < px_graph_params(bare); i++)
        if (px_graph_param(bare, i)->value->shape.rank == 4)
            return px_graph_param(bare, i)->name;
    return NULL;
}

bool px_weights_are_rgb(px_shape stored, px_shape wanted)
{
    if (stored.rank != 4 || wanted.rank != 4 || stored.dim[1] != 3 || wanted.dim[1] == 3)
        return false;
    stored.dim[1] = wanted.dim[1];
    return px_shape_equal(stored, wanted);
}

void px_weights_from_rgb(const float *rgb, px_shape wanted, float *out)
{
    int64_t channels = wanted.dim[1], area = wanted.dim[2] * wanted.dim[3];
    for (int64_t filter = 0; filter < wanted.dim[0]; filter++, rgb += 3 * area) {
        if (channels == 1)
            for (int64_t i = 0; i < area; i++)
                *out++ = rgb[i] + rgb[area + i] + rgb[2 * area + i];
        for (int64_t c = 0; c < channels && channels > 1; c++)
            for (int64_t i = 0; i < area; i++)
                *out++ = rgb[c % 3 * area + i] * (3 / (float)channels);
    }
}
