/* mae.c - Masked Autoencoders Are Scalable Vision Learners, He et al. 2022 (arXiv:2111.06377); the official code's names.
 *
 *   image [B,C,S,S] -> K visible patches [B,K,D] + positions, class token in front -> encoder [B,K+1,D]
 *   -> linear [B,K+1,E] -> mask tokens added, order restored [B,T+1,E] + positions -> decoder -> pixels [B,T,P]
 *
 * Loss: mean squared error over the pixels of the hidden patches; norm_pix_loss standardises each target patch. */
#include "nn/positions.h"
#include "nn/transformer.h"
#include "ops/ops.h"
#include "train/method.h"

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

static int visible_of(const px_method_cfg *c, const px_task *task)
{
    return px_visible_count(task, c->mask_ratio);
}

/* The paper's decoder, 512 x 8 with heads of 32, is for ViT base to huge. With a ViT tiny it would have five times the
 * encoder's parameters and take most of the time. Smaller encoders get one in proportion to ViT large (1024 x 24): half the
 * width, a third of the depth. Values that are set are not changed. */
static void settle(px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    bool paper = task->width >= 768;
    if (c->decoder_width == 0)
        c->decoder_width = paper ? 512 : task->width / 2;
    if (c->decoder_depth == 0)
        c->decoder_depth = paper ? 8 : task->depth < 3 ? 1 : task->depth / 3;
    if (c->decoder_heads == 0)
        c->decoder_heads = px_heads_of_32(c->decoder_width);
}

static const char *check(const px_method_cfg *given, const px_task *task, const px_backbone *backbone)
{
    px_method_cfg settled = *given, *c = &settled;
    settle(c, task, backbone);
    if (visible_of(c, task) < 1)
        return "mae.mask_ratio leaves no patch visible; mae.mask_ratio=0.75, larger images (data.image_size) or a "
               "backbone of smaller patches would";
    return c->decoder_width % c->decoder_heads || c->decoder_width % 4
               ? "mae.decoder_width must be a multiple of 4 and of mae.decoder_heads, as mae.decoder_width=512 is of "
                 "mae.decoder_heads=16"
               : NULL;
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_hidden_declare(task, visible_of(c, task), out); /* "visible" (K), "restore" (T + 1), "hidden" (M) */
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_recipe r = px_recipe_crop(task, c->area_min, c->flip);
    px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, 0), out->scratch);
    px_hidden_make(task, visible_of(c, task), rng, out, 1);
}

/* ---- model ---- */

/* tokens [B,K+1,D] of the encoder -> predictions [B,T,patch*patch*C] */
static px_value *decode(const px_method_cfg *c, px_build *b, px_value *tokens)
{
    px_graph *g = b->g;
    int E = c->decoder_width, patch = b->task->patch, side = b->task->image_size / patch;
    px_value *x = px_dense_layer(g, "decoder_embed", tokens, E, PX_DENSE_XAVIER); /* [B,K+1,E] */
    px_value *mask = px_parameter(g, "mask_token", PX_SHAPE(1, 1, E), px_init_normal(0.02), PX_DECAYS);
    x = px_gather_tokens(g, px_prepend_token(g, x, mask), px_view_input(b, "restore")); /* [B,T+1,E] */
    x = px_binary(g, PX_ADD, x, px_sincos_positions(g, "decoder_pos_embed", 1, side, side, E));
    px_block_spec block = {.heads = c->decoder_heads, .mlp_ratio = 4, .init = PX_DENSE_XAVIER};
    x = px_transformer(g, "decoder_blocks", x, c->decoder_depth, &block);
    x = px_layer_norm_layer(g, "decoder_norm", x);
    x = px_dense_layer(g, "decoder_pred", x, (int64_t)patch * patch * b->task->channels, PX_DENSE_XAVIER);
    return px_slice(g, x, 1, 1, (int64_t)side * side);
}

static px_value *build(const px_method_cfg *given, px_build *b)
{
    px_method_cfg settled = *given, *c = &settled;
    settle(c, b->task, b->backbone);
    px_graph *g = b->g;
    px_value *image = px_view_input(b, "image"), *hidden = px_view_input(b, "hidden");
    px_value *tokens = px_encode_masked(b, px_backbone_net(b), image, px_view_input(b, "visible"), PX_DROP).tokens;
    px_value *all = decode(c, b, tokens); /* [B,K+1,D] -> [B,T,P] */
    px_graph_output(g, "prediction", all);
    px_value *target = px_patchify_at(g, image, hidden, b->task->patch, true); /* [B,M,P] */
    if (c->norm_pix_loss)
        target = px_standardize(g, target, 1e-6);
    return px_mean_squared_error(g, px_gather_tokens(g, all, hidden), target);
}

static int figures(const px_method_cfg *c, px_figures *f)
{
    const px_task *task = px_figures_task(f);
    px_rebuilt what = {.image = "image",
                       .hidden = "hidden",
                       .count = px_patch_count(task) - visible_of(c, task),
                       .prediction = "prediction",
                       .standardized = c->norm_pix_loss};
    return px_figures_rebuilt(f, "reconstruction", &what);
}

const px_method px_mae = {
    .name = "mae",
    .paper = "He et al. 2022, arXiv:2111.06377",
    .summary = "rebuild the hidden patches of an image from the visible ones",
    .family = "vit",
    .formula = "L = mean over pixels of hidden patches of (prediction - pixel)^2, patches of mean 0 and deviation 1",
    .published = "Imagenette, ViT-S/16, 200 epochs: k-NN 72.1, linear 84.1, online, best epochs (stable-pretraining)",
    .departures = "Paper's decoder is 512 wide and of 8 blocks: here encoders smaller than ViT base have a smaller "
                  "one.",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .settle = settle,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build,
    .figures = figures};
