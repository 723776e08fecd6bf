/* shortcuts.c - what keeps a network from solving a pretext task by chromatic aberration, brightness or sharpness instead of
 * content; see augment.h. */
#include "base/error.h"
#include "data/augment.h"

#include <math.h>
#include <stdlib.h>

void px_drop_channels(px_plane *p, px_rng *rng)
{
    int64_t n = (int64_t)p->size * p->size;
    int kept = (int)px_rng_below(rng, (uint32_t)p->channels);
    float *x = p->data + kept * n;
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
        square += (double)x[i] * x[i];
    }
    double mean = sum / (double)n, deviation = sqrt(fmax(square / (double)n - mean * mean, 0));
    for (int c = 0; c < p->channels; c++)
        for (int64_t i = 0; i < n; i++)
            p->data[c * n + i] = c == kept ? x[i] - (float)mean : (float)(deviation / 100) * px_rng_normal(rng);
}

void px_project_green(px_plane *p)
{
    int64_t n = (int64_t)p->size * p->size;
    const float a[3] = {-1, 2, -1};
    for (int64_t i = 0; i < n && p->channels == 3; i++) {
        float dot = (a[0] * p->data[i] + a[1] * p->data[n + i] + a[2] * p->data[2 * n + i]) / 6;
        for (int c = 0; c < 3; c++)
            p->data[c * n + i] -= a[c] * dot;
    }
}

void px_standardize_plane(px_plane *p)
{
    int64_t n = (int64_t)p->channels * p->size * p->size;
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++)
        sum += p->data[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        square += (p->data[i] - mean) * (p->data[i] - mean);
    float inverse = (float)(1 / sqrt(square / (double)n + 1e-5));
    for (int64_t i = 0; i < n; i++)
        p->data[i] = (p->data[i] - (float)mean) * inverse;
}

void px_coarsen(px_plane *p, int side, px_scratch *scratch)
{
    uint8_t *pixels = px_calloc((size_t)(p->size * p->size), (size_t)p->channels);
    float *small = px_calloc((size_t)(p->size * p->size * p->channels), sizeof small[0]);
    px_image image = {.pixels = pixels, .height = p->size, .width = p->size, .channels = p->channels};
    px_plane less = {small, p->channels, side};
    const px_plane *from[2] = {p, &less};
    px_plane *to[2] = {&less, p};
    for (int pass = 0; pass < 2; pass++) {
        int s = from[pass]->size;
        image.height = image.width = s;
        for (int i = 0; i < s * s; i++)
            for (int c = 0; c < p->channels; c++)
                pixels[i * p->channels + c] = (uint8_t)(from[pass]->data[c * s * s + i] * 255 + 0.5f);
        px_resize(to[pass], &image, px_crop_whole(&image), false, PX_BILINEAR, scratch);
    }
    free(pixels);
    free(small);
}
