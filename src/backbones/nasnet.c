/* nasnet.c - NASNet-A of Learning Transferable Architectures for Scalable Image Recognition, Zoph et al. 2018 (arXiv:1707.07012),
 * with timm's parameter names, padding and initial values (nasnetalarge); the mobile one in the layout of Cadene's
 * pretrained-models.pytorch, from which timm's is.
 *
 *   x [N,C,S,S] -> conv0 -> two reduction cells (the stem) -> three groups of normal cells, a reduction cell before the second and
 *     the third -> relu -> mean over the map -> [N,1056 or 4032]
 *
 * A cell sees the outputs of the two before it. Each is brought to the cell's width (and size); then ten operations, five pairs
 * of which are added, make its output (figure 4 of the paper). Other cells can be written as options (cells.h), which is what a
 * search does. */
#include "backbones/cells.h"
#include "backbones/maps.h"
#include "base/error.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct px_backbone_cfg {
    px_by_size stem;
    const char *normal, *reduction;
    int cells, channels;
};

/* NASNet-A, figure 4 of the paper, and the name that stands for its cells. */
static const char NORMAL[] =
    "sep5x5:0+sep3x3:1 sep5x5:1+sep3x3:1 avg3x3:0+id:1 avg3x3:1+avg3x3:1 sep3x3:0+id:0 out:1,2,3,4,5,6";
static const char REDUCTION[] =
    "sep5x5:0+sep7x7:1 max3x3:0+sep7x7:1 avg3x3:0+sep5x5:1 avg3x3:2+id:3 sep3x3:2+max3x3:0 out:3,4,5,6";
#define PUBLISHED "nasnet_a"

enum { GROUPS = 3, NUMBERED = 6 /* cells of a group in names, also where there are fewer */ };

static const px_option options[] = {
    PX_OPTION_CHOICE(
        px_backbone_cfg, stem, "auto", "auto|3x3|cells",
        "before the normal cells: a 3x3 convolution of stride 2 and two reduction cells (paper, ImageNet), or a "
        "3x3 convolution alone (paper, CIFAR); auto: 3x3 up to 64 px"),
    PX_OPTION_TEXT(px_backbone_cfg, normal, PUBLISHED,
                   "the cell that keeps the size: blocks of two operations that are added, each id, sep3x3, sep5x5, "
                   "sep7x7, avg3x3 or max3x3, with the value that it reads: 0 the cell before, 1 the one before it, "
                   "2 the first block and so on; out: what is concatenated, else the blocks that none reads; "
                   "nasnet_a: the paper's"),
    PX_OPTION_TEXT(px_backbone_cfg, reduction, PUBLISHED, "the cell that halves the map, written as the normal one"),
    PX_OPTION(px_backbone_cfg, cells, "0", 0, NUMBERED, "normal cells in each of three groups; 0: the variant's"),
    PX_OPTION(px_backbone_cfg, channels, "0", 0, 4096,
              "of a cell's operations in the first group, twice as many in each further one; with stem=3x3 that has "
              "three times as many (TF-slim); 0: the variant's"),
    {0}};

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

/* What a network is made of. */
typedef struct design {
    px_cell normal, reduction;
    int cells, channels, stem; /* as in a variant */
    bool small;                /* the stem for small images */
} design;

static int design_of(design *d, const px_backbone *b, const px_backbone_cfg *c, int64_t side)
{
    const struct variant *v = b->variant;
    *d = (design){.cells = c->cells ? c->cells : v->cells,
                  .channels = c->channels ? c->channels : v->channels,
                  .stem = v->stem,
                  .small = px_is_small(c->stem, side)};
    if (c->channels && d->small)
        d->stem = 3 * c->channels;
    if (px_cell_read(&d->normal, strcmp(c->normal, PUBLISHED) == 0 ? NORMAL : c->normal) != 0)
        return px_fail(PX_USAGE, "nasnet.normal: %s", px_error());
    if (px_cell_read(&d->reduction, strcmp(c->reduction, PUBLISHED) == 0 ? REDUCTION : c->reduction) != 0)
        return px_fail(PX_USAGE, "nasnet.reduction: %s", px_error());
    for (int i = 0; i < PX_CELL_INPUTS; i++)
        if (d->reduction.out[i])
            return px_fail(PX_USAGE, "nasnet.reduction: out: has value %d, which is larger than the blocks", i);
    return 0;
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    const struct variant *v = b->variant;
    design d;
    (void)channels;
    if (design_of(&d, b, c, image_size) != 0)
        return px_error();
    if (d.cells > v->cells && px_fail(PX_USAGE, "nasnet.cells: it has at most %d cells per group", v->cells) != 0)
        return px_error();
    if (d.small)
        return image_size < 8 ? "a NASNet with nasnet.stem=3x3 needs images of at least 8 px" : NULL;
    if (d.channels % 4 != 0)
        return "nasnet.channels: the stem's first cell has a quarter of them: a multiple of 4, or nasnet.stem=3x3";
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
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    int number, cells = c->cells ? c->cells : ((const struct variant *)b->variant)->cells;
    *layers = 1 + GROUPS * cells + GROUPS - 1 + 1;
    if (sscanf(parameter, "cell_%d.", &number) == 1)
        return 1 + number / NUMBERED * (cells + 1) + number % NUMBERED;
    if (sscanf(parameter, "reduction_cell_%d.", &number) == 1)
        return (number + 1) * (cells + 1);
    bool stem = strncmp(parameter, "conv0.", 6) == 0 || strncmp(parameter, "cell_stem_", 10) == 0;
    return stem ? 0 : -1;
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

/* Where the padding would be behind alone, the last window ends outside of the map. */
static px_value *maximum(px_graph *g, px_value *x, int stride)
{
    int pad[2] = {0};
    if (!px_graph_error(g))
        pad_same(x->shape.dim[2], 3, stride, pad);
    return px_max_pool2d(
        g, x,
        (px_pooling){
            .kernel = {3, 3}, .stride = {stride, stride}, .pad = {pad[0], pad[0]}, .ceil_mode = pad[1] > pad[0]});
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

/* Twice relu, separable convolution, norm; the first with the stride. */
static px_value *separables(px_graph *g, px_value *x, int out, int kernel, int stride)
{
    x = norm(g, "bn_sep_1", separable(g, "separable_1", px_relu(g, x), out, kernel, stride));
    return norm(g, "bn_sep_2", separable(g, "separable_2", px_relu(g, x), out, kernel, 1));
}

/* 1x1, norm: for what has no weights, where channels or a stride ask for some (TF-slim's nasnet_utils). */
static px_value *fit(px_graph *g, px_value *x, int out, int stride)
{
    return norm(g, "bn", convolve(g, "conv", x, (px_conv_spec){.out = out, .kernel = 1, .stride = stride}, true));
}

/* One operation of a cell, in the current scope: x (N,C,H,W) -> (N,out,H/stride,W/stride), rounded up. */
static px_value *operate(px_graph *g, px_value *x, px_cell_op o, int out, int stride)
{
    if (px_graph_error(g))
        return x;
    bool fits = x->shape.dim[1] == out;
    switch (o.kind) {
    case PX_CELL_SEPARABLE:
        return separables(g, x, out, o.kernel, stride);
    case PX_CELL_IDENTITY:
        return fits && stride == 1 ? x : fit(g, px_relu(g, x), out, stride);
    case PX_CELL_AVERAGE:
    case PX_CELL_MAXIMUM:
        x = o.kind == PX_CELL_AVERAGE ? average(g, x, stride) : maximum(g, x, stride);
        return fits ? x : fit(g, x, out, 1);
    }
    return NULL;
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

/* A cell that is being built. */
typedef struct building {
    const px_cell *cell;
    int out, stride;                 /* of what reads the cell's inputs; blocks have a stride of 1 */
    px_value *value[PX_CELL_VALUES]; /* the two inputs, then the blocks (N,out,H/stride,W/stride) */
    /* What pools made of a value, which others that pool it alike read as well. */
    px_value *pooled[PX_CELL_VALUES][PX_CELL_MAXIMUM + 1];
} building;

static px_value *part(px_graph *g, building *b, int block, int side)
{
    px_cell_part p = b->cell->part[block][side];
    px_cell_op o = px_cell_ops[p.op];
    px_value **pooled = &b->pooled[p.value][o.kind], *x = b->value[p.value];
    if (*pooled)
        return *pooled;
    px_scope_push(g, "comb_iter_%d_%s", block, side ? "right" : "left");
    px_value *made = operate(g, x, o, b->out, p.value < PX_CELL_INPUTS ? b->stride : 1);
    px_scope_pop(g);
    bool weightless = !px_graph_error(g) && x->shape.dim[1] == b->out;
    if (weightless && (o.kind == PX_CELL_AVERAGE || o.kind == PX_CELL_MAXIMUM))
        *pooled = made;
    return made;
}

/* now, before (N,out,H,W) -> (N,width out,H/stride,W/stride), rounded up; the stem's first `before` has other channels. What the
 * cell does not read may be NULL. */
static px_value *combine(px_graph *g, const px_cell *cell, px_value *now, px_value *before, int out, int stride)
{
    building b = {.cell = cell, .out = out, .stride = stride, .value = {now, before}};
    for (int i = 0; i < cell->blocks; i++) {
        px_value *left = part(g, &b, i, 0), *right = part(g, &b, i, 1);
        b.value[PX_CELL_INPUTS + i] = left == right ? px_scale(g, left, 2) : px_add(g, left, right);
    }
    px_value *outputs[PX_CELL_VALUES];
    int count = 0;
    for (int i = 0; i < PX_CELL_VALUES; i++)
        if (cell->out[i])
            outputs[count++] = b.value[i];
    px_value *all = count > 1 ? px_concat(g, 1, outputs, count) : outputs[0];
    px_graph_cut(g);
    return all;
}

static bool needs(const px_cell *cell, int value)
{
    return px_cell_reads(cell, value) || cell->out[value];
}

/* The outputs of the last two cells. */
typedef struct pair {
    px_value *now, *before;
} pair;

static pair stem(px_graph *g, const design *d, px_value *x)
{
    px_scope_push(g, "conv0");
    px_conv_spec first = {.out = d->stem, .kernel = 3, .stride = d->small ? 1 : 2};
    x = norm(g, "bn", convolve(g, "conv", x, first, d->small));
    px_scope_pop(g);
    if (d->small)
        return (pair){x, x};
    px_scope_push(g, "cell_stem_0");
    int out = d->channels / 4;
    px_value *one = combine(g, &d->reduction, squeeze(g, "conv_1x1", x, out), x, out, 2);
    px_scope_pop(g);
    px_scope_push(g, "cell_stem_1");
    out = d->channels / 2;
    px_value *now = squeeze(g, "conv_1x1", one, out), *before = needs(&d->reduction, 1) ? halve(g, x, out) : NULL;
    px_value *two = combine(g, &d->reduction, now, before, out, 2);
    px_scope_pop(g);
    return (pair){two, one};
}

/* A cell's second input; one whose map is larger than the first's is halved. */
static px_value *bring(px_graph *g, const px_cell *cell, pair p, int out)
{
    if (px_graph_error(g) || !needs(cell, 1))
        return NULL;
    bool larger = p.before->shape.dim[2] != p.now->shape.dim[2];
    return larger ? halve(g, p.before, out) : squeeze(g, "conv_prev_1x1", p.before, out);
}

static pair next(px_graph *g, const px_cell *cell, pair p, int out, int number)
{
    px_scope_push(g, "cell_%d", number);
    px_value *before = bring(g, cell, p, out);
    px_value *made = combine(g, cell, squeeze(g, "conv_1x1", p.now, out), before, out, 1);
    px_scope_pop(g);
    return (pair){made, p.now};
}

static pair reduce(px_graph *g, const px_cell *cell, pair p, int out, int number, bool skips)
{
    px_scope_push(g, "reduction_cell_%d", number);
    px_value *before = bring(g, cell, p, out), *now = squeeze(g, "conv_1x1", p.now, out);
    px_value *made = combine(g, cell, now, before, out, 2);
    px_scope_pop(g);
    return (pair){made, skips ? p.before : p.now};
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    const struct variant *v = b->variant;
    px_encoding e = {0};
    design d;
    if (design_of(&d, b, c, px_image_side(x)) != 0) {
        e.pooled = px_graph_fail(g, "%s", px_error());
        return e;
    }
    pair p = stem(g, &d, x);
    px_graph_cut(g);
    for (int i = 0; i < GROUPS; i++) {
        int out = d.channels << i, last = i * NUMBERED + d.cells - 1;
        p = i > 0 ? reduce(g, &d.reduction, p, out, i - 1, v->skips) : p;
        for (int k = 0; k < d.cells; k++)
            p = next(g, &d.normal, p, out, i * NUMBERED + k);
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
