/* quarter_turns.c - Unsupervised Representation Learning by Predicting Image Rotations, Gidaris et al. 2018
 * (arXiv:1803.07728), as a plug-in: built separately as a shared object and loaded by --plugin.
 *
 *   image turned by 0, 90, 180, 270 degrees [4B,C,S,S] -> backbone -> h [4B,F] -> linear -> which of four angles? */
#include "pretext.h"

struct px_method_cfg {
    double area_min;
};

static const px_option options[] = {
    PX_OPTION(px_method_cfg, area_min, "0.5", 0.01, 1, "smallest fraction of the image's area in a crop"), {0}};

static void views(const px_method_cfg *c, const px_task *task, px_views *out)
{
    (void)c;
    px_views_add(out, "turned", PX_F32, 4, 3, (int[]){task->channels, task->image_size, task->image_size});
}

/* A quarter turn counter-clockwise, plane by plane. */
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
    px_recipe r = px_recipe_none();
    r.mean = task->mean;
    r.std = task->std;
    if (task->augment) {
        r.area_min = (float)c->area_min;
        r.area_max = 1;
        r.flip = 0.5f;
    }
    px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, 0), out->scratch);
    for (int k = 1; k < 4; k++)
        turn(px_sample_plane(out, 0, k), px_sample_plane(out, 0, k - 1));
}

static px_value *build(const px_method_cfg *c, px_build *b)
{
    (void)c;
    px_value *label = px_copy_numbers(b, 4); /* copy k of image i is row k*B + i */
    px_encoding h = px_encode(b, px_view_input(b, "turned"));
    px_value *logits = px_linear_layer(b->g, "turns", h.pooled, 4, true); /* [4B, 4] */
    px_metric(b, "accuracy", px_accuracy(b->g, logits, label));
    return px_cross_entropy(b->g, logits, label);
}

PX_PLUGIN = {.name = "quarter_turns",
             .paper = "Gidaris et al. 2018, arXiv:1803.07728",
             .summary = "by how much was the image turned?",
             .cfg_size = sizeof(px_method_cfg),
             .options = options,
             .views = views,
             .make_views = make_views,
             .build = build};
