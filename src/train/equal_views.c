/* equal_views.c - see equal_views.h. */
#include "train/equal_views.h"

const char *px_equal_views_check(const px_equal_views *c, const px_task *task, const char *alone)
{
    if (alone && px_is_batch_of_one(task))
        return alone;
    return c->each.area_min > c->area_max ? "area_min is larger than area_max" : NULL;
}

void px_equal_views_declare(const px_equal_views *c, const px_task *task, px_views *out)
{
    px_views_add(out, "views", PX_F32, c->count, 3, (int[]){task->channels, task->image_size, task->image_size});
}

void px_equal_views_make(const px_equal_views *c, const px_task *task, px_rng *rng, const px_image *image,
                         px_sample *out)
{
    px_recipe r = px_two_views_recipe(&c->each, task);
    if (task->augment) {
        r.area_max = (float)c->area_max;
        r.ratio_min = (float)(1 / c->ratio);
        r.ratio_max = (float)c->ratio;
        r.solarize = (float)c->each.solarize;
        if (c->hue > 0)
            r.hue = (float)c->hue;
    }
    for (int v = 0; v < c->count; v++)
        px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, v), out->scratch);
}
