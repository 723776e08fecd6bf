/* alexnet.c - ImageNet Classification with Deep Convolutional Neural Networks, Krizhevsky et al. 2012, in the form of one
 * tower (Krizhevsky 2014, arXiv:1404.5997) that torchvision has, with its parameter names and initial values. There is no
 * response normalisation.
 *
 *   x [N,C,S,S] -> 5 convolutions, 3 max-pools -> [N,256,H,W] -> 6x6 -> two layers of 4096 -> [N,4096]
 *                                                             or the mean over the map     -> [N,256] */
#include "backbones/maps.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

struct px_backbone_cfg {
    px_by_size stem;
    enum { HEAD_AUTO, HEAD_FC, HEAD_MEAN } head;
    double dropout;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(px_backbone_cfg, stem, "auto", "auto|3x3|11x11",
                     "first layer: 11x11 with stride 4 (Krizhevsky 2014), or 3x3 (the small AlexNet of Wang & Isola "
                     "2020); auto: 3x3 up to 64 px"),
    PX_OPTION_CHOICE(px_backbone_cfg, head, "auto", "auto|fc|mean",
                     "features: two linear layers of 4096 (Krizhevsky 2014), or the mean over the last map; auto: the "
                     "mean up to 64 px"),
    PX_OPTION(px_backbone_cfg, dropout, "0.5", 0, 0.99, "before each of the two linear layers (paper: 0.5)"),
    {0}};

/* Its convolutions; `place`: the number in torchvision's names. */
static const struct layer {
    int place, out, kernel;
    bool pool; /* a max-pool of 3x3 with stride 2 follows */
} layers[] = {{0, 64, 11, true}, {3, 192, 5, true}, {6, 384, 3, false}, {8, 256, 3, false}, {10, 256, 3, true}};
enum { LAYERS = sizeof layers / sizeof layers[0], SIDE = 6, WIDTH = 4096 };

extern const px_backbone_family px_alexnet_family;
static const px_backbone variants[] = {{"alexnet", &px_alexnet_family, NULL}, {0}};

static bool mean_head(const px_backbone_cfg *c, int64_t size)
{
    return c->head == HEAD_MEAN || (c->head == HEAD_AUTO && size <= PX_SMALL_IMAGE);
}

static void settle(px_backbone_cfg *c, int image_size)
{
    c->stem = px_settled(c->stem, image_size);
    c->head = mean_head(c, image_size) ? HEAD_MEAN : HEAD_FC;
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)b;
    (void)channels;
    if (px_is_small(c->stem, image_size))
        return image_size < 15 ? "AlexNet with alexnet.stem=3x3 needs images of at least 15 px" : NULL;
    return image_size < 63 ? "AlexNet needs images of at least 63 px, or with alexnet.stem=3x3 of 15 px" : NULL;
}

/* features.0: (64, C, side, side) */
static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape second = shape_of(file, "features.3.weight"), last = shape_of(file, "features.10.weight");
    bool is = second.rank == 4 && second.dim[0] == layers[1].out && second.dim[2] == layers[1].kernel;
    return is && last.rank == 4 && last.dim[0] == layers[4].out ? &variants[0] : NULL;
}

static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape stem = shape_of(file, "features.0.weight");
    fprintf(out, "stem = \"%s\"; ", stem.rank == 4 && stem.dim[2] == 3 ? "3x3" : "11x11");
    fprintf(out, "head = \"%s\"; ", shape_of(file, "classifier.1.weight").rank == 2 ? "fc" : "mean");
}

static px_value *convolution(px_graph *g, const px_backbone_cfg *c, const struct layer *l, px_value *x)
{
    px_conv_spec conv = {
        .out = l->out, .kernel = l->kernel, .pad = l->kernel / 2, .bias = true, .begin = PX_BEGIN_TORCH};
    if (l == layers) {
        bool small = px_is_small(c->stem, px_image_side(x));
        conv.kernel = small ? 3 : 11;
        conv.stride = small ? 1 : 4;
        conv.pad = small ? 1 : 2;
    }
    x = px_relu(g, px_conv_layer_of(g, px_graph_text(g, "%d", l->place), x, conv));
    x = l->pool ? px_max_pool(g, x, 3, 2, 0) : x;
    px_graph_cut(g);
    return x;
}

/* map (N,256,H,W) -> (N,4096) */
static px_value *classifier(px_graph *g, const px_backbone_cfg *c, px_value *map)
{
    static const char *const names[] = {"1", "4"};
    if (px_graph_error(g))
        return map;
    int64_t N = map->shape.dim[0], C = map->shape.dim[1];
    px_value *x = px_reshape(g, px_adaptive_avg_pool(g, map, SIDE, SIDE), PX_SHAPE(N, C * SIDE * SIDE));
    px_scope_push(g, "classifier");
    for (int i = 0; i < 2; i++)
        x = px_relu(g, px_linear_layer(g, names[i], px_dropout(g, x, c->dropout, N), WIDTH, true));
    px_scope_pop(g);
    return x;
}

/* Each convolution, then the linear layers with what follows, which not every head has. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *count)
{
    (void)c;
    int place;
    (void)b;
    *count = LAYERS + 1;
    if (sscanf(parameter, "features.%d.", &place) == 1)
        for (int i = 0; i < LAYERS; i++)
            if (layers[i].place == place)
                return i;
    if (strncmp(parameter, "classifier.", 11) == 0)
        return LAYERS;
    return -1;
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    (void)b;
    px_encoding e = {0};
    bool mean = mean_head(c, px_image_side(x));
    px_scope_push(g, "features");
    for (int i = 0; i < LAYERS; i++) {
        x = convolution(g, c, &layers[i], x);
        px_stage_add(&e, g, x, "features.%d", layers[i].place + (layers[i].pool ? 2 : 1));
    }
    px_scope_pop(g);
    e.pooled = mean ? px_map_pool(g, c, x) : classifier(g, c, x);
    return e;
}

const px_backbone_family px_alexnet_family = {.name = "alexnet",
                                              .paper = "Krizhevsky et al. 2012; arXiv:1404.5997",
                                              .summary = "AlexNet",
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
