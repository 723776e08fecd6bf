/* byol.c - Bootstrap Your Own Latent, Grill et al. 2020 (arXiv:2006.07733).
 *
 *   view a -> backbone -> projector -> predictor -> p_a   should point where the teacher's projection of the other view
 *   view b -> teacher's backbone -> its projector -> z'_b points, without negatives
 *
 * The teacher is a moving average of the backbone and the projector. The backbone (not the teacher's) is evaluated. */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

struct px_method_cfg {
    int hidden, dim;
    double momentum, momentum_end;
    px_two_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, hidden, "4096", 1, 65536, "width of the hidden layer of projector and predictor (paper)"),
    PX_OPTION(px_method_cfg, dim, "256", 1, 65536, "width of projections and predictions (paper)"),
    PX_OPTION(px_method_cfg, momentum, "0.99", 0, 1,
              "the teacher's momentum in the first step (official code: 0.99 for up to 300 epochs, 0.996 for 1000)"),
    PX_OPTION(px_method_cfg, momentum_end, "1", 0, 1, "... and, along a cosine, after the last one (paper)"),
    PX_UNLIKE_VIEWS_OPTIONS(px_method_cfg, views),
    {0}};

/* Official code, 100 epochs. */
static const char defaults[] =
    "epochs = 100;\n"
    "batch = 512;\n"
    "optim = { optimizer = \"lars\"; lr = 0.45; weight_decay = 1e-6; warmup_epochs = 10.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)c;
    (void)backbone;
    return px_is_batch_of_one(task)
               ? "BYOL needs at least batch=2: one image has no variance for the batch norms of its heads"
               : NULL;
}

PX_TWO_VIEWS_FUNCTIONS(views)

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    px_mlp layers = {.layers = 2, .hidden = c->hidden, .out = c->dim, .bias = true, .last_bias = true, .norm = true};
    px_net *projector = px_net_create(g, "projector"), *predictor = px_net_create(g, "predictor");
    px_value *p[2], *z[2];
    for (int v = 0; v < 2; v++) {
        px_value *projection = px_head(projector, &layers, px_encode(b, px_one_view(b, v)).pooled);
        if (v == 0)
            px_embedding(b, projection);
        else
            px_second_views(b, projection);
        p[v] = px_head(predictor, &layers, projection);
    }
    px_value *momentum = px_schedule(b, "momentum", c->momentum, c->momentum_end, PX_COSINE, PX_SHARE);
    px_net *teacher = px_net_follow(px_backbone_net(b), "teacher", momentum);
    px_net *teacher_head = px_net_follow(projector, "teacher", momentum);
    for (int v = 0; v < 2; v++)
        z[v] = px_head(teacher_head, &layers, px_encode_by(b, teacher, px_one_view(b, v)).pooled);
    px_value *both = px_add(g, px_mean_cosine(g, p[0], z[1]), px_mean_cosine(g, p[1], z[0]));
    return px_unary(g, PX_FN_AFFINE, both, -2, 4); /* the sum of 2 - 2 cos over both orders */
}

const px_method px_byol = {
    .name = "byol",
    .paper = "Grill et al. 2020, arXiv:2006.07733",
    .summary = "predicts a slowly moving teacher's projection of another view, without negatives",
    .formula = "L = |p(z_a) - z'_b|^2 + |p(z_b) - z'_a|^2, vectors of length 1, z' the teacher's",
    .published = "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 92.58 (solo-learn)\n"
                 "CIFAR-10, ResNet-18, 800 epochs: k-NN 91.0, the best epoch on the test set (lightly)",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
