/* kept_squares.c - see kept_squares.h. */
#include "train/kept_squares.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static int visible_of(const px_kept_squares *c, const px_task *task)
{
    return px_visible_count(task, c->ratio);
}

const char *px_kept_squares_check(const px_kept_squares *c, const px_task *task)
{
    return visible_of(c, task) < 1
               ? "mask_ratio leaves no patch visible; a smaller one, larger images (data.image_size) "
                 "or a backbone of smaller patches would"
               : NULL;
}

void px_kept_squares_declare(const px_kept_squares *c, const px_task *task, px_views *out)
{
    int T = px_patch_count(task), K = visible_of(c, task);
    px_views_add(out, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_views_add(out, "visible", PX_I32, c->masks, 1, &K);
    px_views_add(out, "hidden", PX_I32, c->masks, 1, (int[]){T - K});
    px_views_add(out, "restore", PX_I32, c->masks, 1, &T);
}

/* Sets a square around a patch; returns how many were not set before. */
static int set_square(bool *stays, int side, int size, int centre)
{
    int count = 0, top = centre / side - size / 2, left = centre % side - size / 2;
    for (int y = top < 0 ? 0 : top; y < top + size && y < side; y++)
        for (int x = left < 0 ? 0 : left; x < left + size && x < side; x++) {
            count += !stays[y * side + x];
            stays[y * side + x] = true;
        }
    return count;
}

/* Turns `count` of the `all` patches that are `from`: each choice is equally likely. */
static void turn(px_rng *rng, bool *stays, int T, bool from, int all, int count)
{
    for (int t = 0; t < T; t++)
        if (stays[t] == from && px_rng_below(rng, (uint32_t)all--) < (uint32_t)count) {
            stays[t] = !from;
            count--;
        }
}

void px_kept_squares_make(const px_kept_squares *c, const px_task *task, px_rng *rng, const px_image *image,
                          px_sample *out)
{
    int side = task->image_size / task->patch, T = side * side, K = visible_of(c, task);
    px_recipe r = px_recipe_crop(task, c->area_min, c->flip);
    px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, 0), out->scratch);
    int squares = (int)(T * (1 - c->ratio + c->adjust) / (c->size * c->size));
    bool *stays = px_calloc((size_t)T, sizeof stays[0]);
    for (int m = 0; m < c->masks; m++) {
        int32_t *visible = px_sample_i32(out, 1, m), *hidden = px_sample_i32(out, 2, m),
                *restore = px_sample_i32(out, 3, m);
        int count = 0, k = 0, h = 0;
        memset(stays, 0, (size_t)T * sizeof stays[0]);
        for (int i = 0; i < squares; i++)
            count += set_square(stays, side, c->size, (int)px_rng_below(rng, (uint32_t)T));
        if (count > K)
            turn(rng, stays, T, true, count, count - K);
        else
            turn(rng, stays, T, false, T - count, K - count);
        for (int t = 0; t < T; t++)
            if (stays[t]) {
                restore[t] = k;
                visible[k++] = t;
            } else {
                restore[t] = K + h;
                hidden[h++] = t;
            }
    }
    free(stays);
}
