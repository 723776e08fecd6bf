/* maskfeat.c - Masked Feature Prediction, Wei et al. 2022 (arXiv:2112.09133), for images.
 *
 *   image [B,C,S,S] -> patches, hidden ones replaced by a learned token -> encoder [B,T+1,D] -> one linear layer -> HOG [B,M,P]
 *
 * Loss: mean squared difference from the histograms of oriented gradients of the M hidden patches (data/hog.h), each of length 1.
 * Hidden are blocks of patches, and single ones for the last few. A patch below 8 px is one cell. Its authors fine-tune it. */
#include "data/hog.h"
#include "nn/losses.h"
#include "nn/transformer.h"
#include "ops/ops.h"
#include "train/mask_blocks.h"
#include "train/method.h"

#include <math.h>

struct px_method_cfg {
    double mask_ratio, area_min, flip;
    int mask_block, cell, orientations;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, mask_ratio, "0.4", 0.01, 1, "fraction of the patches to hide (paper: 0.4)"),
    PX_OPTION(px_method_cfg, mask_block, "0", 0, 4096,
              "patches of the smallest hidden block; 0: a thirteenth of all (official code: 15 of 196)"),
    PX_OPTION(px_method_cfg, cell, "0", 0, 4096,
              "side of HOG's cells in pixels; 0: half a patch (paper: 8 of 16), all of one below 8 px"),
    PX_OPTION(px_method_cfg, orientations, "9", 2, 64, "directions that HOG tells apart (paper)"),
    PX_OPTION(px_method_cfg, area_min, "0.5", 0.01, 1,
              "smallest fraction of the image's area in a crop (official code)"),
    PX_OPTION(px_method_cfg, flip, "0.5", 0, 1, "probability of a horizontal flip (official code)"),
    {0}};

/* Official code, 300 epochs: 2e-4 for 256 images. */
static const char defaults[] = "backbone = \"vit_tiny_4\";\n"
                               "epochs = 100.0;\n"
                               "batch = 256;\n"
                               "data = { normalize = true; };\n"
                               "optim = { optimizer = \"adamw\"; lr = 2e-4; beta2 = 0.999; weight_decay = 0.05; "
                               "warmup_epochs = 10.0; clip = 0.02; };\n";

static px_hog hog_of(const px_method_cfg *c, const px_task *task)
{
    int half = task->patch >= 8 && task->patch % 2 == 0 ? task->patch / 2 : task->patch;
    return (px_hog){.cell = c->cell ? c->cell : half, .orientations = c->orientations};
}

static int hidden_patches(const px_method_cfg *c, const px_task *task)
{
    return (int)(px_patch_count(task) * c->mask_ratio);
}

/* Numbers of a patch: (channels, orientations, cells, cells), as in the official code. */
static int target_width(const px_method_cfg *c, const px_task *task)
{
    int cells = task->patch / hog_of(c, task).cell;
    return task->channels * c->orientations * cells * cells;
}

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    if (task->patch % hog_of(c, task).cell)
        return "maskfeat.cell must divide the side of the backbone's patches (the number in its name); maskfeat.cell=0 "
               "chooses it";
    if (hidden_patches(c, task) < 1)
        return "maskfeat.mask_ratio hides no patch; a larger one, larger images (data.image_size) or a backbone of "
               "smaller "
               "patches would hide some";
    return NULL;
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    int rows = task->image_size / task->patch, M = hidden_patches(c, task);
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_views_add(out, "mask", PX_F32, 1, 2, (int[]){rows, rows}); /* 1 where a patch is hidden */
    px_views_add(out, "hidden", PX_I32, 1, 1, (int[]){M});        /* their places, ascending */
    px_views_add(out, "hog", PX_F32, 1, 2, (int[]){M, target_width(c, task)});
}

static void hide(const px_method_cfg *c, const px_task *task, px_rng *rng, float *mask, int32_t *hidden)
{
    int rows = task->image_size / task->patch, T = rows * rows, M = hidden_patches(c, task);
    int block = c->mask_block ? c->mask_block : (int)lround(T * 15 / 196.0), found = 0;
    for (int t = 0; t < T; t++)
        mask[t] = 0;
    int missing = M - px_mask_blocks(rng, rows, rows, block > 1 ? block : 1, M, mask), left = T - M + missing;
    for (int t = 0; t < T; t++) { /* each of those that are left is equally likely */
        if (mask[t] == 0 && px_rng_below(rng, (uint32_t)left--) < (uint32_t)missing) {
            mask[t] = 1;
            missing--;
        }
        if (mask[t] > 0)
            hidden[found++] = t;
    }
}

static void describe(const px_method_cfg *c, const px_plane *image, const px_task *task, const int32_t *hidden,
                     float *out, px_scratch *scratch)
{
    px_hog h = hog_of(c, task);
    int each = task->channels * c->orientations, cells = task->image_size / h.cell, k = task->patch / h.cell;
    float *all = px_scratch_reserve(scratch, (size_t)(cells * cells * each)); /* (cells, cells, C, orientations) */
    px_hog_by_channel(&h, image, all);
    for (int m = 0; m < hidden_patches(c, task); m++)
        for (int i = 0; i < each * k * k; i++) {
            int row = hidden[m] / (cells / k) * k + i / k % k, column = hidden[m] % (cells / k) * k + i % k;
            *out++ = all[(row * cells + column) * each + i / k / k];
        }
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_recipe r = px_recipe_crop(task, c->area_min, c->flip);
    px_plane plane = px_sample_plane(out, 0, 0);
    px_recipe_apply(&r, rng, image, plane, out->scratch);
    hide(c, task, rng, px_sample_f32(out, 1, 0), px_sample_i32(out, 2, 0));
    describe(c, &plane, task, px_sample_i32(out, 2, 0), px_sample_f32(out, 3, 0), out->scratch);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int64_t B = b->task->batch, M = hidden_patches(c, b->task), P = target_width(c, b->task);
    px_value *hidden = px_view_input(b, "hidden"), *hog = px_view_input(b, "hog");
    px_encoding e =
        px_encode_masked(b, px_backbone_net(b), px_view_input(b, "image"), px_view_input(b, "mask"), PX_TOKEN);
    px_value *tokens = px_slice(g, e.tokens, 1, 1, px_patch_count(b->task));
    px_value *predicted =
        px_dense_layer(g, "decoder", px_gather_tokens(g, tokens, hidden), P, PX_DENSE_TIMM); /* [B,M,P] */
    px_value *cosine = px_mean_cosine(g, px_reshape(g, px_stop_gradient(g, predicted), PX_SHAPE(B * M, P)),
                                      px_reshape(g, hog, PX_SHAPE(B * M, P)));
    px_metric(b, "hog_cosine", cosine); /* of a patch's numbers with those predicted, the mean */
    return px_mean_squared_error(g, predicted, hog);
}

const px_method px_maskfeat = {.name = "maskfeat",
                               .paper = "Wei et al. 2022, arXiv:2112.09133",
                               .summary = "predict histograms of oriented gradients (HOG) of hidden patches",
                               .family = "vit",
                               .formula = "L = mean over hidden patches of (prediction - HOG)^2",
                               .published = "ImageNet, ViT-B/16, 300 epochs: fine-tuned 83.4 (mmselfsup)\n"
                                            "Imagenette, ViT-S/16, 200 epochs: k-NN, online, 27.8 (stable-pretraining)",
                               .cfg_size = sizeof(px_method_cfg),
                               .options = options,
                               .defaults = defaults,
                               .check = check,
                               .views = views,
                               .make_views = make_views,
                               .build = build};
