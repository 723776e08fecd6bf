/* two_views.c - see two_views.h. */
#include "train/two_views.h"
#include "ops/ops.h"

void px_two_views_declare(const px_task *task, px_views *out)
{
    px_views_add(out, "views", PX_F32, 2, 3, (int[]){task->channels, task->image_size, task->image_size});
}

/* Crop and resize, flip, colour distortion, blur. */
px_recipe px_two_views_recipe(const px_two_views *c, const px_task *task)
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

/* What else happens to the second view. */
static px_recipe second_recipe(const px_two_views *c, const px_task *task)
{
    px_recipe r = px_two_views_recipe(c, task);
    if (!task->augment)
        return r;
    if (c->second_blur >= 0)
        r.blur = (float)c->second_blur;
    r.solarize = (float)c->solarize;
    return r;
}

void px_two_views_make(const px_two_views *c, const px_task *task, px_rng *rng, const px_image *image, px_sample *out)
{
    px_recipe r[2] = {px_two_views_recipe(c, task), second_recipe(c, task)};
    for (int v = 0; v < 2; v++)
        px_recipe_apply(&r[v], rng, image, px_sample_plane(out, 0, v), out->scratch);
}

/* Half of a view, in whole patches. */
static int small_side(const px_small_crops *c, const px_task *task)
{
    int half = task->image_size / 2, patch = task->patch ? task->patch : 1;
    return c->side ? c->side : half < patch ? patch : half / patch * patch;
}

const char *px_small_crops_check(const px_small_crops *c, const px_task *task, const px_backbone *backbone)
{
    if (c->count == 0)
        return NULL;
    if (c->area_min > c->area_max)
        return "small_area_min is larger than small_area_max";
    if (backbone->family->patch && small_side(c, task) % backbone->family->patch(backbone))
        return "small_size is not divisible into the backbone's patches (the number in its name is the side of one); "
               "small_size=0 chooses a size";
    if (small_side(c, task) > task->image_size)
        return "small_size is larger than the image (data.image_size), whose large crops are of that size; "
               "small_size=0 chooses half of it";
    return small_side(c, task) < 8 ? "small_size is less than 8 pixels" : NULL;
}

void px_small_crops_declare(const px_small_crops *c, const px_task *task, px_views *out)
{
    int side = small_side(c, task);
    if (c->count > 0)
        px_views_add(out, "small", PX_F32, c->count, 3, (int[]){task->channels, side, side});
}

void px_small_crops_make(const px_small_crops *c, const px_two_views *like, const px_task *task, px_rng *rng,
                         const px_image *image, px_sample *out)
{
    px_recipe r = px_two_views_recipe(like, task);
    if (task->augment) {
        r.area_min = (float)c->area_min;
        r.area_max = (float)c->area_max;
    }
    for (int k = 0; k < c->count; k++)
        px_recipe_apply(&r, rng, image, px_sample_plane(out, 1, k), out->scratch);
}

px_value *px_one_view(px_build *b, int view)
{
    return px_slice(b->g, px_view_input(b, "views"), 0, (int64_t)view * b->task->batch, b->task->batch);
}
