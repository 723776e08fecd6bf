/* dinov2.c - DINOv2: Learning Robust Visual Features without Supervision, Oquab et al. 2024 (arXiv:2304.07193), its loss.
 *
 * iBOT's (ibot.c) with a third term, KoLeo (Sablayrolles et al. 2019, arXiv:1806.03198): the student's class tokens of each large
 * crop, scaled to length 1, should be far from their nearest neighbours in the global batch. Small batches collapse easily. */
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/masked_distil.h"

struct px_method_cfg {
    px_masked_distil distil;
    double koleo;
};

static const px_option options[] = {PX_MASKED_DISTIL_OPTIONS(px_method_cfg, distil, "4096",
                                                             "as DINO on CIFAR in solo-learn; paper: 65536", "0.992",
                                                             "4"),
                                    PX_OPTION(px_method_cfg, koleo, "0.1", 0, 1e6, "weight of KoLeo (paper)"),
                                    {0}};

/* Official ssl_default_config.yaml: 4e-3 sqrt(batch / 1024). */
static const char defaults[] =
    "backbone = \"vit_tiny_4\";\n"
    "epochs = 100;\n"
    "batch = 256;\n"
    "dinov2 = { area_min = 0.32; small_area_max = 0.32; };\n"
    "optim = { optimizer = \"adamw\"; lr = 1.25e-4; lr_scaling = \"sqrt\"; lr_min = 1e-6; "
    "weight_decay = 0.04; weight_decay_end = 0.4; warmup_epochs = 10.0; clip = 3.0; layer_decay = 0.9; "
    "rules = \"patch_embed:rate=0.2\"; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    if (c->koleo > 0 && px_is_batch_of_one(task))
        return "DINOv2 needs at least batch=2: one image has no neighbour";
    return px_masked_distil_check(&c->distil, task, backbone);
}

PX_MASKED_DISTIL_VIEWS(distil)

/* x (B,D): -mean log(distance of x_i to its nearest neighbour + 1e-8), x of length 1 */
static px_value *koleo(px_graph *g, px_value *x)
{
    int64_t B = x->shape.dim[0], D = x->shape.dim[1];
    int first;
    px_value *unit = px_l2_normalize(g, x), *all = px_all_gather(g, unit, &first); /* [B ranks,D] */
    px_value *near =
        px_mask_diagonal(g, px_matmul(g, unit, all, false, true, 1), px_own_rows(g, first, B, 0)); /* [B,B ranks] */
    px_value *place = px_reshape(g, px_argmax(g, near, 1), PX_SHAPE(1, B));
    px_value *rows = px_gather_tokens(g, px_reshape(g, all, PX_SHAPE(1, all->shape.dim[0], D)), place);
    px_value *apart = px_binary(g, PX_SUB, unit, px_reshape(g, rows, PX_SHAPE(B, D)));
    apart = px_unary(g, PX_FN_SQUARE, px_unary(g, PX_FN_AFFINE, apart, 1, 1e-8), 0, 0);
    px_value *distance = px_unary(g, PX_FN_SQRT, px_reduce(g, PX_SUM, apart, (px_axes){1, {1}, false}), 0, 0);
    px_value *log = px_unary(g, PX_FN_LOG, px_unary(g, PX_FN_AFFINE, distance, 1, 1e-8), 0, 0);
    return px_scale(g, px_sum_all(g, log), -1 / (double)B);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int64_t B = b->task->batch;
    px_value *tokens, *loss = px_masked_distil_build(&c->distil, b, &tokens);
    if (px_graph_error(g) || c->koleo == 0)
        return loss;
    px_value *spread = px_add(g, koleo(g, px_slice(g, tokens, 0, 0, B)), koleo(g, px_slice(g, tokens, 0, B, B)));
    px_metric(b, "koleo", spread);
    return px_add(g, loss, px_scale(g, spread, c->koleo));
}

const px_method px_dinov2 = {
    .name = "dinov2",
    .paper = "Oquab et al. 2024, arXiv:2304.07193",
    .summary = "iBOT, and class tokens far from their nearest neighbours",
    .formula = "L = iBOT's + 0.1 sum over large crops of -mean log |x_i - nearest x_j|, x class tokens of length 1",
    .published = "ImageNet, ViT-L/16, 100 epochs: k-NN 81.6 (official code)",
    .departures = "Official code has 8 small crops: here only if asked for (dinov2.small_crops=8).\n"
                  "Official views are blurred: here only with dinov2.blur=1 and dinov2.second_blur=0.1.\n"
                  "Official code can balance its teachers by Sinkhorn-Knopp: here they are centred as DINO's.\n"
                  "Official code looks for nearest neighbours among the images of a rank: here in the global batch.\n"
                  "Official networks have LayerScale and drop path: here only if asked for (vit.layer_scale=1e-5, "
                  "vit.drop_path=0.3).",
    .family = "vit",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
