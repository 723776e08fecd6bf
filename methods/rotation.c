/* rotation.c - Unsupervised Representation Learning by Predicting Image Rotations, Gidaris et al. 2018 (arXiv:1803.07728).
 *
 *   image turned by 0, 90, 180, 270 degrees [4B,C,S,S] -> backbone -> h [4B,F] -> linear -> which of four angles?
 *
 * All four turns of an image are in one batch, as in the official code; turns=one makes one random turn of each, as VISSL. */
#include "nn/layers.h"
#include "ops/ops.h"
#include "train/method.h"

#include <string.h>

enum { TURNS = 4 };

struct px_method_cfg {
    enum { ALL, ONE } turns;
    double area_min, flip;
};

static const px_option options[] = {
    PX_OPTION_CHOICE(
        px_method_cfg, turns, "all", "all|one",
        "of each image in a batch: all four (paper, section 3.1: learns better), or one at random (VISSL)"),
    PX_OPTION(px_method_cfg, area_min, "0.5", 0.01, 1,
              "smallest fraction of the image's area in a crop (official, on CIFAR: its place moves by up to 4 px)"),
    PX_OPTION(px_method_cfg, flip, "0.5", 0, 1, "probability of a horizontal flip before the turn (official code)"),
    {0}};

/* The official code's for CIFAR-10: 128 images are 512 rows. */
static const char defaults[] =
    "epochs = 200.0;\n"
    "batch = 128;\n"
    "data = { normalize = true; };\n"
    "optim = { optimizer = \"sgd\"; lr = 0.1; lr_scaling = \"none\"; momentum = 0.9; nesterov = true;\n"
    "          weight_decay = 5e-4; decay_all = true; warmup_epochs = 0.0;\n"
    "          schedule = \"step\"; steps = [60, 120, 160]; step_factor = 0.2; };\n";

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    int copies = c->turns == ALL ? TURNS : 1;
    px_views_add(out, "turned", PX_F32, copies, 3, (int[]){task->channels, task->image_size, task->image_size});
    if (c->turns == ONE)
        px_views_add(out, "turn", PX_I32, 1, 0, NULL);
}

/* A quarter turn counter-clockwise, channel by channel. */
static void turn(px_plane to, px_plane from)
{
    int S = from.size;
    for (int c = 0; c < from.channels; c++)
        for (int y = 0; y < S; y++)
            for (int x = 0; x < S; x++)
                to.data[(c * S + S - 1 - x) * S + y] = from.data[(c * S + y) * S + x];
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_recipe r = px_recipe_crop(task, c->area_min, c->flip);
    px_plane upright = px_sample_plane(out, 0, 0);
    px_recipe_apply(&r, rng, image, upright, out->scratch);
    if (c->turns == ALL) {
        for (int k = 1; k < TURNS; k++)
            turn(px_sample_plane(out, 0, k), px_sample_plane(out, 0, k - 1));
        return;
    }
    int32_t turns = (int32_t)px_rng_below(rng, TURNS);
    size_t count = (size_t)upright.channels * (size_t)upright.size * (size_t)upright.size;
    px_plane before = {px_scratch_reserve(out->scratch, count), upright.channels, upright.size};
    for (int k = 0; k < turns; k++) {
        memcpy(before.data, upright.data, count * sizeof before.data[0]);
        turn(upright, before);
    }
    px_sample_i32(out, 1, 0)[0] = turns;
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_value *angle = c->turns == ALL ? px_copy_numbers(b, TURNS) : px_view_input(b, "turn");
    px_encoding h = px_encode(b, px_view_input(b, "turned"));
    px_value *logits = px_linear_layer(b->g, "angle", h.pooled, TURNS, true); /* [4B, 4] */
    px_metric(b, "accuracy", px_accuracy(b->g, logits, angle));               /* chance: 1/4 */
    return px_cross_entropy(b->g, logits, angle);
}

const px_method px_rotation = {.name = "rotation",
                               .paper = "Gidaris et al. 2018, arXiv:1803.07728",
                               .summary = "tells by which of four angles an image was turned",
                               .formula = "L = -1/4 sum_(k < 4) log softmax(W f(image turned by k 90 degrees))_k",
                               .published = "ImageNet, ResNet-50, 105 epochs: linear 48.2 (VISSL)",
                               .departures = "Official code moves a CIFAR image by up to 4 px: here it is a crop of "
                                             "random area (rotation.area_min).",
                               .cfg_size = sizeof(px_method_cfg),
                               .options = options,
                               .defaults = defaults,
                               .views = views,
                               .make_views = make_views,
                               .build = build};
