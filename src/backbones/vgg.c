/* vgg.c - Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan & Zisserman 2015 (arXiv:1409.1556), with
 * batch norm (_bn) and without; torchvision's parameter names and initial values.
 *
 *   x [N,C,S,S] -> five groups of 3x3 convolutions, each with a max-pool -> [N,512,S/32,S/32]
 *     -> 7x7 -> two layers of 4096 -> [N,4096], or the mean over the map -> [N,512] */
#include "backbones/maps.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

struct px_backbone_cfg {
    enum { HEAD_AUTO, HEAD_FC, HEAD_MEAN } head;
    enum { POOL_AUTO, POOL_YES, POOL_NO } last_pool;
    double dropout;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(
        px_backbone_cfg, head, "auto", "auto|fc|mean",
        "features: two linear layers of 4096 (paper), or the mean over the last map (Liu & Deng 2015: no large "
        "layers on CIFAR); auto: the mean up to 64 px"),
    PX_OPTION_CHOICE(px_backbone_cfg, last_pool, "auto", "auto|yes|no",
                     "the fifth max-pool (paper: yes); auto: from 32 px on, the least with which something is left"),
    PX_OPTION(px_backbone_cfg, dropout, "0.5", 0, 0.99, "after the first linear layer (paper: 0.5)"),
    {0}};

enum { GROUPS = 5, SIDE = 7, WIDTH = 4096, LEAST = 32 };

struct variant {
    int convolutions[GROUPS];
    bool norm;
};
static const int widths[GROUPS] = {64, 128, 256, 512, 512};

extern const px_backbone_family px_vgg_family;

#define DEPTH(name, ...)                                                                                               \
    {name, &px_vgg_family, &(const struct variant){{__VA_ARGS__}, false}},                                             \
    {                                                                                                                  \
        name "_bn", &px_vgg_family, &(const struct variant)                                                            \
        {                                                                                                              \
            {__VA_ARGS__}, true                                                                                        \
        }                                                                                                              \
    }
static const px_backbone variants[] = {DEPTH("vgg11", 1, 1, 2, 2, 2),
                                       DEPTH("vgg13", 2, 2, 2, 2, 2),
                                       DEPTH("vgg16", 2, 2, 3, 3, 3),
                                       DEPTH("vgg19", 2, 2, 4, 4, 4),
                                       {0}};

static bool mean_head(const px_backbone_cfg *c, int64_t size)
{
    return c->head == HEAD_MEAN || (c->head == HEAD_AUTO && size <= PX_SMALL_IMAGE);
}

static bool last_pool(const px_backbone_cfg *c, int64_t size)
{
    return c->last_pool == POOL_YES || (c->last_pool == POOL_AUTO && size >= LEAST);
}

static void settle(px_backbone_cfg *c, int image_size)
{
    c->head = mean_head(c, image_size) ? HEAD_MEAN : HEAD_FC;
    c->last_pool = last_pool(c, image_size) ? POOL_YES : POOL_NO;
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)b;
    (void)channels;
    if (last_pool(c, image_size))
        return image_size < LEAST ? "VGG needs images of at least 32 px, or with vgg.last_pool=no of 16 px" : NULL;
    return image_size < LEAST / 2 ? "VGG with vgg.last_pool=no needs images of at least 16 px" : NULL;
}

/* How many modules of torchvision's `features` a convolution takes: itself, a norm, relu. */
static int modules(const struct variant *v)
{
    return v->norm ? 3 : 2;
}

/* Whether a convolution of this width is at each of the variant's places. */
static bool has_all(const struct variant *v, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    int place = 0;
    for (int i = 0; i < GROUPS; i++, place++)
        for (int k = 0; k < v->convolutions[i]; k++, place += modules(v)) {
            char conv[40], norm[40];
            snprintf(conv, sizeof conv, "features.%d.weight", place);
            snprintf(norm, sizeof norm, "features.%d.running_mean", place + 1);
            px_shape s = shape_of(file, conv);
            if (s.rank != 4 || s.dim[0] != widths[i] || s.dim[2] != 3 || (shape_of(file, norm).rank == 1) != v->norm)
                return false;
        }
    return true;
}

static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    for (const px_backbone *b = variants; b->name; b++)
        if (has_all(b->variant, shape_of, file))
            return b;
    return NULL;
}

static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    fprintf(out, "head = \"%s\"; ", shape_of(file, "classifier.0.weight").rank == 2 ? "fc" : "mean");
}

static px_value *convolution(px_graph *g, const struct variant *v, px_value *x, int out, int place)
{
    x = px_conv_layer(g, px_graph_text(g, "%d", place), x, out, 3, 1, 1, true);
    return px_relu(g, v->norm ? px_batch_norm_layer(g, px_graph_text(g, "%d", place + 1), x, true) : x);
}

/* map (N,512,H,W) -> (N,4096). The dropout after the last one is a classifier's. */
static px_value *classifier(px_graph *g, const px_backbone_cfg *c, px_value *map)
{
    const px_linear_spec layer = {.out = WIDTH, .bias = true, .begin = PX_BEGIN_NORMAL, .deviation = 0.01};
    if (px_graph_error(g))
        return map;
    int64_t N = map->shape.dim[0], C = map->shape.dim[1];
    px_value *x = px_reshape(g, px_adaptive_avg_pool(g, map, SIDE, SIDE), PX_SHAPE(N, C * SIDE * SIDE));
    px_scope_push(g, "classifier");
    x = px_relu(g, px_linear_layer_of(g, "0", x, layer));
    x = px_relu(g, px_linear_layer_of(g, "3", px_dropout(g, x, c->dropout, N), layer));
    px_scope_pop(g);
    return x;
}

/* Each convolution with its norm, then the linear layers with what follows, which not every head has. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    (void)c;
    const struct variant *v = b->variant;
    int place = -1, at = 0, found = -1;
    sscanf(parameter, "features.%d.", &place);
    *layers = 1;
    for (int i = 0; i < GROUPS; i++, at++)
        for (int k = 0; k < v->convolutions[i]; k++, at += modules(v), ++*layers)
            if (place == at || (v->norm && place == at + 1))
                found = *layers - 1;
    if (strncmp(parameter, "classifier.", 11) == 0)
        return *layers - 1;
    return found;
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    const struct variant *v = b->variant;
    px_encoding e = {0};
    int64_t size = px_image_side(x);
    int place = 0;
    px_scope_push(g, "features");
    for (int i = 0; i < GROUPS; i++, place++) {
        for (int k = 0; k < v->convolutions[i]; k++, place += modules(v))
            x = convolution(g, v, x, widths[i], place);
        x = i < GROUPS - 1 || last_pool(c, size) ? px_max_pool(g, x, 2, 2, 0) : x;
        px_graph_cut(g);
        px_stage_add(&e, g, x, "features.%d", place);
    }
    px_scope_pop(g);
    e.pooled = mean_head(c, size) ? px_map_pool(g, c, x) : classifier(g, c, x);
    return e;
}

const px_backbone_family px_vgg_family = {.name = "vgg",
                                          .paper = "Simonyan & Zisserman 2015, arXiv:1409.1556",
                                          .summary = "VGG: stacks of 3x3 convolutions",
                                          .cfg_size = sizeof(px_backbone_cfg),
                                          .options = options,
                                          .variants = variants,
                                          .settle = settle,
                                          .stored = stored,
                                          .of_shapes = of_shapes,
                                          .telling = "features.0.weight",
                                          .check = check,
                                          .layer = layer,
                                          .build = build,
                                          .build_masked = px_map_build_masked,
                                          .pool = px_map_pool};
