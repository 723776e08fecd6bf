/* swin.c - Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, Liu et al. 2021
 * (arXiv:2103.14030), with timm's parameter names, sizes and initial values.
 *
 *   x [N,C,S,S] -> patches of 4x4 -> four stages of blocks (attention within windows, every second time shifted by half of
 *     one; MLP), between which 2x2 pixels become one of twice the width -> norm -> mean over the map -> [N,768 or 1024] */
#include "backbones/maps.h"
#include "base/error.h"
#include "nn/layers.h"
#include "nn/transformer.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct px_backbone_cfg {
    int patch, window;
    double drop_path;
};

static const px_option options[] = {
    PX_OPTION(px_backbone_cfg, patch, "0", 0, 32,
              "side of a patch (paper: 4); 0: 4, and 2 up to 64 px (timm's patch_size)"),
    PX_OPTION(px_backbone_cfg, window, "0", 0, 64,
              "side of a window, in patches (paper: 7); 0: 7, and 4 up to 64 px (timm's window_size)"),
    PX_OPTION(px_backbone_cfg, drop_path, "0", 0, 0.99,
              "stochastic depth: rate of the last block; earlier blocks in proportion (paper: 0.2 tiny, 0.3 small, 0.5 "
              "base)"),
    {0}};

enum { STAGES = 4, WIDER = 4 };
static const double EPS = 1e-5, DEVIATION = 0.02;

struct variant {
    int depth[STAGES], width, heads; /* of the first stage; each further one has twice as many */
};

extern const px_backbone_family px_swin_family;
static const px_backbone variants[] = {{"swin_tiny", &px_swin_family, &(const struct variant){{2, 2, 6, 2}, 96, 3}},
                                       {"swin_small", &px_swin_family, &(const struct variant){{2, 2, 18, 2}, 96, 3}},
                                       {"swin_base", &px_swin_family, &(const struct variant){{2, 2, 18, 2}, 128, 4}},
                                       {0}};

static int patch_of(const px_backbone_cfg *c, int64_t size)
{
    return c->patch ? c->patch : size <= PX_SMALL_IMAGE ? 2 : 4;
}

static int window_of(const px_backbone_cfg *c, int64_t size)
{
    return c->window ? c->window : size <= PX_SMALL_IMAGE ? 4 : 7;
}

static void settle(px_backbone_cfg *c, int image_size)
{
    c->patch = patch_of(c, image_size);
    c->window = window_of(c, image_size);
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)b;
    (void)channels;
    int side = image_size / patch_of(c, image_size), window = window_of(c, image_size);
    if (image_size % patch_of(c, image_size))
        return "not divisible into its patches (swin.patch)";
    for (int i = 0; i < STAGES; i++, side /= 2) {
        if (side < 1 || (i < STAGES - 1 && side % 2))
            return "its patches (swin.patch) cannot be merged three times, two by two";
        if (side > window && side % window)
            return "a stage's map is not divisible into windows (swin.patch, swin.window)";
    }
    return NULL;
}

static int count_blocks(px_shape (*shape_of)(const void *file, const char *name), const void *file, int stage)
{
    enum { MOST = 64 };
    int count = 0;
    for (char name[64]; count < MOST; count++) {
        snprintf(name, sizeof name, "layers.%d.blocks.%d.attn.relative_position_bias_table", stage, count);
        if (shape_of(file, name).rank != 2)
            break;
    }
    return count;
}

static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape embedding = shape_of(file, "patch_embed.proj.weight");
    int depth[STAGES];
    for (int i = 0; i < STAGES; i++)
        depth[i] = count_blocks(shape_of, file, i);
    for (const px_backbone *b = variants; b->name && embedding.rank == 4; b++) {
        const struct variant *v = b->variant;
        if (v->width == embedding.dim[0] && memcmp(v->depth, depth, sizeof depth) == 0)
            return b;
    }
    return NULL;
}

/* The table of relative positions has (2 window - 1)^2 rows. */
static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape embedding = shape_of(file, "patch_embed.proj.weight"),
             table = shape_of(file, "layers.0.blocks.0.attn.relative_position_bias_table");
    if (embedding.rank == 4 && table.rank == 2)
        fprintf(out, "patch = %d; window = %d; ", (int)embedding.dim[2], (int)(sqrt((double)table.dim[0]) + 1) / 2);
}

/* The embedding, the stages, then what follows. */
static int layer(const px_backbone *b, const char *parameter, int *layers)
{
    int stage;
    (void)b;
    *layers = STAGES + 2;
    if (sscanf(parameter, "layers.%d.", &stage) == 1)
        return 1 + stage;
    if (strncmp(parameter, "patch_embed.", 12) == 0)
        return 0;
    return strncmp(parameter, "norm.", 5) == 0 ? STAGES + 1 : -1;
}

/* ---- windows ---- */

/* A block of a stage. */
typedef struct block {
    int64_t N, side, C; /* of the map (N, side, side, C) */
    int heads, window, shift;
    double drop_path;
} block;

/* map (N,side,side,C) -> (N windows, window window, C), image by image, row by row */
static px_value *partition(px_graph *g, const block *s, px_value *map)
{
    int64_t w = s->window, n = s->side / w;
    map = px_permute(g, px_reshape(g, map, PX_SHAPE(s->N, n, w, n, w, s->C)), (const int[]){0, 1, 3, 2, 4, 5});
    return px_reshape(g, map, PX_SHAPE(s->N * n * n, w * w, s->C));
}

static px_value *join(px_graph *g, const block *s, px_value *windows)
{
    int64_t w = s->window, n = s->side / w;
    px_value *map =
        px_permute(g, px_reshape(g, windows, PX_SHAPE(s->N, n, n, w, w, s->C)), (const int[]){0, 1, 3, 2, 4, 5});
    return px_reshape(g, map, PX_SHAPE(s->N, s->side, s->side, s->C));
}

static px_value *roll(px_graph *g, px_value *map, int by)
{
    return by ? px_roll(g, px_roll(g, map, 1, by), 2, by) : map;
}

/* (1, heads, T, T): for each pair of places in a window a row of the table of relative positions, vertical ones first. */
static px_value *relative_bias(px_graph *g, const block *s)
{
    int64_t w = s->window, T = w * w, rows = (2 * w - 1) * (2 * w - 1);
    int32_t *place = px_calloc((size_t)(T * T), sizeof place[0]);
    for (int64_t q = 0; q < T; q++)
        for (int64_t k = 0; k < T; k++)
            place[q * T + k] = (int32_t)((q / w - k / w + w - 1) * (2 * w - 1) + (q % w - k % w + w - 1));
    px_value *table =
        px_parameter(g, "relative_position_bias_table", PX_SHAPE(rows, s->heads), px_init_normal(DEVIATION), PX_EXEMPT);
    px_value *bias = px_gather_tokens(g, px_reshape(g, table, PX_SHAPE(1, rows, s->heads)),
                                      px_constant_i32(g, PX_SHAPE(1, T * T), place)); // (1, T T, heads)
    free(place);
    return px_reshape(g, px_permute(g, bias, (const int[]){0, 2, 1}), PX_SHAPE(1, s->heads, T, T));
}

/* Which of the three bands along an axis a place of the rolled map is from: those of two bands were no neighbours. */
static int band(const block *s, int64_t place)
{
    return (place >= s->side - s->window) + (place >= s->side - s->shift);
}

/* (windows, 1, T, T): what is not to be seen is 100 below the rest, as theirs. */
static px_value *shifted_mask(px_graph *g, const block *s)
{
    int64_t w = s->window, T = w * w, n = s->side / w;
    double *mask = px_calloc((size_t)(n * n * T * T), sizeof mask[0]);
    int *region = px_calloc((size_t)T, sizeof region[0]);
    for (int64_t i = 0; i < n * n; i++) {
        for (int64_t t = 0; t < T; t++)
            region[t] = 3 * band(s, i / n * w + t / w) + band(s, i % n * w + t % w);
        for (int64_t p = 0; p < T * T; p++)
            mask[i * T * T + p] = region[p / T] == region[p % T] ? 0 : -100;
    }
    px_value *value = px_constant_real(g, PX_SHAPE(n * n, 1, T, T), mask);
    free(mask);
    free(region);
    return value;
}

/* ---- blocks; x is rows (N side side, C) ---- */

static px_value *linear(px_graph *g, const char *name, px_value *rows, int64_t out, bool bias)
{
    return px_linear_layer_of(
        g, name, rows,
        (px_linear_spec){.out = (int)out, .bias = bias, .begin = PX_BEGIN_NORMAL, .deviation = DEVIATION});
}

static px_value *attention(px_graph *g, const block *s, px_value *rows)
{
    int64_t T = (int64_t)s->window * s->window, all = s->N * s->side * s->side;
    px_value *x = roll(g, px_reshape(g, rows, PX_SHAPE(s->N, s->side, s->side, s->C)), -s->shift);
    px_scope_push(g, "attn");
    px_value *bias = relative_bias(g, s);
    bias = s->shift ? px_binary(g, PX_ADD, bias, shifted_mask(g, s)) : bias;
    x = linear(g, "qkv", px_reshape(g, partition(g, s, x), PX_SHAPE(all, s->C)), 3 * s->C, true);
    x = px_attention_with(g, (px_attention_operands){.qkv = px_reshape(g, x, PX_SHAPE(all / T, T, 3 * s->C)),
                                                     .bias = bias,
                                                     .heads = s->heads});
    x = linear(g, "proj", px_reshape(g, x, PX_SHAPE(all, s->C)), s->C, true);
    px_scope_pop(g);
    x = roll(g, join(g, s, px_reshape(g, x, PX_SHAPE(all / T, T, s->C))), s->shift);
    return px_reshape(g, x, PX_SHAPE(all, s->C));
}

static px_value *mlp(px_graph *g, px_value *rows, int64_t C)
{
    px_scope_push(g, "mlp");
    rows = linear(g, "fc2", px_gelu(g, linear(g, "fc1", rows, WIDER * C, true)), C, true);
    px_scope_pop(g);
    return rows;
}

static px_value *apply(px_graph *g, const block *s, px_value *x)
{
    px_value *y = attention(g, s, px_layer_norm_layer_of(g, "norm1", x, EPS));
    x = px_add(g, px_drop_path(g, y, s->drop_path, s->N), x);
    y = mlp(g, px_layer_norm_layer_of(g, "norm2", x, EPS), s->C);
    x = px_add(g, px_drop_path(g, y, s->drop_path, s->N), x);
    px_graph_cut(g);
    return x;
}

/* map (N,side,side,C) -> (N,side/2,side/2,2 C). Of the four pixels, the lower one comes before the right one. */
static px_value *merge(px_graph *g, px_value *map)
{
    int64_t N = map->shape.dim[0], half = map->shape.dim[1] / 2, C = map->shape.dim[3];
    px_value *x = px_permute(g, px_reshape(g, map, PX_SHAPE(N, half, 2, half, 2, C)), (const int[]){0, 1, 3, 4, 2, 5});
    px_scope_push(g, "downsample");
    x = px_layer_norm_layer_of(g, "norm", px_reshape(g, x, PX_SHAPE(N * half * half, 4 * C)), EPS);
    x = linear(g, "reduction", x, 2 * C, false);
    px_scope_pop(g);
    return px_reshape(g, x, PX_SHAPE(N, half, half, 2 * C));
}

/* images -> (N,side,side,C) */
static px_value *embed(px_graph *g, const struct variant *v, px_value *images, int patch)
{
    px_conv_spec conv = {.out = v->width, .kernel = patch, .stride = patch, .bias = true, .begin = PX_BEGIN_TORCH};
    px_scope_push(g, "patch_embed");
    px_value *x = px_permute(g, px_conv_layer_of(g, "proj", images, conv), (const int[]){0, 2, 3, 1});
    x = px_layer_norm_layer_of(g, "norm", x, EPS);
    px_scope_pop(g);
    px_graph_cut(g);
    return x;
}

/* Stage i on map (N,side,side,C); `before`: how many of `all` blocks are in earlier ones. */
static px_value *stage(px_graph *g, const struct variant *v, const px_backbone_cfg *c, px_value *map, int64_t size,
                       int i, int before, int all)
{
    px_scope_push(g, "%d", i);
    map = i > 0 && !px_graph_error(g) ? merge(g, map) : map;
    if (!px_graph_error(g)) {
        block s = {map->shape.dim[0], map->shape.dim[1], map->shape.dim[3], v->heads << i, window_of(c, size), 0, 0};
        bool whole = s.side <= s.window; /* one window, which is not shifted */
        s.window = whole ? (int)s.side : s.window;
        px_value *x = px_reshape(g, map, PX_SHAPE(s.N * s.side * s.side, s.C));
        px_scope_push(g, "blocks");
        for (int k = 0; k < v->depth[i]; k++) {
            s.shift = whole || k % 2 == 0 ? 0 : s.window / 2;
            s.drop_path = px_drop_path_rate(c->drop_path, before + k, all);
            px_scope_push(g, "%d", k);
            x = apply(g, &s, x);
            px_scope_pop(g);
        }
        px_scope_pop(g);
        map = px_reshape(g, x, PX_SHAPE(s.N, s.side, s.side, s.C));
    }
    px_scope_pop(g);
    return map;
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *images)
{
    const struct variant *v = b->variant;
    px_encoding e = {0};
    int64_t size = px_image_side(images);
    int before = 0, all = 0;
    for (int i = 0; i < STAGES; i++)
        all += v->depth[i];
    px_value *x = embed(g, v, images, patch_of(c, size));
    px_scope_push(g, "layers");
    for (int i = 0; i < STAGES; before += v->depth[i++]) {
        x = stage(g, v, c, x, size, i, before, all);
        px_stage_add(&e, g, px_permute(g, x, (const int[]){0, 3, 1, 2}), "layers.%d", i);
    }
    px_scope_pop(g);
    x = px_layer_norm_layer_of(g, "norm", x, EPS);
    e.pooled = px_reduce(g, PX_MEAN, x, (px_axes){2, {1, 2}, false});
    return e;
}

const px_backbone_family px_swin_family = {.name = "swin",
                                           .paper = "Liu et al. 2021, arXiv:2103.14030",
                                           .summary = "transformers with shifted windows",
                                           .cfg_size = sizeof(px_backbone_cfg),
                                           .options = options,
                                           .variants = variants,
                                           .settle = settle,
                                           .stored = stored,
                                           .of_shapes = of_shapes,
                                           .telling = "patch_embed.proj.weight",
                                           .check = check,
                                           .layer = layer,
                                           .build = build,
                                           .build_masked = px_map_build_masked,
                                           .pool = px_map_pool};
