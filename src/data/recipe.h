/* recipe.h - the usual chain of random augmentations as one struct, so that a method states its recipe instead of
 * programming it.
 *
 *     px_recipe r = px_recipe_none();
 *     r.area_min = 0.08; r.flip = 0.5; r.jitter = 0.8; ...
 *     px_recipe_apply(&r, &rng, image, plane, scratch);
 */
#ifndef PX_DATA_RECIPE_H
#define PX_DATA_RECIPE_H

#include "data/policy.h"

typedef struct px_recipe {
    float area_min, area_max, ratio_min,
        ratio_max; /* random resized crop; area_max 0: no crop, px_recipe_frame instead */
    float flip;    /* probabilities */
    float jitter, brightness, contrast, saturation, hue;
    float gray;
    float blur, sigma_min, sigma_max;
    int blur_side; /* taps; 0: a tenth of the side (SimCLR), at least one */
    float solarize;
    px_policy policy; /* after crop and flip, before changes of colour */
    float erase;      /* probability; after all others, so that a normalized image has its mean there */
    px_filter filter;
    const float *mean, *std; /* of channels, or NULL: values stay in [0,1]; borrowed */
} px_recipe;

/* No augmentation: the framed image, nothing else. */
px_recipe px_recipe_none(void);

/* The part of an image that evaluation sees, resized to `size`: the whole image if it is at most `size`, else the
 * centred square of 7/8 of the smaller side (as 224 of 256). */
px_crop px_recipe_frame(const px_image *, int size);

/* Always draws the same number of random numbers, so that no option changes what is drawn for the others; but jitter, policy and
 * erasing draw what they need, in this order, last: policy, jitter, erasing. */
void px_recipe_apply(const px_recipe *, px_rng *, const px_image *, px_plane, px_scratch *);

#endif
