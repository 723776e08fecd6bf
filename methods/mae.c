/* mae.c - Masked Autoencoders Are Scalable Vision Learners, He et al. 2022 (arXiv:2111.06377), with the official code's
 * parameter names.
 *
 *   image [B,C,S,S] -> K visible patches [B,K,D] + positions, class token in front -> encoder [B,K+1,D]
 *   -> linear [B,K+1,E] -> mask tokens added, order restored [B,T+1,E] + positions -> decoder -> pixels [B,T,P]
 *
 * Loss: mean squared error over the pixels of the hidden patches; norm_pix_loss standardises each target patch. */
#include "backbones/vit.h"
#include "base/error.h"
#include "ops/ops.h"
#include "train/method.h"

#include <string.h>

struct px_method_cfg {
    double mask_ratio, area_min, flip;
    int decoder_width, decoder_depth, decoder_heads;
    bool norm_pix_loss;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, mask_ratio, "0.75", 0.01, 0.99, "fraction of the patches to hide (paper: 0.75)"),
    PX_OPTION_FLAG(px_method_cfg, norm_pix_loss, "true",
                   "predict patches standardised to mean 0, deviation 1 (paper, table 1d)"),
    PX_OPTION(px_method_cfg, decoder_width, "0", 0, 4096,
              "width of the decoder; 0: 512 for ViT base and large (paper), half the encoder's for smaller ones"),
    PX_OPTION(px_method_cfg, decoder_depth, "0", 0, 64,
              "blocks of the decoder; 0: 8 for ViT base and large (paper), a third of the encoder's for smaller ones"),
    PX_OPTION(px_method_cfg, decoder_heads, "0", 0, 64,
              "heads of the decoder; 0: as many as make them 32 wide (paper), or slightly wider"),
    PX_OPTION(px_method_cfg, area_min, "0.2", 0.01, 1, "smallest fraction of the image's area in a crop (paper: 0.2)"),
    PX_OPTION(px_method_cfg, flip, "0.5", 0, 1, "probability of a horizontal flip (paper)"),
    {0}};

static const char defaults[] =
    "backbone = \"vit_tiny_4\";\n"
    "epochs = 400.0;\n"
    "batch = 1024;\n"
    "data = { normalize = true; };\n"
    "vit = { positions = \"sincos\"; init = \"xavier\"; };\n"
    "optim = { optimizer = \"adamw\"; lr = 1.5e-4; beta2 = 0.95; weight_decay = 0.05; warmup_epochs = 40.0; };\n";

static int patches_of(const px_task *task, int patch)
{
    return (task->image_size / patch) * (task->image_size / patch);
}

static int visible_of(const px_method_cfg *c, int patches)
{
    return (int)(patches * (1 - c->mask_ratio));
}

/* The paper's decoder, 512 x 8 with heads of 32, is for ViT base to huge. With a ViT tiny it would have five times the
 * encoder's parameters and take most of the time. Smaller encoders get a decoder in proportion to ViT large (1024 x
 * 24): half the width, a third of the depth. Values that are set are not changed. */
static void settle(px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    int width, depth;
    (void)task;
    px_vit_size(backbone, &width, &depth);
    bool paper = width >= 768;
    if (c->decoder_width == 0)
        c->decoder_width = paper ? 512 : width / 2;
    if (c->decoder_depth == 0)
        c->decoder_depth = paper ? 8 : depth / 3;
    if (c->decoder_heads == 0) {
        c->decoder_heads = c->decoder_width < 64 ? 1 : c->decoder_width / 32;
        while (c->decoder_width % c->decoder_heads)
            c->decoder_heads--;
    }
}

static const char *check(const px_method_cfg *given, const px_task *task, const px_backbone *backbone)
{
    px_method_cfg settled = *given, *c = &settled;
    settle(c, task, backbone);
    if (visible_of(c, patches_of(task, task->patch)) < 1)
        return "mae.mask_ratio leaves no patch visible; mae.mask_ratio=0.75, larger images (data.image_size) or a "
               "backbone of smaller patches would";
    return c->decoder_width % c->decoder_heads || c->decoder_width % 4
               ? "mae.decoder_width must be a multiple of 4 and of mae.decoder_heads, as mae.decoder_width=512 is of "
                 "mae.decoder_heads=16"
               : NULL;
}

/* ---- views: the image, and which patches are hidden ---- */

enum { IMAGE, VISIBLE, RESTORE, HIDDEN };

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    int T = patches_of(task, task->patch), K = visible_of(c, T), M = T - K;
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_views_add(out, "visible", PX_I32, 1, 1, &K); /* positions of the visible patches */
    /* for each token of the decoder: 0 the mask token, 1 the class token, 2 + j the j-th visible patch */
    px_views_add(out, "restore", PX_I32, 1, 1, (int[]){T + 1});
    px_views_add(out, "hidden", PX_I32, 1, 1, &M); /* positions of the hidden patches, ascending */
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_recipe r = px_recipe_crop(task, c->area_min, c->flip);
    px_recipe_apply(&r, rng, image, px_sample_plane(out, IMAGE, 0), out->scratch);
    int T = patches_of(task, task->patch), K = visible_of(c, T);
    int32_t *visible = px_sample_i32(out, VISIBLE, 0), *restore = px_sample_i32(out, RESTORE, 0);
    px_hide_patches(rng, T, K, visible, px_sample_i32(out, HIDDEN, 0));
    memset(restore, 0, (size_t)(T + 1) * sizeof restore[0]);
    restore[0] = 1;
    for (int j = 0; j < K; j++)
        restore[1 + visible[j]] = 2 + j;
}

/* ---- model ---- */

/* tokens [B,K+1,D] of the encoder -> predictions [B,T,patch*patch*C] */
static px_value *decode(const px_method_cfg *c, px_build *b, px_value *tokens, int patch)
{
    px_graph *g = b->g;
    int E = c->decoder_width, side = b->task->image_size / patch;
    px_value *x = px_dense_layer(g, "decoder_embed", tokens, E, PX_DENSE_XAVIER); /* [B,K+1,E] */
    px_value *mask = px_parameter(g, "mask_token", PX_SHAPE(1, 1, E), px_init_normal(0.02), PX_DECAYS);
    x = px_gather_tokens(g, px_prepend_token(g, x, mask), px_view_input(b, "restore")); /* [B,T+1,E] */
    x = px_binary(g, PX_ADD, x, px_vit_fixed_positions(g, "decoder_pos_embed", side, side, E));
    px_block_spec block = {.heads = c->decoder_heads, .mlp_ratio = 4, .init = PX_DENSE_XAVIER};
    px_scope_push(g, "decoder_blocks");
    for (int i = 0; i < c->decoder_depth; i++)
        x = px_transformer_block(g, i, x, &block);
    px_scope_pop(g);
    x = px_layer_norm_layer(g, "decoder_norm", x);
    x = px_dense_layer(g, "decoder_pred", x, (int64_t)patch * patch * b->task->channels, PX_DENSE_XAVIER);
    return px_slice(g, x, 1, 1, (int64_t)side * side);
}

static px_value *build(const px_method_cfg *given, px_build *b)
{
    px_method_cfg settled = *given, *c = &settled;
    settle(c, b->task, b->backbone);
    px_graph *g = b->g;
    px_vit vit;
    PX_CHECK(px_vit_of(&vit, b->backbone, b->backbone_cfg)); /* px_mae.family */
    px_value *image = px_view_input(b, "image"), *hidden = px_view_input(b, "hidden"), *positions;
    px_value *x = px_vit_embed_at(g, &vit, image, px_view_input(b, "visible"), &positions); /* [B,K,D]   */
    x = px_vit_blocks(g, &vit, px_vit_class_token(g, &vit, x, positions), NULL);            /* [B,K+1,D] */
    x = px_vit_norm(g, x);
    px_embedding(b, b->backbone->family->pool(g, b->backbone_cfg, x)); /* [B,D], from the visible patches only */
    px_value *all = decode(c, b, x, vit.patch);                        /* [B,T,P]   */
    px_graph_output(g, "prediction", all);
    px_value *target = px_patchify_at(g, image, hidden, vit.patch, true); /* [B,M,P]   */
    if (c->norm_pix_loss)
        target = px_standardize(g, target, 1e-6);
    return px_mean_squared_error(g, px_gather_tokens(g, all, hidden), target);
}

static int figures(const px_method_cfg *c, px_figures *f)
{
    const px_task *task = px_figures_task(f);
    int T = patches_of(task, task->patch);
    px_rebuilt what = {.image = "image",
                       .hidden = "hidden",
                       .count = T - visible_of(c, T),
                       .prediction = "prediction",
                       .standardized = c->norm_pix_loss};
    return px_figures_rebuilt(f, "reconstruction", &what);
}

const px_method px_mae = {.name = "mae",
                          .paper = "He et al. 2022, arXiv:2111.06377",
                          .summary = "rebuild the hidden patches of an image from the visible ones",
                          .family = "vit",
                          .cfg_size = sizeof(px_method_cfg),
                          .options = options,
                          .defaults = defaults,
                          .settle = settle,
                          .check = check,
                          .views = views,
                          .make_views = make_views,
                          .build = build,
                          .figures = figures};
