/* ijepa.c - Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture, Assran 2023 (arXiv:2301.08243).
 *
 *   K patches of a large block -> ViT -> [B,K,D] -> linear [B,K,E] \
 *   a token at each place of a target block, M at most        [B,M,E] > + positions -> predictor -> linear -> the block [B,M,D]
 *   the whole image -> teacher's ViT -> patches [B,T,D] -> layer norm -> those of the blocks: the targets
 *
 * Loss: smooth L1, the mean over features, a block's patches, and blocks, each predicted by itself. Behind a block smaller than M
 * is padding, hidden from attention and loss. The paper evaluates the teacher (net=teacher), mean of patches (vit.pool="mean"). */
#include "nn/losses.h"
#include "nn/predictor.h"
#include "nn/transformer.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/multi_block.h"

struct px_method_cfg {
    px_multi_block blocks;
    double area_min, flip, momentum, momentum_end;
    int context;
    px_predictor predictor;
};

static const px_option options[] = {
    PX_MULTI_BLOCK_OPTIONS(px_method_cfg, blocks),
    PX_OPTION(px_method_cfg, context, "0", 0, 65536,
              "patches of the context that the encoder sees; 0: a fifth of all (official code: the fewest of a batch, "
              "about a fifth of 8 x 8)"),
    PX_OPTION_NAMED("predictor_width", px_method_cfg, predictor.width, "0", 0, 4096,
                    "width of the predictor; 0: half the encoder's, at most 384 (paper: 384, also for ViT-B)"),
    PX_OPTION_NAMED("predictor_depth", px_method_cfg, predictor.depth, "0", 0, 64,
                    "its blocks; 0: half the encoder's (paper: 6 for ViT-B, 12 for ViT-L and H)"),
    PX_OPTION_NAMED("predictor_heads", px_method_cfg, predictor.heads, "0", 0, 64,
                    "its heads; 0: as many as make them 32 wide, or slightly wider"),
    PX_OPTION(px_method_cfg, momentum, "0.996", 0, 1, "the teacher's momentum in the first step (paper)"),
    PX_OPTION(px_method_cfg, momentum_end, "1", 0, 1, "the same after the last step; a line between them (paper)"),
    PX_OPTION(px_method_cfg, area_min, "0.3", 0.01, 1,
              "smallest fraction of the image's area in a crop (official code)"),
    PX_OPTION(px_method_cfg, flip, "0", 0, 1, "probability of a horizontal flip (official code: none)"),
    {0}};

/* Official code for ViT-H: 1e-3 for 2048 images. */
static const char defaults[] =
    "backbone = \"vit_tiny_4\";\n"
    "epochs = 300;\n"
    "batch = 256;\n"
    "data = { normalize = true; };\n"
    "vit = { pool = \"mean\"; positions = \"sincos\"; };\n"
    "optim = { optimizer = \"adamw\"; lr = 1.25e-4; lr_min = 1e-6; weight_decay = 0.04; weight_decay_end = 0.4; "
    "warmup_epochs = 40.0; warmup_from = 0.2; };\n";

static int side_of(const px_task *task)
{
    return task->image_size / task->patch;
}

static int context_of(const px_method_cfg *c, const px_task *task)
{
    int fifth = px_visible_count(task, 0.8);
    return c->context ? c->context : fifth > 1 ? fifth : 1;
}

static void settle(px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    px_predictor_settle(&c->predictor, task->width, task->depth);
    c->context = context_of(c, task);
}

static const char *check(const px_method_cfg *given, const px_task *task, const px_backbone *backbone)
{
    px_method_cfg settled = *given, *c = &settled;
    settle(c, task, backbone);
    const char *why = px_multi_block_check(&c->blocks, side_of(task), c->context);
    const px_predictor *p = &c->predictor;
    bool fits = p->width % p->heads == 0 && p->width % 4 == 0;
    return why || fits ? why : "ijepa.predictor_width must be a multiple of 4 and of ijepa.predictor_heads";
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    int K = context_of(c, task), N = c->blocks.targets * px_multi_block_most(&c->blocks, side_of(task));
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_views_add(out, "visible", PX_I32, 1, 1, &K);
    px_views_add(out, "targets", PX_I32, 1, 1, &N);
    px_views_add(out, "share", PX_F32, 1, 1, &N);
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_recipe r = px_recipe_crop(task, c->area_min, c->flip);
    px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, 0), out->scratch);
    px_multi_block_draw(&c->blocks, rng, side_of(task), context_of(c, task), px_sample_i32(out, 1, 0),
                        px_sample_i32(out, 2, 0), px_sample_f32(out, 3, 0));
}

/* The patches of an image (B,T,D), without the class token. */
static px_value *patches_of(px_build *b, px_net *net, px_value *visible)
{
    px_value *tokens = px_encode_masked(b, net, px_view_input(b, "image"), visible, PX_DROP).tokens;
    return px_graph_error(b->g) ? tokens : px_slice(b->g, tokens, 1, 1, tokens->shape.dim[1] - 1);
}

static px_value *build(const px_method_cfg *given, px_build *b)
{
    px_method_cfg settled = *given, *c = &settled;
    settle(c, b->task, b->backbone);
    px_graph *g = b->g;
    px_value *targets = px_view_input(b, "targets"), *share = px_view_input(b, "share");
    px_value *context = patches_of(b, px_backbone_net(b), px_view_input(b, "visible")); /* [B,K,D] */
    px_value *momentum = px_schedule(b, "momentum", c->momentum, c->momentum_end, PX_LINEAR, PX_SHARE);
    px_value *whole = patches_of(b, px_net_follow(px_backbone_net(b), "teacher", momentum), NULL); /* [B,T,D] */
    if (px_graph_error(g))
        return whole;
    int64_t B = b->task->batch, T = whole->shape.dim[1], D = whole->shape.dim[2], all = targets->shape.dim[1];
    px_embedding(b, px_reduce(g, PX_MEAN, context, (px_axes){1, {1}, false}));
    px_teacher_embedding(b, px_reduce(g, PX_MEAN, whole, (px_axes){1, {1}, false}));
    whole = px_plain_layer_norm(g, whole, 1e-5);
    px_metric(b, "target_deviation", px_batch_deviation(g, px_reshape(g, whole, PX_SHAPE(B * T, D))));
    px_scope_push(g, "predictor");
    px_asked asked = {c->blocks.targets, targets, share};
    px_value *predicted =
        px_predict_tokens(g, &c->predictor, context, px_view_input(b, "visible"), side_of(b->task), asked);
    px_scope_pop(g);
    px_value *apart = px_binary(g, PX_SUB, predicted, px_gather_tokens(g, whole, targets)); /* [B,N M,D] */
    px_value *terms = px_binary(g, PX_MUL, px_smooth_l1(g, apart), px_reshape(g, share, PX_SHAPE(B, all, 1)));
    return px_scale(g, px_sum_all(g, terms), 1 / (double)(B * c->blocks.targets * D));
}

const px_method px_ijepa = {
    .name = "ijepa",
    .paper = "Assran et al. 2023, arXiv:2301.08243",
    .summary = "predicts a teacher's patches of several blocks from the patches around them",
    .formula = "L = mean over target blocks, their patches and features of smoothL1(predictor(f(context), places) - "
               "norm(teacher(image)))",
    .published = "ImageNet, ViT-H/14, 300 epochs: linear 79.3 (paper)\n"
                 "Imagenette, ViT-S/16, 200 epochs: k-NN 33.2, linear 34.0, online, best epochs (stable-pretraining)",
    .departures = "Official code draws blocks' area and aspect by one number per batch: here by two per image.\n"
                  "Official contexts are cut to a batch's smallest, from the top: here they are drawn at random.\n"
                  "Official ViT has no class token: here it is encoded, but not predicted from.\n"
                  "Official initial weights shrink with depth: here they do not.\n"
                  "Official schedules end 25 % late: here with the run.",
    .family = "vit",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .settle = settle,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
