/* colorization.c - Colorful Image Colorization, Zhang et al. 2016 (arXiv:1603.08511).
 *
 *   lightness in all channels [B,3,S,S] -> backbone -> last map -> conv, norm, relu -> enlarged to S/4 -> conv
 *   [B,313,S/4,S/4] -> which of 313 colours?
 *
 * A cell of 4x4 pixels has its mean colour as target, spread over the nearest of 313 bins of a and b; rare colours weigh more.
 * Probes show colours that training hid. */
#include "backbones/maps.h"
#include "data/lab.h"
#include "nn/layers.h"
#include "nn/losses.h"
#include "ops/ops.h"
#include "train/method.h"

#include <string.h>

enum { BINS = PX_COLOUR_BINS, NEAREST = PX_COLOUR_NEAREST, CELL = 4 };

struct px_method_cfg {
    double uniform, memory, area_min, flip;
    int hidden;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, uniform, "0.5", 0.001, 1,
              "share of a uniform distribution in that by which weights are divided; 1: all weigh the same (paper)"),
    PX_OPTION(px_method_cfg, memory, "0.99", 0, 0.99999,
              "momentum of the running mean of that distribution (ours; there it is counted before)"),
    PX_OPTION(px_method_cfg, hidden, "256", 1, 65536, "channels of the head (official code: conv8)"),
    PX_OPTION(px_method_cfg, area_min, "0.5", 0.01, 1,
              "smallest fraction of the image's area in a crop (official code: 176 of 256 px, 0.47)"),
    PX_OPTION(px_method_cfg, flip, "0.5", 0, 1, "probability of a horizontal flip (official code)"),
    {0}};

/* Official code: 500,000 steps of 40 images of ImageNet, whose weight decay is in Adam's gradient. */
static const char defaults[] = "epochs = 15.6;\n"
                               "batch = 40;\n"
                               "optim = { optimizer = \"adam\"; lr = 3e-5; lr_scaling = \"none\"; beta2 = 0.99;\n"
                               "          weight_decay = 1e-3; warmup_epochs = 0.0;\n"
                               "          schedule = \"step\"; steps = [7, 14]; };\n";

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)c;
    (void)backbone;
    if (task->channels != 3)
        return "colorization predicts colours, so it needs images of 3 channels";
    return task->image_size % CELL ? "cells are of 4 px, so data.image_size must be a multiple of 4" : NULL;
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    (void)c;
    int side = task->image_size / CELL, N = side * side;
    px_views_add(out, "lightness", PX_F32, 1, 3, (int[]){3, task->image_size, task->image_size});
    px_views_add(out, "bins", PX_I32, 1, 2, (int[]){N, NEAREST});
    px_views_add(out, "shares", PX_F32, 1, 2, (int[]){N, NEAREST});
    px_views_add(out, "nearest", PX_I32, 1, 1, (int[]){N});
    px_views_add(out, "colours", PX_F32, 1, 1, (int[]){BINS});
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_plane p = px_sample_plane(out, 0, 0);
    px_recipe r = px_recipe_crop(task, c->area_min, c->flip);
    int32_t(*bins)[NEAREST] = (int32_t(*)[NEAREST])px_sample_i32(out, 1, 0), *nearest = px_sample_i32(out, 3, 0);
    float(*shares)[NEAREST] = (float(*)[NEAREST])px_sample_f32(out, 2, 0), *colours = px_sample_f32(out, 4, 0);
    int side = p.size / CELL, N = side * side;
    r.mean = NULL;
    px_recipe_apply(&r, rng, image, p, out->scratch);
    if (!px_colours_encode(p, CELL, bins, shares)) /* no colour to learn from: it does not count (official code) */
        memset(shares, 0, (size_t)N * sizeof shares[0]);
    memset(colours, 0, BINS * sizeof colours[0]);
    for (int i = 0; i < N; i++) {
        nearest[i] = bins[i][0];
        for (int k = 0; k < NEAREST; k++)
            colours[bins[i][k]] += shares[i][k] / (float)N;
    }
    px_lightness(&p);
    if (task->mean)
        px_normalize(&p, task->mean, task->std);
}

/* ---- the head ---- */

/* (BINS, 1): 1 / ((1 - uniform) p + uniform / 313) for the distribution p (BINS), scaled so that their mean over p is 1. */
static px_value *weights(px_graph *g, px_value *seen, double uniform)
{
    const px_axes bins = {1, {0}, true};
    px_value *p = px_binary(g, PX_DIV, seen, px_reduce(g, PX_SUM, seen, bins));
    px_value *w = px_binary(g, PX_DIV, px_unary(g, PX_FN_AFFINE, p, 0, 1),
                            px_unary(g, PX_FN_AFFINE, p, 1 - uniform, uniform / BINS));
    w = px_binary(g, PX_DIV, w, px_reduce(g, PX_SUM, px_binary(g, PX_MUL, w, p), bins));
    return px_stop_gradient(g, px_reshape(g, w, PX_SHAPE(BINS, 1)));
}

/* The distribution (BINS) moves to that of the images (B, BINS). Gray ones have none: they count as what was seen before, so
 * that the sum stays 1. */
static void note_colours(const px_method_cfg *c, px_graph *g, px_value *seen, px_value *images)
{
    px_after_begin(g);
    px_value *now = px_reshape(g, px_batch_mean(g, images), PX_SHAPE(BINS));
    px_value *gray = px_unary(g, PX_FN_AFFINE, px_reduce(g, PX_SUM, now, (px_axes){1, {0}, true}), -1, 1);
    px_value *all = px_add(g, now, px_binary(g, PX_MUL, seen, px_relu(g, gray))); /* rounding may leave less than 0 */
    px_assign(g, seen, px_add(g, px_scale(g, seen, c->memory), px_scale(g, all, 1 - c->memory)));
    px_after_end(g);
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    px_graph *g = b->g;
    int B = b->task->batch, side = b->task->image_size / CELL, N = side * side;
    px_value *shares = px_view_input(b, "shares"), *nearest = px_view_input(b, "nearest");
    px_encoding e = px_encode(b, px_view_input(b, "lightness"));
    px_scope_push(g, "head");
    px_value *x = px_conv_layer(g, "conv1", px_last_map(g, e), c->hidden, 3, 1, 1, false);
    x = px_resize_map(g, px_relu(g, px_batch_norm_layer(g, "bn1", x, true)), side, side,
                      (px_resizing){.by = PX_RESIZE_LINEAR});
    x = px_permute(g, px_conv_layer(g, "conv2", x, BINS, 1, 1, 0, true), (int[]){0, 2, 3, 1});
    px_scope_pop(g);
    px_value *logits = px_reshape(g, x, PX_SHAPE((int64_t)B * N, BINS));
    px_metric(b, "accuracy", px_accuracy(g, logits, px_reshape(g, nearest, PX_SHAPE((int64_t)B * N))));
    px_value *log_p = px_reshape(g, px_log_softmax(g, logits, 1), PX_SHAPE((int64_t)B * N, BINS, 1));
    px_value *near = px_gather_tokens(
        g, log_p, px_reshape(g, px_view_input(b, "bins"), PX_SHAPE((int64_t)B * N, NEAREST))); /* [BN, 10, 1] */
    px_value *seen = px_state(g, "colours", PX_SHAPE(BINS), px_init_constant(1.0 / BINS));
    px_value *rare = px_add_rows_at(g, px_scale(g, px_slice(g, shares, 2, 0, 1), 0), weights(g, seen, c->uniform),
                                    nearest); /* [B, N, 1] */
    px_value *terms =
        px_binary(g, PX_MUL, px_binary(g, PX_MUL, shares, rare), px_reshape(g, near, PX_SHAPE(B, N, NEAREST)));
    note_colours(c, g, seen, px_view_input(b, "colours"));
    return px_scale(g, px_sum_all(g, terms), -1.0 / ((double)B * N));
}

const px_method px_colorization = {
    .name = "colorization",
    .paper = "Zhang et al. 2016, arXiv:1603.08511",
    .summary = "predicts the colours of an image from its lightness",
    .formula = "L = -mean over cells of w(nearest bin) sum_q t_q log softmax(head(f(lightness)))_q, q of 313 colours",
    .departures = "Official networks see one channel of lightness: here three, as backbones usually have.\n"
                  "Official code has ImageNet's table of rare colours: here they follow from the images seen.\n"
                  "Official code takes every fourth pixel as target: here it is a cell's mean colour.",
    .cfg_size = sizeof(px_method_cfg),
    .options = options,
    .defaults = defaults,
    .check = check,
    .views = views,
    .make_views = make_views,
    .build = build};
