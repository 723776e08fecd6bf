/* mobilenet_v1.c - MobileNets, Howard et al. 2017 (arXiv:1704.04861): depthwise separable convolutions. timm's parameter names,
 * activations (ReLU6) and initial values (mobilenetv1_100).
 *
 *   x [N,C,S,S] -> 3x3 stem -> 13 times (3x3 depthwise, 1x1) -> mean over the map -> [N,1024] */
#include "backbones/maps.h"
#include "backbones/mobilenet.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct px_backbone_cfg {
    px_by_size stem;
    double width;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(
        px_backbone_cfg, stem, "auto", "auto|stride1|stride2",
        "stride of the first layer (paper: 2); 1 for small images (kuangliu/pytorch-cifar); auto: 1 up to 64 px"),
    PX_OPTION(px_backbone_cfg, width, "1", 0.1, 8,
              "multiplies the number of channels (paper: 0.25 to 1), to multiples of 8"),
    {0}};

enum { STEM_WIDTH = 32, GROUPS = 5 };
static const struct group {
    int count, stride, out;
} groups[GROUPS] = {{1, 1, 64}, {2, 2, 128}, {2, 2, 256}, {6, 2, 512}, {2, 2, 1024}};

extern const px_backbone_family px_mobilenet_v1_family;
static const px_backbone variants[] = {{"mobilenet_v1", &px_mobilenet_v1_family, NULL}, {0}};

static void settle(px_backbone_cfg *c, int image_size)
{
    c->stem = px_settled(c->stem, image_size);
}

static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    bool stem = shape_of(file, "conv_stem.weight").rank == 4, head = shape_of(file, "conv_head.weight").rank == 4;
    return stem && !head && shape_of(file, "blocks.4.1.conv_pw.weight").rank == 4 ? &variants[0] : NULL;
}

/* Files of others are for images of ordinary size. The width is that which explains what all groups give. */
static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    int base[GROUPS];
    int64_t found[GROUPS];
    for (int i = 0; i < GROUPS; i++) {
        char name[48];
        snprintf(name, sizeof name, "blocks.%d.0.conv_pw.weight", i);
        px_shape s = shape_of(file, name);
        base[i] = groups[i].out;
        found[i] = s.rank == 4 ? s.dim[0] : 0;
    }
    double width = px_width_of(base, found, GROUPS);
    fprintf(out, "stem = \"stride2\"; width = %.17g; ", width > 0 ? width : 1);
}

/* A convolution `conv`, a batch norm `norm` and ReLU6. */
static px_value *convolve(px_graph *g, px_value *x, const char *conv, const char *norm, px_conv_spec spec)
{
    x = px_batch_norm_layer(g, norm, px_conv_layer_of(g, conv, x, spec), true);
    return px_unary(g, PX_FN_RELU6, x, 0, 0);
}

static px_value *separable(px_graph *g, px_value *x, int out, int stride)
{
    int in = px_graph_error(g) ? 1 : (int)x->shape.dim[1];
    /* timm's fan-out of a depthwise convolution is that of one channel */
    px_conv_spec depthwise = {.out = in,
                              .kernel = 3,
                              .stride = stride,
                              .pad = 1,
                              .groups = in,
                              .begin = PX_BEGIN_NORMAL,
                              .deviation = sqrt(2.0 / 9)},
                 pointwise = {.out = out, .kernel = 1};
    return convolve(g, convolve(g, x, "conv_dw", "bn1", depthwise), "conv_pw", "bn2", pointwise);
}

/* The stem, each separable convolution, then what follows. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    (void)c;
    int place, k, before = 0, found = -1;
    (void)b;
    if (sscanf(parameter, "blocks.%d.%d.", &place, &k) != 2)
        place = GROUPS;
    for (int i = 0; i < GROUPS; before += groups[i++].count)
        if (i == place && k < groups[i].count)
            found = 1 + before + k;
    *layers = 1 + before + 1;
    bool stem = strncmp(parameter, "conv_stem.", 10) == 0 || strncmp(parameter, "bn1.", 4) == 0;
    return stem ? 0 : found;
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    (void)b;
    px_encoding e = {0};
    int stride = px_is_small(c->stem, px_image_side(x)) ? 1 : 2;
    px_conv_spec stem = {.out = px_channels_near(STEM_WIDTH * c->width), .kernel = 3, .stride = stride, .pad = 1};
    x = convolve(g, x, "conv_stem", "bn1", stem);
    px_scope_push(g, "blocks");
    for (int i = 0; i < GROUPS; i++) {
        px_scope_push(g, "%d", i);
        for (int k = 0; k < groups[i].count; k++) {
            px_scope_push(g, "%d", k);
            x = separable(g, x, px_channels_near(groups[i].out * c->width), k == 0 ? groups[i].stride : 1);
            px_graph_cut(g);
            px_scope_pop(g);
        }
        px_scope_pop(g);
        px_stage_add(&e, g, x, "blocks.%d", i);
    }
    px_scope_pop(g);
    e.pooled = px_map_pool(g, c, x);
    return e;
}

const px_backbone_family px_mobilenet_v1_family = {.name = "mobilenet_v1",
                                                   .paper = "Howard et al. 2017, arXiv:1704.04861",
                                                   .summary = "depthwise separable convolutions",
                                                   .cfg_size = sizeof(px_backbone_cfg),
                                                   .options = options,
                                                   .variants = variants,
                                                   .settle = settle,
                                                   .stored = stored,
                                                   .of_shapes = of_shapes,
                                                   .telling = "conv_stem.weight",
                                                   .check = px_mobilenet_check,
                                                   .layer = layer,
                                                   .build = build,
                                                   .build_masked = px_map_build_masked,
                                                   .pool = px_map_pool,
                                                   .pools_last = true};
