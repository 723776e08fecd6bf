/* emp_ssl.c - EMP-SSL: Towards Self-Supervised Learning in One Training Epoch, Tong et al. 2023 (arXiv:2304.03977).
 *
 *   n crops -> backbone -> head -> z [n,B,D], of length 1     each z should point where the mean of its image's crops does;
 *                                                             those of all images, crop by crop, should fill the space
 *
 * Loss: -200 x mean cosine with that mean, minus the coding rate logdet(I + D / (N eps) Z^T Z) / 2 of each crop's Z [N,D], the mean
 * over crops. An epoch sees each image n times. */
#include "base/error.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/equal_views.h"

#include <stdlib.h>

struct px_method_cfg {
    int hidden, dim;
    double invariance, eps;
    px_equal_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, hidden, "4096", 1, 65536, "width of the head's two hidden layers (official code)"),
    PX_OPTION(px_method_cfg, dim, "1024", 1, 65536, "width of z (official code)"),
    PX_OPTION(px_method_cfg, invariance, "200", 0, 1e6, "weight of the cosine (paper)"),
    PX_OPTION(px_method_cfg, eps, "0.2", 1e-6, 1e6, "precision of the coding rate (paper), which divides once"),
    PX_EQUAL_VIEWS_OPTIONS(px_method_cfg, views, "20", 256, "0.25", "0.25", "1"),
    {0}};

/* Official code on CIFAR-10. */
static const char defaults[] =
    "epochs = 30;\n"
    "batch = 100;\n"
    "emp_ssl = { hue = 0.2; blur = 0.1; solarize = 0.1; };\n"
    "optim = { optimizer = \"lars\"; lr = 0.3; lr_scaling = \"none\"; eta = 0.005; clip_lr = true; "
    "nesterov = true; momentum = 0.9; weight_decay = 1e-4; warmup_epochs = 0.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    return px_equal_views_check(&c->views, task, "EMP-SSL needs at least batch=2: one image fills no space");
}

PX_EQUAL_VIEWS_FUNCTIONS(views)

/* Mean over crops of logdet(I + D / (N eps) Z^T Z) / 2; Z Z^T has the same determinant, and the smaller one is taken. z (n,N,D) */
static px_value *coding_rate(px_graph *g, px_value *z, double eps)
{
    int64_t n = z->shape.dim[0], N = z->shape.dim[1], D = z->shape.dim[2], side = N < D ? N : D;
    double *unit = px_calloc((size_t)(side * side), sizeof unit[0]);
    for (int64_t i = 0; i < side; i++)
        unit[i * side + i] = 1;
    px_value *one = px_constant_real(g, PX_SHAPE(side, side), unit);
    free(unit);
    px_value *products = px_matmul(g, z, z, N >= D, N < D, (double)D / ((double)N * eps)); /* [n,side,side] */
    px_value *w = px_inverse_cholesky(g, px_binary(g, PX_ADD, products, one));
    px_value *diagonal = px_reduce(g, PX_SUM, px_binary(g, PX_MUL, w, one), (px_axes){1, {2}, false}); /* [n,side] */
    return px_scale(g, px_sum_all(g, px_unary(g, PX_FN_LOG, diagonal, 0, 0)), -1 / (double)n);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int n = c->views.count;
    int64_t B = b->task->batch, D = c->dim;
    px_mlp layers = {.layers = 3, .hidden = c->hidden, .out = c->dim, .bias = true, .norm = true, .last_bias = true};
    px_net *head = px_net_create(g, "head");
    px_value *z = px_l2_normalize(g, px_head(head, &layers, px_encode(b, px_view_input(b, "views")).pooled));
    px_embedding(b, z);
    px_second_views(b, z);
    if (px_graph_error(g))
        return z;
    px_value *mean = px_reduce(g, PX_MEAN, px_reshape(g, z, PX_SHAPE(n, B, D)), (px_axes){1, {0}, true});
    px_value *means = px_reshape(g, px_expand(g, mean, PX_SHAPE(n, B, D)), PX_SHAPE(n * B, D));
    px_value *likeness = px_mean_cosine(g, z, means), *rate = coding_rate(g, px_gather_copies(g, z, n), c->eps);
    px_metric(b, "likeness", likeness);
    px_metric(b, "coding_rate", rate);
    return px_binary(g, PX_SUB, px_scale(g, likeness, -c->invariance), rate);
}

const px_method px_emp_ssl = {
    .name = "emp_ssl",
    .paper = "Tong et al. 2023, arXiv:2304.03977",
    .summary = "many crops point where their mean does, and fill the space by coding rate",
    .formula = "L = -200 mean cos(z_i, mean z) - mean over crops of logdet(I + D / (N eps) Z^T Z) / 2",
    .published = "CIFAR-10, ResNet-18, 1 / 10 / 30 epochs of 20 crops: 80.6 / 90.7 / 93.1 linear, on the head and 128 "
                 "crops (official README)",
    .departures = "Paper's features are the head's first layer, averaged over 128 crops: here they are the "
                  "backbone's.",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
