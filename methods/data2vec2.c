/* data2vec2.c - data2vec 2.0: Efficient Self-supervised Learning with Contextualized Target Representations, Baevski et al. 2022
 * (arXiv:2212.07525).
 *
 *   each of M masks of an image [M B,K] -> ViT of the K patches that stay -> class token; [M B,K,D], noise in place of the others
 *                                       -> convolutions over the grid -> predictions [M B,T,D]
 *   the whole image -> teacher's ViT -> what the MLPs of its last blocks add, each one normed over the image's patches
 *                   -> their mean, layer norm -> the targets [B,T,D] of all its masks
 *
 * Loss: squared distance at hidden patches; and of the class token from the mean of the targets. The paper fine-tunes the
 * network. */
#include "nn/conv_decoder.h"
#include "nn/losses.h"
#include "nn/transformer.h"
#include "ops/ops.h"
#include "train/kept_squares.h"
#include "train/method.h"

#include <math.h>

struct px_method_cfg {
    px_kept_squares masks;
    px_conv_decoder decoder;
    int blocks;
    double noise, cls, momentum, momentum_end, momentum_epochs;
};

static const px_option options[] = {
    PX_KEPT_SQUARES_OPTIONS(px_method_cfg, masks),
    PX_OPTION(px_method_cfg, noise, "0.01", 0, 10, "deviation of the noise in place of hidden patches (official code)"),
    PX_OPTION(px_method_cfg, blocks, "0", 0, 64,
              "last blocks of the teacher whose MLPs make targets; 0: five of six (official code: 10 of 12)"),
    PX_OPTION_NAMED("decoder_width", px_method_cfg, decoder.width, "0", 0, 4096,
                    "channels of the decoder; 0: the encoder's width (official code)"),
    PX_OPTION_NAMED("decoder_layers", px_method_cfg, decoder.layers, "6", 1, 64, "its convolutions (official code)"),
    PX_OPTION_NAMED("decoder_kernel", px_method_cfg, decoder.kernel, "3", 1, 15, "their side, odd (official code)"),
    PX_OPTION_NAMED("decoder_groups", px_method_cfg, decoder.groups, "0", 0, 4096,
                    "their groups; 0: of 48 channels each, or slightly more (official code: 16 of 768)"),
    PX_OPTION(px_method_cfg, cls, "2.56", 0, 1e6,
              "weight of the class token (official code: 0.01, of a sum over the 256 masked images of a GPU)"),
    PX_OPTION(px_method_cfg, momentum, "0.9998", 0, 1, "the teacher's momentum in the first step (official code)"),
    PX_OPTION(px_method_cfg, momentum_end, "0.99999", 0, 1,
              "the same after momentum_epochs; a line between them (official code)"),
    PX_OPTION(px_method_cfg, momentum_epochs, "20", 0, 1e6,
              "epochs after which momentum_end is reached (official code: 100,000 steps)"),
    {0}};

/* Official code for ViT-B: 375,300 steps of 256 images of 16 masks, 50,040 of them warm-up. */
static const char defaults[] = "backbone = \"vit_tiny_4\";\n"
                               "epochs = 75;\n"
                               "batch = 64;\n"
                               "data = { normalize = true; };\n"
                               "vit = { pool = \"mean\"; positions = \"sincos\"; init = \"xavier\"; };\n"
                               "optim = { optimizer = \"adamw\"; lr = 1e-3; beta2 = 0.95; weight_decay = 0.05; "
                               "warmup_epochs = 10.0; clip = 4.0; };\n";

static void settle(px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    px_conv_decoder_settle(&c->decoder, task->width);
    c->blocks = c->blocks ? c->blocks : task->depth - task->depth / 6;
}

static const char *check(const px_method_cfg *given, const px_task *task, const px_backbone *backbone)
{
    px_method_cfg settled = *given, *c = &settled;
    settle(c, task, backbone);
    if (c->blocks > task->depth)
        return "data2vec2.blocks is more than the backbone has; data2vec2.blocks=0 would fit";
    const char *why = px_conv_decoder_check(&c->decoder, task->width);
    return why ? why : px_kept_squares_check(&c->masks, task);
}

PX_KEPT_SQUARES_FUNCTIONS(masks)

/* (B,T,D) */
static px_value *make_targets(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    px_value *momentum =
        px_schedule_within(b, "momentum", c->momentum_epochs, c->momentum, c->momentum_end, PX_LINEAR, PX_SHARE);
    px_net *teacher = px_net_follow(px_backbone_net(b), "teacher", momentum);
    px_encoding e = px_encode_masked(b, teacher, px_view_input(b, "image"), NULL, PX_DROP);
    px_value *sum = NULL;
    px_teacher_embedding(b, e.pooled);
    for (int i = e.stages - c->blocks; i < e.stages && !px_graph_error(g); i++) {
        px_shape tokens = e.tokens->shape;
        int64_t B = tokens.dim[0], T = tokens.dim[1] - 1, D = tokens.dim[2];
        px_value *added = px_slice(g, px_reshape(g, e.mlp[i], PX_SHAPE(B, e.in_front + T, D)), 1, e.in_front, T);
        px_value *one = px_instance_norm(g, added, 1e-5);
        sum = sum ? px_add(g, sum, one) : one;
    }
    return sum ? px_plain_layer_norm(g, px_scale(g, sum, 1.0 / c->blocks), 1e-5) : e.pooled;
}

static px_value *build(const px_method_cfg *given, px_build *b)
{
    px_method_cfg settled = *given, *c = &settled;
    settle(c, b->task, b->backbone);
    px_graph *g = b->g;
    int64_t B = b->task->batch, M = c->masks.masks, T = px_patch_count(b->task);
    px_value *visible = px_view_input(b, "visible"), *hidden = px_view_input(b, "hidden");
    px_encoding e =
        px_encode_masked(b, px_backbone_net(b), px_repeat(g, px_view_input(b, "image"), M), visible, PX_DROP);
    px_embedding(b, e.pooled);
    px_value *target = make_targets(c, b);
    if (px_graph_error(g))
        return target;
    int64_t D = target->shape.dim[2], H = hidden->shape.dim[1], K = T - H;
    px_metric(b, "target_deviation", px_batch_deviation(g, px_reshape(g, target, PX_SHAPE(B * T, D))));
    px_value *noise = px_scale(g, px_random_normal(g, 1, PX_SHAPE(M, H * D)), c->noise);
    noise = px_reshape(g, px_expand(g, px_reshape(g, noise, PX_SHAPE(M, 1, H * D)), PX_SHAPE(M, B, H * D)),
                       PX_SHAPE(M * B, H, D));
    px_value *seen = px_concat(g, 1, (px_value *[]){px_slice(g, e.tokens, 1, 1, K), noise}, 2);
    px_scope_push(g, "decoder");
    px_value *all = px_conv_decode(g, &c->decoder, px_gather_tokens(g, seen, px_view_input(b, "restore")),
                                   b->task->image_size / b->task->patch);
    px_scope_pop(g);
    px_value *patches = px_mean_squared_error(g, px_gather_tokens(g, all, hidden),
                                              px_gather_tokens(g, px_repeat(g, target, M), hidden));
    px_value *means = px_repeat(g, px_reduce(g, PX_MEAN, target, (px_axes){1, {1}, false}), M);
    px_value *whole = px_mean_squared_error(g, px_select(g, e.tokens, 1, 0), means);
    px_metric(b, "patches", patches);
    px_metric(b, "class_token", whole);
    return px_scale(g, px_add(g, patches, px_scale(g, whole, c->cls)), sqrt((double)D));
}

const px_method px_data2vec2 = {
    .name = "data2vec2",
    .paper = "Baevski et al. 2022, arXiv:2212.07525",
    .summary =
        "predicts a teacher's patches, the mean of its blocks, where patches are hidden, by many masks of an image",
    .formula = "L = mean over hidden patches of |prediction - target|^2 / sqrt(D) + cls |class token - mean target|^2 "
               "/ sqrt(D)",
    .departures = "Official blocks have norms after their branches: here they are timm's, with norms before them.\n"
                  "Official code draws noise for each image: here mask m of all images of a step has the same.\n"
                  "Official code sums the class token's loss over a GPU's 256 masked images, times 0.01: here it is "
                  "their mean, times 2.56.\n"
                  "Official code stops when targets collapse: here target_deviation and the watch tell.",
    .family = "vit",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .settle = settle,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
