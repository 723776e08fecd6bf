/* simsiam.c - Exploring Simple Siamese Representation Learning, Chen & He 2021 (arXiv:2011.10566).
 *
 *   view a -> backbone -> projector -> z_a -> predictor -> p_a   should point where z_b points, which gets no gradient;
 *   view b -> the same              -> z_b -> predictor -> p_b   and p_b where z_a points
 *
 * Without the predictor, or without the stop, all images come to one point. */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

struct px_method_cfg {
    int projector_layers, dim, predictor_hidden;
    bool predictor, predictor_steady;
    px_two_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, projector_layers, "3", 1, 8, "layers of the projector (paper: 3, on CIFAR-10 2)"),
    PX_OPTION(px_method_cfg, dim, "2048", 1, 65536, "width of its layers and of z (paper)"),
    PX_OPTION(px_method_cfg, predictor_hidden, "512", 1, 65536, "width of the predictor's hidden layer (paper)"),
    PX_OPTION_FLAG(px_method_cfg, predictor, "true", "without it z itself is compared, and collapses (paper, table 1)"),
    PX_OPTION_FLAG(px_method_cfg, predictor_steady, "true",
                   "the predictor's learning rate does not follow the schedule (official code: --fix-pred-lr)"),
    PX_VIEWS_OPTIONS(px_method_cfg, views, "0.2", "0", "0"),
    {0}};

/* Official code. */
static const char defaults[] =
    "epochs = 100;\n"
    "batch = 512;\n"
    "optim = { optimizer = \"sgd\"; lr = 0.05; momentum = 0.9; weight_decay = 1e-4; warmup_epochs = 0.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)c;
    (void)backbone;
    return px_is_batch_of_one(task)
               ? "SimSiam needs at least batch=2: one image has no variance for the batch norms of its heads"
               : NULL;
}

PX_TWO_VIEWS_FUNCTIONS(views)

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    px_mlp layers = {.layers = c->projector_layers,
                     .hidden = c->dim,
                     .out = c->dim,
                     .norm = true,
                     .last_norm = PX_NORM_PLAIN},
           back = {.layers = 2, .hidden = c->predictor_hidden, .out = c->dim, .norm = true, .last_bias = true};
    px_net *projector = px_net_create(g, "projector"), *predictor = px_net_create(g, "predictor");
    px_value *z[2], *p[2];
    for (int v = 0; v < 2; v++) {
        z[v] = px_head(projector, &layers, px_encode(b, px_one_view(b, v)).pooled);
        p[v] = c->predictor ? px_head(predictor, &back, z[v]) : z[v];
    }
    if (c->predictor && c->predictor_steady)
        px_treat(b, "predictor", PX_RULE_STEADY, 1);
    px_embedding(b, z[0]);
    px_second_views(b, z[1]);
    px_value *both = px_add(g, px_mean_cosine(g, p[0], px_stop_gradient(g, z[1])),
                            px_mean_cosine(g, p[1], px_stop_gradient(g, z[0])));
    return px_scale(g, both, -0.5);
}

const px_method px_simsiam = {.name = "simsiam",
                              .paper = "Chen & He 2021, arXiv:2011.10566",
                              .summary = "predicts the projection of another view, which gets no gradient; no "
                                         "negatives, no teacher",
                              .formula = "L = -1/2 [cos(p_a, z_b) + cos(p_b, z_a)], z without gradient",
                              .published = "ImageNet, ResNet-50, 100 epochs: linear 68.1 (official)\n"
                                           "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 90.51 (solo-learn)",
                              .cfg_size = sizeof(px_method_cfg),
                              .options = options,
                              .defaults = defaults,
                              .check = check,
                              .views = views,
                              .make_views = make_views,
                              .build = build};
