/* mobilenet_v3.c - Searching for MobileNetV3, Howard et al. 2019 (arXiv:1905.02244), with torchvision's parameter names,
 * norms and initial values.
 *
 *   x [N,C,S,S] -> 3x3 stem -> blocks (1x1 wider, depthwise, channel attention, 1x1 narrower) -> 1x1 -> mean over the map
 *     -> a linear layer -> [N,1280], small: [N,1024] */
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
        "(as kuangliu/pytorch-cifar has MobileNetV2); auto: 1 up to 64 px"),
    PX_OPTION(px_backbone_cfg, width, "1", 0.1, 8,
              "multiplies the number of channels (paper: 0.35 to 1.25), to multiples of 8"),
    {0}};

enum { STEM_WIDTH = 16, BLOCKS = 15 };
enum { PLAIN = false, SQUEEZE = true };
static const px_batch_norm_spec norm = {.eps = 0.001, .momentum = 0.01}; /* torchvision's, from TensorFlow's */

/* Table 1 and 2 of the paper. */
struct block {
    int kernel, hidden, out;
    bool squeeze;
    px_function act;
    int stride;
};
#define RE PX_FN_RELU
#define HS PX_FN_HARD_SWISH
struct variant {
    struct block block[BLOCKS + 1]; /* ends with a kernel of 0 */
    int last;                       /* width of the linear layer */
};
static const struct variant large = {{{3, 16, 16, PLAIN, RE, 1},
                                      {3, 64, 24, PLAIN, RE, 2},
                                      {3, 72, 24, PLAIN, RE, 1},
                                      {5, 72, 40, SQUEEZE, RE, 2},
                                      {5, 120, 40, SQUEEZE, RE, 1},
                                      {5, 120, 40, SQUEEZE, RE, 1},
                                      {3, 240, 80, PLAIN, HS, 2},
                                      {3, 200, 80, PLAIN, HS, 1},
                                      {3, 184, 80, PLAIN, HS, 1},
                                      {3, 184, 80, PLAIN, HS, 1},
                                      {3, 480, 112, SQUEEZE, HS, 1},
                                      {3, 672, 112, SQUEEZE, HS, 1},
                                      {5, 672, 160, SQUEEZE, HS, 2},
                                      {5, 960, 160, SQUEEZE, HS, 1},
                                      {5, 960, 160, SQUEEZE, HS, 1}},
                                     1280};
static const struct variant small = {{{3, 16, 16, SQUEEZE, RE, 2},
                                      {3, 72, 24, PLAIN, RE, 2},
                                      {3, 88, 24, PLAIN, RE, 1},
                                      {5, 96, 40, SQUEEZE, HS, 2},
                                      {5, 240, 40, SQUEEZE, HS, 1},
                                      {5, 240, 40, SQUEEZE, HS, 1},
                                      {5, 120, 48, SQUEEZE, HS, 1},
                                      {5, 144, 48, SQUEEZE, HS, 1},
                                      {5, 288, 96, SQUEEZE, HS, 2},
                                      {5, 576, 96, SQUEEZE, HS, 1},
                                      {5, 576, 96, SQUEEZE, HS, 1}},
                                     1024};

extern const px_backbone_family px_mobilenet_v3_family;
static const px_backbone variants[] = {{"mobilenet_v3_small", &px_mobilenet_v3_family, &small},
                                       {"mobilenet_v3_large", &px_mobilenet_v3_family, &large},
                                       {0}};

static void settle(px_backbone_cfg *c, int image_size)
{
    c->stem = px_settled(c->stem, image_size);
}

/* The first block has no wider layer, and only in `small` a squeeze: fc1 after the depthwise convolution. */
static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    bool is_small = shape_of(file, "features.1.block.1.fc1.weight").rank == 4;
    bool is_large = shape_of(file, "features.15.block.3.0.weight").rank == 4;
    return is_small ? &variants[0] : is_large ? &variants[1] : NULL;
}

/* Files of others are for images of ordinary size. The width is that which explains what all blocks give and how wide they are
 * within; the first has no wider layer. */
static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    const px_backbone *b = of_shapes(shape_of, file);
    const struct block *block = b ? ((const struct variant *)b->variant)->block : NULL;
    int base[2 * BLOCKS], count = 0;
    int64_t found[2 * BLOCKS];
    for (int i = 0; block && block[i].kernel; i++) {
        char name[2][48];
        snprintf(name[0], sizeof name[0], "features.%d.block.%d.0.weight", i + 1, (i > 0) + 1 + block[i].squeeze);
        snprintf(name[1], sizeof name[1], "features.%d.block.0.0.weight", i + 1);
        for (int k = 0; k < 2; k++) {
            px_shape s = shape_of(file, name[k]);
            base[count] = k == 0 ? block[i].out : block[i].hidden;
            found[count++] = s.rank == 4 ? s.dim[0] : 0;
        }
    }
    double width = px_width_of(base, found, count);
    fprintf(out, "stem = \"stride2\"; width = %.17g; ", width > 0 ? width : 1);
}

/* Module number *place of the block: a convolution, a norm. */
static px_value *module(px_graph *g, px_value *x, int *place, px_conv_spec conv)
{
    return px_conv_norm_layer(g, px_graph_text(g, "%d", (*place)++), x, conv, norm);
}

static px_value *block(px_graph *g, px_value *x, const struct block *s, int stride, double width)
{
    if (px_graph_error(g))
        return x;
    int in = (int)x->shape.dim[1], hidden = px_channels_near(s->hidden * width), out = px_channels_near(s->out * width);
    int place = 0;
    px_value *y = x;
    px_scope_push(g, "block");
    if (hidden != in)
        y = px_unary(g, s->act, module(g, y, &place, (px_conv_spec){.out = hidden, .kernel = 1}), 0, 0);
    px_conv_spec depthwise = {
        .out = hidden, .kernel = s->kernel, .stride = stride, .pad = s->kernel / 2, .groups = hidden};
    y = px_unary(g, s->act, module(g, y, &place, depthwise), 0, 0);
    if (s->squeeze) {
        int squeezed = hidden / 4;
        y = px_squeeze_layer(g, px_graph_text(g, "%d", place++), y, px_channels_near(squeezed), PX_FN_HARD_SIGMOID,
                             PX_BEGIN_HE);
    }
    y = module(g, y, &place, (px_conv_spec){.out = out, .kernel = 1});
    px_scope_pop(g);
    return stride == 1 && in == out ? px_add(g, y, x) : y;
}

/* pooled (N,F) -> (N,1280 or 1024) */
static px_value *last_layer(px_graph *g, px_value *pooled, int out)
{
    px_linear_spec layer = {.out = out, .bias = true, .begin = PX_BEGIN_NORMAL, .deviation = 0.01};
    px_scope_push(g, "classifier");
    pooled = px_unary(g, HS, px_linear_layer_of(g, "0", pooled, layer), 0, 0);
    px_scope_pop(g);
    return pooled;
}

/* The stem, each block, the last convolution, then the linear layer with what follows. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    (void)c;
    const struct variant *v = b->variant;
    int place, last = 1;
    while (v->block[last - 1].kernel)
        last++;
    *layers = last + 2;
    if (sscanf(parameter, "features.%d.", &place) == 1 && place <= last)
        return place;
    if (strncmp(parameter, "classifier.", 11) == 0)
        return last + 1;
    return -1;
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    const struct variant *v = b->variant;
    px_encoding e = {0};
    bool gentle = px_is_small(c->stem, px_image_side(x)); /* the next stride is still to become 1 */
    px_conv_spec stem = {
        .out = px_channels_near(STEM_WIDTH * c->width), .kernel = 3, .stride = gentle ? 1 : 2, .pad = 1};
    int i = 0;
    px_scope_push(g, "features");
    x = px_unary(g, HS, px_conv_norm_layer(g, "0", x, stem, norm), 0, 0);
    for (; i < BLOCKS && v->block[i].kernel; i++) {
        bool strided = v->block[i].stride > 1;
        px_scope_push(g, "%d", i + 1);
        x = block(g, x, &v->block[i], gentle ? 1 : v->block[i].stride, c->width);
        px_graph_cut(g);
        px_scope_pop(g);
        px_stage_add(&e, g, x, "features.%d", i + 1);
        gentle = gentle && !strided;
    }
    px_conv_spec last = {.out = 6 * px_channels_near(v->block[i - 1].out * c->width), .kernel = 1};
    x = px_unary(g, HS, px_conv_norm_layer(g, px_graph_text(g, "%d", i + 1), x, last, norm), 0, 0);
    px_scope_pop(g);
    px_stage_add(&e, g, x, "features.%d", i + 1);
    e.pooled = last_layer(g, px_map_pool(g, c, x), px_channels_near(v->last * c->width));
    return e;
}

const px_backbone_family px_mobilenet_v3_family = {.name = "mobilenet_v3",
                                                   .paper = "Howard et al. 2019, arXiv:1905.02244",
                                                   .summary = "inverted residuals with channel attention",
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
                                                   .pool = px_map_pool};
