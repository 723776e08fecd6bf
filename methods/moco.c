/* moco.c - Momentum Contrast, He et al. 2020 (arXiv:1911.05722), with the head of its second version (Chen et al. 2020,
 * arXiv:2003.04297).
 *
 *   view 0 -> backbone -> head -> q    each q must find the key of its image among the keys of earlier steps (a queue)
 *   view 1 -> teacher  -> its head -> k, which then joins the queue
 *
 * The backbone (not the teacher's) is evaluated. */
#include "nn/layers.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

struct px_method_cfg {
    int queue, layers, hidden, dim;
    double temperature, momentum;
    bool symmetric;
    px_two_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, queue, "4096", 1, 1 << 24, "keys in the queue (official CIFAR-10 demo; ImageNet: 65536)"),
    PX_OPTION(px_method_cfg, layers, "2", 1, 8, "layers of the head (v1: 1, v2: 2)"),
    PX_OPTION(px_method_cfg, hidden, "0", 0, 65536, "width of its hidden layers; 0: the backbone's feature width (v2)"),
    PX_OPTION(px_method_cfg, dim, "128", 1, 65536, "width of queries and keys (paper)"),
    PX_OPTION(px_method_cfg, temperature, "0.1", 0.001, 100, "softmax temperature (official CIFAR-10 demo; v2: 0.2)"),
    PX_OPTION(px_method_cfg, momentum, "0.99", 0, 1,
              "the teacher's momentum (official CIFAR-10 demo; ImageNet: 0.999)"),
    PX_OPTION_FLAG(px_method_cfg, symmetric, "false",
                   "each view is query and key once: twice the work, the mean of both losses (the demo's option)"),
    PX_TWO_VIEWS_OPTIONS(px_method_cfg, views),
    {0}};

/* The official CIFAR-10 demo: 0.06 for 512 images. */
static const char defaults[] =
    "epochs = 200;\n"
    "batch = 512;\n"
    "optim = { optimizer = \"sgd\"; lr = 0.03; momentum = 0.9; weight_decay = 5e-4; warmup_epochs = 0.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    return (int64_t)task->batch * task->ranks * (1 + c->symmetric) > c->queue
               ? "moco.queue is too short for the keys of one step (as many as the batch, or if symmetric twice as "
                 "many)"
               : NULL;
}

PX_TWO_VIEWS_FUNCTIONS(views)

/* q, k [B,D], queue [K,D]: cross-entropy of [q.k, q.queue] / T, the first being right. */
static px_value *info_nce(const px_method_cfg *c, px_graph *g, px_value *q, px_value *k, px_value *queue,
                          px_value *first, px_value **logits)
{
    px_value *positive = px_reduce(g, PX_SUM, px_binary(g, PX_MUL, q, k), (px_axes){1, {1}, true}); /* [B,1] */
    px_value *negative = px_matmul(g, q, queue, false, true, 1);                                    /* [B,K] */
    *logits = px_scale(g, px_concat(g, 1, (px_value *[]){positive, negative}, 2), 1 / c->temperature);
    return px_cross_entropy(g, *logits, first);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int orders = 1 + c->symmetric;
    px_mlp layers = {.layers = c->layers, .hidden = c->hidden, .out = c->dim, .bias = true, .last_bias = true};
    px_net *head = px_net_create(g, "head"), *teacher = NULL, *teacher_head = NULL;
    px_value *queue = px_state(g, "queue", PX_SHAPE(c->queue, c->dim), px_init_unit_rows());
    px_value *place = px_state(g, "queue_ptr", PX_SHAPE(1), px_init_constant(0)), *loss = NULL, *keys[2];
    px_value *first = px_copy_numbers(b, 1), /* zeros */
        *momentum = px_schedule(b, "momentum", c->momentum, 0, PX_STEADY, PX_SHARE);
    for (int v = 0; v < orders; v++) {
        px_value *logits, *q = px_l2_normalize(g, px_head(head, &layers, px_encode(b, px_one_view(b, v)).pooled));
        if (!teacher) {
            px_embedding(b, q);
            teacher = px_net_follow(px_backbone_net(b), "teacher", momentum);
            teacher_head = px_net_follow(head, "teacher", momentum);
        }
        px_value *h = px_encode_by(b, teacher, px_one_view(b, 1 - v)).pooled;
        keys[v] = px_l2_normalize(g, px_head(teacher_head, &layers, h));
        px_value *one = info_nce(c, g, q, keys[v], queue, first, &logits);
        if (v == 0)
            px_metric(b, "contrast_accuracy", px_accuracy(g, logits, first));
        loss = loss ? px_scale(g, px_add(g, loss, one), 0.5) : one;
    }
    px_after_begin(g);
    px_value *all = px_all_gather(g, c->symmetric ? px_concat(g, 0, keys, 2) : keys[0], NULL);
    px_enqueue(g, queue, place, all);
    px_after_end(g);
    return loss;
}

const px_method px_moco = {
    .name = "moco",
    .paper = "He et al. 2020, arXiv:1911.05722; Chen et al. 2020, arXiv:2003.04297",
    .summary = "a view must find a slowly moving teacher's key of its image among those of a queue",
    .formula = "L = -log [e^(q k+ / T) / (e^(q k+ / T) + sum over the queue of e^(q k / T))]",
    .published = "CIFAR-10, ResNet-18, 800 epochs: k-NN 88.7, with the symmetric loss 89.7 (official demo)",
    .departures = "Official batch norms are per GPU, and keys are shuffled among GPUs: here they see the batch of all "
                  "ranks, without shuffling (the official CIFAR-10 demo: 4 points less at 800 epochs).",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
