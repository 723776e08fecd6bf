/* nasnet.c - NASNet-A of Learning Transferable Architectures for Scalable Image Recognition, Zoph et al. 2018 (arXiv:1707.07012),
 * with timm's parameter names, padding and initial values (nasnetalarge); the mobile one in the layout of Cadene's
 * pretrained-models.pytorch, from which timm's is.
 *
 *   x [N,C,S,S] -> conv0 -> two reduction cells (the stem) -> three groups of normal cells, a reduction cell before the second and
 *     the third -> relu -> mean over the map -> [N,1056 or 4032]
 *
 * A cell sees the outputs of the two before it. Each is brought to the cell's width (and size); then ten operations, five pairs
 * of which are added, make its output (figure 4 of the paper). */
#include "backbones/maps.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct px_backbone_cfg {
    px_by_size stem;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(
        px_backbone_cfg, stem, "auto", "auto|3x3|cells",
        "before the normal cells: a 3x3 convolution of stride 2 and two reduction cells (paper, ImageNet), or a "
        "3x3 convolution alone (paper, CIFAR); auto: 3x3 up to 64 px"),
    {0}};

enum { GROUPS = 3, NUMBERED = 6 /* cells of a group in names, also where there are fewer */ };

struct variant {
    int cells;    /* of a group */
    int channels; /* of a cell's operations in the first group; each further group has twice as many */
    int stem;     /* channels of conv0 */
    bool skips;   /* the cell behind a reduction cell sees the one before its input, not its input (TF-slim) */
};

extern const px_backbone_family px_nasnet_family;
static const px_backbone variants[] = {
    {"nasnet_mobile", &px_nasnet_family,
     &(const struct variant){.cells = 4, .channels = 44, .stem = 32, .skips = false}},
    {"nasnet_large", &px_nasnet_family,
     &(const struct variant){.cells = 6, .channels = 168, .stem = 96, .skips = true}},
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
        return image_size < 8 ? "a NASNet with nasnet.stem=3x3 needs images of at least 8 px" : NULL;
    return image_size < 35 ? "a NASNet needs images of at least 35 px, or with nasnet.stem=3x3 of 8 px" : NULL;
}

/* cell_1.conv_1x1: (channels, 6 channels, 1, 1) */
static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape cell = shape_of(file, "cell_1.conv_1x1.conv.weight"), stem = shape_of(file, "conv0.conv.weight");
    for (const px_backbone *b = variants; b->name && cell.rank == 4 && stem.rank == 4; b++) {
        const struct variant *v = b->variant;
        if (cell.dim[0] == v->channels && stem.dim[0] == v->stem)
            return b;
    }
    return NULL;
}

static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    fprintf(out, "stem = \"%s\"; ", shape_of(file, "cell_stem_0.conv_1x1.conv.weight").rank == 4 ? "cells" : "3x3");
}

/* The stem, each cell, then what follows. */
static int layer(const px_backbone *b, const char *parameter, int *layers)
{
    const struct variant *v = b->variant;
    int number;
    *layers = 1 + GROUPS * v->cells + GROUPS - 1 + 1;
    if (sscanf(parameter, "cell_%d.", &number) == 1)
        return 1 + number / NUMBERED * (v->cells + 1) + number % NUMBERED;
    if (sscanf(parameter, "reduction_cell_%d.", &number) == 1)
        return (number + 1) * (v->cells + 1);
    bool stem = strncmp(parameter, "conv0.", 6) == 0 || strncmp(parameter, "cell_stem_", 10) == 0;
    return stem || strcmp(parameter, "mask_token") == 0 ? 0 : -1;
}

/* ---- operations ---- */

/* TensorFlow's SAME: ceil(side / stride) outputs, and where the zeros are odd in number one more behind. */
static void pad_same(int64_t side, int kernel, int stride, int pad[2])
{
    int all = (int)((side + stride - 1) / stride - 1) * stride + kernel - (int)side;
    pad[0] = all > 0 ? all / 2 : 0;
    pad[1] = all > 0 ? all - pad[0] : 0;
}

/* A convolution without bias that begins as torch.nn's; `same`: padded so, else not at all. */
static px_value *convolve(px_graph *g, const char *name, px_value *x, px_conv_spec s, bool same)
{
    if (px_graph_error(g))
        return x;
    px_convolution c = {.stride = {s.stride, s.stride}, .groups = s.groups};
    int64_t in = x->shape.dim[1] / (s.groups ? s.groups : 1), taps = (int64_t)s.kernel * s.kernel;
    for (int i = 0; i < 2 && same; i++)
        pad_same(x->shape.dim[2 + i], s.kernel, s.stride ? s.stride : 1, c.pad[i]);
    px_scope_push(g, "%s", name);
    px_value *w = px_parameter(g, "weight", PX_SHAPE(s.out, in, s.kernel, s.kernel),
                               px_init_uniform(1 / sqrt((double)(in * taps))), PX_DECAYS);
    x = px_convolve(g, x, w, NULL, c);
    px_scope_pop(g);
    return x;
}

static px_value *norm(px_graph *g, const char *name, px_value *x)
{
    return px_batch_norm_layer_of(g, name, x, (px_batch_norm_spec){.eps = 0.001});
}

/* relu, 1x1, norm */
static px_value *squeeze(px_graph *g, const char *name, px_value *x, int out)
{
    px_scope_push(g, "%s", name);
    x = norm(g, "bn", convolve(g, "conv", px_relu(g, x), (px_conv_spec){.out = out, .kernel = 1}, true));
    px_scope_pop(g);
    return x;
}

/* A 3x3 pool. timm's averages with a stride count the zeros around the map, those without do not. */
static px_value *average(px_graph *g, px_value *x, int stride)
{
    if (stride == 1 || px_graph_error(g))
        return px_avg_pool2d(g, x,
                             (px_pooling){.kernel = {3, 3}, .stride = {1, 1}, .pad = {1, 1}, .exclude_pad = true});
    for (int axis = 2; axis < 4; axis++) {
        int pad[2];
        pad_same(x->shape.dim[axis], 3, stride, pad);
        x = px_pad(g, x, axis, pad[0], pad[1]);
    }
    return px_avg_pool2d(g, x, (px_pooling){.kernel = {3, 3}, .stride = {stride, stride}});
}

/* With a stride of 2. Where the padding would be behind alone, the last window ends outside of the map. */
static px_value *maximum(px_graph *g, px_value *x)
{
    int pad[2] = {0};
    if (!px_graph_error(g))
        pad_same(x->shape.dim[2], 3, 2, pad);
    return px_max_pool2d(
        g, x, (px_pooling){.kernel = {3, 3}, .stride = {2, 2}, .pad = {pad[0], pad[0]}, .ceil_mode = pad[1] > pad[0]});
}

static px_value *separable(px_graph *g, const char *name, px_value *x, int out, int kernel, int stride)
{
    int in = px_graph_error(g) ? 1 : (int)x->shape.dim[1];
    px_scope_push(g, "%s", name);
    x = convolve(g, "depthwise_conv2d", x, (px_conv_spec){.out = in, .kernel = kernel, .stride = stride, .groups = in},
                 true);
    x = convolve(g, "pointwise_conv2d", x, (px_conv_spec){.out = out, .kernel = 1}, true);
    px_scope_pop(g);
    return x;
}

/* How an operation of a cell is named and what it has: the pair and the side that it is, its kernel and stride. */
typedef struct operation {
    const char *name;
    int kernel, stride;
} operation;

/* Twice relu, separable convolution, norm; the first with the stride. */
static px_value *separables(px_graph *g, px_value *x, int out, operation o)
{
    px_scope_push(g, "comb_iter_%s", o.name);
    x = norm(g, "bn_sep_1", separable(g, "separable_1", px_relu(g, x), out, o.kernel, o.stride));
    x = norm(g, "bn_sep_2", separable(g, "separable_2", px_relu(g, x), out, o.kernel, 1));
    px_scope_pop(g);
    return x;
}

/* ---- cells ---- */

/* Both halves of the channels see every second pixel, the second half those one below and to the right: (N,C,H,W) ->
 * (N,out,H/2,W/2), rounded up. */
static px_value *halve(px_graph *g, px_value *x, int out)
{
    if (px_graph_error(g))
        return x;
    const px_conv_spec half = {.out = out / 2, .kernel = 1, .stride = 2};
    px_value *path[2] = {px_relu(g, x)};
    path[1] = path[0];
    for (int axis = 2; axis < 4; axis++)
        path[1] = px_pad(g, px_slice(g, path[1], axis, 1, x->shape.dim[axis] - 1), axis, 0, 1);
    for (int i = 0; i < 2; i++) {
        px_scope_push(g, "path_%d", i + 1);
        path[i] = convolve(g, "conv", path[i], half, false);
        px_scope_pop(g);
    }
    return norm(g, "final_path_bn", px_concat(g, 1, path, 2));
}

/* now, before (N,out,H,W) -> (N,4 out,H/2,W/2), rounded up; the stem's first `before` has other channels */
static px_value *reduction(px_graph *g, px_value *now, px_value *before, int out)
{
    px_value *made[5], *most = maximum(g, now), *mean = average(g, now, 2);
    px_value *left = separables(g, now, out, (operation){"0_left", 5, 2});
    made[0] = px_add(g, left, separables(g, before, out, (operation){"0_right", 7, 2}));
    made[1] = px_add(g, most, separables(g, before, out, (operation){"1_right", 7, 2}));
    made[2] = px_add(g, mean, separables(g, before, out, (operation){"2_right", 5, 2}));
    made[3] = px_add(g, average(g, made[0], 1), made[1]);
    made[4] = px_add(g, separables(g, made[0], out, (operation){"4_left", 3, 1}), most);
    px_value *all = px_concat(g, 1, made + 1, 4);
    px_graph_cut(g);
    return all;
}

/* now, before (N,out,H,W) -> (N,6 out,H,W) */
static px_value *normal(px_graph *g, px_value *now, px_value *before, int out)
{
    px_value *made[6] = {before};
    px_value *left = separables(g, now, out, (operation){"0_left", 5, 1});
    made[1] = px_add(g, left, separables(g, before, out, (operation){"0_right", 3, 1}));
    left = separables(g, before, out, (operation){"1_left", 5, 1});
    made[2] = px_add(g, left, separables(g, before, out, (operation){"1_right", 3, 1}));
    made[3] = px_add(g, average(g, now, 1), before);
    made[4] = px_scale(g, average(g, before, 1), 2);
    made[5] = px_add(g, separables(g, now, out, (operation){"4_left", 3, 1}), now);
    px_value *all = px_concat(g, 1, made, 6);
    px_graph_cut(g);
    return all;
}

/* The outputs of the last two cells. */
typedef struct pair {
    px_value *now, *before;
} pair;

static pair stem(px_graph *g, const struct variant *v, px_value *x, bool small)
{
    px_scope_push(g, "conv0");
    px_conv_spec first = {.out = v->stem, .kernel = 3, .stride = small ? 1 : 2};
    x = norm(g, "bn", convolve(g, "conv", x, first, small));
    px_scope_pop(g);
    if (small)
        return (pair){x, x};
    px_scope_push(g, "cell_stem_0");
    int out = v->channels / 4;
    px_value *one = reduction(g, squeeze(g, "conv_1x1", x, out), x, out);
    px_scope_pop(g);
    px_scope_push(g, "cell_stem_1");
    out = v->channels / 2;
    px_value *now = squeeze(g, "conv_1x1", one, out), *before = halve(g, x, out);
    px_value *two = reduction(g, now, before, out);
    px_scope_pop(g);
    return (pair){two, one};
}

/* A normal cell; one whose other input is of a larger map halves it. */
static pair next(px_graph *g, pair p, int out, int number)
{
    if (px_graph_error(g))
        return p;
    bool larger = p.before->shape.dim[2] != p.now->shape.dim[2];
    px_scope_push(g, "cell_%d", number);
    px_value *before = larger ? halve(g, p.before, out) : squeeze(g, "conv_prev_1x1", p.before, out);
    px_value *made = normal(g, squeeze(g, "conv_1x1", p.now, out), before, out);
    px_scope_pop(g);
    return (pair){made, p.now};
}

static pair reduce(px_graph *g, pair p, int out, int number, bool skips)
{
    px_scope_push(g, "reduction_cell_%d", number);
    px_value *before = squeeze(g, "conv_prev_1x1", p.before, out), *now = squeeze(g, "conv_1x1", p.now, out);
    px_value *made = reduction(g, now, before, out);
    px_scope_pop(g);
    return (pair){made, skips ? p.before : p.now};
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    const struct variant *v = b->variant;
    px_encoding e = {0};
    pair p = stem(g, v, x, px_is_small(c->stem, px_image_side(x)));
    px_graph_cut(g);
    for (int i = 0; i < GROUPS; i++) {
        int out = v->channels << i, last = i * NUMBERED + v->cells - 1;
        p = i > 0 ? reduce(g, p, out, i - 1, v->skips) : p;
        for (int k = 0; k < v->cells; k++)
            p = next(g, p, out, i * NUMBERED + k);
        p.now = i == GROUPS - 1 ? px_relu(g, p.now) : p.now; /* so that the last map is what is pooled */
        px_stage_add(&e, g, p.now, "cell_%d", last);
    }
    e.pooled = px_map_pool(g, c, p.now);
    return e;
}

const px_backbone_family px_nasnet_family = {.name = "nasnet",
                                             .paper = "Zoph et al. 2018, arXiv:1707.07012",
                                             .summary = "NASNet-A: cells that were searched for",
                                             .cfg_size = sizeof(px_backbone_cfg),
                                             .options = options,
                                             .variants = variants,
                                             .settle = settle,
                                             .stored = stored,
                                             .of_shapes = of_shapes,
                                             .telling = "conv0.conv.weight",
                                             .check = check,
                                             .layer = layer,
                                             .build = build,
                                             .build_masked = px_map_build_masked,
                                             .pool = px_map_pool,
                                             .pools_last = true};
