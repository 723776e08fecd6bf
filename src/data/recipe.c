/* recipe.c - see recipe.h. */
#include "data/recipe.h"

px_recipe px_recipe_none(void)
{
    return (px_recipe){
        .ratio_min = 3.0f / 4, .ratio_max = 4.0f / 3, .sigma_min = 0.1f, .sigma_max = 2, .filter = PX_BICUBIC};
}

px_crop px_recipe_frame(const px_image *image, int size)
{
    int smaller = image->height < image->width ? image->height : image->width;
    return px_crop_center(image, smaller <= size ? 1 : 7.0f / 8);
}

/* A tenth of the side (SimCLR); of sides below 10 px one tap, which leaves the image as it is. */
static int blur_taps(int side)
{
    return side >= 10 ? side / 10 : 1;
}

void px_recipe_apply(const px_recipe *r, px_rng *rng, const px_image *image, px_plane plane, px_scratch *scratch)
{
    px_crop crop = r->area_max > 0 ? px_crop_random(rng, image, r->area_min, r->area_max, r->ratio_min, r->ratio_max)
                                   : px_recipe_frame(image, plane.size);
    bool flip = px_rng_uniform(rng) < r->flip;
    px_resize(&plane, image, crop, flip, r->filter, scratch);
    bool jitter = px_rng_uniform(rng) < r->jitter, gray = px_rng_uniform(rng) < r->gray,
         blur = px_rng_uniform(rng) < r->blur;
    float sigma = px_rng_range(rng, r->sigma_min, r->sigma_max);
    bool solarize = px_rng_uniform(rng) < r->solarize;
    px_policy_apply(&r->policy, &plane, rng, scratch);
    if (jitter)
        px_color_jitter(&plane, rng, r->brightness, r->contrast, r->saturation, r->hue);
    if (gray)
        px_gray(&plane);
    if (blur)
        px_blur(&plane, sigma, r->blur_side ? r->blur_side : blur_taps(plane.size), scratch);
    if (solarize)
        px_solarize(&plane);
    if (r->mean)
        px_normalize(&plane, r->mean, r->std);
    if (r->erase > 0 && px_rng_uniform(rng) < r->erase)
        px_erase(&plane, rng);
}
