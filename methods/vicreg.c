/* vicreg.c - VICReg: Variance-Invariance-Covariance Regularization, Bardes et al. 2022 (arXiv:2105.04906).
 *
 *   view a -> backbone -> expander -> z_a     invariance: mean squared distance of z_a and z_b
 *   view b -> the same             -> z_b     variance: each number's deviation over the batch should be at least 1
 *                                             covariance: ... and those of different numbers 0
 *
 * Weights and factors are the official code's: variance is the mean of both views' (solo-learn and others add them). */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

#include <math.h>

struct px_method_cfg {
    int layers, dim;
    double invariance, variance, covariance;
    px_two_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, layers, "3", 1, 8, "layers of the expander (paper)"),
    PX_OPTION(px_method_cfg, dim, "2048", 2, 65536, "width of its layers and of z (solo-learn; paper: 8192)"),
    PX_OPTION(px_method_cfg, invariance, "25", 0, 1e6, "weight of the distance between views (paper)"),
    PX_OPTION(px_method_cfg, variance, "25", 0, 1e6, "weight of deviations below 1 (paper); 0 collapses"),
    PX_OPTION(px_method_cfg, covariance, "1", 0, 1e6, "weight of covariances (paper)"),
    PX_VIEWS_OPTIONS(px_method_cfg, views, "0.2", "0.2", "0.1"),
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
    return px_is_batch_of_one(task) ? "VICReg needs at least batch=2 for its variances" : NULL;
}

PX_TWO_VIEWS_FUNCTIONS(views)

/* z [B,D] -> mean over numbers of max(0, 1 - deviation), and the sum of squared covariances divided by D. */
static void spread(px_graph *g, px_value *z, px_value **variance, px_value **covariance)
{
    double N = px_batch_rows(g, z), D = (double)z->shape.dim[1], unbiased = N / (N - 1);
    px_value *c = px_binary(g, PX_SUB, z, px_batch_mean(g, z));
    px_value *var = px_scale(g, px_batch_mean(g, px_unary(g, PX_FN_SQUARE, c, 0, 0)), unbiased); /* [1,D] */
    px_value *deviation = px_unary(g, PX_FN_SQRT, px_unary(g, PX_FN_AFFINE, var, 1, 1e-4), 0, 0);
    *variance = px_scale(g, px_sum_all(g, px_relu(g, px_unary(g, PX_FN_AFFINE, deviation, -1, 1))), 1 / D);
    px_value *all = px_unary(g, PX_FN_SQUARE, px_scale(g, px_batch_products(g, c, c), unbiased), 0, 0); /* [D,D] */
    px_value *own = px_unary(g, PX_FN_SQUARE, var, 0, 0); /* the diagonal */
    *covariance = px_scale(g, px_binary(g, PX_SUB, px_sum_all(g, all), px_sum_all(g, own)), 1 / D);
}

/* z beside a constant, as large as z should be. Rows of length 1, which the watch compares, would not tell that all of z shrinks
 * to nothing. */
static px_value *beside_constant(px_graph *g, px_value *z)
{
    if (px_graph_error(g))
        return z;
    px_value *constant = px_unary(g, PX_FN_AFFINE, px_slice(g, z, 1, 0, 1), 0, sqrt((double)z->shape.dim[1]));
    return px_concat(g, 1, (px_value *[]){z, constant}, 2);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    px_mlp layers = {.layers = c->layers, .hidden = c->dim, .out = c->dim, .bias = true, .norm = true};
    px_net *expander = px_net_create(g, "projector");
    px_value *z[2], *variance[2], *covariance[2];
    for (int v = 0; v < 2; v++)
        z[v] = px_head(expander, &layers, px_encode(b, px_one_view(b, v)).pooled);
    px_embedding(b, beside_constant(g, z[0]));
    if (px_graph_error(g))
        return z[0];
    for (int v = 0; v < 2; v++)
        spread(g, z[v], &variance[v], &covariance[v]);
    px_value *apart = px_mean_squared_error(g, z[0], z[1]);
    px_value *flat = px_scale(g, px_add(g, variance[0], variance[1]), 0.5);
    px_value *alike = px_add(g, covariance[0], covariance[1]);
    px_metric(b, "invariance", apart);
    px_metric(b, "variance", flat);
    px_metric(b, "covariance", alike);
    return px_add(g, px_scale(g, apart, c->invariance),
                  px_add(g, px_scale(g, flat, c->variance), px_scale(g, alike, c->covariance)));
}

const px_method px_vicreg = {.name = "vicreg",
                             .paper = "Bardes et al. 2022, arXiv:2105.04906",
                             .summary = "views alike, each number of a projection varied, different numbers "
                                        "uncorrelated",
                             .formula = "L = 25 |z_a - z_b|^2 / D + 25 [v(z_a) + v(z_b)] / 2 + c(z_a) + c(z_b), v "
                                        "hinges of deviations, c squared covariances",
                             .published = "ImageNet, ResNet-50, 1000 epochs: linear 73.2 (official)\n"
                                          "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 92.07 (solo-learn)",
                             .cfg_size = sizeof(px_method_cfg),
                             .options = options,
                             .defaults = defaults,
                             .check = check,
                             .views = views,
                             .make_views = make_views,
                             .build = build};
