/* barlow_twins.c - Barlow Twins: Self-Supervised Learning via Redundancy Reduction, Zbontar et al. 2021 (arXiv:2103.03230).
 *
 *   view a -> backbone -> projector -> z_a, each number with mean 0 and variance 1 over the batch
 *   view b -> the same              -> z_b                      C = z_a^T z_b / B should be the identity:
 *                                                               sum (1 - C_ii)^2 + lambda sum of C_ij^2, i != j */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

struct px_method_cfg {
    int layers, dim;
    double lambda, scale;
    px_two_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, layers, "3", 1, 8, "layers of the projector (paper)"),
    PX_OPTION(px_method_cfg, dim, "2048", 2, 65536, "width of its layers and of z (solo-learn; paper: 8192)"),
    PX_OPTION(px_method_cfg, lambda, "0.0051", 0, 1e6, "weight of what is not on the diagonal (paper)"),
    PX_OPTION(px_method_cfg, scale, "0.1", 1e-9, 1e9, "factor of the loss (solo-learn; official code: 1)"),
    PX_UNLIKE_VIEWS_OPTIONS(px_method_cfg, views),
    {0}};

/* solo-learn on CIFAR. */
static const char defaults[] = "epochs = 100;\n"
                               "batch = 256;\n"
                               "optim = { optimizer = \"lars\"; lr = 0.3; eta = 0.02; clip_lr = true; "
                               "weight_decay = 1e-4; warmup_epochs = 10.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)c;
    (void)backbone;
    return px_is_batch_of_one(task) ? "Barlow Twins needs at least batch=2 for its correlations" : NULL;
}

PX_TWO_VIEWS_FUNCTIONS(views)

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    px_mlp layers = {.layers = c->layers, .hidden = c->dim, .out = c->dim, .norm = true};
    px_net *projector = px_net_create(g, "projector"), *norm = px_net_create(g, "norm");
    px_value *z[2];
    for (int v = 0; v < 2; v++) {
        px_value *raw = px_head(projector, &layers, px_encode(b, px_one_view(b, v)).pooled);
        if (v == 0)
            px_embedding(b, raw);
        else
            px_second_views(b, raw);
        px_net_enter(norm);
        z[v] = px_batch_norm_layer_of(g, "z", raw, (px_batch_norm_spec){.fixed_weight = true, .fixed_bias = true});
        px_net_leave(norm);
    }
    px_value *all = px_unary(g, PX_FN_SQUARE, px_batch_products(g, z[0], z[1]), 0, 0);
    px_value *diagonal = px_batch_mean(g, px_binary(g, PX_MUL, z[0], z[1])); /* [1,D], the diagonal of C */
    px_value *others =
        px_binary(g, PX_SUB, px_sum_all(g, all), px_sum_all(g, px_unary(g, PX_FN_SQUARE, diagonal, 0, 0)));
    px_value *on = px_sum_all(g, px_unary(g, PX_FN_SQUARE, px_unary(g, PX_FN_AFFINE, diagonal, -1, 1), 0, 0));
    px_metric(b, "on_diagonal", on);
    px_metric(b, "off_diagonal", others);
    return px_scale(g, px_add(g, on, px_scale(g, others, c->lambda)), c->scale);
}

const px_method px_barlow_twins = {
    .name = "barlow_twins",
    .paper = "Zbontar et al. 2021, arXiv:2103.03230",
    .summary = "correlations between the numbers of two views' projections should be "
               "the identity",
    .formula =
        "L = 0.1 [sum_i (1 - C_ii)^2 + lambda sum_(i != j) C_ij^2], C the correlations of z_a and z_b over the batch",
    .published = "ImageNet, ResNet-50, 1000 epochs: linear 73.5 (official)\n"
                 "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 92.10 (solo-learn)",
    .departures = "Official loss has the factor 1: here it is 0.1, as in solo-learn (barlow_twins.scale).",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
