/* dino.c - Emerging Properties in Self-Supervised Vision Transformers, Caron et al. 2021 (arXiv:2104.14294).
 *
 *   large and small crops -> backbone -> head -> scores s    softmax(s / T) of a crop must match the teacher's softmax((t-c) / T')
 *   large crops -> teacher's backbone -> its head -> scores t of another crop of the image; c, the centre, is a moving average of t
 *
 * The centre keeps one prototype from winning always, the teacher's lower temperature keeps all from being alike. The teacher is a
 * moving average of backbone and head, and is what the paper evaluates (net=teacher). */
#include "nn/heads.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

struct px_method_cfg {
    int prototypes, hidden, dim;
    bool head_norm;
    double temperature, teacher_temperature_start, teacher_temperature, warmup_epochs, center, freeze_epochs, momentum,
        momentum_end;
    px_two_views views;
    px_small_crops small;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, prototypes, "4096", 2, 1 << 20, "prototypes (solo-learn on CIFAR; paper: 65536)"),
    PX_OPTION(px_method_cfg, hidden, "2048", 1, 65536, "width of the head's two hidden layers (paper)"),
    PX_OPTION(px_method_cfg, dim, "256", 1, 65536, "width of z (paper)"),
    PX_OPTION_FLAG(px_method_cfg, head_norm, "false", "batch norms in the head (official code: an option)"),
    PX_OPTION(px_method_cfg, temperature, "0.1", 0.001, 100, "softmax temperature (paper)"),
    PX_OPTION(px_method_cfg, teacher_temperature_start, "0.04", 0.001, 100, "the teacher's at first (paper)"),
    PX_OPTION(px_method_cfg, teacher_temperature, "0.07", 0.001, 100, "... and after its warm-up (paper)"),
    PX_OPTION(px_method_cfg, warmup_epochs, "30", 0, 1e6, "epochs of that warm-up (paper)"),
    PX_OPTION(px_method_cfg, center, "0.9", 0, 1, "how much of the centre stays in a step (paper); 1: no centring"),
    PX_OPTION(px_method_cfg, freeze_epochs, "1", 0, 1e6,
              "epochs in which the prototypes stay as they are (official code)"),
    PX_OPTION(px_method_cfg, momentum, "0.9995", 0, 1,
              "the teacher's momentum in the first step (official advice for a batch of 256; paper: 0.996)"),
    PX_OPTION(px_method_cfg, momentum_end, "1", 0, 1, "... and, along a cosine, after the last one (paper)"),
    PX_UNLIKE_VIEWS_OPTIONS(px_method_cfg, views),
    PX_SMALL_CROPS_OPTIONS(px_method_cfg, small),
    {0}};

/* solo-learn on CIFAR. The paper's for a ViT: adamw, lr 5e-4, weight_decay 0.04, weight_decay_end 0.4, clip 3. */
static const char defaults[] = "epochs = 100;\n"
                               "batch = 256;\n"
                               "optim = { optimizer = \"lars\"; lr = 0.3; eta = 0.02; clip_lr = true; "
                               "weight_decay = 1e-6; warmup_epochs = 10.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    return px_small_crops_check(&c->small, task, backbone);
}

PX_CROPS_FUNCTIONS(views, small)

/* Scores of the teacher for the large crops, [2B,K]. */
static px_value *teacher_scores(const px_method_cfg *c, px_build *b, px_net *head, const px_prototype_head *layers)
{
    px_value *momentum = px_schedule(b, "momentum", c->momentum, c->momentum_end, PX_COSINE, PX_SHARE);
    px_net *teacher = px_net_follow(px_backbone_net(b), "teacher", momentum);
    px_net *its_head = px_net_follow(head, "teacher", momentum);
    px_prototype_scores t =
        px_score_prototypes(its_head, layers, px_encode_by(b, teacher, px_view_input(b, "views")).pooled);
    return px_stop_gradient(b->g, t.scores);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int64_t B = b->task->batch, N = c->small.count, K = c->prototypes;
    px_prototype_head layers = {.mlp = {.layers = 3,
                                        .hidden = c->hidden,
                                        .out = c->dim,
                                        .bias = true,
                                        .last_bias = true,
                                        .norm = c->head_norm,
                                        .gelu = true,
                                        .deviation = 0.02},
                                .prototypes = c->prototypes};
    px_net *head = px_net_create(g, "head");
    px_value *h = px_encode(b, px_view_input(b, "views")).pooled;
    if (N > 0)
        h = px_concat(g, 0, (px_value *[]){h, px_encode(b, px_view_input(b, "small")).pooled}, 2);
    px_prototype_scores s = px_score_prototypes(head, &layers, h);
    px_value *t = teacher_scores(c, b, head, &layers),
             *center = px_state(g, "center", PX_SHAPE(1, K), px_init_constant(0));
    px_value *cool = px_schedule_within(b, "teacher_temperature", c->warmup_epochs, c->teacher_temperature_start,
                                        c->teacher_temperature, PX_LINEAR, PX_POSITIVE);
    px_embedding(b, s.z);
    px_second_views(b, s.z);
    px_treat(b, "head.last_layer", PX_RULE_FROZEN, c->freeze_epochs);
    px_value *log_p = px_log_softmax(g, px_scale(g, s.scores, 1 / c->temperature), 1); /* [(2+N)B,K] */
    px_value *log_q = px_log_softmax(g, px_binary(g, PX_DIV, px_binary(g, PX_SUB, t, center), cool), 1);
    px_value *q = px_unary(g, PX_FN_EXP, log_q, 0, 0);
    px_teacher_embedding(b, q); /* z may differ where all images have the same prototype */
    px_value *small = N > 0 ? px_slice(g, log_p, 0, 2 * B, N * B) : NULL;
    px_value *loss = px_distil_crops(g, q, px_slice(g, log_p, 0, 0, 2 * B), small);
    px_value *entropy = px_soft_cross_entropy(g, q, log_q);
    px_metric(b, "teacher_entropy", entropy);
    px_metric(b, "teacher_divergence", px_binary(g, PX_SUB, px_stop_gradient(g, loss), entropy)); /* KL(q || p) */
    px_metric(b, "prototype_entropy", px_mean_entropy(g, log_q)); /* of the batch's mean q; log K: all used alike */
    px_after_begin(g);
    px_value *mean = px_batch_mean(g, t);
    px_assign(g, center, px_add(g, px_scale(g, center, c->center), px_scale(g, mean, 1 - c->center)));
    px_after_end(g);
    return loss;
}

const px_method px_dino = {.name = "dino",
                           .paper = "Caron et al. 2021, arXiv:2104.14294",
                           .summary = "matches a slowly moving teacher's distribution over prototypes, of another "
                                      "crop",
                           .formula = "L = mean over (teacher's large crop g, student's crop v != g) of -sum "
                                      "softmax((t_g - c) / T_t) log softmax(s_v / T_s)",
                           .published = "ImageNet, ViT-S/16, 100 epochs: k-NN 69.3, linear 74.0 (official)\n"
                                        "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 89.52 (solo-learn)",
                           .departures = "Official code resamples a ViT's positions for small crops without "
                                         "antialiasing: here it is with it, as in timm.",
                           .cfg_size = sizeof(px_method_cfg),
                           .options = options,
                           .defaults = defaults,
                           .check = check,
                           .views = views,
                           .make_views = make_views,
                           .build = build};
