/* msn.c - Masked Siamese Networks, Assran et al. 2022 (arXiv:2204.07141).
 *
 *   a view, without some patches -> ViT -> head -> z \
 *   small crops                  -> ViT -> head -> z  > softmax(cosine with prototypes / T) = p, as the target says
 *   another view, whole -> teacher's ViT -> its head -> its p, sharpened and balanced by Sinkhorn-Knopp: the target
 *
 * Loss: mean cross-entropy of target and p, and log K less the mean p's entropy. The paper evaluates the teacher (net=teacher). */
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"
#include "train/two_views.h"

#include <math.h>

/* Cosines span 2: e^(-2 / sharpest) = e^-87, divided by the most prototypes, is not yet 0 in single precision. */
static const double sharpest = 0.023;

struct px_method_cfg {
    int prototypes, hidden, dim, rounds;
    double temperature, sharpen, drop, spread, momentum, momentum_end;
    px_two_views views;
    px_small_crops small;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, prototypes, "1024", 2, 1 << 20, "prototypes (paper)"),
    PX_OPTION(px_method_cfg, hidden, "2048", 1, 65536, "width of the head's two hidden layers (official code)"),
    PX_OPTION(px_method_cfg, dim, "256", 1, 65536, "width of z (official code)"),
    PX_OPTION(px_method_cfg, temperature, "0.1", 0.001, 100, "softmax temperature T (paper)"),
    PX_OPTION(px_method_cfg, sharpen, "0.25", 0.001, 1, "temperature that sharpens targets, on top of T (paper)"),
    PX_OPTION(px_method_cfg, rounds, "3", 0, 100, "rounds of Sinkhorn-Knopp (official code); 0: none (paper)"),
    PX_OPTION(px_method_cfg, drop, "0.15", 0, 0.99, "fraction of patches that are left out (official code, ViT-S)"),
    PX_OPTION(px_method_cfg, spread, "1", 0, 1e6, "weight of the mean's entropy (paper); 0 may collapse"),
    PX_OPTION(px_method_cfg, momentum, "0.996", 0, 1, "the teacher's momentum in the first step (paper)"),
    PX_OPTION(px_method_cfg, momentum_end, "0.9992", 0, 1,
              "... and, along a line, after the last one (official code, which would reach 1 after 1.25 trainings)"),
    PX_VIEWS_OPTIONS(px_method_cfg, views, "0.3", "0", "0"),
    PX_SMALL_CROPS_OPTIONS(px_method_cfg, small),
    {0}};

/* Official code for ViT-S: 1e-3 for 1024 images. */
static const char defaults[] =
    "backbone = \"vit_tiny_4\";\n"
    "epochs = 100;\n"
    "batch = 256;\n"
    "msn = { small_crops = 10; small_area_max = 0.3; };\n"
    "optim = { optimizer = \"adamw\"; lr = 2.5e-4; lr_min = 1e-6; weight_decay = 0.04; weight_decay_end = 0.4; "
    "warmup_epochs = 15.0; warmup_from = 0.2; clip = 3.0; };\n";

/* With drop=0 all patches stay. */
static bool leaves_out(const px_method_cfg *c, const px_task *task)
{
    return px_visible_count(task, c->drop) < px_patch_count(task);
}

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    if (px_is_batch_of_one(task))
        return "MSN needs at least batch=2: it spreads the images of a step over the prototypes";
    if (c->temperature * c->sharpen < sharpest)
        return "msn.temperature times msn.sharpen must be at least 0.023: below, a prototype's share of all images may "
               "be 0 in single precision";
    if (px_visible_count(task, c->drop) < 1)
        return "msn.drop leaves no patch; a smaller one, larger images (data.image_size) or a backbone of smaller "
               "patches would";
    return px_small_crops_check(&c->small, task, backbone);
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    px_two_views_declare(task, out); /* the student's, then the teacher's */
    px_small_crops_declare(&c->small, task, out);
    if (leaves_out(c, task))
        px_hidden_declare(task, px_visible_count(task, c->drop), out);
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_two_views_make(&c->views, task, rng, image, out);
    px_small_crops_make(&c->small, &c->views, task, rng, image, out);
    if (leaves_out(c, task))
        px_hidden_make(task, px_visible_count(task, c->drop), rng, out, c->small.count > 0 ? 2 : 1);
}

/* z of the class token */
static px_value *project(px_build *b, px_net *net, px_net *head, const px_mlp *layers, px_value *x, px_value *visible)
{
    return px_head(head, layers, px_select(b->g, px_encode_masked(b, net, x, visible, PX_DROP).tokens, 1, 0));
}

/* The teacher's sharpened assignment of the whole view (B,K). */
static px_value *make_target(const px_method_cfg *c, px_build *b, px_net *head, const px_mlp *layers,
                             px_value *prototypes)
{
    px_graph *g = b->g;
    px_value *momentum = px_schedule(b, "momentum", c->momentum, c->momentum_end, PX_LINEAR, PX_SHARE);
    px_net *teacher = px_net_follow(px_backbone_net(b), "teacher", momentum),
           *its_head = px_net_follow(head, "teacher", momentum);
    px_value *z = project(b, teacher, its_head, layers, px_one_view(b, 1), NULL);
    px_teacher_embedding(b, z);
    px_value *scores = px_linear(g, px_l2_normalize(g, z), prototypes, NULL);
    px_value *log_q = px_log_softmax(g, px_scale(g, scores, 1 / (c->temperature * c->sharpen)), 1);
    return px_sinkhorn(g, log_q, 1, c->rounds);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int64_t B = b->task->batch, N = c->small.count, K = c->prototypes;
    px_mlp layers = {
        .layers = 3, .hidden = c->hidden, .out = c->dim, .bias = true, .last_bias = true, .norm = true, .gelu = true};
    px_net *net = px_backbone_net(b), *head = px_net_create(g, "head");
    px_value *visible = leaves_out(c, b->task) ? px_view_input(b, "visible") : NULL;
    px_value *z = project(b, net, head, &layers, px_one_view(b, 0), visible);
    px_embedding(b, z);
    if (N > 0) /* batch norms see crops of each size by themselves, as in the official code */
        z = px_concat(g, 0, (px_value *[]){z, project(b, net, head, &layers, px_view_input(b, "small"), NULL)}, 2);
    px_scope_push(g, "prototypes");
    px_init init = px_init_uniform(1 / sqrt((double)c->dim));
    px_value *prototypes = px_l2_normalize(g, px_parameter(g, "weight", PX_SHAPE(K, c->dim), init, PX_EXEMPT));
    px_scope_pop(g);
    px_value *scores = px_linear(g, px_l2_normalize(g, z), prototypes, NULL);
    px_value *log_p = px_log_softmax(g, px_scale(g, scores, 1 / c->temperature), 1); /* [(1+N)B,K] */
    px_value *target = make_target(c, b, head, &layers, px_stop_gradient(g, prototypes));
    if (px_graph_error(g))
        return z;
    px_value *apart =
        px_scale(g, px_soft_cross_entropy(g, target, px_reshape(g, log_p, PX_SHAPE(1 + N, B, K))), 1 / (double)(1 + N));
    px_value *entropy = px_mean_entropy(g, log_p);
    px_metric(b, "cross_entropy", apart);
    px_metric(b, "mean_entropy", entropy);
    return px_add(g, apart, px_unary(g, PX_FN_AFFINE, entropy, -c->spread, c->spread * log((double)K)));
}

const px_method px_msn = {.name = "msn",
                          .paper = "Assran et al. 2022, arXiv:2204.07141",
                          .summary = "a view without some patches has the prototypes of another, whole one",
                          .formula = "L = -mean sum q log p + log K - H(mean p), p = softmax(cos(z, prototypes) / T), "
                                     "q the teacher's, sharpened and balanced",
                          .published = "Imagenette, ViT-S/16, 128 px, 800 epochs: k-NN 82.8, best of test (lightly)",
                          .departures = "Official code hides one set of patches per batch: here one per image.\n"
                                        "Official views are blurred: here only with msn.blur=0.5.",
                          .family = "vit",
                          .cfg_size = sizeof(px_method_cfg),
                          .options = options,
                          .defaults = defaults,
                          .check = check,
                          .views = views,
                          .make_views = make_views,
                          .build = build};
