/* swin.c - Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, Liu et al. 2021
 * (arXiv:2103.14030), with timm's parameter names, sizes and initial values.
 *
 *   x [N,C,S,S] -> patches of 4x4 -> four stages of blocks (attention within windows, every second time shifted by half of
 *     one; MLP), between which 2x2 pixels become one of twice the width -> norm -> mean over the map -> [N,768 or 1024]
 *
 * Swin Transformer V2 (Liu et al. 2022, arXiv:2111.09883) has its norms behind attention, MLP and the merging of pixels.
 * Its logits are cosines of queries and keys times a learned scale. A small MLP makes the bias of relative positions. Its
 * parameters are torchvision's in timm's names, its initial values timm's and the authors'. */
#include "backbones/maps.h"
#include "base/error.h"
#include "nn/layers.h"
#include "nn/transformer.h"
#include "nn/windows.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct px_backbone_cfg {
    int patch, window, embed_dim;
    px_list pretrained_windows;
    double drop_path;
};

static const px_option options[] = {
    PX_OPTION(px_backbone_cfg, patch, "0", 0, 32,
              "side of a patch (paper: 4); 0: 4, and 2 up to 64 px (timm's patch_size)"),
    PX_OPTION(
        px_backbone_cfg, window, "0", 0, 64,
        "side of a window, in patches (paper: 7; V2: 8); 0: 4 up to 64 px, else 7, or 8 where only these fit (256 px)"),
    PX_OPTION(px_backbone_cfg, embed_dim, "0", 0, 4096,
              "width of the first stage, in heads of 32; 0: the variant's, as 96 (timm's embed_dim)"),
    PX_OPTION(
        px_backbone_cfg, pretrained_windows, "[]", 1, 64,
        "V2: the windows of the four stages by which distances are scaled (timm's pretrained_window_sizes), which "
        "timm's files do not tell: [12, 12, 12, 6] for its 12to16 and 12to24; []: the windows in use"),
    PX_OPTION(px_backbone_cfg, drop_path, "0", 0, 0.99,
              "stochastic depth: rate of the last block; earlier blocks in proportion (paper: 0.2 tiny, 0.3 small, 0.5 "
              "base)"),
    {0}};

enum { STAGES = 4, WIDER = 4, HEAD = 32 };
static const double EPS = 1e-5, DEVIATION = 0.02;

struct variant {
    int depth[STAGES], width; /* of the first stage; each further one has twice as many */
    bool v2;
};

extern const px_backbone_family px_swin_family;
static const px_backbone variants[] = {
    {"swin_tiny", &px_swin_family, &(const struct variant){{2, 2, 6, 2}, 96, false}},
    {"swin_small", &px_swin_family, &(const struct variant){{2, 2, 18, 2}, 96, false}},
    {"swin_base", &px_swin_family, &(const struct variant){{2, 2, 18, 2}, 128, false}},
    {"swin_v2_tiny", &px_swin_family, &(const struct variant){{2, 2, 6, 2}, 96, true}},
    {"swin_v2_small", &px_swin_family, &(const struct variant){{2, 2, 18, 2}, 96, true}},
    {"swin_v2_base", &px_swin_family, &(const struct variant){{2, 2, 18, 2}, 128, true}},
    {0}};

static int patch_of(const px_backbone_cfg *c, int64_t size)
{
    return c->patch ? c->patch : size <= PX_SMALL_IMAGE ? 2 : 4;
}

/* Whether each stage's map, the first of so many patches a side, is one window or divisible into some. */
static bool fits(int64_t side, int window)
{
    bool all = true;
    for (int i = 0; i < STAGES; i++, side /= 2)
        all = all && (side <= window || side % window == 0);
    return all;
}

static int window_of(const px_backbone_cfg *c, int64_t size)
{
    if (c->window || size <= PX_SMALL_IMAGE)
        return c->window ? c->window : 4;
    int64_t side = size / patch_of(c, size);
    return !fits(side, 7) && fits(side, 8) ? 8 : 7;
}

/* The window in a map of `side` places. */
static int window_in(int window, int side)
{
    return side < window ? side : window;
}

static int width_of(const struct variant *v, const px_backbone_cfg *c)
{
    return c->embed_dim ? c->embed_dim : v->width;
}

static void settle(px_backbone_cfg *c, int image_size)
{
    c->patch = patch_of(c, image_size);
    c->window = window_of(c, image_size);
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)channels;
    const struct variant *v = b->variant;
    int side = image_size / patch_of(c, image_size), window = window_of(c, image_size);
    if (c->embed_dim % HEAD)
        return "swin.embed_dim must be a multiple of 32, the width of a head";
    if (c->pretrained_windows.count && !v->v2)
        return "only Swin V2 scales distances (swin.pretrained_windows)";
    if (c->pretrained_windows.count && c->pretrained_windows.count != STAGES)
        return "swin.pretrained_windows has one number for each of the four stages, or none";
    for (int i = 0; i < c->pretrained_windows.count; i++)
        if (c->pretrained_windows.value[i] != floor(c->pretrained_windows.value[i]))
            return "swin.pretrained_windows has whole numbers, as [12,12,12,6]";
    if (image_size % patch_of(c, image_size))
        return "not divisible into its patches (swin.patch)";
    if (side < 1 << (STAGES - 1) || side % (1 << (STAGES - 1)))
        return "its patches (swin.patch) cannot be merged three times, two by two: a side must have a multiple of 8";
    return fits(side, window)
               ? NULL
               : "swin.window must divide the patches of a side (swin.patch), and a half, a quarter and an "
                 "eighth of them, where these are more than a window";
}

static int count_blocks(px_shape (*shape_of)(const void *file, const char *name), const void *file, int stage)
{
    enum { MOST = 64 };
    int count = 0;
    for (char name[64]; count < MOST; count++) {
        snprintf(name, sizeof name, "layers.%d.blocks.%d.attn.qkv.weight", stage, count);
        if (shape_of(file, name).rank != 2)
            break;
    }
    return count;
}

/* Whether the first block has what V2's have. */
static bool is_v2(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    return shape_of(file, "layers.0.blocks.0.attn.logit_scale").rank == 3;
}

static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape embedding = shape_of(file, "patch_embed.proj.weight");
    int depth[STAGES];
    for (int i = 0; i < STAGES; i++)
        depth[i] = count_blocks(shape_of, file, i);
    const px_backbone *other_width = NULL;
    for (const px_backbone *b = variants; b->name && embedding.rank == 4; b++) {
        const struct variant *v = b->variant;
        if (v->v2 != is_v2(shape_of, file) || memcmp(v->depth, depth, sizeof depth) != 0)
            continue;
        if (v->width == embedding.dim[0])
            return b;
        other_width = other_width ? other_width : b;
    }
    return other_width;
}

/* The table of relative positions has (2 window - 1)^2 rows. torchvision's files of V2 have its coordinates,
 * (1, 2 window - 1, 2 window - 1, 2); others do not tell. */
static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape embedding = shape_of(file, "patch_embed.proj.weight"),
             table = shape_of(file, "layers.0.blocks.0.attn.relative_position_bias_table"),
             places = shape_of(file, "layers.0.blocks.0.attn.relative_coords_table");
    if (embedding.rank == 4)
        fprintf(out, "patch = %d; ", (int)embedding.dim[2]);
    const px_backbone *b = of_shapes(shape_of, file);
    if (b && ((const struct variant *)b->variant)->width != embedding.dim[0])
        fprintf(out, "embed_dim = %d; ", (int)embedding.dim[0]);
    if (table.rank == 2)
        fprintf(out, "window = %d; ", (int)(sqrt((double)table.dim[0]) + 1) / 2);
    else if (places.rank == 4)
        fprintf(out, "window = %d; ", (int)(places.dim[1] + 1) / 2);
}

/* The authors' and torchvision's files of V2 have the scaled distances, (1, 2 w - 1, 2 w - 1, 2), from which the scale of each
 * stage follows. Where all windows of the pretraining are those in use, nothing needs to be said. Files of our own have none. */
static int check_made(const px_backbone_cfg *c, int image_size, px_numbers_of *numbers_of, const void *file)
{
    int unit[STAGES], side = image_size / patch_of(c, image_size), window = window_of(c, image_size);
    bool same = true;
    for (int i = 0; i < STAGES; i++) {
        char name[64];
        px_shape shape = {0};
        snprintf(name, sizeof name, "layers.%d.blocks.0.attn.relative_coords_table", i);
        float *table = numbers_of(file, name, &shape);
        int64_t w = shape.rank == 4 ? (shape.dim[1] + 1) / 2 : 0;
        bool told = w > 1 && px_shape_equal(shape, PX_SHAPE(1, 2 * w - 1, 2 * w - 1, 2));
        double largest = told ? exp2(3 * (double)table[px_shape_count(shape) - 1]) - 1 : 0;
        free(table);
        if (!(largest > 0))
            return 0;
        double used = c->pretrained_windows.count ? c->pretrained_windows.value[i] : window_in(window, side >> i);
        unit[i] = (int)lround(1 + 8 * (double)(w - 1) / largest);
        same = same && unit[i] == used;
    }
    return same ? 0
                : px_fail(PX_DATA,
                          "distances are scaled by other windows; swin.pretrained_windows=[%d,%d,%d,%d] would fit",
                          unit[0], unit[1], unit[2], unit[3]);
}

/* The embedding, the stages, then what follows. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    (void)c, (void)b;
    int stage;
    *layers = STAGES + 2;
    if (sscanf(parameter, "layers.%d.", &stage) == 1)
        return 1 + stage;
    if (strncmp(parameter, "patch_embed.", 12) == 0)
        return 0;
    return strncmp(parameter, "norm.", 5) == 0 ? STAGES + 1 : -1;
}

/* ---- blocks; x is rows (N side side, C) ---- */

typedef struct block {
    int64_t N, C; /* of the map (N, side, side, C) */
    px_windows windows;
    int heads;
    bool v2;
    double unit; /* the window by which V2 scales distances */
    double drop_path;
} block;

static px_value *linear(px_graph *g, const char *name, px_value *rows, int64_t out, bool bias)
{
    return px_linear_layer_of(
        g, name, rows,
        (px_linear_spec){.out = (int)out, .bias = bias, .begin = PX_BEGIN_NORMAL, .deviation = DEVIATION});
}

/* sign(x) log2(1 + |x|) / log2(8) of a distance scaled so that `unit` - 1, the largest within such a window, is 8: then from
 * -1.06 to 1.06. timm's divisor is 1 in a window of 1, too. */
static double log_spaced(int64_t distance, double unit)
{
    double x = 8 * (double)distance / fmax(unit - 1, 1);
    return copysign(log2(1 + fabs(x)) / 3, x);
}

/* x (places, in) -> (places, out). The weight does not decay, either: the authors leave out the MLP of positions. */
static px_value *exempt_linear(px_graph *g, const char *name, px_value *x, int64_t in, int64_t out, bool bias)
{
    px_scope_push(g, "%s", name);
    px_value *w = px_parameter(g, "weight", PX_SHAPE(out, in), px_init_normal(DEVIATION), PX_EXEMPT);
    px_value *b = bias ? px_parameter(g, "bias", PX_SHAPE(out), px_init_constant(0), PX_EXEMPT) : NULL;
    x = px_linear(g, x, w, b);
    px_scope_pop(g);
    return x;
}

/* V2's table of relative positions ((2 w - 1)^2, heads): 16 sigmoid(MLP(vertical, horizontal distance)). */
static px_value *continuous_table(px_graph *g, const block *s)
{
    enum { HIDDEN = 512 };
    int64_t w = s->windows.side, side = 2 * w - 1;
    double *places = px_calloc((size_t)(side * side * 2), sizeof places[0]);
    for (int64_t i = 0; i < side * side; i++) {
        places[2 * i] = log_spaced(i / side - (w - 1), s->unit);
        places[2 * i + 1] = log_spaced(i % side - (w - 1), s->unit);
    }
    px_value *x = px_constant_real(g, PX_SHAPE(side * side, 2), places);
    free(places);
    px_scope_push(g, "cpb_mlp");
    x = exempt_linear(g, "2", px_relu(g, exempt_linear(g, "0", x, 2, HIDDEN, true)), HIDDEN, s->heads, false);
    px_scope_pop(g);
    return px_scale(g, px_unary(g, PX_FN_SIGMOID, x, 0, 0), 16);
}

/* (1, heads, T, T) for the T places of a window. */
static px_value *relative_bias(px_graph *g, const block *s)
{
    int64_t side = 2 * s->windows.side - 1;
    px_value *table = s->v2 ? continuous_table(g, s)
                            : px_parameter(g, "relative_position_bias_table", PX_SHAPE(side * side, s->heads),
                                           px_init_normal(DEVIATION), PX_EXEMPT);
    return px_windows_bias(g, s->windows.side, table);
}

/* rows (R, C) -> (R, 3 C). V2 does not use the biases of keys that it has (torchvision's layout). */
static px_value *queries_keys_values(px_graph *g, const block *s, px_value *rows)
{
    if (!s->v2)
        return linear(g, "qkv", rows, 3 * s->C, true);
    px_scope_push(g, "qkv");
    px_value *weight = px_parameter(g, "weight", PX_SHAPE(3 * s->C, s->C), px_init_normal(DEVIATION), PX_DECAYS);
    px_value *bias = px_parameter(g, "bias", PX_SHAPE(3 * s->C), px_init_constant(0), PX_EXEMPT);
    px_value *used = px_constant_real(g, PX_SHAPE(3, 1), (double[]){1, 0, 1});
    bias = px_binary(g, PX_MUL, px_reshape(g, bias, PX_SHAPE(3, s->C)), used);
    rows = px_linear(g, rows, weight, px_reshape(g, bias, PX_SHAPE(3 * s->C)));
    px_scope_pop(g);
    return rows;
}

/* Queries, `first` 0, or keys, `first` C, of qkv (R, T, 3 C), each head's of length 1: (R T heads, C / heads). */
static px_value *directions(px_graph *g, const block *s, px_value *qkv, int64_t first)
{
    int64_t rows = qkv->shape.dim[0] * qkv->shape.dim[1];
    return px_l2_normalize(g,
                           px_reshape(g, px_slice(g, qkv, 2, first, s->C), PX_SHAPE(rows * s->heads, s->C / s->heads)));
}

/* qkv (R, T, 3 C) -> (R, T, C). V2's logits are cosines times a learned scale of each head, at most 100. */
static px_value *attend(px_graph *g, const block *s, px_value *qkv, px_value *bias)
{
    px_attention_operands operands = {.qkv = qkv, .bias = bias, .heads = s->heads};
    if (px_graph_error(g) || !s->v2)
        return px_attention_with(g, operands);
    int64_t R = qkv->shape.dim[0], T = qkv->shape.dim[1];
    px_value *scale = px_parameter(g, "logit_scale", PX_SHAPE(s->heads, 1, 1), px_init_constant(log(10)), PX_EXEMPT);
    scale = px_unary(g, PX_FN_EXP, px_unary(g, PX_FN_CLAMP, scale, -INFINITY, log(100)), 0, 0);
    px_value *q = px_reshape(g, directions(g, s, qkv, 0), PX_SHAPE(R * T, s->heads, s->C / s->heads));
    q = px_binary(g, PX_MUL, q, px_reshape(g, scale, PX_SHAPE(s->heads, 1)));
    operands = (px_attention_operands){.q = px_reshape(g, q, PX_SHAPE(R, T, s->C)),
                                       .k = px_reshape(g, directions(g, s, qkv, s->C), PX_SHAPE(R, T, s->C)),
                                       .v = px_slice(g, qkv, 2, 2 * s->C, s->C),
                                       .bias = bias,
                                       .heads = s->heads,
                                       .scale = 1};
    return px_attention_with(g, operands);
}

static px_value *attention(px_graph *g, const block *s, px_value *rows)
{
    int64_t side = s->windows.map, T = s->windows.side * s->windows.side, all = s->N * side * side;
    px_value *x = px_windows_cut(g, &s->windows, px_reshape(g, rows, PX_SHAPE(s->N, side, side, s->C)));
    px_scope_push(g, "attn");
    px_value *bias = relative_bias(g, s);
    bias = s->windows.shift ? px_binary(g, PX_ADD, bias, px_windows_mask(g, &s->windows)) : bias;
    x = queries_keys_values(g, s, px_reshape(g, x, PX_SHAPE(all, s->C)));
    x = attend(g, s, px_reshape(g, x, PX_SHAPE(all / T, T, 3 * s->C)), bias);
    x = linear(g, "proj", px_reshape(g, x, PX_SHAPE(all, s->C)), s->C, true);
    px_scope_pop(g);
    x = px_windows_join(g, &s->windows, px_reshape(g, x, PX_SHAPE(all / T, T, s->C)));
    return px_reshape(g, x, PX_SHAPE(all, s->C));
}

static px_value *mlp(px_graph *g, px_value *rows, int64_t C)
{
    px_scope_push(g, "mlp");
    rows = linear(g, "fc2", px_gelu(g, linear(g, "fc1", rows, WIDER * C, true)), C, true);
    px_scope_pop(g);
    return rows;
}

/* The norm at the end of a branch. Its weight begins as 0, and the branch with it (timm's, the authors'; torchvision's is 1). */
static px_value *closing_norm(px_graph *g, const char *name, px_value *x)
{
    if (px_graph_error(g))
        return x;
    px_shape C = PX_SHAPE(x->shape.dim[1]);
    px_scope_push(g, "%s", name);
    px_value *weight = px_parameter(g, "weight", C, px_init_constant(0), PX_EXEMPT);
    x = px_layer_norm(g, x, weight, px_parameter(g, "bias", C, px_init_constant(0), PX_EXEMPT), EPS);
    px_scope_pop(g);
    return x;
}

static px_value *apply(px_graph *g, const block *s, px_value *x)
{
    px_value *y = s->v2 ? closing_norm(g, "norm1", attention(g, s, x))
                        : attention(g, s, px_layer_norm_layer_of(g, "norm1", x, EPS));
    x = px_add(g, px_drop_path(g, y, s->drop_path, s->N), x);
    y = s->v2 ? closing_norm(g, "norm2", mlp(g, x, s->C)) : mlp(g, px_layer_norm_layer_of(g, "norm2", x, EPS), s->C);
    x = px_add(g, px_drop_path(g, y, s->drop_path, s->N), x);
    px_graph_cut(g);
    return x;
}

/* map (N,side,side,C) -> (N,side/2,side/2,2 C). Of the four pixels, the lower one comes before the right one. */
static px_value *merge(px_graph *g, px_value *map, bool v2)
{
    int64_t N = map->shape.dim[0], half = map->shape.dim[1] / 2, C = map->shape.dim[3];
    px_value *x = px_permute(g, px_reshape(g, map, PX_SHAPE(N, half, 2, half, 2, C)), (const int[]){0, 1, 3, 4, 2, 5});
    px_scope_push(g, "downsample");
    x = px_reshape(g, x, PX_SHAPE(N * half * half, 4 * C));
    x = v2 ? x : px_layer_norm_layer_of(g, "norm", x, EPS);
    x = linear(g, "reduction", x, 2 * C, false);
    x = v2 ? px_layer_norm_layer_of(g, "norm", x, EPS) : x;
    px_scope_pop(g);
    return px_reshape(g, x, PX_SHAPE(N, half, half, 2 * C));
}

/* images -> (N,side,side,C) */
static px_value *embed(px_graph *g, int width, px_value *images, int patch)
{
    px_conv_spec conv = {.out = width, .kernel = patch, .stride = patch, .bias = true, .begin = PX_BEGIN_TORCH};
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
    map = i > 0 && !px_graph_error(g) ? merge(g, map, v->v2) : map;
    if (!px_graph_error(g)) {
        int64_t side = map->shape.dim[1];
        int window = window_of(c, size);
        bool whole = side <= window; /* one window, which is not shifted */
        block s = {.N = map->shape.dim[0],
                   .C = map->shape.dim[3],
                   .windows = {.map = side, .side = window_in(window, (int)side)},
                   .heads = width_of(v, c) / HEAD << i,
                   .v2 = v->v2};
        s.unit = c->pretrained_windows.count ? c->pretrained_windows.value[i] : (double)s.windows.side;
        px_value *x = px_reshape(g, map, PX_SHAPE(s.N * side * side, s.C));
        px_scope_push(g, "blocks");
        for (int k = 0; k < v->depth[i]; k++) {
            s.windows.shift = whole || k % 2 == 0 ? 0 : s.windows.side / 2;
            s.drop_path = px_drop_path_rate(c->drop_path, before + k, all);
            px_scope_push(g, "%d", k);
            x = apply(g, &s, x);
            px_scope_pop(g);
        }
        px_scope_pop(g);
        map = px_reshape(g, x, PX_SHAPE(s.N, side, side, s.C));
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
    px_value *x = embed(g, width_of(v, c), images, patch_of(c, size));
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
                                           .check_made = check_made,
                                           .of_shapes = of_shapes,
                                           .telling = "patch_embed.proj.weight",
                                           .check = check,
                                           .layer = layer,
                                           .build = build,
                                           .build_masked = px_map_build_masked,
                                           .pool = px_map_pool};
