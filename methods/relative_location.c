/* relative_location.c - Unsupervised Visual Representation Learning by Context Prediction, Doersch et al. 2015
 * (arXiv:1505.05192), with the choices of Kolesnikov et al. 2019 (arXiv:1901.09005) as defaults.
 *
 *   a 3x3 grid of patches of one image [9B,C,P,P] -> backbone -> h [9B,F]
 *   (neighbour k, centre) -> head -> which of 8 places?          8B pairs; each centre is encoded once
 *
 * Rows of the patches: copy k < 8 of image i is its k-th neighbour, row-major without the centre (label k); copy 8 is
 * the centre. */
#include "nn/layers.h"
#include "ops/ops.h"
#include "train/method.h"

#include <math.h>

enum { NEIGHBOURS = 8, PATCHES = 9 };

struct px_method_cfg {
    int patch, hidden;
    double share, gray, downsample, flip, dropout;
    enum { KEEP, DROP, PROJECT } colour;
    bool standardise;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, patch, "0", 0, 1024,
              "side of a patch in pixels; 0: share * a third of image_size, at least 16, rounded down to whole patches "
              "of a ViT"),
    PX_OPTION(
        px_method_cfg, share, "0.75", 0.3, 1,
        "side of the random crop as a fraction of its cell's; the rest is gap and jitter (Kolesnikov: 64 of 85 px)"),
    PX_OPTION(px_method_cfg, gray, "0.66", 0, 1, "probability of a gray image (Kolesnikov: 0.66)"),
    PX_OPTION_CHOICE(
        px_method_cfg, colour, "keep", "keep|drop|project",
        "against chromatic aberration: replace two channels by noise, or project out green-magenta (Doersch)"),
    PX_OPTION_FLAG(px_method_cfg, standardise, "true",
                   "standardise each patch to mean 0, deviation 1 (Kolesnikov; mmselfsup does not)"),
    PX_OPTION(px_method_cfg, downsample, "0", 0, 1,
              "probability of shrinking a patch to at least 10 px and back (Doersch: 1/3)"),
    PX_OPTION(px_method_cfg, flip, "0.5", 0, 1, "probability of a horizontal flip of the whole image"),
    PX_OPTION(px_method_cfg, hidden, "4096", 1, 65536, "width of the pair's hidden layer (Doersch, Kolesnikov: 4096)"),
    PX_OPTION(px_method_cfg, dropout, "0.5", 0, 0.99, "dropout rate in the head (Kolesnikov: 0.5)"),
    {0}};

static const char defaults[] =
    "epochs = 35.0;\n"
    "batch = 256;\n"
    "data = { normalize = true; };\n"
    "optim = { optimizer = \"sgd\"; lr = 0.1; weight_decay = 1e-4; warmup_epochs = 5.0; schedule = \"step\";\n"
    "          steps = [15, 25]; };\n";

static int patch_side(const px_method_cfg *c, const px_task *task)
{
    int side = (int)(c->share * task->image_size / 3), grid = task->patch ? task->patch : 1;
    side = side < 16 ? 16 : side;
    return c->patch ? c->patch : side < grid ? grid : side / grid * grid;
}

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    int side = patch_side(c, task);
    (void)backbone;
    if (task->image_size < 24)
        return "images of less than 24 px leave no patches of 8 px; data.image_size=24 or more enlarges them";
    if (task->patch && side % task->patch)
        return "relative_location.patch must be a multiple of the backbone's patches (the number in its name); "
               "relative_location.patch=0 chooses one";
    if (c->colour != KEEP && task->channels != 1 && task->channels != 3)
        return "relative_location.colour is for images of 1 or 3 channels; relative_location.colour=keep turns it off";
    return side < 8 ? "relative_location.patch must be at least 8 px; relative_location.patch=0 chooses one" : NULL;
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    int side = patch_side(c, task);
    px_views_add(out, "patches", PX_F32, PATCHES, 3, (int[]){task->channels, side, side});
}

/* ---- patches ---- */

static void finish_patch(const px_method_cfg *c, const px_task *task, px_plane p, px_rng *rng)
{
    if (c->colour == DROP)
        px_drop_channels(&p, rng);
    else if (c->colour == PROJECT)
        px_project_green(&p);
    if (c->standardise)
        px_standardize_plane(&p);
    else if (task->mean)
        px_normalize(&p, task->mean, task->std);
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_crop whole = px_crop_center(image, 1);
    float cell = whole.height / 3, side = cell * (float)c->share;
    bool flip = px_rng_uniform(rng) < (task->augment ? c->flip : 0),
         gray = px_rng_uniform(rng) < (task->augment ? c->gray : 0);
    for (int place = 0; place < PATCHES; place++) {
        int row = place / 3, column = place % 3, copy = place < 4 ? place : place == 4 ? NEIGHBOURS : place - 1;
        float down = px_rng_uniform(rng), right = px_rng_uniform(rng), smaller = px_rng_uniform(rng),
              by = px_rng_uniform(rng);
        if (!task->augment)
            down = right = 0.5f;
        px_plane p = px_sample_plane(out, 0, copy);
        /* The whole image is mirrored, so column 0 then shows its right third. */
        int from = flip ? 2 - column : column;
        px_crop crop = {whole.top + (float)row * cell + down * (cell - side),
                        whole.left + (float)from * cell + right * (cell - side), side, side};
        px_resize(&p, image, crop, flip, PX_BICUBIC, out->scratch);
        if (gray)
            px_gray(&p);
        if (task->augment && smaller < c->downsample && p.size > 10)
            px_coarsen(&p, 10 + (int)(by * (float)(p.size - 10)), out->scratch);
        finish_patch(c, task, p, rng);
    }
}

/* ---- the pair head ---- */

static px_value *head(const px_method_cfg *c, px_graph *g, px_value *h, int B)
{
    if (px_graph_error(g))
        return h;
    int64_t F = h->shape.dim[1];
    px_value *neighbours = px_slice(g, h, 0, 0, NEIGHBOURS * B); /* [8B, F] */
    px_value *centre = px_slice(g, h, 0, NEIGHBOURS * B, B);     /* [B, F]  */
    px_scope_push(g, "head");
    /* fc1 on both features side by side, W [h_k; h_c] = W_k h_k + W_c h_c: W_c h_c only once per image. */
    px_init init = px_init_uniform(1 / sqrt(2.0 * (double)F));
    px_value *wk = px_parameter(g, "fc1.neighbour.weight", PX_SHAPE(c->hidden, F), init, PX_DECAYS);
    px_value *wc = px_parameter(g, "fc1.centre.weight", PX_SHAPE(c->hidden, F), init, PX_DECAYS);
    px_value *pairs = px_reshape(g, px_linear(g, neighbours, wk, NULL), PX_SHAPE(NEIGHBOURS, B, c->hidden));
    pairs =
        px_reshape(g, px_binary(g, PX_ADD, pairs, px_linear(g, centre, wc, NULL)), PX_SHAPE(NEIGHBOURS * B, c->hidden));
    pairs = px_relu(g, px_batch_norm_layer(g, "bn1", pairs, true)); /* its bias is the layer's */
    pairs = px_dropout(g, pairs, c->dropout, NEIGHBOURS * B);
    pairs = px_linear_layer(g, "fc2", pairs, NEIGHBOURS, true); /* [8B, 8] */
    px_scope_pop(g);
    return pairs;
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_value *h = px_encode(b, px_view_input(b, "patches")).pooled, *logits = head(c, b->g, h, b->task->batch);
    px_value *label = px_copy_numbers(b, NEIGHBOURS);
    px_metric(b, "accuracy", px_accuracy(b->g, logits, label)); /* chance: 1/8 */
    return px_cross_entropy(b->g, logits, label);
}

const px_method px_relative_location = {.name = "relative_location",
                                        .paper = "Doersch et al. 2015, arXiv:1505.05192",
                                        .summary =
                                            "predict where a patch lies relative to another one of the same image",
                                        .cfg_size = sizeof(px_method_cfg),
                                        .options = options,
                                        .defaults = defaults,
                                        .check = check,
                                        .views = views,
                                        .make_views = make_views,
                                        .build = build};
