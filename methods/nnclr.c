/* nnclr.c - With a Little Help from My Friends: Nearest-Neighbor Contrastive Learning, Dwibedi et al. 2021 (arXiv:2104.14548).
 *
 *   view a -> backbone -> projector -> z_a -> its nearest neighbour in a queue, n_a
 *   view b -> the same              -> z_b -> predictor -> p_b       n_a must find p_b among those of the batch on all ranks;
 *                                                                    and the other way round
 *
 * The queue has z of the first views of earlier steps. */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

struct px_method_cfg {
    int queue, hidden, dim, predictor_hidden;
    double temperature;
    px_two_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, queue, "65536", 1, 1 << 24,
              "projections in the queue (solo-learn; paper on ImageNet: 98304; lightly on CIFAR-10: 4096)"),
    PX_OPTION(px_method_cfg, hidden, "2048", 1, 65536, "width of the projector's two hidden layers (paper)"),
    PX_OPTION(px_method_cfg, dim, "256", 1, 65536, "width of projections and predictions (paper)"),
    PX_OPTION(px_method_cfg, predictor_hidden, "4096", 1, 65536, "width of the predictor's hidden layer (paper)"),
    PX_OPTION(px_method_cfg, temperature, "0.2", 0.001, 100, "softmax temperature (solo-learn; paper: 0.1)"),
    PX_UNLIKE_VIEWS_OPTIONS(px_method_cfg, views),
    {0}};

/* solo-learn on CIFAR. */
static const char defaults[] = "epochs = 100;\n"
                               "batch = 256;\n"
                               "optim = { optimizer = \"lars\"; lr = 0.4; eta = 0.02; clip_lr = true; "
                               "weight_decay = 1e-5; warmup_epochs = 10.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    if (px_is_batch_of_one(task))
        return "NNCLR needs at least batch=2: the other images of a step are its negatives";
    return (int64_t)task->batch * task->ranks > c->queue
               ? "nnclr.queue is too short for the projections of one step (as many as the batch)"
               : NULL;
}

PX_TWO_VIEWS_FUNCTIONS(views)

/* z [B,D] -> the rows of the queue [K,D] that are nearest to them; no gradient. */
static px_value *neighbours(px_graph *g, px_value *z, px_value *queue)
{
    int64_t B = z->shape.dim[0], K = queue->shape.dim[0], D = queue->shape.dim[1];
    px_value *nearest = px_argmax(g, px_matmul(g, px_stop_gradient(g, z), queue, false, true, 1), 1); /* [B] */
    px_value *rows =
        px_gather_tokens(g, px_reshape(g, queue, PX_SHAPE(1, K, D)), px_reshape(g, nearest, PX_SHAPE(1, B)));
    return px_reshape(g, rows, PX_SHAPE(B, D));
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    px_mlp layers = {.layers = 3,
                     .hidden = c->hidden,
                     .out = c->dim,
                     .bias = true,
                     .last_bias = true,
                     .norm = true,
                     .last_norm = PX_NORM_AFFINE},
           forth = {.layers = 2,
                    .hidden = c->predictor_hidden,
                    .out = c->dim,
                    .bias = true,
                    .last_bias = true,
                    .norm = true};
    px_net *projector = px_net_create(g, "projector"), *predictor = px_net_create(g, "predictor");
    px_value *queue = px_state(g, "queue", PX_SHAPE(c->queue, c->dim), px_init_unit_rows());
    px_value *place = px_state(g, "queue_ptr", PX_SHAPE(1), px_init_constant(0));
    px_value *z[2], *p[2], *one[2], *accuracy;
    for (int v = 0; v < 2; v++) {
        px_value *projection = px_head(projector, &layers, px_encode(b, px_one_view(b, v)).pooled);
        z[v] = px_l2_normalize(g, projection);
        p[v] = px_l2_normalize(g, px_head(predictor, &forth, projection));
    }
    px_embedding(b, z[0]);
    px_second_views(b, z[1]);
    if (px_graph_error(g))
        return z[0];
    for (int v = 0; v < 2; v++)
        one[v] = px_info_nce(g, neighbours(g, z[v], queue), p[1 - v], c->temperature, &accuracy);
    px_metric(b, "contrast_accuracy", accuracy);
    px_after_begin(g);
    px_enqueue(g, queue, place, px_all_gather(g, z[0], NULL));
    px_after_end(g);
    return px_scale(g, px_add(g, one[0], one[1]), 0.5);
}

const px_method px_nnclr = {.name = "nnclr",
                            .paper = "Dwibedi et al. 2021, arXiv:2104.14548",
                            .summary = "contrasts a view's nearest neighbour in a queue with the other view",
                            .formula =
                                "L = 1/2 [CE(nn(z_a) p_b^T / T) + CE(nn(z_b) p_a^T / T)], nn the nearest of the queue",
                            .published = "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 91.88 (solo-learn)",
                            .departures = "No official code was found: the details are solo-learn's.",
                            .cfg_size = sizeof(px_method_cfg),
                            .options = options,
                            .defaults = defaults,
                            .check = check,
                            .views = views,
                            .make_views = make_views,
                            .build = build};
