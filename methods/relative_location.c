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
#include "train/tiles.h"

#include <math.h>

enum { NEIGHBOURS = PX_TILES - 1 };

struct px_method_cfg {
    px_tiles tiles;
    int hidden;
    double dropout;
};

static const px_option options[] = {
    PX_TILES_OPTIONS(px_method_cfg, tiles),
    PX_OPTION(px_method_cfg, hidden, "4096", 1, 65536, "width of the pair's hidden layer (Doersch, Kolesnikov: 4096)"),
    PX_OPTION(px_method_cfg, dropout, "0.5", 0, 0.99, "dropout rate in the head (Kolesnikov: 0.5)"),
    {0}};

static const char defaults[] =
    "epochs = 35.0;\n"
    "batch = 256;\n"
    "data = { normalize = true; };\n"
    "optim = { optimizer = \"sgd\"; lr = 0.1; weight_decay = 1e-4; warmup_epochs = 5.0; schedule = \"step\";\n"
    "          steps = [15, 25]; };\n";

static const char *const complaints[] = PX_TILES_COMPLAINTS("relative_location");

static const char *check(const px_method_cfg *c, const px_task *task, const px_backbone *backbone)
{
    (void)backbone;
    return px_tiles_check(&c->tiles, task, complaints);
}

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    px_tiles_declare(&c->tiles, task, "patches", out);
}

static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    static const int copy_of[PX_TILES] = {0, 1, 2, 3, NEIGHBOURS, 4, 5, 6, 7};
    px_tiles_make(&c->tiles, task, rng, image, copy_of, out);
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
                                        .formula = "L = -log softmax(head(f(patch k), f(centre)))_k, k the place of 8",
                                        .departures = "Paper has settings of its own: here defaults are the choices "
                                                      "of Kolesnikov et al. 2019 (arXiv:1901.09005).",
                                        .cfg_size = sizeof(px_method_cfg),
                                        .options = options,
                                        .defaults = defaults,
                                        .check = check,
                                        .views = views,
                                        .make_views = make_views,
                                        .build = build};
