/* vit.c - An Image is Worth 16x16 Words, Dosovitskiy et al. 2021 (arXiv:2010.11929), with timm's names, sizes and
 * initial values; MAE's (He et al. 2022) as options.
 *
 *   x [N,C,S,S] -> patches [N,T,D] + positions -> class token in front [N,T+1,D] -> blocks -> norm -> token 0, or mean
 */
#include "backbones/vit.h"
#include "base/error.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct px_backbone_cfg {
    const char *pool, *positions, *init;
    double dropout, drop_path;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(px_backbone_cfg, pool, "cls", "cls|mean",
                     "features: the class token, or the mean over the patches"),
    PX_OPTION_CHOICE(px_backbone_cfg, positions, "learned", "learned|sincos",
                     "position embeddings: trained, or fixed two-dimensional sines and cosines (MAE)"),
    PX_OPTION_CHOICE(px_backbone_cfg, init, "timm", "timm|xavier",
                     "initial weights of linear layers: normal with deviation 0.02, or Xavier-uniform (MAE)"),
    PX_OPTION(px_backbone_cfg, dropout, "0", 0, 0.99,
              "dropout after positions, projections and MLP layers (paper: 0 or 0.1)"),
    PX_OPTION(px_backbone_cfg, drop_path, "0", 0, 0.99,
              "stochastic depth: rate of the last block; earlier blocks in proportion (DeiT: 0.1)"),
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

static const px_backbone variants[] = {PATCHES("vit_tiny", 192, 12, 3),
                                       PATCHES("vit_small", 384, 12, 6),
                                       PATCHES("vit_base", 768, 12, 12),
                                       PATCHES("vit_large", 1024, 24, 16),
                                       {0}};

static int patch(const px_backbone *b)
{
    return ((const px_vit_variant *)b->variant)->patch;
}

/* As BEiT and MAE count them: the embedding, each block, then the last norm with what follows. */
static int layer(const px_backbone *b, const char *parameter, int *layers)
{
    static const char *const embedding[] = {"cls_token", "pos_embed", "patch_embed.", "mask_token"};
    *layers = ((const px_vit_variant *)b->variant)->depth + 2;
    for (size_t i = 0; i < sizeof embedding / sizeof embedding[0]; i++)
        if (strncmp(parameter, embedding[i], strlen(embedding[i])) == 0)
            return 0;
    if (strncmp(parameter, "blocks.", 7) == 0)
        return 1 + atoi(parameter + 7);
    return strncmp(parameter, "norm.", 5) == 0 ? *layers - 1 : -1;
}

static const char *check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)c;
    (void)channels;
    if (image_size < patch(b) || image_size % patch(b))
        return "not divisible into its patches (the number in the backbone's name is the side of one)";
    return NULL;
}

bool px_vit_of(px_vit *v, const px_backbone *b, const px_backbone_cfg *c)
{
    if (b->family != &px_vit_family)
        return false;
    const px_vit_variant *s = b->variant;
    *v = (px_vit){.width = s->width,
                  .depth = s->depth,
                  .heads = s->heads,
                  .patch = s->patch,
                  .fixed_positions = strcmp(c->positions, "sincos") == 0,
                  .mean_pooling = strcmp(c->pool, "mean") == 0,
                  .dropout = c->dropout,
                  .drop_path = c->drop_path,
                  .init = strcmp(c->init, "xavier") == 0 ? PX_DENSE_XAVIER : PX_DENSE_TIMM};
    return true;
}

void px_vit_size(const px_backbone *b, int *width, int *depth)
{
    PX_CHECK(b->family == &px_vit_family);
    const px_vit_variant *s = b->variant;
    *width = s->width;
    *depth = s->depth;
}

/* ---- embedding ---- */

/* Sines, then cosines, of position / 10000^(k / count) for k < count. */
static void waves(float *out, int64_t count, double place)
{
    for (int64_t k = 0; k < count; k++) {
        double angle = place / pow(10000, (double)k / (double)count);
        out[k] = (float)sin(angle);
        out[count + k] = (float)cos(angle);
    }
}

px_value *px_vit_fixed_positions(px_graph *g, const char *name, int64_t rows, int64_t columns, int64_t width)
{
    PX_CHECK(width % 4 == 0);
    int64_t T = rows * columns;
    float *table = px_calloc((size_t)((1 + T) * width), sizeof table[0]);
    for (int64_t t = 0; t < T; t++) {
        int64_t row = t / columns, column = t % columns;
        waves(table + (1 + t) * width, width / 4, (double)column);
        waves(table + (1 + t) * width + width / 2, width / 4, (double)row);
    }
    px_value *v = px_state(g, name, PX_SHAPE(1, 1 + T, width), px_init_values(g, table, (1 + T) * width));
    free(table);
    return v;
}

/* The convolution of kernel and stride `patch` as a matrix product over patches. timm keeps torch's default initial
 * values here. */
static px_value *project(px_graph *g, const px_vit *v, px_value *images, px_value *places)
{
    int64_t C = images->shape.dim[1], p = v->patch, D = v->width, in = C * p * p;
    px_init torch = px_init_uniform(1 / sqrt((double)in));
    px_init weight = v->init == PX_DENSE_XAVIER ? px_init_uniform(sqrt(6.0 / (double)(in + D))) : torch;
    px_scope_push(g, "patch_embed");
    px_scope_push(g, "proj");
    px_value *w = px_parameter(g, "weight", PX_SHAPE(D, C, p, p), weight, PX_DECAYS);
    px_value *b = px_parameter(g, "bias", PX_SHAPE(D), torch, PX_EXEMPT);
    px_value *x = px_patchify_at(g, images, places, v->patch, false);
    x = px_linear(g, x, px_reshape(g, w, PX_SHAPE(D, in)), b);
    px_scope_pop(g);
    px_scope_pop(g);
    return x;
}

px_value *px_vit_embed_at(px_graph *g, const px_vit *v, px_value *images, px_value *places, px_value **positions)
{
    *positions = images;
    if (px_graph_error(g))
        return images;
    if (images->shape.rank != 4)
        return px_graph_fail(g, "a ViT needs images (N, C, H, W)");
    int64_t rows = images->shape.dim[2] / v->patch, columns = images->shape.dim[3] / v->patch, T = rows * columns;
    *positions = v->fixed_positions
                     ? px_vit_fixed_positions(g, "pos_embed", rows, columns, v->width)
                     : px_parameter(g, "pos_embed", PX_SHAPE(1, 1 + T, v->width), px_init_normal(0.02), PX_EXEMPT);
    px_value *x = project(g, v, images, places), *table = px_slice(g, *positions, 1, 1, T);
    return places ? px_add_rows_at(g, x, table, places) : px_binary(g, PX_ADD, x, table);
}

px_value *px_vit_embed(px_graph *g, const px_vit *v, px_value *images, px_value **positions)
{
    return px_vit_embed_at(g, v, images, NULL, positions);
}

px_value *px_vit_class_token(px_graph *g, const px_vit *v, px_value *tokens, px_value *positions)
{
    /* timm: deviation 1e-6, no weight decay; MAE's code: 0.02, and decay, as for all but biases and norms */
    bool mae = v->init == PX_DENSE_XAVIER;
    px_value *token = px_parameter(g, "cls_token", PX_SHAPE(1, 1, v->width), px_init_normal(mae ? 0.02 : 1e-6),
                                   mae ? PX_DECAYS : PX_EXEMPT);
    px_value *x = px_prepend_token(g, tokens, px_add(g, token, px_slice(g, positions, 1, 0, 1)));
    return px_dropout(g, x, v->dropout, tokens->shape.dim[0]);
}

/* ---- the whole encoder ---- */

px_value *px_vit_blocks(px_graph *g, const px_vit *v, px_value *x, px_encoding *e)
{
    static const char *const names[] = {"blocks.0",  "blocks.1",  "blocks.2",  "blocks.3",  "blocks.4",  "blocks.5",
                                        "blocks.6",  "blocks.7",  "blocks.8",  "blocks.9",  "blocks.10", "blocks.11",
                                        "blocks.12", "blocks.13", "blocks.14", "blocks.15", "blocks.16", "blocks.17",
                                        "blocks.18", "blocks.19", "blocks.20", "blocks.21", "blocks.22", "blocks.23"};
    px_graph_cut(g);
    px_scope_push(g, "blocks");
    for (int i = 0; i < v->depth; i++) {
        px_block_spec spec = {.heads = v->heads,
                              .mlp_ratio = 4,
                              .dropout = v->dropout,
                              .drop_path = v->depth > 1 ? v->drop_path * i / (v->depth - 1) : v->drop_path,
                              .init = v->init};
        x = px_transformer_block(g, i, x, &spec);
        if (e) {
            PX_CHECK(e->stages < PX_STAGES_MAX && i < (int)(sizeof names / sizeof names[0]));
            e->stage[e->stages].name = names[i];
            e->stage[e->stages++].map = x;
        }
    }
    px_scope_pop(g);
    return x;
}

px_value *px_vit_norm(px_graph *g, px_value *tokens)
{
    return px_layer_norm_layer(g, "norm", tokens);
}

static px_value *pool(px_graph *g, const px_backbone_cfg *c, px_value *tokens)
{
    if (px_graph_error(g) || strcmp(c->pool, "mean") != 0)
        return px_select(g, tokens, 1, 0);
    return px_reduce(g, PX_MEAN, px_slice(g, tokens, 1, 1, tokens->shape.dim[1] - 1), (px_axes){1, {1}, false});
}

static px_encoding build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *images)
{
    px_vit v;
    PX_CHECK(px_vit_of(&v, b, c));
    px_encoding e = {0};
    px_value *positions, *x = px_vit_embed(g, &v, images, &positions);
    x = px_vit_blocks(g, &v, px_vit_class_token(g, &v, x, positions), &e);
    if (px_graph_error(g))
        e.pooled = x;
    else if (v.mean_pooling)
        e.pooled = pool(g, c, px_vit_norm(g, x));
    else
        e.pooled = px_vit_norm(g, pool(g, c, x)); /* the other tokens are not read: no norm */
    return e;
}

const px_backbone_family px_vit_family = {.name = "vit",
                                          .paper = "Dosovitskiy et al. 2021, arXiv:2010.11929",
                                          .summary = "vision transformers",
                                          .cfg_size = sizeof(px_backbone_cfg),
                                          .options = options,
                                          .variants = variants,
                                          .patch = patch,
                                          .check = check,
                                          .layer = layer,
                                          .build = build,
                                          .pool = pool};
