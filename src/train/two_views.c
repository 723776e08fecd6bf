/* two_views.c - see two_views.h. */
#include "train/two_views.h"
#include "ops/ops.h"

void px_two_views_declare(const px_task *task, px_views *out)
{
    px_views_add(out, "views", PX_F32, 2, 3, (int[]){task->channels, task->image_size, task->image_size});
}

/* Crop and resize, flip, colour distortion, blur. */
static px_recipe recipe(const px_two_views *c, const px_task *task)
{
    px_recipe r = px_recipe_none();
    r.mean = task->mean;
    r.std = task->std;
    if (!task->augment)
        return r;
    float s = (float)c->jitter_strength;
    r.area_min = (float)c->area_min;
    r.area_max = 1;
    r.flip = (float)c->flip;
    r.jitter = (float)c->jitter;
    r.brightness = r.contrast = r.saturation = 0.8f * s;
    if (c->saturation > 0)
        r.saturation = (float)c->saturation;
    r.hue = 0.2f * s;
    r.gray = (float)c->gray;
    r.blur = (float)c->blur;
    return r;
}

void px_two_views_make(const px_two_views *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_recipe r = recipe(c, task);
    for (int v = 0; v < 2; v++)
        px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, v), out->scratch);
}

px_value *px_one_view(px_build *b, int view)
{
    return px_slice(b->g, px_view_input(b, "views"), 0, (int64_t)view * b->task->batch, b->task->batch);
}
