/* mobilenet_v2.c - MobileNetV2: Inverted Residuals and Linear Bottlenecks, Sandler et al. 2018 (arXiv:1801.04381), with
 * torchvision's parameter names and initial values.
 *
 *   x [N,C,S,S] -> 3x3 stem -> 17 times (1x1 wider, 3x3 depthwise, 1x1 narrower) -> 1x1 -> mean over the map -> [N,1280] */
#include "backbones/maps.h"
#include "backbones/mobilenet.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

struct px_backbone_cfg {
    px_by_size stem;
    double width;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(
        px_backbone_cfg, stem, "auto", "auto|stride1|stride2",
        "stride of the first layer, and of the first of the blocks that have one (paper: 2); 1 for small images "
        "(kuangliu/pytorch-cifar); auto: 1 up to 64 px"),
    PX_OPTION(px_backbone_cfg, width, "1", 0.1, 8,
              "multiplies the number of channels (paper: 0.35 to 1.4), to multiples of 8; the last layer only grows"),
    {0}};

enum { STEM_WIDTH = 32, LAST_WIDTH = 1280, GROUPS = 7, SMALL_GROUP = 1 /* the first with a stride */ };
static const struct group {
    int expansion, out, count, stride;
} groups[GROUPS] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                    {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

extern const px_backbone_family px_mobilenet_v2_family;
static const px_backbone variants[] = {{"mobilenet_v2", &px_mobilenet_v2_family, NULL}, {0}};

static void settle(px_backbone_cfg *c, int image_size)
{
    c->stem = px_settled(c->stem, image_size);
}

static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape first = shape_of(file, "features.1.conv.0.0.weight"), last = shape_of(file, "features.18.0.weight");
    return first.rank == 4 && first.dim[1] == 1 && last.rank == 4 ? &variants[0] : NULL;
}

/* Files of others are for images of ordinary size. The width is that which explains what all groups give. */
static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    int base[GROUPS], place = 1;
    int64_t found[GROUPS];
    for (int i = 0; i < GROUPS; place += groups[i++].count) {
        char name[48];
        snprintf(name, sizeof name, "features.%d.conv.%d.weight", place, groups[i].expansion > 1 ? 2 : 1);
        px_shape narrow = shape_of(file, name);
        base[i] = groups[i].out;
        found[i] = narrow.rank == 4 ? narrow.dim[0] : 0;
    }
    double width = px_width_of(base, found, GROUPS);
    fprintf(out, "stem = \"stride2\"; width = %.17g; ", width > 0 ? width : 1);
}

static px_value *inverted(px_graph *g, px_value *x, int expansion, int out, int stride)
{
    static const char *const names[] = {"0", "1", "2", "3"};
    if (px_graph_error(g))
        return x;
    const px_batch_norm_spec usual = {0};
    px_value *y = x;
    int in = (int)x->shape.dim[1], hidden = in * expansion, place = 0;
    px_scope_push(g, "conv");
    if (expansion > 1) {
        y = px_conv_norm_layer(g, names[place++], y, (px_conv_spec){.out = hidden, .kernel = 1}, usual);
        y = px_unary(g, PX_FN_RELU6, y, 0, 0);
    }
    px_conv_spec depthwise = {.out = hidden, .kernel = 3, .stride = stride, .pad = 1, .groups = hidden};
    y = px_unary(g, PX_FN_RELU6, px_conv_norm_layer(g, names[place++], y, depthwise, usual), 0, 0);
    y = px_conv_layer(g, names[place], y, out, 1, 1, 0, false);
    y = px_batch_norm_layer(g, names[place + 1], y, true);
    px_scope_pop(g);
    return stride == 1 && in == out ? px_add(g, y, x) : y;
}

/* The blocks of a group; *place: the next number in torchvision's names. */
static px_value *group(px_graph *g, px_value *x, const struct group *s, int stride, double width, int *place)
{
    for (int k = 0; k < s->count; k++) {
        px_scope_push(g, "%d", (*place)++);
        x = inverted(g, x, s->expansion, px_channels_near(s->out * width), k == 0 ? stride : 1);
        px_graph_cut(g);
        px_scope_pop(g);
    }
    return x;
}

/* The stem, each block, the last convolution, then what follows. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    (void)c;
    int place, last = 1;
    (void)b;
    for (int i = 0; i < GROUPS; i++)
        last += groups[i].count;
    *layers = last + 2;
    if (sscanf(parameter, "features.%d.", &place) == 1 && place <= last)
        return place;
    return -1;
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    (void)b;
    px_encoding e = {0};
    bool small = px_is_small(c->stem, px_image_side(x));
    px_conv_spec stem = {.out = px_channels_near(STEM_WIDTH * c->width),
                         .kernel = 3,
                         .stride = small ? 1 : 2,
                         .pad = 1},
                 last = {.out = px_channels_near(LAST_WIDTH * (c->width > 1 ? c->width : 1)), .kernel = 1};
    int place = 1;
    px_scope_push(g, "features");
    x = px_unary(g, PX_FN_RELU6, px_conv_norm_layer(g, "0", x, stem, (px_batch_norm_spec){0}), 0, 0);
    for (int i = 0; i < GROUPS; i++) {
        x = group(g, x, &groups[i], small && i == SMALL_GROUP ? 1 : groups[i].stride, c->width, &place);
        px_stage_add(&e, g, x, "features.%d", place - 1);
    }
    x = px_conv_norm_layer(g, px_graph_text(g, "%d", place), x, last, (px_batch_norm_spec){0});
    x = px_unary(g, PX_FN_RELU6, x, 0, 0);
    px_scope_pop(g);
    px_stage_add(&e, g, x, "features.%d", place);
    e.pooled = px_map_pool(g, c, x);
    return e;
}

const px_backbone_family px_mobilenet_v2_family = {.name = "mobilenet_v2",
                                                   .paper = "Sandler et al. 2018, arXiv:1801.04381",
                                                   .summary = "inverted residuals with linear bottlenecks",
                                                   .cfg_size = sizeof(px_backbone_cfg),
                                                   .options = options,
                                                   .variants = variants,
                                                   .settle = settle,
                                                   .stored = stored,
                                                   .of_shapes = of_shapes,
                                                   .telling = "features.0.0.weight",
                                                   .check = px_mobilenet_check,
                                                   .layer = layer,
                                                   .build = build,
                                                   .build_masked = px_map_build_masked,
                                                   .pool = px_map_pool,
                                                   .pools_last = true};
