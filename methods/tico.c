/* tico.c - TiCo: Transformation Invariance and Covariance Contrast, Zhu et al. 2022 (arXiv:2206.10698).
 *
 *   view a -> backbone -> projector -> z_a            of length 1; should point where z'_b points, and not where the others of
 *   view b -> teacher's backbone -> its projector -> z'_b   this and earlier batches do, as C remembers them:
 *                                                     1 - z_a z'_b + rho z_a^T C z_a
 *
 * C, the moving average of z^T z / B, lets gradients through to this batch's part of it, as in the paper's algorithm 1. */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

struct px_method_cfg {
    int hidden, dim;
    double beta, rho, momentum, momentum_end;
    px_two_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, hidden, "1024", 1, 65536, "width of the projector's hidden layer (lightly; paper: 4096)"),
    PX_OPTION(px_method_cfg, dim, "256", 2, 65536, "width of z (paper)"),
    PX_OPTION(px_method_cfg, beta, "0.9", 0, 1, "how much of C stays in a step (paper)"),
    PX_OPTION(px_method_cfg, rho, "8", 0, 1e6, "weight of the covariance term (lightly; paper: 8 to 20)"),
    PX_OPTION(px_method_cfg, momentum, "0.996", 0, 1, "the teacher's momentum in the first step (lightly)"),
    PX_OPTION(px_method_cfg, momentum_end, "1", 0, 1, "... and, along a cosine, after the last one (lightly)"),
    PX_UNLIKE_VIEWS_OPTIONS(px_method_cfg, views),
    {0}};

/* lightly on Imagenette. */
static const char defaults[] =
    "epochs = 200;\n"
    "batch = 256;\n"
    "optim = { optimizer = \"sgd\"; lr = 0.3; momentum = 0.9; weight_decay = 1e-4; warmup_epochs = 20.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)c;
    (void)backbone;
    return px_is_batch_of_one(task)
               ? "TiCo needs at least batch=2: one image has no variance for the batch norms of its heads"
               : NULL;
}

PX_TWO_VIEWS_FUNCTIONS(views)

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    px_mlp layers = {.layers = 2, .hidden = c->hidden, .out = c->dim, .norm = true, .last_bias = true};
    px_net *projector = px_net_create(g, "projector");
    px_value *z = px_l2_normalize(g, px_head(projector, &layers, px_encode(b, px_one_view(b, 0)).pooled));
    px_embedding(b, z);
    px_value *momentum = px_schedule(b, "momentum", c->momentum, c->momentum_end, PX_COSINE, PX_SHARE);
    px_net *teacher = px_net_follow(px_backbone_net(b), "teacher", momentum);
    px_net *teacher_head = px_net_follow(projector, "teacher", momentum);
    px_value *other = px_head(teacher_head, &layers, px_encode_by(b, teacher, px_one_view(b, 1)).pooled);
    px_value *before = px_state(g, "covariance", PX_SHAPE(c->dim, c->dim), px_init_constant(0));
    px_value *now = px_add(g, px_scale(g, before, c->beta), px_scale(g, px_batch_products(g, z, z), 1 - c->beta));
    px_value *toward = px_binary(g, PX_MUL, px_matmul(g, z, now, false, false, 1), z); /* sums of rows: z^T C z */
    px_value *contrast = px_scale(g, px_sum_all(g, toward), 1.0 / b->task->batch);
    px_value *apart = px_unary(g, PX_FN_AFFINE, px_mean_cosine(g, z, other), -1, 1);
    px_metric(b, "invariance", apart);
    px_metric(b, "contrast", contrast);
    px_after_begin(g);
    px_assign(g, before, now);
    px_after_end(g);
    return px_add(g, apart, px_scale(g, contrast, c->rho));
}

const px_method px_tico = {.name = "tico",
                           .paper = "Zhu et al. 2022, arXiv:2206.10698",
                           .summary = "follows a slowly moving teacher's projection, away from a moving average of "
                                      "covariances",
                           .formula = "L = 1 - mean z_a z'_b + rho mean z_a^T C z_a, C the decaying mean of z z^T",
                           .published = "Imagenette, ResNet-18: k-NN 85.6 (lightly)",
                           .cfg_size = sizeof(px_method_cfg),
                           .options = options,
                           .defaults = defaults,
                           .check = check,
                           .views = views,
                           .make_views = make_views,
                           .build = build};
