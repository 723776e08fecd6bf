/* patches.c - see patches.h. */
#include "eval/patches.h"
#include "base/error.h"
#include "train/advice.h"

#include <math.h>
#include <stdio.h>

static int grid(const px_patches *p)
{
    return (int)floor(sqrt(p->count) + 0.5);
}

/* The side of the first picture among the method's views. */
static int method_side(const px_settings *s, const px_task *task, int *side)
{
    const char *why = s->method->check ? s->method->check(s->method_cfg, task, s->backbone) : NULL;
    if (why)
        return px_fail(PX_USAGE, "patch_size is not set, and cannot be taken from method %s: %s", s->method->name, why);
    px_views views = {0};
    s->method->views(s->method_cfg, task, &views);
    for (int i = 0; i < views.count; i++) {
        const px_view *v = &views.view[i];
        if (v->dtype == PX_F32 && v->rank == 3) {
            *side = v->dim[1];
            return 0;
        }
    }
    return px_fail(PX_USAGE,
                   "patch_size is not set, and cannot be taken from method %s: none of its views is a picture",
                   s->method->name);
}

/* Fails with a message that suggests the nearest sides that the backbone can work with. */
static int check_size(const px_patches *p, const px_settings *s, const px_task *task)
{
    const px_backbone_family *family = s->backbone->family;
    const char *why = family->check ? family->check(s->backbone, s->backbone_cfg, p->size, task->channels) : NULL;
    if (!why)
        return 0;
    char others[96];
    return px_fail(PX_USAGE, "backbone %s, patches of %d px: %s%s", s->backbone->name, p->size, why,
                   px_advise_size(s, "patch_size", p->size, task->channels, others));
}

int px_patches_settle(px_patches *p, const px_settings *s, const px_task *task, bool run)
{
    int side = grid(p);
    if (side * side != p->count)
        return px_fail(PX_USAGE, "patches = %d is not a square grid, as patches=4, 9 or 16 are", p->count);
    if (p->count == 0 && p->size)
        return px_fail(PX_USAGE, "patch_size = %d, but patches = 0 is the whole image; patches=9 would use it",
                       p->size);
    if (p->count == 0)
        return 0;
    if (p->size == 0 && !run)
        p->size = task->image_size / side;
    else if (p->size == 0 && method_side(s, task, &p->size) != 0)
        return -1;
    return check_size(p, s, task);
}

px_encoder_spec px_patches_encoder(const px_patches *p, const px_task *task, int batch)
{
    int views = px_patches_views(p), images = batch / views;
    return (px_encoder_spec){
        .batch = images > 1 ? images : 1, .views = views, .size = p->count ? p->size : task->image_size};
}

int px_patches_views(const px_patches *p)
{
    return p->count ? p->count : 1;
}

px_crop px_patches_crop(const px_patches *p, const px_image *image, int size, int view)
{
    if (p->count == 0)
        return px_recipe_frame(image, size);
    px_crop square = px_crop_center(image, (float)p->cover);
    int n = grid(p), row = view / n, column = view % n;
    float side = square.height / (float)n;
    return (px_crop){square.top + (float)row * side, square.left + (float)column * side, side, side};
}
