/* supervised.c - the upper reference of every comparison: the same backbone, trained with the data set's labels.
 *
 *   image [B,C,S,S] -> backbone -> h [B,F] -> linear -> cross-entropy with the label */
#include "nn/layers.h"
#include "ops/ops.h"
#include "train/method.h"

struct px_method_cfg {
    double area_min, flip;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, area_min, "0.2", 0.01, 1,
              "smallest fraction of the image's area in a crop (ImageNet: 0.08; 0.2 suits small images)"),
    PX_OPTION(px_method_cfg, flip, "0.5", 0, 1, "probability of a horizontal flip"),
    {0}};

/* torchvision's reference for ResNets, with the warm-up of Goyal et al. 2017. */
static const char defaults[] =
    "epochs = 90;\n"
    "batch = 256;\n"
    "data = { normalize = true; };\n"
    "optim = { optimizer = \"sgd\"; lr = 0.1; weight_decay = 1e-4; warmup_epochs = 5.0; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)c;
    (void)backbone;
    if (task->classes == 1)
        return "the data set has only one class, which leaves nothing to learn; method=simclr needs none";
    if (task->classes < 1)
        return "the data set has no classes to learn; 'pretext pack' makes one of each folder, and method=simclr needs "
               "none";
    return task->labelled ? NULL : "some images of the split have no label; data.split=NAME takes another split";
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    (void)c;
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_views_add(out, "label", PX_I32, 1, 0, NULL);
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_recipe r = px_recipe_none();
    r.mean = task->mean;
    r.std = task->std;
    if (task->augment) {
        r.area_min = (float)c->area_min;
        r.area_max = 1;
        r.flip = (float)c->flip;
    }
    px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, 0), out->scratch);
    *px_sample_i32(out, 1, 0) = image->label;
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    (void)c;
    px_encoding h = px_encode(b, px_view_input(b, "image"));
    px_value *label = px_view_input(b, "label");
    px_value *logits = px_linear_layer(b->g, "fc", h.pooled, b->task->classes, true); /* [B, classes] */
    px_metric(b, "accuracy", px_accuracy(b->g, logits, label));
    return px_cross_entropy(b->g, logits, label);
}

const px_method px_supervised = {.name = "supervised",
                                 .paper = "He et al. 2016, arXiv:1512.03385",
                                 .summary = "learn the labels themselves: the upper reference of a comparison",
                                 .formula = "L = -log softmax(W f(x))_label",
                                 .cfg_size = sizeof(px_method_cfg),
                                 .options = options,
                                 .defaults = defaults,
                                 .check = check,
                                 .views = views,
                                 .make_views = make_views,
                                 .build = build};
