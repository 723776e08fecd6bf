/* simclr.c - A Simple Framework for Contrastive Learning of Visual Representations, Chen et al. 2020
 * (arXiv:2002.05709), and the deeper head of its second version (arXiv:2006.10029).
 *
 *   views [2B,C,S,S] -> backbone -> h [2B,F] -> projection head -> z [2B,D] -> NT-Xent over the global batch
 *                                   kept for the probe             thrown away */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

struct px_method_cfg {
    double temperature;
    int projection_layers, projection_hidden, projection_dim;
    enum { MEAN, SUM } loss;
    px_two_views views;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, temperature, "0.5", 0.001, 100,
              "softmax temperature (paper: 0.5 on CIFAR, 0.1 on ImageNet)"),
    PX_OPTION(px_method_cfg, projection_layers, "2", 1, 8, "layers of the projection head (v1: 2, v2: 3)"),
    PX_OPTION(px_method_cfg, projection_hidden, "0", 0, 65536,
              "width of its hidden layers; 0: the backbone's feature width (official code)"),
    PX_OPTION(px_method_cfg, projection_dim, "128", 1, 65536, "width of z, on which the loss works (paper: 128)"),
    PX_OPTION_CHOICE(
        px_method_cfg, loss, "mean", "mean|sum",
        "mean over the 2B rows (paper, equation 1), or sum of the two directions (official code), twice the mean"),
    PX_TWO_VIEWS_OPTIONS(px_method_cfg, views),
    {0}};

static const char defaults[] =
    "epochs = 100;\n"
    "batch = 512;\n"
    "optim = { optimizer = \"lars\"; lr = 1.0; weight_decay = 1e-4; warmup_epochs = 10.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)c;
    (void)backbone;
    return px_is_batch_of_one(task) ? "SimCLR needs at least batch=2: the other images of a step are its negatives"
                                    : NULL;
}

PX_TWO_VIEWS_FUNCTIONS(views)

/* z [2B,D]: row v*B + i is view v of image i. Each row must find the other view of its image among the rows of all
 * ranks, itself excluded. */
static px_value *nt_xent(const px_method_cfg *c, px_build *b, px_value *z)
{
    px_graph *g = b->g;
    int first, B = b->task->batch;               /* first: number of this rank's first row in `all` */
    px_value *all = px_all_gather(g, z, &first); /* [2BR, D]  */
    px_value *sim = px_matmul(g, z, all, false, true, 1 / c->temperature); /* [2B, 2BR] */
    sim = px_mask_diagonal(g, sim, px_own_rows(g, first, 2 * B, 0));
    px_value *positives = px_own_rows(g, first, 2 * B, B);
    px_metric(b, "contrast_accuracy", px_accuracy(g, sim, positives));
    px_value *loss = px_cross_entropy(g, sim, positives);
    return c->loss == SUM ? px_scale(g, loss, 2) : loss;
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_encoding h = px_encode(b, px_view_input(b, "views"));
    px_mlp projector = {c->projection_layers, c->projection_hidden, c->projection_dim, .norm = true,
                        .last_norm = PX_NORM_SCALES};
    px_value *z = px_l2_normalize(b->g, px_head(px_net_create(b->g, "projector"), &projector, h.pooled));
    px_embedding(b, z);
    px_second_views(b, z);
    return nt_xent(c, b, z);
}

const px_method px_simclr = {
    .name = "simclr",
    .paper = "Chen et al. 2020, arXiv:2002.05709",
    .summary = "two views of an image attract each other, views of other images repel (NT-Xent)",
    .formula =
        "L = -mean over 2B rows of log [e^(z_i z_j / T) / sum_(k != i) e^(z_i z_k / T)], j the image's other view",
    .published = "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 90.74 (solo-learn)\n"
                 "CIFAR-10, ResNet-18, 800 epochs: k-NN 87.9, the best epoch on the test set (lightly)",
    .departures = "Official code adds the losses of both directions: here it is their mean, half as much "
                  "(simclr.loss=sum adds them).",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
