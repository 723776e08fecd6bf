/* resnet.c - Deep Residual Learning for Image Recognition, He et al. 2016; torchvision's variant (stride in the 3x3
 * convolution), with its parameter names. The 3x3 stem without max-pool is SimCLR's for CIFAR (appendix B.9).
 *
 *   x [N,C,S,S] -> conv1 bn1 relu (maxpool) -> layer1..4 -> mean over the map -> [N, 512 or 2048] */
#include "backbones/maps.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

struct px_backbone_cfg {
    enum { STEM_AUTO, STEM_3X3, STEM_7X7 } stem;
    enum { POOL_AUTO, POOL_YES, POOL_NO } max_pool;
    double width;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(px_backbone_cfg, stem, "auto", "auto|3x3|7x7",
                     "first layer: 7x7 with stride 2 (He 2016), or 3x3 (SimCLR B.9); auto: 3x3 up to 64 px"),
    PX_OPTION_CHOICE(px_backbone_cfg, max_pool, "auto", "auto|yes|no",
                     "3x3 max-pool after the stem; auto: after a 7x7 stem (He 2016)"),
    PX_OPTION(px_backbone_cfg, width, "1", 0.125, 8, "multiplies the number of channels of every layer"),
    {0}};

typedef px_value *block_fn(px_graph *g, px_value *x, int planes, int stride);

static px_value *conv_bn(px_graph *g, const char *number, px_value *x, int out, int kernel, int stride)
{
    char conv[16], bn[16];
    snprintf(conv, sizeof conv, "conv%s", number);
    snprintf(bn, sizeof bn, "bn%s", number);
    return px_batch_norm_layer(g, bn, px_conv_layer(g, conv, x, out, kernel, stride, kernel / 2, false), true);
}

/* The identity, or a strided 1x1 projection if the shapes differ. */
static px_value *skip(px_graph *g, px_value *x, int out, int stride)
{
    if (px_graph_error(g) || (stride == 1 && x->shape.dim[1] == out))
        return x;
    px_scope_push(g, "downsample");
    px_value *y = px_batch_norm_layer(g, "1", px_conv_layer(g, "0", x, out, 1, stride, 0, false), true);
    px_scope_pop(g);
    return y;
}

static px_value *basic(px_graph *g, px_value *x, int planes, int stride)
{
    px_value *y = px_relu(g, conv_bn(g, "1", x, planes, 3, stride));
    y = conv_bn(g, "2", y, planes, 3, 1);
    return px_relu(g, px_add(g, y, skip(g, x, planes, stride)));
}

static px_value *bottleneck(px_graph *g, px_value *x, int planes, int stride)
{
    px_value *y = px_relu(g, conv_bn(g, "1", x, planes, 1, 1));
    y = px_relu(g, conv_bn(g, "2", y, planes, 3, stride));
    y = conv_bn(g, "3", y, 4 * planes, 1, 1);
    return px_relu(g, px_add(g, y, skip(g, x, 4 * planes, stride)));
}

struct variant {
    int blocks[4];
    block_fn *block;
};

extern const px_backbone_family px_resnet_family;

static const px_backbone variants[] = {
    {"resnet18", &px_resnet_family, &(const struct variant){{2, 2, 2, 2}, basic}},
    {"resnet34", &px_resnet_family, &(const struct variant){{3, 4, 6, 3}, basic}},
    {"resnet50", &px_resnet_family, &(const struct variant){{3, 4, 6, 3}, bottleneck}},
    {"resnet101", &px_resnet_family, &(const struct variant){{3, 4, 23, 3}, bottleneck}},
    {0}};

static bool small_stem(const px_backbone_cfg *c, int64_t size)
{
    return c->stem == STEM_3X3 || (c->stem == STEM_AUTO && size <= PX_SMALL_IMAGE);
}

static bool pooled_stem(const px_backbone_cfg *c, bool small)
{
    return c->max_pool == POOL_YES || (!small && c->max_pool == POOL_AUTO);
}

/* A method may feed the backbone less than an image (patches); the stem still follows the image's size. */
static void settle(px_backbone_cfg *c, int image_size)
{
    bool small = small_stem(c, image_size);
    c->max_pool = pooled_stem(c, small) ? POOL_YES : POOL_NO;
    c->stem = small ? STEM_3X3 : STEM_7X7;
}

/* conv1: (64 x width, C, side, side) */
static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape stem = shape_of(file, "conv1.weight");
    int64_t side = stem.rank == 4 ? stem.dim[2] : 0;
    if (side == 3 || side == 7)
        fprintf(out, "stem = \"%dx%d\"; width = %.17g;", (int)side, (int)side, (double)stem.dim[0] / 64);
}

/* How many blocks layer<stage> has. */
static int count_blocks(px_shape (*shape_of)(const void *file, const char *name), const void *file, int stage)
{
    enum { MOST = 64 };
    int count = 0;
    for (char name[48]; count < MOST; count++) {
        snprintf(name, sizeof name, "layer%d.%d.conv1.weight", stage + 1, count);
        if (shape_of(file, name).rank != 4)
            break;
    }
    return count;
}

static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    int blocks[4];
    block_fn *block = shape_of(file, "layer1.0.conv3.weight").rank == 4 ? bottleneck : basic;
    for (int i = 0; i < 4; i++)
        blocks[i] = count_blocks(shape_of, file, i);
    for (const px_backbone *b = variants; b->name; b++) {
        const struct variant *v = b->variant;
        if (v->block == block && memcmp(v->blocks, blocks, sizeof blocks) == 0)
            return b;
    }
    return NULL;
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)b;
    (void)channels;
    if (64 * c->width < 1)
        return "resnet.width leaves no channels";
    return image_size < 8 ? "a ResNet needs images of at least 8 px" : NULL;
}

/* The stem, the four stages, then what follows. */
static int layer(const px_backbone *b, const char *parameter, int *layers)
{
    (void)b;
    *layers = 6;
    if (strncmp(parameter, "layer", 5) == 0 && parameter[5] >= '1' && parameter[5] <= '4' && parameter[6] == '.')
        return parameter[5] - '0';
    bool stem = strncmp(parameter, "conv1.", 6) == 0 || strncmp(parameter, "bn1.", 4) == 0;
    return stem || strcmp(parameter, "mask_token") == 0 ? 0 : -1;
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    const struct variant *v = b->variant;
    px_encoding e = {0};
    bool small = small_stem(c, px_image_side(x));
    x = px_relu(g, conv_bn(g, "1", x, (int)(64 * c->width), small ? 3 : 7, small ? 1 : 2));
    if (pooled_stem(c, small))
        x = px_max_pool(g, x, 3, 2, 1);
    px_graph_cut(g);
    for (int i = 0; i < 4; i++) {
        px_scope_push(g, "layer%d", i + 1);
        for (int k = 0; k < v->blocks[i]; k++) {
            px_scope_push(g, "%d", k);
            x = v->block(g, x, (int)(64 * c->width) << i, i > 0 && k == 0 ? 2 : 1);
            px_graph_cut(g);
            px_scope_pop(g);
        }
        px_scope_pop(g);
        px_stage_add(&e, g, x, "layer%d", i + 1);
    }
    e.pooled = px_map_pool(g, c, x);
    return e;
}

const px_backbone_family px_resnet_family = {.name = "resnet",
                                             .paper = "He et al. 2016, arXiv:1512.03385",
                                             .summary = "residual convolutional networks",
                                             .cfg_size = sizeof(px_backbone_cfg),
                                             .options = options,
                                             .variants = variants,
                                             .settle = settle,
                                             .stored = stored,
                                             .of_shapes = of_shapes,
                                             .telling = "conv1.weight",
                                             .check = check,
                                             .layer = layer,
                                             .build = build,
                                             .build_masked = px_map_build_masked,
                                             .pool = px_map_pool,
                                             .pools_last = true};
