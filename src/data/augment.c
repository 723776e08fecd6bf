/* augment.c - which part of an image a view shows, and the threads' temporary memory. Filters are in filter.c, colours
 * in color.c. */
#include "data/augment.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>

float *px_scratch_reserve(px_scratch *scratch, size_t floats)
{
    if (floats > scratch->capacity) {
        free(scratch->data);
        scratch->data = px_aligned_calloc(floats * sizeof(float));
        scratch->capacity = floats;
    }
    return scratch->data;
}

void px_scratch_finish(px_scratch *scratch)
{
    free(scratch->data);
    *scratch = (px_scratch){0};
}

px_crop px_crop_whole(const px_image *image)
{
    return (px_crop){0, 0, (float)image->height, (float)image->width};
}

px_crop px_crop_center(const px_image *image, float share)
{
    int least = image->height < image->width ? image->height : image->width;
    int side = (int)rint((double)share * least);
    side = side < 1 ? 1 : side > least ? least : side;
    return (px_crop){rintf((float)(image->height - side) / 2), rintf((float)(image->width - side) / 2), (float)side,
                     (float)side};
}

/* torchvision's fallback: the largest centred crop with an allowed ratio. */
static px_crop central(const px_image *image, double ratio_min, double ratio_max)
{
    int height = image->height, width = image->width;
    double ratio = (double)width / height;
    if (ratio < ratio_min)
        height = (int)rint(width / ratio_min);
    else if (ratio > ratio_max)
        width = (int)rint(height * ratio_max);
    height = height < 1 ? 1 : height > image->height ? image->height : height;
    width = width < 1 ? 1 : width > image->width ? image->width : width;
    int top = (image->height - height) / 2, left = (image->width - width) / 2;
    return (px_crop){(float)top, (float)left, (float)height, (float)width};
}

px_crop px_crop_random(px_rng *rng, const px_image *image, float area_min, float area_max, float ratio_min,
                       float ratio_max)
{
    enum { TRIES = 10 };
    double area = (double)image->height * image->width;
    float log_min = logf(ratio_min), log_max = logf(ratio_max);
    for (int i = 0; i < TRIES; i++) {
        double target = area * px_rng_range(rng, area_min, area_max);
        double ratio = exp((double)px_rng_range(rng, log_min, log_max)); /* width / height */
        int width = (int)rint(sqrt(target * ratio)), height = (int)rint(sqrt(target / ratio));
        if (width < 1 || width > image->width || height < 1 || height > image->height)
            continue;
        uint32_t top = px_rng_below(rng, (uint32_t)(image->height - height) + 1);
        uint32_t left = px_rng_below(rng, (uint32_t)(image->width - width) + 1);
        return (px_crop){(float)top, (float)left, (float)height, (float)width};
    }
    return central(image, ratio_min, ratio_max);
}
