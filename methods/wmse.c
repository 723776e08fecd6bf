/* wmse.c - Whitening for Self-Supervised Representation Learning, Ermolov et al. 2021 (arXiv:2007.06346).
 *
 *   each view -> backbone -> head -> z -> w: z of a few images, and of each view by itself, is whitened (Cholesky):
 *                                         mean 0, variances 1, covariances 0
 *
 * Loss: 2 - 2 cosine of w of two views of an image, the mean over all pairs of views. What is white cannot be all in one point.
 * Groups are in the batch's order, which is random, and of the global batch: some may lie on several ranks. */
#include "base/error.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/equal_views.h"

#include <stdlib.h>

enum { VIEWS_MAX = 8 };

struct px_method_cfg {
    int hidden, dim, group;
    double eps;
    px_equal_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, hidden, "1024", 1, 65536, "width of the head's hidden layer (official code)"),
    PX_OPTION(px_method_cfg, dim, "64", 1, 4096, "width of z (official code on CIFAR)"),
    PX_OPTION(px_method_cfg, group, "128", 2, 65536,
              "images that are whitened together, more than dim (official code: 128 of "
              "a batch of 512)"),
    PX_OPTION(px_method_cfg, eps, "0", 0, 1, "how much the covariance is drawn to the unit matrix (official code)"),
    PX_EQUAL_VIEWS_OPTIONS(px_method_cfg, views, "2", VIEWS_MAX, "0.2", "1", "1.3333333"),
    {0}};

/* Official code on CIFAR: Adam with 3e-3 for a batch of 512, L2 of 1e-6. Its warm-up was not found there: 2 epochs are a guess
 * (copies of it have 500 steps, which are 5 epochs). */
static const char defaults[] =
    "epochs = 1000;\n"
    "batch = 512;\n"
    "wmse = { gray = 0.1; };\n"
    "optim = { optimizer = \"adam\"; lr = 1.5e-3; weight_decay = 1e-6; decay_all = true; warmup_epochs = 2.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    if (c->group <= c->dim)
        return "wmse.group must be larger than wmse.dim: so few images have no covariance that can be whitened";
    if ((int64_t)task->batch * task->ranks % c->group)
        return "W-MSE needs a batch (batch / accumulate) that wmse.group divides";
    return px_equal_views_check(&c->views, task, NULL);
}

PX_EQUAL_VIEWS_FUNCTIONS(views)

/* x (G,N,D): each of the G groups of N rows whitened. */
static px_value *whiten(px_graph *g, px_value *x, double eps)
{
    int64_t N = x->shape.dim[1], D = x->shape.dim[2];
    px_value *c = px_binary(g, PX_SUB, x, px_reduce(g, PX_MEAN, x, (px_axes){1, {1}, true}));
    px_value *covariance = px_matmul(g, c, c, true, false, (1 - eps) / (double)(N - 1)); /* [G,D,D] */
    double *unit = px_calloc((size_t)(D * D), sizeof unit[0]);
    for (int64_t i = 0; i < D; i++)
        unit[i * D + i] = eps;
    covariance = eps > 0 ? px_binary(g, PX_ADD, covariance, px_constant_real(g, PX_SHAPE(D, D), unit)) : covariance;
    free(unit);
    return px_matmul(g, c, px_inverse_cholesky(g, covariance), false, true, 1);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int V = c->views.count;
    int64_t N = (int64_t)b->task->batch * b->task->ranks, D = c->dim;
    px_mlp layers = {.layers = 2, .hidden = c->hidden, .out = c->dim, .bias = true, .norm = true, .last_bias = true};
    px_value *h[VIEWS_MAX], *w[VIEWS_MAX], *likeness = NULL;
    for (int v = 0; v < V; v++)
        h[v] = px_encode(b, px_one_view(b, v)).pooled;
    px_value *z = px_head(px_net_create(g, "head"), &layers, px_concat(g, 0, h, V)); /* [V B,D] */
    px_embedding(b, z);
    px_second_views(b, z);
    if (px_graph_error(g))
        return z;
    px_value *groups = px_reshape(g, px_gather_copies(g, z, V), PX_SHAPE(V * N / c->group, c->group, D));
    px_value *white = px_reshape(g, whiten(g, groups, c->eps), PX_SHAPE(V * N, D));
    for (int v = 0; v < V; v++)
        w[v] = px_slice(g, white, 0, v * N, N);
    for (int i = 0; i < V; i++)
        for (int j = i + 1; j < V; j++) {
            px_value *one = px_mean_cosine(g, w[i], w[j]);
            likeness = likeness ? px_add(g, likeness, one) : one;
        }
    return px_unary(g, PX_FN_AFFINE, likeness, -4.0 / (V * (V - 1)), 2);
}

const px_method px_wmse = {.name = "wmse",
                           .paper = "Ermolov et al. 2021, arXiv:2007.06346",
                           .summary = "views alike after a whitening of the batch's projections",
                           .formula = "L = mean over pairs of views of 2 - 2 cos(w_i, w_j), w = L^-1 (z - mean), L L^T "
                                      "= covariance of z within a group",
                           .published = "CIFAR-10, ResNet-18, 1000 epochs: 88.67 linear, online (solo-learn)",
                           .departures = "Official code can whiten a batch several times, in other groups: here it is "
                                         "once.\n"
                                         "Official rate falls in steps at the end: here along a cosine.\n"
                                         "Official length of the warm-up was not found: 2 epochs here are a guess.",
                           .cfg_size = sizeof(px_method_cfg),
                           .options = options,
                           .defaults = defaults,
                           .check = check,
                           .views = views,
                           .make_views = make_views,
                           .build = build};
