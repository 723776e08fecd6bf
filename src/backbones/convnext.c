/* convnext.c - A ConvNet for the 2020s, Liu et al. 2022 (arXiv:2201.03545), with timm's parameter names, sizes (atto to nano are
 * timm's) and initial values.
 *
 *   x [N,C,S,S] -> patches of 4x4 -> four stages of blocks (7x7 depthwise, norm, 1x1 wider, GELU, 1x1)
 *     -> mean over the map -> norm -> [N,320 to 1024] */
#include "backbones/maps.h"
#include "nn/layers.h"
#include "nn/transformer.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

struct px_backbone_cfg {
    px_by_size stem;
    double drop_path, layer_scale;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(
        px_backbone_cfg, stem, "auto", "auto|2x2|4x4",
        "patches of the first layer: 4x4 (paper), or 2x2 for small images (timm's patch_size); auto: 2x2 up to "
        "64 px"),
    PX_OPTION(px_backbone_cfg, drop_path, "0", 0, 0.99,
              "stochastic depth: rate of the last block; earlier blocks in proportion (paper: 0.1 tiny, 0.4 small, 0.5 "
              "base)"),
    PX_OPTION(px_backbone_cfg, layer_scale, "1e-6", 1e-9, 10,
              "LayerScale: first value of a learned factor for each channel of a branch (paper: 1e-6)"),
    {0}};

enum { STAGES = 4, WIDER = 4 };

struct variant {
    int depth[STAGES], width; /* of the first stage; each further one is twice as wide */
    bool pixels;              /* linear layers are stored as 1x1 convolutions (timm's conv_mlp) */
};

extern const px_backbone_family px_convnext_family;
static const px_backbone variants[] = {
    {"convnext_atto", &px_convnext_family, &(const struct variant){{2, 2, 6, 2}, 40, true}},
    {"convnext_femto", &px_convnext_family, &(const struct variant){{2, 2, 6, 2}, 48, true}},
    {"convnext_pico", &px_convnext_family, &(const struct variant){{2, 2, 6, 2}, 64, true}},
    {"convnext_nano", &px_convnext_family, &(const struct variant){{2, 2, 8, 2}, 80, true}},
    {"convnext_tiny", &px_convnext_family, &(const struct variant){{3, 3, 9, 3}, 96, false}},
    {"convnext_small", &px_convnext_family, &(const struct variant){{3, 3, 27, 3}, 96, false}},
    {"convnext_base", &px_convnext_family, &(const struct variant){{3, 3, 27, 3}, 128, false}},
    {0}};

static void settle(px_backbone_cfg *c, int image_size)
{
    c->stem = px_settled(c->stem, image_size);
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)b;
    (void)channels;
    if (px_is_small(c->stem, image_size))
        return image_size < 16 ? "a ConvNeXt with convnext.stem=2x2 needs images of at least 16 px" : NULL;
    return image_size < 32 ? "a ConvNeXt needs images of at least 32 px, or with convnext.stem=2x2 of 16 px" : NULL;
}

static int count_blocks(px_shape (*shape_of)(const void *file, const char *name), const void *file, int stage)
{
    enum { MOST = 64 };
    int count = 0;
    for (char name[48]; count < MOST; count++) {
        snprintf(name, sizeof name, "stages.%d.blocks.%d.conv_dw.weight", stage, count);
        if (shape_of(file, name).rank != 4)
            break;
    }
    return count;
}

static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape stem = shape_of(file, "stem.0.weight");
    int depth[STAGES];
    for (int i = 0; i < STAGES; i++)
        depth[i] = count_blocks(shape_of, file, i);
    for (const px_backbone *b = variants; b->name && stem.rank == 4; b++) {
        const struct variant *v = b->variant;
        if (v->width == stem.dim[0] && memcmp(v->depth, depth, sizeof depth) == 0)
            return b;
    }
    return NULL;
}

/* stem.0: (D, C, patch, patch) */
static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape stem = shape_of(file, "stem.0.weight");
    fprintf(out, "stem = \"%s\"; ", stem.rank == 4 && stem.dim[2] == 2 ? "2x2" : "4x4");
}

/* The stem, the stages, then what follows. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    (void)c;
    int stage;
    (void)b;
    *layers = STAGES + 2;
    if (sscanf(parameter, "stages.%d.", &stage) == 1)
        return 1 + stage;
    if (strncmp(parameter, "stem.", 5) == 0)
        return 0;
    return strncmp(parameter, "head.", 5) == 0 ? STAGES + 1 : -1;
}

/* (N,C,H,W) -> (N,H,W,C) */
static px_value *channels_last(px_graph *g, px_value *map)
{
    return px_permute(g, map, (const int[]){0, 2, 3, 1});
}

/* (N,H,W,C) -> (N,C,H,W) */
static px_value *channels_first(px_graph *g, px_value *map)
{
    return px_permute(g, map, (const int[]){0, 3, 1, 2});
}

/* A norm over the channels of each pixel. */
static px_value *norm(px_graph *g, const char *name, px_value *map)
{
    return px_graph_error(g) ? map : channels_first(g, px_layer_norm_layer(g, name, channels_last(g, map)));
}

/* Patches that do not overlap: a convolution with its kernel as stride. */
static px_value *patches(px_graph *g, const char *name, px_value *map, int out, int side)
{
    return px_conv_layer_of(
        g, name, map,
        (px_conv_spec){
            .out = out, .kernel = side, .stride = side, .bias = true, .begin = PX_BEGIN_NORMAL, .deviation = 0.02});
}

/* rows (R,in) -> (R,out) */
static px_value *linear(px_graph *g, const char *name, px_value *rows, int64_t out, bool pixels)
{
    return px_linear_layer_of(
        g, name, rows,
        (px_linear_spec){.out = (int)out, .bias = true, .begin = PX_BEGIN_NORMAL, .deviation = 0.02, .pixels = pixels});
}

/* The branch's pixels as rows of a matrix (N H W, C). */
static px_value *branch(px_graph *g, px_value *rows, const px_backbone_cfg *c, bool pixels)
{
    int64_t C = rows->shape.dim[1];
    px_value *gamma = px_parameter(g, "gamma", PX_SHAPE(C), px_init_constant(c->layer_scale), PX_EXEMPT);
    rows = px_layer_norm_layer(g, "norm", rows);
    px_scope_push(g, "mlp");
    rows = px_gelu(g, linear(g, "fc1", rows, WIDER * C, pixels));
    rows = linear(g, "fc2", rows, C, pixels);
    px_scope_pop(g);
    return px_binary(g, PX_MUL, rows, gamma);
}

static px_value *block(px_graph *g, px_value *x, const px_backbone_cfg *c, bool pixels, double drop_path)
{
    if (px_graph_error(g))
        return x;
    int64_t N = x->shape.dim[0], C = x->shape.dim[1], H = x->shape.dim[2], W = x->shape.dim[3];
    px_conv_spec depthwise = {.out = (int)C,
                              .kernel = 7,
                              .pad = 3,
                              .groups = (int)C,
                              .bias = true,
                              .begin = PX_BEGIN_NORMAL,
                              .deviation = 0.02};
    px_value *y = channels_last(g, px_conv_layer_of(g, "conv_dw", x, depthwise)); // (N, H, W, C)
    y = branch(g, px_reshape(g, y, PX_SHAPE(N * H * W, C)), c, pixels);
    y = channels_first(g, px_reshape(g, y, PX_SHAPE(N, H, W, C)));
    return px_add(g, px_drop_path(g, y, drop_path, N), x);
}

/* Stage i; `before`: how many of `all` blocks are in earlier ones. */
static px_value *stage(px_graph *g, px_value *x, const struct variant *v, const px_backbone_cfg *c, int i, int before,
                       int all)
{
    px_scope_push(g, "%d", i);
    if (i > 0) {
        px_scope_push(g, "downsample");
        x = patches(g, "1", norm(g, "0", x), v->width << i, 2);
        px_scope_pop(g);
    }
    px_scope_push(g, "blocks");
    for (int k = 0; k < v->depth[i]; k++) {
        px_scope_push(g, "%d", k);
        x = block(g, x, c, v->pixels, px_drop_path_rate(c->drop_path, before + k, all));
        px_graph_cut(g);
        px_scope_pop(g);
    }
    px_scope_pop(g);
    px_scope_pop(g);
    return x;
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    const struct variant *v = b->variant;
    px_encoding e = {0};
    int before = 0, all = 0;
    for (int i = 0; i < STAGES; i++)
        all += v->depth[i];
    px_scope_push(g, "stem");
    x = norm(g, "1", patches(g, "0", x, v->width, px_is_small(c->stem, px_image_side(x)) ? 2 : 4));
    px_scope_pop(g);
    px_graph_cut(g);
    px_scope_push(g, "stages");
    for (int i = 0; i < STAGES; before += v->depth[i++]) {
        x = stage(g, x, v, c, i, before, all);
        px_stage_add(&e, g, x, "stages.%d", i);
    }
    px_scope_pop(g);
    px_scope_push(g, "head");
    e.pooled = px_layer_norm_layer(g, "norm", px_map_pool(g, c, x));
    px_scope_pop(g);
    return e;
}

const px_backbone_family px_convnext_family = {.name = "convnext",
                                               .paper = "Liu et al. 2022, arXiv:2201.03545",
                                               .summary = "convolutional networks built like transformers",
                                               .cfg_size = sizeof(px_backbone_cfg),
                                               .options = options,
                                               .variants = variants,
                                               .settle = settle,
                                               .stored = stored,
                                               .of_shapes = of_shapes,
                                               .telling = "stem.0.weight",
                                               .check = check,
                                               .layer = layer,
                                               .build = build,
                                               .build_masked = px_map_build_masked,
                                               .pool = px_map_pool};
