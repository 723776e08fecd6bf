/* vit.c - An Image is Worth 16x16 Words, Dosovitskiy et al. 2021 (arXiv:2010.11929), with timm's names, sizes and
 * initial values. Options add what published weights have: MAE's (He et al. 2022) initial values and positions, DINOv2's
 * (Oquab et al. 2023) LayerScale, SwiGLU and registers (Darcet et al. 2024), DeiT's second token (Touvron et al. 2021), BEiT's
 * biases of queries and values (Bao et al. 2021), norms of queries and keys (Dehghani et al. 2023).
 *
 *   x [N,C,S,S] -> patches [N,T,D] + positions -> class token in front [N,P+T,D], P = 1 with the other tokens that are no
 *     patches -> blocks -> norm -> token 0, or mean over the patches */
#include "backbones/vit.h"
#include "base/error.h"
#include "nn/layers.h"
#include "nn/positions.h"
#include "nn/transformer.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = PX_STAGES_MAX };

struct px_backbone_cfg {
    enum { POOL_CLASS, POOL_MEAN, POOL_MEAN_NORM } pool;
    enum { POSITIONS_LEARNED, POSITIONS_FIXED } positions;
    enum { INIT_TIMM, INIT_XAVIER } init;
    px_mlp_kind mlp;
    px_qkv_bias qkv_bias;
    int embed_dim, depth, heads, registers;
    bool class_position, distillation_token, qk_norm;
    double dropout, drop_path, layer_scale;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(
        px_backbone_cfg, pool, "cls", "cls|mean|mean_norm",
        "features: the class token; the mean over the patches after the last norm; or their mean, then a norm "
        "(timm's fc_norm)"),
    PX_OPTION_CHOICE(px_backbone_cfg, positions, "learned", "learned|sincos",
                     "position embeddings: trained, or fixed two-dimensional sines and cosines (MAE)"),
    PX_OPTION_CHOICE(px_backbone_cfg, init, "timm", "timm|xavier",
                     "initial weights of linear layers: normal with deviation 0.02, or Xavier-uniform (MAE)"),
    PX_OPTION(px_backbone_cfg, embed_dim, "0", 0, 8192, "width of the tokens; 0: the size's own (timm)"),
    PX_OPTION(px_backbone_cfg, depth, "0", 0, DEPTH_MAX, "transformer blocks; 0: the size's own (timm)"),
    PX_OPTION(px_backbone_cfg, heads, "0", 0, 64,
              "attention heads of each block; 0: the size's own (timm); 12 in MoCo v3's ViT-S"),
    PX_OPTION(px_backbone_cfg, dropout, "0", 0, 0.99,
              "dropout after positions, projections and MLP layers (paper: 0 or 0.1)"),
    PX_OPTION(px_backbone_cfg, drop_path, "0", 0, 0.99,
              "stochastic depth: rate of the last block; earlier blocks in proportion (DeiT: 0.1)"),
    PX_OPTION(px_backbone_cfg, layer_scale, "0", 0, 10,
              "LayerScale: first value of a learned factor for each channel of a branch (DINOv2: 1e-5); 0: none"),
    PX_OPTION(px_backbone_cfg, registers, "0", 0, 64,
              "register tokens beside the class token, read by nobody (Darcet 2024: 4)"),
    PX_OPTION_FLAG(px_backbone_cfg, class_position, "true",
                   "whether the class token, too, has a position embedding; false: timm's no_embed_class (its DINOv2 "
                   "with registers)"),
    PX_OPTION_FLAG(px_backbone_cfg, distillation_token, "false",
                   "DeiT's second token; features by the class token are then the mean of both (Touvron 2021, timm)"),
    PX_OPTION_CHOICE(
        px_backbone_cfg, mlp, "gelu", "gelu|swiglu",
        "a block's MLP: two layers and a GELU; or SwiGLU, of 2/3 of the width (Shazeer 2020; DINOv2's ViT-g)"),
    PX_OPTION_CHOICE(px_backbone_cfg, qkv_bias, "all", "all|none|qv",
                     "biases of queries, keys and values; qv: keys have none (BEiT's code)"),
    PX_OPTION_FLAG(px_backbone_cfg, qk_norm, "false",
                   "layer norms of each head's queries and keys (Dehghani 2023, timm)"),
    {0}};

#define PATCHES(size, ...)                                                                                             \
    {size "_2", &px_vit_family, &(const px_vit_variant){__VA_ARGS__, 2}},                                              \
        {size "_4", &px_vit_family, &(const px_vit_variant){__VA_ARGS__, 4}},                                          \
        {size "_8", &px_vit_family, &(const px_vit_variant){__VA_ARGS__, 8}},                                          \
        {size "_14", &px_vit_family, &(const px_vit_variant){__VA_ARGS__, 14}},                                        \
        {size "_16", &px_vit_family, &(const px_vit_variant){__VA_ARGS__, 16}},                                        \
    {                                                                                                                  \
        size "_32", &px_vit_family, &(const px_vit_variant)                                                            \
        {                                                                                                              \
            __VA_ARGS__, 32                                                                                            \
        }                                                                                                              \
    }

static const px_backbone variants[] = {PATCHES("vit_tiny", 192, 12, 3),   PATCHES("vit_small", 384, 12, 6),
                                       PATCHES("vit_base", 768, 12, 12),  PATCHES("vit_large", 1024, 24, 16),
                                       PATCHES("vit_huge", 1280, 32, 16), {0}};

static int patch(const px_backbone *b)
{
    return ((const px_vit_variant *)b->variant)->patch;
}

/* The variant's numbers, or those that the options set. */
static px_vit_variant size_of(const px_backbone *b, const px_backbone_cfg *c)
{
    px_vit_variant v = *(const px_vit_variant *)b->variant;
    v.width = c->embed_dim ? c->embed_dim : v.width;
    v.depth = c->depth ? c->depth : v.depth;
    v.heads = c->heads ? c->heads : v.heads;
    return v;
}

/* As BEiT and MAE count them: the embedding, each block, then the last norm with what follows. */
static int layer(const px_backbone *b, const px_backbone_cfg *c, const char *parameter, int *layers)
{
    static const char *const embedding[] = {"cls_token", "reg_token", "dist_token", "pos_embed", "patch_embed."};
    *layers = size_of(b, c).depth + 2;
    for (size_t i = 0; i < sizeof embedding / sizeof embedding[0]; i++)
        if (strncmp(parameter, embedding[i], strlen(embedding[i])) == 0)
            return 0;
    if (strncmp(parameter, "blocks.", 7) == 0)
        return 1 + atoi(parameter + 7);
    return strncmp(parameter, "norm.", 5) == 0 || strncmp(parameter, "fc_norm.", 8) == 0 ? *layers - 1 : -1;
}

static int heads(const px_backbone *b, const px_backbone_cfg *c)
{
    return size_of(b, c).heads;
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)channels;
    px_vit_variant v = size_of(b, c);
    if (v.width < 8)
        return "its width (vit.embed_dim) is less than 8";
    if (v.width % v.heads)
        return "its width (vit.embed_dim) cannot be divided among that many heads (vit.heads)";
    if (c->positions == POSITIONS_FIXED && v.width % 4)
        return "vit.positions=sincos needs a vit.embed_dim that is a multiple of 4";
    if (image_size < patch(b) || image_size % patch(b))
        return "not divisible into its patches (the number in the backbone's name is the side of one)";
    return NULL;
}

/* How many blocks a file has: each has one norm1. */
static int depth_of(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    enum { MOST = 64 };
    int depth = 0;
    for (char name[32]; depth < MOST; depth++) {
        snprintf(name, sizeof name, "blocks.%d.norm1.weight", depth);
        if (shape_of(file, name).rank != 1)
            break;
    }
    return depth;
}

static bool has_patches(const px_vit_variant *v, px_shape projection)
{
    return projection.rank == 4 && v->patch == projection.dim[2] && v->patch == projection.dim[3];
}

/* patch_embed.proj: (D, C, patch, patch). Of a size that is not among the variants the one of this width, else the smallest. */
static const px_backbone *of_shapes(px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    px_shape s = shape_of(file, "patch_embed.proj.weight");
    int depth = depth_of(shape_of, file);
    const px_backbone *smallest = NULL, *as_wide = NULL;
    for (const px_backbone *b = variants; b->name; b++) {
        const px_vit_variant *v = b->variant;
        if (!has_patches(v, s))
            continue;
        smallest = smallest ? smallest : b;
        as_wide = v->width == s.dim[0] ? b : as_wide;
        if (as_wide == b && v->depth == depth)
            return b;
    }
    return depth == 0 || depth > DEPTH_MAX ? NULL : as_wide ? as_wide : smallest;
}

/* Whether a table of so many positions is that of a square of patches alone. */
static bool is_square(px_shape s)
{
    int64_t count = s.rank == 3 ? s.dim[1] : 0, side = llround(sqrt((double)count));
    return count > 0 && side * side == count;
}

/* timm's ViTs with fc_norm pool by the mean; LayerScale's first value does not matter to who has the last. */
static void stored(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file)
{
    int depth = depth_of(shape_of, file);
    const px_backbone *b = of_shapes(shape_of, file);
    const px_vit_variant *v = b ? b->variant : NULL;
    px_shape patches = shape_of(file, "patch_embed.proj.weight");
    if (v && v->width != patches.dim[0])
        fprintf(out, "embed_dim = %d; ", (int)patches.dim[0]);
    if (v && v->width != patches.dim[0] && patches.dim[0] % 64 == 0) /* all of timm's have heads of 64 */
        fprintf(out, "heads = %d; ", (int)patches.dim[0] / 64);
    if (v && v->depth != depth)
        fprintf(out, "depth = %d; ", depth);
    px_shape registers = shape_of(file, "reg_token"), up = shape_of(file, "blocks.0.mlp.fc1.weight"),
             down = shape_of(file, "blocks.0.mlp.fc2.weight");
    if (registers.rank == 3)
        fprintf(out, "registers = %d; ", (int)registers.dim[1]);
    if (is_square(shape_of(file, "pos_embed")))
        fputs("class_position = false; ", out);
    if (shape_of(file, "dist_token").rank == 3)
        fputs("distillation_token = true; ", out);
    if (up.rank == 2 && down.rank == 2 && up.dim[0] == 2 * down.dim[1])
        fputs("mlp = \"swiglu\"; ", out);
    if (shape_of(file, "blocks.0.attn.q_bias").rank == 1)
        fputs("qkv_bias = \"qv\"; ", out);
    else if (shape_of(file, "blocks.0.attn.qkv.weight").rank == 2 && shape_of(file, "blocks.0.attn.qkv.bias").rank == 0)
        fputs("qkv_bias = \"none\"; ", out);
    if (shape_of(file, "blocks.0.attn.q_norm.weight").rank == 1)
        fputs("qk_norm = true; ", out);
    if (shape_of(file, "fc_norm.weight").rank == 1 && shape_of(file, "norm.weight").rank == 0)
        fputs("pool = \"mean_norm\"; ", out);
    if (shape_of(file, "blocks.0.ls1.gamma").rank == 1)
        fputs("layer_scale = 1e-5; ", out);
}

static void size(const px_backbone *b, const px_backbone_cfg *c, int *width, int *depth)
{
    px_vit_variant v = size_of(b, c);
    *width = v.width;
    *depth = v.depth;
}

/* ---- embedding ---- */

/* The network that is built, with its options read. */
typedef struct vit {
    px_graph *g;
    px_vit_variant size;
    const px_backbone_cfg *c;
    px_dense_init init;
} vit;

static vit vit_of(px_graph *g, const px_backbone *b, const px_backbone_cfg *c)
{
    return (vit){g, size_of(b, c), c, c->init == INIT_XAVIER ? PX_DENSE_XAVIER : PX_DENSE_TIMM};
}

/* The convolution of kernel and stride `patch` as a matrix product over patches, all or those at `places`. timm keeps torch's
 * default initial values here. */
static px_value *project(const vit *v, px_value *images, px_value *places)
{
    px_graph *g = v->g;
    int64_t C = images->shape.dim[1], p = v->size.patch, D = v->size.width, in = C * p * p;
    px_init torch = px_init_uniform(1 / sqrt((double)in));
    px_init weight = v->init == PX_DENSE_XAVIER ? px_init_uniform(sqrt(6.0 / (double)(in + D))) : torch;
    px_scope_push(g, "patch_embed");
    px_scope_push(g, "proj");
    px_value *w = px_parameter(g, "weight", PX_SHAPE(D, C, p, p), weight, PX_DECAYS);
    px_value *b = px_parameter(g, "bias", PX_SHAPE(D), torch, PX_EXEMPT);
    px_value *x = px_patchify_at(g, images, places, (int)p, false);
    x = px_linear(g, x, px_reshape(g, w, PX_SHAPE(D, in)), b);
    px_scope_pop(g);
    px_scope_pop(g);
    return x;
}

/* x (B,T,D) where `hidden` (B,rows,columns) is 0, the mask token where it is 1; before positions are added (BEiT, SimMIM). */
static px_value *replace(const vit *v, px_value *x, px_value *hidden)
{
    int64_t B = x->shape.dim[0], T = x->shape.dim[1], D = x->shape.dim[2];
    px_value *token =
        px_parameter(v->g, "mask_token", PX_SHAPE(1, 1, D), px_init_normal(0.02), PX_DECAYS | PX_JOINS_LATER);
    return px_blend(v->g, x, token, px_reshape(v->g, hidden, PX_SHAPE(B, T, 1)));
}

/* What `places` must be; true if it is. */
static bool places_fit(px_graph *g, px_value *images, const px_value *places, px_hiding hiding, int patch)
{
    int64_t B = images->shape.dim[0], rows = images->shape.dim[2] / patch, columns = images->shape.dim[3] / patch;
    px_shape s = places->shape;
    char text[64];
    bool fits = hiding == PX_DROP ? s.rank == 2 && s.dim[0] == B && s.dim[1] > 0 && s.dim[1] <= rows * columns
                                  : px_shape_equal(s, PX_SHAPE(B, rows, columns));
    if (hiding == PX_DROP && (!fits || places->dtype != PX_I32))
        px_graph_fail(g, "places of the patches that stay must be integers (%lld, 1 to %lld), not %s", (long long)B,
                      (long long)(rows * columns), px_shape_text(s, text));
    else if (!fits || (hiding == PX_TOKEN && places->dtype == PX_I32))
        px_graph_fail(g, "the mask of hidden patches must be numbers (%lld, %lld, %lld), not %s", (long long)B,
                      (long long)rows, (long long)columns, px_shape_text(s, text));
    return !px_graph_error(g);
}

/* How many tokens are in front of the patches. */
static int64_t in_front(const px_backbone_cfg *c)
{
    return 1 + c->distillation_token + c->registers;
}

/* How many of them have a position: registers never do. */
static int64_t positions_in_front(const px_backbone_cfg *c)
{
    return c->class_position ? 1 + c->distillation_token : 0;
}

/* Positions (1,P+rows columns,D), P those of tokens in front. The table is of the size of the first images; for others it is
 * resampled. */
static px_value *table_for(const vit *v, int64_t rows, int64_t columns)
{
    px_graph *g = v->g;
    const px_param *known = px_param_known(g, "pos_embed");
    int64_t h = known ? known->grid[0] : rows, w = known ? known->grid[1] : columns, D = v->size.width,
            P = positions_in_front(v->c);
    px_value *table = v->c->positions == POSITIONS_FIXED
                          ? px_sincos_positions(g, "pos_embed", P, h, w, D)
                          : px_parameter(g, "pos_embed", PX_SHAPE(1, P + h * w, D), px_init_normal(0.02), PX_EXEMPT);
    px_param_grid(g, table, h, w);
    return px_positions_for(g, table, rows, columns);
}

/* images (B,C,H,W) -> (B,T,D), row by row, or with dropped ones (B,K,D); *positions gets (1,P+T,D), those of tokens in front
 * first. */
static px_value *embed(const vit *v, px_value *images, px_value *places, px_hiding hiding, px_value **positions)
{
    px_graph *g = v->g;
    *positions = images;
    if (px_graph_error(g))
        return images;
    if (images->shape.rank != 4)
        return px_graph_fail(g, "a ViT needs images (N, C, H, W)");
    int patch = v->size.patch;
    if (places && !places_fit(g, images, places, hiding, patch))
        return images;
    int64_t rows = images->shape.dim[2] / patch, columns = images->shape.dim[3] / patch;
    *positions = table_for(v, rows, columns);
    px_value *visible = hiding == PX_DROP ? places : NULL, *x = project(v, images, visible);
    if (places && hiding == PX_TOKEN)
        x = replace(v, x, places);
    px_value *table = px_slice(g, *positions, 1, positions_in_front(v->c), rows * columns);
    return visible ? px_add_rows_at(g, x, table, visible) : px_binary(g, PX_ADD, x, table);
}

/* (1,count,D). timm: deviation 1e-6 (0.02 of the distillation token), no weight decay; MAE's code: 0.02, and decay, as for all but
 * biases and norms */
static px_value *learned_tokens(const vit *v, const char *name, int64_t count, double deviation)
{
    bool mae = v->init == PX_DENSE_XAVIER;
    return px_parameter(v->g, name, PX_SHAPE(1, count, v->size.width), px_init_normal(mae ? 0.02 : deviation),
                        mae ? PX_DECAYS : PX_EXEMPT);
}

/* The learned token that has the position at this place, or none. */
static px_value *placed_token(const vit *v, const char *name, double deviation, px_value *positions, int64_t place)
{
    px_value *token = learned_tokens(v, name, 1, deviation);
    return place < positions_in_front(v->c) ? px_add(v->g, token, px_slice(v->g, positions, 1, place, 1)) : token;
}

/* tokens (B,T,D) -> (B,P+T,D): class token, distillation token, registers, patches */
static px_value *prepend_tokens(const vit *v, px_value *tokens, px_value *positions)
{
    enum { KINDS = 3 };
    px_graph *g = v->g;
    px_value *front[KINDS + 1] = {placed_token(v, "cls_token", 1e-6, positions, 0)}, *x;
    int kinds = 1;
    if (px_graph_error(g))
        return tokens;
    int64_t B = tokens->shape.dim[0];
    if (v->c->distillation_token)
        front[kinds++] = placed_token(v, "dist_token", 0.02, positions, 1);
    if (v->c->registers > 0)
        front[kinds++] = learned_tokens(v, "reg_token", v->c->registers, 1e-6);
    if (kinds == 1) {
        x = px_prepend_token(g, tokens, front[0]);
    } else {
        px_value *all = px_concat(g, 1, front, kinds); /* (1,P,D) */
        x = px_expand(g, all, PX_SHAPE(B, in_front(v->c), v->size.width));
        x = px_concat(g, 1, (px_value *[]){x, tokens}, 2);
    }
    return px_dropout(g, x, v->c->dropout, B);
}

/* (B,P+T,D) -> (B,1+T,D): the class token and the patches */
static px_value *class_and_patches(const vit *v, px_value *x)
{
    int64_t P = in_front(v->c);
    if (px_graph_error(v->g) || P == 1)
        return x;
    px_value *parts[] = {px_slice(v->g, x, 1, 0, 1), px_slice(v->g, x, 1, P, x->shape.dim[1] - P)};
    return px_concat(v->g, 1, parts, 2);
}

/* ---- the whole encoder ---- */

static px_value *blocks(const vit *v, px_value *x, px_encoding *e)
{
    static const char *const names[DEPTH_MAX] = {
        "blocks.0",  "blocks.1",  "blocks.2",  "blocks.3",  "blocks.4",  "blocks.5",  "blocks.6",  "blocks.7",
        "blocks.8",  "blocks.9",  "blocks.10", "blocks.11", "blocks.12", "blocks.13", "blocks.14", "blocks.15",
        "blocks.16", "blocks.17", "blocks.18", "blocks.19", "blocks.20", "blocks.21", "blocks.22", "blocks.23",
        "blocks.24", "blocks.25", "blocks.26", "blocks.27", "blocks.28", "blocks.29", "blocks.30", "blocks.31",
        "blocks.32", "blocks.33", "blocks.34", "blocks.35", "blocks.36", "blocks.37", "blocks.38", "blocks.39",
        "blocks.40", "blocks.41", "blocks.42", "blocks.43", "blocks.44", "blocks.45", "blocks.46", "blocks.47"};
    int depth = v->size.depth;
    px_graph_cut(v->g);
    px_scope_push(v->g, "blocks");
    for (int i = 0; i < depth; i++) {
        PX_CHECK(e->stages < DEPTH_MAX);
        px_block_spec spec = {.heads = v->size.heads,
                              .mlp_ratio = 4,
                              .dropout = v->c->dropout,
                              .drop_path = px_drop_path_rate(v->c->drop_path, i, depth),
                              .layer_scale = v->c->layer_scale,
                              .kind = v->c->mlp,
                              .qkv_bias = v->c->qkv_bias,
                              .qk_norm = v->c->qk_norm,
                              .mlp = &e->mlp[e->stages],
                              .init = v->init};
        x = px_transformer_block(v->g, i, x, &spec);
        e->stage[e->stages].name = names[i];
        e->stage[e->stages++].map = class_and_patches(v, x);
    }
    px_scope_pop(v->g);
    return x;
}

static px_value *norm(px_graph *g, px_value *tokens)
{
    return px_layer_norm_layer(g, "norm", tokens);
}

static px_value *pool(px_graph *g, const px_backbone_cfg *c, px_value *tokens)
{
    if (px_graph_error(g) || c->pool == POOL_CLASS)
        return px_select(g, tokens, 1, 0);
    return px_reduce(g, PX_MEAN, px_slice(g, tokens, 1, 1, tokens->shape.dim[1] - 1), (px_axes){1, {1}, false});
}

/* The same of all tokens (B,P+T,D), with DeiT's second one. */
static px_value *pool_all(const vit *v, px_value *x)
{
    if (!px_graph_error(v->g) && v->c->pool == POOL_CLASS && v->c->distillation_token)
        return px_reduce(v->g, PX_MEAN, px_slice(v->g, x, 1, 0, 2), (px_axes){1, {1}, false});
    return pool(v->g, v->c, class_and_patches(v, x));
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *images)
{
    vit v = vit_of(g, b, c);
    px_encoding e = {.in_front = in_front(c)};
    px_value *positions, *x = embed(&v, images, NULL, PX_DROP, &positions);
    x = blocks(&v, prepend_tokens(&v, x, positions), &e);
    if (px_graph_error(g))
        e.pooled = x;
    else if (c->pool == POOL_MEAN_NORM)
        e.pooled = px_layer_norm_layer(g, "fc_norm", pool_all(&v, x));
    else if (c->pool == POOL_MEAN)
        e.pooled = pool_all(&v, norm(g, x));
    else if (c->distillation_token)
        e.pooled = pool_all(&v, norm(g, px_slice(g, x, 1, 0, 2)));
    else
        e.pooled = norm(g, px_select(g, x, 1, 0)); /* the other tokens are not read: no norm */
    return e;
}

static px_encoding build_masked(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *images,
                                px_value *places, px_hiding hiding)
{
    vit v = vit_of(g, b, c);
    px_encoding e = {.in_front = in_front(c)};
    px_value *positions, *x = embed(&v, images, places, hiding, &positions);
    x = blocks(&v, prepend_tokens(&v, x, positions), &e);
    bool later = c->pool == POOL_MEAN_NORM; /* the tokens themselves have no norm */
    x = later ? x : norm(g, x);
    e.tokens = class_and_patches(&v, x);
    e.pooled = pool_all(&v, x);
    if (later)
        e.pooled = px_layer_norm_layer(g, "fc_norm", e.pooled);
    return e;
}

const px_backbone_family px_vit_family = {.name = "vit",
                                          .paper = "Dosovitskiy et al. 2021, arXiv:2010.11929",
                                          .summary = "vision transformers",
                                          .cfg_size = sizeof(px_backbone_cfg),
                                          .options = options,
                                          .variants = variants,
                                          .patch = patch,
                                          .size = size,
                                          .heads = heads,
                                          .stored = stored,
                                          .of_shapes = of_shapes,
                                          .telling = "patch_embed.proj.weight",
                                          .check = check,
                                          .layer = layer,
                                          .build = build,
                                          .build_masked = build_masked,
                                          .pool = pool};
