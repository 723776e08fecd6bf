/* augment.h - random views of images: crops, flips, colour, blur. Called in the loader's threads; no state, no
 * allocation beyond the caller's scratch.
 *
 * A view is made in one px_plane: float (channels, size, size), planar, values in [0,1].
 *
 *     px_crop crop = px_crop_random(&rng, image, 0.08f, 1.0f, 3.0f / 4, 4.0f / 3);  // torchvision's RandomResizedCrop
 *     px_resize(&plane, image, crop, flip, PX_BICUBIC, scratch);
 *     px_color_jitter(&plane, &rng, 0.4f, 0.4f, 0.4f, 0.1f);                        // random order, clipped after each
 *     px_gray(&plane);
 *     px_blur(&plane, sigma, kernel_side, scratch);
 */
#ifndef PX_DATA_AUGMENT_H
#define PX_DATA_AUGMENT_H

#include "base/rng.h"
#include "data/image.h"

#include <stdbool.h>

/* ITU-R 601 luma as torchvision rounds it (the sum is 0.9999). */
#define PX_LUMA_R 0.2989f
#define PX_LUMA_G 0.587f
#define PX_LUMA_B 0.114f

typedef struct px_plane {
    float *data; /* (channels, size, size); borrowed */
    int channels, size;
} px_plane;

/* Temporary memory of one thread; grows on first use, then stays. Zero-initialise; px_scratch_finish frees it. Memory
 * from px_scratch_reserve is valid until the next call that takes the scratch. */
typedef struct px_scratch {
    float *data;
    size_t capacity; /* floats */
} px_scratch;
float *px_scratch_reserve(px_scratch *, size_t floats);
void px_scratch_finish(px_scratch *);

typedef struct px_crop {
    float top, left, height, width; /* pixels of the source image */
} px_crop;

typedef enum px_filter { PX_BILINEAR, PX_BICUBIC } px_filter;

/* The whole image; the largest centred square; a centred square with `share` of the smaller side. */
px_crop px_crop_whole(const px_image *);
px_crop px_crop_center(const px_image *, float share);

/* Random area, a fraction in [area_min, area_max] of the image's; log-uniform aspect ratio (width / height). Ten tries,
 * then the centre, as in torchvision. */
px_crop px_crop_random(px_rng *, const px_image *, float area_min, float area_max, float ratio_min, float ratio_max);

/* Resamples the crop, which lies within the image, to plane->size by a separable antialiased filter (its support grows
 * when shrinking), mirrored if `flip`. Converts to plane->channels if needed (gray is repeated, RGB becomes
 * luma); otherwise both have as many.
 * Results are clipped to [0,1]. */
void px_resize(px_plane *, const px_image *, px_crop, bool flip, px_filter, px_scratch *);

/* As in torchvision.transforms.functional, on float images; each clips to [0,1]. Saturation, hue and gray do nothing to
 * planes of one channel; contrast is for one or three. */
void px_brightness(px_plane *, float factor);
void px_contrast(px_plane *, float factor);
void px_saturation(px_plane *, float factor);
void px_hue(px_plane *, float shift); /* in turns, [-0.5, 0.5] */
void px_gray(px_plane *);             /* ITU-R 601 luma in all channels */
void px_solarize(px_plane *);         /* 1 - x where x is at least 1/2 (BYOL) */

/* All four in random order; factors uniform in [max(0, 1-x), 1+x], hue uniform in [-h, h]. An amount of 0 leaves its
 * change out. */
void px_color_jitter(px_plane *, px_rng *, float brightness, float contrast, float saturation, float hue);

/* Separable Gaussian with `side` taps (an even number is raised by one; at most 2 * size - 1), reflected at edges.
 * sigma > 0, in pixels. */
void px_blur(px_plane *, float sigma, int side, px_scratch *);

/* ---- against shortcuts (shortcuts.c) ---- */
/* Keeps one random channel, minus its mean; the others become noise with a hundredth of its deviation (Doersch et al. 2015,
 * arXiv:1505.05192, section 3.1). */
void px_drop_channels(px_plane *, px_rng *);
/* B = I - a^T a / (a a^T), a = [-1, 2, -1]: removes the axis from green to magenta of RGB (likewise). */
void px_project_green(px_plane *);
void px_standardize_plane(px_plane *); /* to mean 0, deviation 1 */
/* Shrinks to `side` pixels and back, as if seen from further away. Values are rounded to 8 bits, like images'. */
void px_coarsen(px_plane *, int side, px_scratch *);

/* (value - mean[c]) / std[c] */
void px_normalize(px_plane *, const float mean[], const float std[]);

#endif
