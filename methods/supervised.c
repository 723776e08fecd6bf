/* supervised.c - the upper reference of every comparison: the same backbone, trained with the data set's labels.
 *
 *   image [B,C,S,S] -> backbone -> h [B,F] -> dropout -> linear -> cross-entropy with the label, or with shares of the classes
 *                         |                            |
 *                         +-- averaged over the steps --+   (ema)
 *
 * What makes such training better than it was in 2015 is there by options, off by default as in He et al.'s recipe: smoothed
 * labels, mixup, CutMix, RandAugment, TrivialAugment, random erasing, dropout, an average of the weights. */
#include "graph/average.h"
#include "nn/layers.h"
#include "ops/ops.h"
#include "train/labels.h"

struct px_method_cfg {
    double area_min, flip, erase, smoothing, dropout, ema, ema_from;
    px_policy policy;
    px_mix mix;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, area_min, "0.2", 0.01, 1,
              "smallest fraction of the image's area in a crop (ImageNet: 0.08; 0.2 suits small images)"),
    PX_OPTION(px_method_cfg, flip, "0.5", 0, 1, "probability of a horizontal flip (torchvision: 0.5)"),
    PX_POLICY_OPTIONS(px_method_cfg, policy),
    PX_OPTION(px_method_cfg, erase, "0", 0, 1,
              "probability that a rectangle is erased (arXiv:1708.04896: 0.5; torchvision's V2: 0.1)"),
    PX_OPTION(px_method_cfg, smoothing, "0", 0, 0.99,
              "share of a label that is spread over all classes (Szegedy 2016, torchvision's V2: 0.1)"),
    PX_MIX_OPTIONS(px_method_cfg, mix),
    PX_OPTION(px_method_cfg, dropout, "0", 0, 0.99,
              "before the linear layer (Srivastava 2014; VGG: 0.5, EfficientNet: 0.2)"),
    PX_OPTION(
        px_method_cfg, ema, "0", 0, 0.99999,
        "share that an average of weights and running statistics keeps of itself in each step; the average is what is "
        "probed and exported, net=trained takes the weights themselves; 0: none (Polyak & Juditsky 1992; torchvision's "
        "V2, 600 epochs at batch 1024: about 0.99997)"),
    PX_OPTION(
        px_method_cfg, ema_from, "0", 0, 1e6,
        "epochs after which that average begins; until then it is the weights themselves (torchvision's V2: those of "
        "the warm-up)"),
    {0}};

/* torchvision's reference for ResNets, with the warm-up of Goyal et al. 2017. */
static const char defaults[] =
    "epochs = 90;\n"
    "batch = 256;\n"
    "data = { normalize = true; };\n"
    "optim = { optimizer = \"sgd\"; lr = 0.1; weight_decay = 1e-4; warmup_epochs = 5.0; };\n";

/* Whether targets are shares of classes, not their numbers. */
static bool is_soft(const px_method_cfg *c, const px_task *task)
{
    return c->smoothing > 0 || (c->mix.by != PX_MIX_NONE && task->augment);
}

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    const char *labels = px_labels_check(task);
    if (labels)
        return labels;
    if (c->policy.by != PX_POLICY_NONE && task->augment && task->channels != 1 && task->channels != 3)
        return "supervised.policy changes colours, which is for images of 1 or 3 channels; supervised.policy=none "
               "turns it off";
    if (c->mix.by != PX_MIX_NONE && px_is_batch_of_one(task))
        return "supervised.mix needs at least batch=2: one image has no other to be mixed with";
    return NULL;
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_views_add(out, "label", PX_I32, 1, 0, NULL);
    if (is_soft(c, task))
        px_views_add(out, "target", PX_F32, 1, 1, (int[]){task->classes});
}

static px_recipe recipe(const px_method_cfg *c, const px_task *task)
{
    px_recipe r = px_recipe_none();
    r.mean = task->mean;
    r.std = task->std;
    if (task->augment) {
        r.area_min = (float)c->area_min;
        r.area_max = 1;
        r.flip = (float)c->flip;
        r.policy = c->policy;
        r.erase = (float)c->erase;
    }
    return r;
}

/* "label" is the class with the larger share, as accuracies of mixed images are counted by torchvision's script. */
static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    const px_recipe r = recipe(c, task);
    px_label_shares l = px_labelled_view(&c->mix, &r, task, rng, image, px_sample_plane(out, 0, 0), out);
    *px_sample_i32(out, 1, 0) = l.share >= 0.5f ? l.label : l.other;
    if (is_soft(c, task))
        px_soft_label(px_sample_f32(out, 2, 0), task->classes, l.label, l.other, l.share, (float)c->smoothing);
}

static const char *probed(const px_method_cfg *c)
{
    return c->ema > 0 ? "ema" : "";
}

static px_value *classify(const px_method_cfg *c, px_graph *g, px_value *pooled, int classes)
{
    (void)c;
    return px_linear_layer(g, "fc", pooled, classes, true);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_encoding h = px_encode(b, px_view_input(b, "image"));
    px_value *label = px_view_input(b, "label");
    px_value *kept = px_dropout(b->g, h.pooled, c->dropout, b->task->batch); /* [B, F] */
    px_net *head = px_net_create(b->g, "");
    px_net_enter(head);
    px_value *logits = classify(c, b->g, kept, b->task->classes); /* [B, classes] */
    px_net_leave(head);
    if (c->ema > 0) {
        px_value *momentum = px_schedule_within(b, "ema", c->ema_from, 0, c->ema, PX_AFTER, PX_SHARE);
        px_net_average(px_backbone_net(b), "ema", momentum);
        px_net_average(head, "ema", momentum);
    }
    px_metric(b, "accuracy", px_accuracy(b->g, logits, label));
    return px_cross_entropy(b->g, logits, is_soft(c, b->task) ? px_view_input(b, "target") : label);
}

const px_method px_supervised = {
    .name = "supervised",
    .paper = "He et al. 2016, arXiv:1512.03385",
    .summary = "learn the labels themselves: the upper reference of a comparison",
    .formula = "L = -sum_c target_c log softmax(W f(x))_c; the target is the label, smoothed or mixed if asked for",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build,
    .classify = classify,
    .probed = probed};
