/* mocov3.c - An Empirical Study of Training Self-Supervised Vision Transformers, Chen et al. 2021 (arXiv:2104.02057).
 *
 *   view a -> backbone -> projector -> predictor -> q_a    each q must find the key of its image, of the other view, among the
 *   view b -> teacher's backbone -> its projector -> k_b   keys of the batch on all ranks; and the other way round
 *
 * The teacher is a moving average of the backbone and the projector; keys get no gradient. Of a ViT the embedding of patches stays
 * as it is at first. The backbone (not the teacher's) is evaluated. */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

#include <math.h>

struct px_method_cfg {
    int projector_layers, hidden, dim;
    double temperature, momentum, momentum_end;
    bool freeze_patches;
    px_two_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, projector_layers, "0", 0, 8,
              "layers of the projector; 0: 3 for a ViT, 2 for others (official code)"),
    PX_OPTION(px_method_cfg, hidden, "4096", 1, 65536, "width of hidden layers of projector and predictor (paper)"),
    PX_OPTION(px_method_cfg, dim, "256", 1, 65536, "width of queries and keys (paper)"),
    PX_OPTION(px_method_cfg, temperature, "0.2", 0.001, 100, "softmax temperature (official code: ViT 0.2, ResNet 1)"),
    PX_OPTION(px_method_cfg, momentum, "0.99", 0, 1, "the teacher's momentum in the first step (paper)"),
    PX_OPTION(px_method_cfg, momentum_end, "1", 0, 1, "... and, along a cosine, after the last one (official code)"),
    PX_OPTION_FLAG(px_method_cfg, freeze_patches, "true",
                   "a ViT's embedding of patches stays as it is at first (paper, section 4.3)"),
    PX_UNLIKE_VIEWS_OPTIONS(px_method_cfg, views),
    {0}};

/* solo-learn on CIFAR. */
static const char defaults[] = "epochs = 100;\n"
                               "batch = 256;\n"
                               "optim = { optimizer = \"lars\"; lr = 0.3; eta = 0.02; clip_lr = true; "
                               "weight_decay = 1e-6; warmup_epochs = 10.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)c;
    (void)backbone;
    return px_is_batch_of_one(task) ? "MoCo v3 needs at least batch=2: the other keys are its negatives" : NULL;
}

PX_TWO_VIEWS_FUNCTIONS(views)

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    bool patches = b->backbone->family->patch != NULL;
    px_mlp layers = {.layers = c->projector_layers ? c->projector_layers
                               : patches           ? 3
                                                   : 2,
                     .hidden = c->hidden,
                     .out = c->dim,
                     .norm = true,
                     .last_norm = PX_NORM_PLAIN},
           forth = {.layers = 2,
                    .hidden = c->hidden,
                    .out = c->dim,
                    .norm = true,
                    .last_norm = patches ? PX_NORM_PLAIN : PX_NO_NORM};
    px_net *projector = px_net_create(g, "projector"), *predictor = px_net_create(g, "predictor");
    px_value *q[2], *k[2], *one[2], *accuracy;
    for (int v = 0; v < 2; v++)
        q[v] = px_l2_normalize(
            g, px_head(predictor, &forth, px_head(projector, &layers, px_encode(b, px_one_view(b, v)).pooled)));
    px_embedding(b, q[0]);
    px_second_views(b, q[1]);
    px_value *momentum = px_schedule(b, "momentum", c->momentum, c->momentum_end, PX_COSINE, PX_SHARE);
    px_net *teacher = px_net_follow(px_backbone_net(b), "teacher", momentum);
    px_net *teacher_head = px_net_follow(projector, "teacher", momentum);
    for (int v = 0; v < 2; v++)
        k[v] = px_l2_normalize(g, px_head(teacher_head, &layers, px_encode_by(b, teacher, px_one_view(b, v)).pooled));
    for (int v = 0; v < 2; v++)
        one[v] = px_info_nce(g, q[v], k[1 - v], c->temperature, &accuracy);
    px_metric(b, "contrast_accuracy", accuracy);
    if (patches && c->freeze_patches)
        px_treat(b, "patch_embed", PX_RULE_FROZEN, INFINITY);
    return px_scale(g, px_add(g, one[0], one[1]), 2 * c->temperature); /* 2 T of each order: official code */
}

const px_method px_mocov3 = {
    .name = "mocov3",
    .paper = "Chen et al. 2021, arXiv:2104.02057",
    .summary = "a view must find a slowly moving teacher's key of its image among those of "
               "the batch; made for ViTs",
    .formula =
        "L = 2 T [CE(q_a k_b^T / T) + CE(q_b k_a^T / T)], keys k of all images from the teacher, without gradient",
    .published = "ImageNet, ResNet-50, 100, 300, 1000 epochs: linear 68.9, 72.8, 74.6 (official)\n"
                 "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 93.10 (solo-learn)",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
