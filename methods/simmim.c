/* simmim.c - SimMIM: A Simple Framework for Masked Image Modeling, Xie et al. 2022 (arXiv:2111.09886).
 *
 *   image [B,C,S,S] -> patches, hidden ones replaced by a learned token -> encoder [B,T+1,D] -> one linear layer -> pixels [B,T,P]
 *
 * Loss: mean absolute difference from the pixels of the hidden patches. Squares of several patches are hidden as one. Its authors
 * judge it by fine-tuning: its features are not linear. */
#include "base/error.h"
#include "nn/losses.h"
#include "nn/transformer.h"
#include "ops/ops.h"
#include "train/method.h"

#include <math.h>
#include <stdlib.h>

struct px_method_cfg {
    double mask_ratio, area_min, flip;
    int mask_size;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, mask_ratio, "0.6", 0.01, 1, "fraction of the squares to hide (paper: 0.6)"),
    PX_OPTION(
        px_method_cfg, mask_size, "0", 0, 4096,
        "side of these squares in pixels, in whole patches; 0: about a seventh of the image's (paper: 32 of 224)"),
    PX_OPTION(px_method_cfg, area_min, "0.67", 0.01, 1,
              "smallest fraction of the image's area in a crop (official code)"),
    PX_OPTION(px_method_cfg, flip, "0.5", 0, 1, "probability of a horizontal flip (official code)"),
    {0}};

/* Official code, 100 epochs: 2e-4 for 512 images. */
static const char defaults[] = "backbone = \"vit_tiny_4\";\n"
                               "epochs = 100.0;\n"
                               "batch = 512;\n"
                               "data = { normalize = true; };\n"
                               "optim = { optimizer = \"adamw\"; lr = 1e-4; beta2 = 0.999; weight_decay = 0.05; "
                               "warmup_epochs = 10.0; clip = 5.0; };\n";

/* Side of a square, in patches; it divides the image. */
static int unit_of(const px_method_cfg *c, const px_task *task)
{
    int rows = task->image_size / task->patch;
    if (c->mask_size > 0)
        return c->mask_size / task->patch;
    int unit = rows > 10 ? (int)lround(rows / 7.0) : 1;
    while (rows % unit)
        unit--;
    return unit;
}

/* How many squares are hidden. */
static int hidden_units(const px_method_cfg *c, const px_task *task)
{
    int side = task->image_size / task->patch / unit_of(c, task);
    return (int)ceil(side * side * c->mask_ratio);
}

static int hidden_patches(const px_method_cfg *c, const px_task *task)
{
    int unit = unit_of(c, task);
    return hidden_units(c, task) * unit * unit;
}

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    if (c->mask_size % task->patch || (c->mask_size > 0 && task->image_size % c->mask_size))
        return "simmim.mask_size must be whole patches of the backbone (the number in its name is the side of one), "
               "and "
               "divide the image's side; simmim.mask_size=0 chooses it";
    return NULL;
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    int rows = task->image_size / task->patch;
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_views_add(out, "mask", PX_F32, 1, 2, (int[]){rows, rows});                /* 1 where a patch is hidden */
    px_views_add(out, "hidden", PX_I32, 1, 1, (int[]){hidden_patches(c, task)}); /* their places, ascending */
}

static void hide(const px_method_cfg *c, const px_task *task, px_rng *rng, float *mask, int32_t *hidden)
{
    int rows = task->image_size / task->patch, unit = unit_of(c, task), side = rows / unit;
    int left = side * side, wanted = hidden_units(c, task), found = 0;
    bool *taken = px_calloc((size_t)left, sizeof taken[0]);
    for (int i = 0; i < side * side; i++, left--) /* each choice of so many is equally likely */
        if (px_rng_below(rng, (uint32_t)left) < (uint32_t)wanted) {
            taken[i] = true;
            wanted--;
        }
    for (int t = 0; t < rows * rows; t++) {
        int row = t / rows / unit, column = t % rows / unit;
        mask[t] = taken[row * side + column] ? 1 : 0;
        if (mask[t] > 0)
            hidden[found++] = t;
    }
    free(taken);
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_recipe r = px_recipe_crop(task, c->area_min, c->flip);
    px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, 0), out->scratch);
    hide(c, task, rng, px_sample_f32(out, 1, 0), px_sample_i32(out, 2, 0));
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int patch = b->task->patch, T = px_patch_count(b->task);
    px_value *image = px_view_input(b, "image"), *hidden = px_view_input(b, "hidden");
    px_encoding e = px_encode_masked(b, px_backbone_net(b), image, px_view_input(b, "mask"), PX_TOKEN);
    px_value *tokens = px_slice(g, e.tokens, 1, 1, T);
    px_value *all = px_dense_layer(g, "decoder", tokens, (int64_t)patch * patch * b->task->channels, PX_DENSE_TIMM);
    px_graph_output(g, "prediction", all); /* [B,T,P] */
    px_value *apart =
        px_binary(g, PX_SUB, px_gather_tokens(g, all, hidden), px_patchify_at(g, image, hidden, patch, true));
    double count = (double)b->task->batch * hidden_patches(c, b->task) * patch * patch * b->task->channels;
    return px_scale(g, px_sum_all(g, px_unary(g, PX_FN_ABS, apart, 0, 0)), 1 / count);
}

static int figures(const px_method_cfg *c, px_figures *f)
{
    px_rebuilt what = {.image = "image",
                       .hidden = "hidden",
                       .count = hidden_patches(c, px_figures_task(f)),
                       .prediction = "prediction"};
    return px_figures_rebuilt(f, "reconstruction", &what);
}

const px_method px_simmim = {.name = "simmim",
                             .paper = "Xie et al. 2022, arXiv:2111.09886",
                             .summary = "rebuild the pixels of hidden squares by one linear layer",
                             .family = "vit",
                             .formula = "L = mean over pixels of hidden squares of |prediction - pixel|",
                             .published = "ImageNet, ViT-B/16, 800 epochs: fine-tuned 83.8 (official)\n"
                                          "Imagenette, ViT-B/32, 800 epochs: k-NN 34.3 (lightly)",
                             .departures = "Official ViT has relative positions in its attention: here positions are "
                                           "absolute.",
                             .cfg_size = sizeof(px_method_cfg),
                             .options = options,
                             .defaults = defaults,
                             .check = check,
                             .views = views,
                             .make_views = make_views,
                             .build = build,
                             .figures = figures};
