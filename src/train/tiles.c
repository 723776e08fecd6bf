/* tiles.c - see tiles.h. */
#include "train/tiles.h"

static int patch_side(const px_tiles *c, const px_task *task)
{
    int side = (int)(c->share * task->image_size / 3), grid = task->patch ? task->patch : 1;
    side = side < 16 ? 16 : side;
    return c->patch ? c->patch : side < grid ? grid : side / grid * grid;
}

const char *px_tiles_check(const px_tiles *c, const px_task *task, const char *const complaints[])
{
    int side = patch_side(c, task);
    if (task->image_size < 24)
        return complaints[PX_TILES_SMALL_IMAGE];
    if (task->patch && side % task->patch)
        return complaints[PX_TILES_BROKEN];
    if (c->colour != PX_TILES_KEEP && task->channels != 1 && task->channels != 3)
        return complaints[PX_TILES_COLOUR];
    return side < 8 ? complaints[PX_TILES_SMALL] : NULL;
}

void px_tiles_declare(const px_tiles *c, const px_task *task, const char *name, px_views *out)
{
    int side = patch_side(c, task);
    px_views_add(out, name, PX_F32, PX_TILES, 3, (int[]){task->channels, side, side});
}

static void finish_patch(const px_tiles *c, const px_task *task, px_plane p, px_rng *rng)
{
    if (c->colour == PX_TILES_DROP)
        px_drop_channels(&p, rng);
    else if (c->colour == PX_TILES_PROJECT)
        px_project_green(&p);
    if (c->standardise)
        px_standardize_plane(&p);
    else if (task->mean)
        px_normalize(&p, task->mean, task->std);
}

void px_tiles_make(const px_tiles *c, const px_task *task, px_rng *rng, const px_image *image,
                   const int copy_of[PX_TILES], px_sample *out)
{
    px_crop whole = px_crop_center(image, 1);
    float cell = whole.height / 3, side = cell * (float)c->share;
    bool flip = px_rng_uniform(rng) < (task->augment ? c->flip : 0),
         gray = px_rng_uniform(rng) < (task->augment ? c->gray : 0);
    for (int place = 0; place < PX_TILES; place++) {
        int row = place / 3, column = place % 3;
        float down = px_rng_uniform(rng), right = px_rng_uniform(rng), smaller = px_rng_uniform(rng),
              by = px_rng_uniform(rng);
        if (!task->augment)
            down = right = 0.5f;
        px_plane p = px_sample_plane(out, 0, copy_of[place]);
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
