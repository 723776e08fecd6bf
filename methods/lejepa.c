/* lejepa.c - LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics, Balestriero & LeCun 2025
 * (arXiv:2511.08544).
 *
 *   V views -> backbone -> projector -> z [V,B,D]     invariance: mean squared distance of z from its mean over an image's views
 *                                                     SIGReg: z of the batch should be a standard normal distribution
 *
 * SIGReg looks along random directions a, others in each step, and compares the characteristic function of the batch's numbers a z
 * with that of a normal distribution: N times the integral of |mean exp(i t a z) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt, for each
 * view (Epps & Pulley 1983). No teacher, no stopped gradient. */
#include "base/error.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/equal_views.h"

#include <math.h>
#include <stdlib.h>

struct px_method_cfg {
    int layers, hidden, dim, directions, knots;
    double weight, reach;
    px_equal_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, layers, "3", 1, 8, "layers of the projector (official small recipe)"),
    PX_OPTION(px_method_cfg, hidden, "2048", 1, 65536, "width of its hidden layers (official small recipe)"),
    PX_OPTION(px_method_cfg, dim, "16", 1, 65536, "width of z (official small recipe)"),
    PX_OPTION(px_method_cfg, weight, "0.02", 0, 1,
              "weight of SIGReg, 1 - weight is that of invariance (paper's lambda); 0 "
              "collapses"),
    PX_OPTION(px_method_cfg, directions, "256", 1, 65536, "directions that a step looks along (official small recipe)"),
    PX_OPTION(px_method_cfg, knots, "17", 2, 1024, "points t of the integral (official code)"),
    PX_OPTION(px_method_cfg, reach, "3", 0.01, 100, "largest t: the integral is from -reach to reach (official code)"),
    PX_EQUAL_VIEWS_OPTIONS(px_method_cfg, views, "4", 16, "0.08", "1", "1.3333333"),
    {0}};

/* Official small recipe (MINIMAL.md: Imagenette, ViT-S/8); for a ResNet the official README advises lr 5e-4, weight_decay 5e-4. */
static const char defaults[] =
    "epochs = 800;\n"
    "batch = 256;\n"
    "lejepa = { jitter_strength = 1.0; blur = 0.5; solarize = 0.2; };\n"
    "optim = { optimizer = \"adamw\"; lr = 2e-3; lr_min = 1e-3; weight_decay = 0.05; warmup_epochs = 1.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    return px_equal_views_check(&c->views, task, "LeJEPA needs at least batch=2: one image has no distribution");
}

PX_EQUAL_VIEWS_FUNCTIONS(views)

/* The trapezoid rule over [0, reach], doubled; (knots) each. */
static void rule(const px_method_cfg *c, px_graph *g, px_value **t, px_value **normal, px_value **weight)
{
    int n = c->knots;
    double *x = px_calloc(3 * (size_t)n, sizeof x[0]), step = c->reach / (n - 1);
    for (int k = 0; k < n; k++) {
        x[k] = k * step;
        x[n + k] = exp(-x[k] * x[k] / 2);
        x[2 * n + k] = (k == 0 || k == n - 1 ? 1 : 2) * step * x[n + k];
    }
    *t = px_constant_real(g, PX_SHAPE(n), x);
    *normal = px_constant_real(g, PX_SHAPE(n), x + n);
    *weight = px_constant_real(g, PX_SHAPE(n), x + 2 * (int64_t)n);
    free(x);
}

/* x (V,B,M,T) -> mean over the global batch, (V,M,T) */
static px_value *batch_mean(px_graph *g, px_value *x, double N)
{
    return px_scale(g, px_all_reduce(g, px_reduce(g, PX_SUM, x, (px_axes){1, {1}, false})), 1 / N);
}

static px_value *sigreg(const px_method_cfg *c, px_build *b, px_value *z /* [V B,D] */)
{
    px_graph *g = b->g;
    int64_t V = c->views.count, B = b->task->batch, M = c->directions;
    double N = (double)B * b->task->ranks;
    px_value *t, *normal, *weight;
    rule(c, g, &t, &normal, &weight);
    px_value *a = px_l2_normalize(g, px_random_normal(g, 1, PX_SHAPE(M, c->dim)));
    px_value *along = px_matmul(g, z, a, false, true, 1);                              /* [V B,M] */
    px_value *x = px_binary(g, PX_MUL, px_reshape(g, along, PX_SHAPE(V, B, M, 1)), t); /* [V,B,M,T] */
    px_value *real = px_binary(g, PX_SUB, batch_mean(g, px_unary(g, PX_FN_COS, x, 0, 0), N), normal);
    px_value *imaginary = batch_mean(g, px_unary(g, PX_FN_SIN, x, 0, 0), N); /* [V,M,T] */
    px_value *apart = px_add(g, px_unary(g, PX_FN_SQUARE, real, 0, 0), px_unary(g, PX_FN_SQUARE, imaginary, 0, 0));
    return px_scale(g, px_sum_all(g, px_binary(g, PX_MUL, apart, weight)), N / (double)(V * M));
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int64_t V = c->views.count, B = b->task->batch, D = c->dim;
    px_mlp layers = {
        .layers = c->layers, .hidden = c->hidden, .out = c->dim, .bias = true, .norm = true, .last_bias = true};
    px_net *projector = px_net_create(g, "projector");
    px_value *z = px_head(projector, &layers, px_encode(b, px_view_input(b, "views")).pooled); /* [V B,D] */
    px_embedding(b, z);
    px_second_views(b, z);
    if (px_graph_error(g))
        return z;
    px_value *views = px_reshape(g, z, PX_SHAPE(V, B, D));
    px_value *apart = px_binary(g, PX_SUB, views, px_reduce(g, PX_MEAN, views, (px_axes){1, {0}, true}));
    px_value *invariance = px_scale(g, px_sum_all(g, px_unary(g, PX_FN_SQUARE, apart, 0, 0)), 1 / (double)(V * B * D));
    px_value *normality = sigreg(c, b, z);
    px_metric(b, "invariance", invariance);
    px_metric(b, "sigreg", normality);
    return px_add(g, px_scale(g, invariance, 1 - c->weight), px_scale(g, normality, c->weight));
}

const px_method px_lejepa = {
    .name = "lejepa",
    .paper = "Balestriero & LeCun 2025, arXiv:2511.08544",
    .summary = "views alike, projections of the batch a normal distribution along random "
               "directions",
    .formula = "L = (1 - weight) mean_v |z_v - mean z|^2 / D + weight x N mean over directions a of integral |mean_i "
               "exp(i t a z_i) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt",
    .published = "Imagenette, ViT-S/8, 128 px, 800 epochs: 90.7 linear, online (official MINIMAL.md)\nCIFAR-10, "
                 "ResNet-18, 300 epochs: 91.02 linear, online, the best of a sweep (EB-JEPA)",
    .departures = "Paper also has small crops: here all views are equal.",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
