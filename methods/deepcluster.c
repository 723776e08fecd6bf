/* deepcluster.c - DeepCluster v2: Deep Clustering for Unsupervised Learning of Visual Features, Caron et al. 2018
 * (arXiv:1807.05520), as improved in SwAV's repository (Caron et al. 2020, arXiv:2006.09882, main_deepclusterv2.py).
 *
 *   crops -> backbone -> h -> head -> z of length 1 [(2+N)B,D] -> products with centroids
 *   z of the large crops, as each image was last seen (a memory of all images) -> k-means once per epoch -> centroids
 *
 * All crops must find the centroid nearest to the image's remembered z. Each head has centroids of its own, of one of the two large
 * crops in turn, without gradient. In the first epoch the loss is log K, parameters stay; images not yet seen have no gradient. */
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

struct px_method_cfg {
    int prototypes, heads, rounds, hidden, dim;
    double temperature;
    px_two_views views;
    px_small_crops small;
};

enum { HEADS_MAX = 8, EXACT = 1 << 24 /* whole numbers that a float can hold */ };

static const px_option options[] = {
    PX_OPTION(px_method_cfg, prototypes, "0", 0, 1 << 20,
              "centroids of each head; 0: 3000 (official code), or a tenth of the images if these are fewer"),
    PX_OPTION(px_method_cfg, heads, "3", 1, HEADS_MAX, "k-means from as many random beginnings (official code)"),
    PX_OPTION(px_method_cfg, rounds, "10", 1, 1000, "rounds of k-means (official code)"),
    PX_OPTION(px_method_cfg, hidden, "0", 0, 65536, "the head's hidden width; 0: that of the features (official code)"),
    PX_OPTION(px_method_cfg, dim, "128", 1, 65536, "width of z (official code)"),
    PX_OPTION(px_method_cfg, temperature, "0.1", 0.001, 100, "softmax temperature (official code)"),
    PX_TWO_VIEWS_OPTIONS(px_method_cfg, views),
    PX_SMALL_CROPS_OPTIONS(px_method_cfg, small),
    {0}};

/* solo-learn on CIFAR. */
static const char defaults[] =
    "epochs = 100;\nbatch = 256;\ndeepcluster = { jitter_strength = 1.0; blur = 0.5; };\n"
    "optim = { optimizer = \"lars\"; lr = 0.6; lr_min = 6e-4; eta = 0.02; clip_lr = true; weight_decay = 1e-6; "
    "warmup_epochs = 11.0; };\n";

static int64_t images_of(const px_task *task)
{
    return task->images > 0 ? task->images : (int64_t)task->batch * task->ranks;
}

static int prototypes_of(const px_method_cfg *c, const px_task *task)
{
    int64_t tenth = images_of(task) / 10;
    return c->prototypes ? c->prototypes : tenth > 3000 ? 3000 : tenth > 2 ? (int)tenth : 2;
}

static void settle(px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    c->prototypes = prototypes_of(c, task);
}

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    if (px_is_batch_of_one(task))
        return "DeepCluster needs at least batch=2: one image has no variance for the head's batch norm";
    if (c->prototypes == 1)
        return "deepcluster.prototypes must be at least 2";
    if (task->epoch_images > 0 && prototypes_of(c, task) > task->epoch_images)
        return "deepcluster.prototypes is more than the images of an epoch (data.split, data.limit)";
    if (images_of(task) > EXACT)
        return "DeepCluster remembers at most 16777216 images; a smaller data set would do";
    return px_small_crops_check(&c->small, task, backbone);
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    px_two_views_declare(task, out);
    px_small_crops_declare(&c->small, task, out);
    px_views_add(out, "index", PX_F32, 1, 0, NULL); /* the image's row in the data set */
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_two_views_make(&c->views, task, rng, image, out);
    px_small_crops_make(&c->small, &c->views, task, rng, image, out);
    *px_sample_f32(out, c->small.count > 0 ? 2 : 1, 0) = (float)image->index;
}

/* x (B, n), for each of the copies of an image: (copies B, n) */
static px_value *for_copies(px_graph *g, px_value *x, int64_t copies)
{
    int64_t B = x->shape.dim[0], n = x->shape.dim[1];
    px_value *all = px_expand(g, px_reshape(g, x, PX_SHAPE(1, B, n)), PX_SHAPE(copies, B, n));
    return px_reshape(g, all, PX_SHAPE(copies * B, n));
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int64_t B = b->task->batch, N = c->small.count, K = prototypes_of(c, b->task), crops = c->heads > 1 ? 2 : 1;
    int64_t every = b->task->epoch_images > 0 ? b->task->epoch_images : images_of(b->task);
    px_mlp layers = {.layers = 2, .hidden = c->hidden, .out = c->dim, .bias = true, .last_bias = true, .norm = true};
    px_value *h = px_encode(b, px_view_input(b, "views")).pooled, *index = px_view_input(b, "index"); /* [2B,F], [B] */
    if (N > 0)
        h = px_concat(g, 0, (px_value *[]){h, px_encode(b, px_view_input(b, "small")).pooled}, 2);
    px_value *z = px_l2_normalize(g, px_head(px_net_create(g, "projector"), &layers, h)); /* [(2+N)B,D] */
    px_value *memory = px_state(g, "memory", PX_SHAPE(images_of(b->task), crops * c->dim), px_init_constant(0));
    px_value *seen = px_state(g, "seen", PX_SHAPE(1), px_init_constant(0)), *before = px_recall(g, memory, index);
    px_value *centroids[HEADS_MAX], *loss = NULL, *rows[2] = {px_slice(g, z, 0, 0, B), px_slice(g, z, 0, B, B)};
    px_embedding(b, z);
    px_second_views(b, z);
    px_treat(b, "*", PX_RULE_FROZEN, 1);
    for (int k = 0; k < c->heads; k++) {
        centroids[k] = px_state(g, px_graph_text(g, "centroids.%d", k), PX_SHAPE(K, c->dim), px_init_constant(0));
        px_value *old = px_slice(g, before, 1, k % crops * c->dim, c->dim); /* [B,D] */
        px_value *length = px_reduce(g, PX_SUM, px_binary(g, PX_MUL, old, old), (px_axes){1, {1}, true});
        px_value *known = px_unary(g, PX_FN_CLAMP, px_scale(g, length, 1e6), 0, 1); /* [B,1] 0: not remembered */
        px_value *label = px_argmax(g, for_copies(g, px_matmul(g, old, centroids[k], false, true, 1), 2 + N), 1);
        px_value *scores = px_matmul(g, z, centroids[k], false, true, 1 / c->temperature); /* [(2+N)B,K] */
        scores = px_binary(g, PX_MUL, scores, for_copies(g, known, 2 + N));
        px_value *one = px_cross_entropy(g, scores, label);
        loss = loss ? px_add(g, loss, one) : one;
        if (k == 0) {
            px_metric(b, "cluster_accuracy", px_accuracy(g, scores, label));
            px_metric(b, "remembered", px_reduce(g, PX_MEAN, known, (px_axes){2, {0, 1}, false}));
        }
    }
    px_after_begin(g);
    px_remember(g, memory, seen, px_all_gather(g, index, NULL),
                px_all_gather(g, px_concat(g, 1, rows, (int)crops), NULL), every);
    for (int k = 0; k < c->heads; k++)
        px_cluster(g, centroids[k], memory, seen,
                   (px_spherical){.column = k % crops * c->dim, .every = every, .rounds = c->rounds, .stream = 1 + k});
    px_after_end(g);
    return px_scale(g, loss, 1.0 / c->heads);
}

const px_method px_deepcluster = {
    .name = "deepcluster",
    .paper = "Caron et al. 2018, arXiv:1807.05520; v2: Caron et al. 2020, arXiv:2006.09882",
    .summary = "crops of an image find the cluster to which it belonged in the epoch before (DeepCluster v2)",
    .formula = "L = mean over heads of CE(z C^T / T, argmax z' C^T), z' remembered, C of spherical k-means of all z'",
    .published = "ImageNet, ResNet-50, 400 epochs: linear 74.3 with 2x160+4x96 crops (official)\n"
                 "CIFAR-10, ResNet-18, 1000 epochs: linear, online, 88.85 (solo-learn)",
    .departures = "Official code fills its memory before the first epoch: here that epoch does, and trains nothing.",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .settle = settle,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
