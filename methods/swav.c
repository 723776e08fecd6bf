/* swav.c - Swapping Assignments between Views, Caron et al. 2020 (arXiv:2006.09882).
 *
 *   crops -> backbone -> h -> head -> z of length 1 -> scores: products with prototypes of length 1
 *
 * The scores of a large crop become an assignment of its images to prototypes, balanced over the global batch
 * (Sinkhorn-Knopp), which the other crops of the same image must predict. */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

#include <math.h>

struct px_method_cfg {
    int prototypes, hidden, dim, rounds;
    double temperature, epsilon, freeze_epochs;
    px_two_views views;
    px_small_crops small;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, prototypes, "512", 2, 1 << 20,
              "prototypes (lightly on CIFAR-10; paper: 3000 on ImageNet)"),
    PX_OPTION(px_method_cfg, hidden, "0", 0, 65536,
              "width of the head's hidden layer; 0: the backbone's feature width (paper)"),
    PX_OPTION(px_method_cfg, dim, "128", 1, 65536, "width of z (paper)"),
    PX_OPTION(px_method_cfg, temperature, "0.1", 0.001, 100, "softmax temperature of predictions (paper)"),
    PX_OPTION(px_method_cfg, epsilon, "0.05", 0.0125, 100, "softness of the assignments (paper)"),
    PX_OPTION(px_method_cfg, freeze_epochs, "0", 0, 1e6,
              "epochs in which the prototypes stay as they are (official code: 313 steps, an epoch of its batches)"),
    PX_OPTION(px_method_cfg, rounds, "3", 1, 100, "rounds of Sinkhorn-Knopp (paper)"),
    PX_TWO_VIEWS_OPTIONS(px_method_cfg, views),
    PX_SMALL_CROPS_OPTIONS(px_method_cfg, small),
    {0}};

/* solo-learn on CIFAR, with a warm-up of ten epochs. */
static const char defaults[] = "epochs = 100;\n"
                               "batch = 512;\n"
                               "swav = { jitter_strength = 1.0; blur = 0.5; };\n"
                               "optim = { optimizer = \"lars\"; lr = 0.6; eta = 0.02; clip_lr = true; "
                               "weight_decay = 1e-6; warmup_epochs = 10.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    if (px_is_batch_of_one(task))
        return "SwAV needs at least batch=2: it spreads the images of a step over the prototypes";
    return px_small_crops_check(&c->small, task, backbone);
}

PX_CROPS_FUNCTIONS(views, small)

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int64_t B = b->task->batch, N = c->small.count;
    px_mlp layers = {.layers = 2, .hidden = c->hidden, .out = c->dim, .bias = true, .last_bias = true, .norm = true};
    px_value *h = px_encode(b, px_view_input(b, "views")).pooled; /* [2B,F] */
    if (N > 0) /* one head for all crops, as its batch norm sees them together */
        h = px_concat(g, 0, (px_value *[]){h, px_encode(b, px_view_input(b, "small")).pooled}, 2);
    px_value *z = px_l2_normalize(g, px_head(px_net_create(g, "projector"), &layers, h)); /* [(2+N)B,D] */
    px_scope_push(g, "prototypes");
    px_value *w = px_parameter(g, "weight", PX_SHAPE(c->prototypes, c->dim), px_init_unit_rows(), PX_UNIT_ROWS);
    px_scope_pop(g);
    px_treat(b, "prototypes", PX_RULE_FROZEN, c->freeze_epochs);
    px_value *scores = px_linear(g, z, w, NULL); /* [(2+N)B,K] */
    px_value *log_p = px_log_softmax(g, px_scale(g, scores, 1 / c->temperature), 1), *q[2];
    px_embedding(b, z);
    px_second_views(b, z);
    for (int v = 0; v < 2; v++)
        q[v] = px_sinkhorn(g, px_slice(g, scores, 0, v * B, B), c->epsilon, c->rounds); /* [B,K] */
    px_value *small = N > 0 ? px_slice(g, log_p, 0, 2 * B, N * B) : NULL, *large = px_slice(g, log_p, 0, 0, 2 * B);
    px_metric(b, "prototype_entropy", px_mean_entropy(g, px_stop_gradient(g, large))); /* log K: all used alike */
    return px_distil_crops(g, px_concat(g, 0, q, 2), large, small);
}

const px_method px_swav = {
    .name = "swav",
    .paper = "Caron et al. 2020, arXiv:2006.09882",
    .summary = "crops of an image predict each other's assignment to balanced prototypes",
    .formula = "L = -mean over (large crop s, other crop t) of q_s log softmax(scores_t / T), q Sinkhorn's assignment",
    .published = "ImageNet, ResNet-50, 200 epochs: linear 72.7 (official, batch 256)\n"
                 "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 89.17 (solo-learn)",
    .departures = "Official code also balances over a queue where batches are small: here there is none.",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
