/* googlenet.c - Going Deeper with Convolutions, Szegedy et al. 2015 (arXiv:1409.4842), in torchvision's form, with its
 * parameter names and initial values: batch norms, 3x3 kernels in place of 5x5, no auxiliary classifiers.
 *
 *   x [N,C,S,S] -> stem -> nine inception modules (1x1; 1x1, 3x3; 1x1, 3x3; max-pool, 1x1; side by side) -> mean over the map
 *     -> [N,1024] */
#include "backbones/maps.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

struct px_backbone_cfg {
    px_by_size stem;
    bool transform;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(px_backbone_cfg, stem, "auto", "auto|3x3|7x7",
                     "first layer: 7x7 with stride 2 (paper), or 3x3 and none of the stem's two max-pools "
                     "(kuangliu/pytorch-cifar); auto: 3x3 up to 64 px"),
    PX_OPTION_FLAG(
        px_backbone_cfg, transform, "false",
        "images normalised by ImageNet's mean and deviation are given 0.5 and 0.5 instead: torchvision's released "
        "weights need true (transform_input)"),
    {0}};

extern const px_backbone_family px_googlenet_family;
static const px_backbone variants[] = {{"googlenet", &px_googlenet_family, NULL}, {0}};

/* Widths of a module's branches; `reduce`: of the 1x1 convolution before the 3x3 one. */
static const struct module {
    const char *name;
    int one, reduce3, three, reduce5, five, pooled;
    int pool; /* kernel of a max-pool of stride 2 that follows the module; 0: none */
} modules[] = {{"inception3a", 64, 96, 128, 16, 32, 32, 0},     {"inception3b", 128, 128, 192, 32, 96, 64, 3},
               {"inception4a", 192, 96, 208, 16, 48, 64, 0},    {"inception4b", 160, 112, 224, 24, 64, 64, 0},
               {"inception4c", 128, 128, 256, 24, 64, 64, 0},   {"inception4d", 112, 144, 288, 32, 64, 64, 0},
               {"inception4e", 256, 160, 320, 32, 128, 128, 2}, {"inception5a", 256, 160, 320, 32, 128, 128, 0},
               {"inception5b", 384, 192, 384, 48, 128, 128, 0}};
enum { MODULES = sizeof modules / sizeof modules[0] };

static void settle(px_backbone_cfg *c, int image_size)
{
    c->stem = px_settled(c->stem, image_size);
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)b;
    if (c->transform && channels != 3)
        return "googlenet.transform is for images of three channels";
    return image_size < 15 ? "GoogLeNet needs images of at least 15 px" : NULL;
}

static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    return shape_of(file, "inception5b.branch4.1.conv.weight").rank == 4 ? &variants[0] : NULL;
}

static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape stem = shape_of(file, "conv1.conv.weight");
    fprintf(out, "stem = \"%s\"; ", stem.rank == 4 && stem.dim[2] == 3 ? "3x3" : "7x7");
}

/* The stem, each module, then what follows. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    (void)c;
    (void)b;
    *layers = MODULES + 2;
    for (int i = 0; i < MODULES; i++)
        if (strncmp(parameter, modules[i].name, strlen(modules[i].name)) == 0)
            return 1 + i;
    bool stem = strncmp(parameter, "conv", 4) == 0 && parameter[4] >= '1' && parameter[4] <= '3' && parameter[5] == '.';
    return stem ? 0 : -1;
}

/* torchvision's BasicConv2d */
static px_value *convolve(px_graph *g, const char *name, px_value *x, int out, int kernel, int stride)
{
    px_conv_spec conv = {
        .out = out, .kernel = kernel, .stride = stride, .pad = kernel / 2, .begin = PX_BEGIN_NORMAL, .deviation = 0.01};
    px_scope_push(g, "%s", name);
    x = px_batch_norm_layer_of(g, "bn", px_conv_layer_of(g, "conv", x, conv), (px_batch_norm_spec){.eps = 0.001});
    px_scope_pop(g);
    return px_relu(g, x);
}

static px_value *max_pool(px_graph *g, px_value *x, int kernel, int stride, int pad)
{
    return px_max_pool2d(
        g, x,
        (px_pooling){.kernel = {kernel, kernel}, .stride = {stride, stride}, .pad = {pad, pad}, .ceil_mode = true});
}

/* 1x1, then 3x3 */
static px_value *reduced(px_graph *g, const char *name, px_value *x, int reduce, int out)
{
    px_scope_push(g, "%s", name);
    x = convolve(g, "1", convolve(g, "0", x, reduce, 1, 1), out, 3, 1);
    px_scope_pop(g);
    return x;
}

static px_value *pooled_branch(px_graph *g, const char *name, px_value *x, int out)
{
    px_scope_push(g, "%s", name);
    x = convolve(g, "1", max_pool(g, x, 3, 1, 1), out, 1, 1);
    px_scope_pop(g);
    return x;
}

static px_value *inception(px_graph *g, const struct module *m, px_value *x)
{
    px_scope_push(g, "%s", m->name);
    px_value *branch[] = {convolve(g, "branch1", x, m->one, 1, 1), reduced(g, "branch2", x, m->reduce3, m->three),
                          reduced(g, "branch3", x, m->reduce5, m->five), pooled_branch(g, "branch4", x, m->pooled)};
    px_scope_pop(g);
    x = px_concat(g, 1, branch, 4);
    px_graph_cut(g);
    return x;
}

/* From (v - mean) / deviation to (v - 0.5) / 0.5, channel by channel. */
static px_value *renormalise(px_graph *g, px_value *x)
{
    const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
    double scale[3], shift[3];
    for (int i = 0; i < 3; i++) {
        scale[i] = deviation[i] / 0.5;
        shift[i] = (mean[i] - 0.5) / 0.5;
    }
    x = px_binary(g, PX_MUL, x, px_constant_real(g, PX_SHAPE(1, 3, 1, 1), scale));
    return px_binary(g, PX_ADD, x, px_constant_real(g, PX_SHAPE(1, 3, 1, 1), shift));
}

static px_value *stem(px_graph *g, const px_backbone_cfg *c, px_value *x)
{
    bool small = px_is_small(c->stem, px_image_side(x));
    x = c->transform ? renormalise(g, x) : x;
    x = convolve(g, "conv1", x, 64, small ? 3 : 7, small ? 1 : 2);
    x = small ? x : max_pool(g, x, 3, 2, 0);
    x = convolve(g, "conv3", convolve(g, "conv2", x, 64, 1, 1), 192, 3, 1);
    return small ? x : max_pool(g, x, 3, 2, 0);
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    (void)b;
    px_encoding e = {0};
    x = stem(g, c, x);
    px_graph_cut(g);
    for (int i = 0; i < MODULES; i++) {
        x = inception(g, &modules[i], x);
        px_stage_add(&e, g, x, "%s", modules[i].name);
        x = modules[i].pool ? max_pool(g, x, modules[i].pool, 2, 0) : x;
    }
    e.pooled = px_map_pool(g, c, x);
    return e;
}

const px_backbone_family px_googlenet_family = {.name = "googlenet",
                                                .paper = "Szegedy et al. 2015, arXiv:1409.4842",
                                                .summary = "GoogLeNet (Inception v1) with batch norm",
                                                .cfg_size = sizeof(px_backbone_cfg),
                                                .options = options,
                                                .variants = variants,
                                                .settle = settle,
                                                .stored = stored,
                                                .of_shapes = of_shapes,
                                                .telling = "conv1.conv.weight",
                                                .check = check,
                                                .layer = layer,
                                                .build = build,
                                                .build_masked = px_map_build_masked,
                                                .pool = px_map_pool,
                                                .pools_last = true};
