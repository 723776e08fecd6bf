/* conv_decoder.c - see conv_decoder.h. */
#include "nn/conv_decoder.h"
#include "nn/layers.h"
#include "nn/transformer.h"
#include "ops/ops.h"

#include <stdio.h>

void px_conv_decoder_settle(px_conv_decoder *d, int encoder_width)
{
    enum { CHANNELS = 48 };
    if (d->width == 0)
        d->width = encoder_width;
    if (d->groups == 0) {
        d->groups = d->width < CHANNELS ? 1 : d->width / CHANNELS;
        while (d->width % d->groups || encoder_width % d->groups)
            d->groups--;
    }
}

const char *px_conv_decoder_check(const px_conv_decoder *d, int width)
{
    if (d->kernel % 2 == 0)
        return "decoder_kernel must be odd";
    return width % d->groups || d->width % d->groups
               ? "decoder_groups must divide the backbone's width and decoder_width"
               : NULL;
}

/* x (N,side,side,C) -> (N,side,side,width) */
static px_value *layer(px_graph *g, const px_conv_decoder *d, int number, px_value *x)
{
    char name[32];
    snprintf(name, sizeof name, "%d", number);
    px_conv_spec spec = {.out = d->width,
                         .kernel = d->kernel,
                         .pad = d->kernel / 2,
                         .groups = d->groups,
                         .bias = true,
                         .begin = PX_BEGIN_TORCH};
    px_value *y = px_conv_layer_of(g, name, px_permute(g, x, (const int[]){0, 3, 1, 2}), spec);
    y = px_gelu(g, px_plain_layer_norm(g, px_permute(g, y, (const int[]){0, 2, 3, 1}), 1e-5));
    return px_shape_equal(x->shape, y->shape) ? px_add(g, y, x) : y;
}

px_value *px_conv_decode(px_graph *g, const px_conv_decoder *d, px_value *x, int side)
{
    if (px_graph_error(g))
        return x;
    px_shape tokens = x->shape;
    int64_t N = tokens.dim[0], D = tokens.dim[2];
    x = px_reshape(g, x, PX_SHAPE(N, side, side, D));
    px_scope_push(g, "blocks");
    for (int i = 0; i < d->layers; i++)
        x = layer(g, d, i, x);
    px_scope_pop(g);
    px_linear_spec last = {.out = (int)D, .bias = true, .begin = PX_BEGIN_TORCH};
    return px_reshape(g, px_linear_layer_of(g, "proj", x, last), tokens);
}
