/* color.c - colour changes of float planes, as torchvision.transforms.functional defines them. Loops go over planar
 * memory without branches, so that they vectorise; every function but the last clips its result to [0,1]. */
#include "base/error.h"
#include "base/simd.h"
#include "data/augment.h"

#include <math.h>
#include <string.h>

static inline float clip(float x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

static inline float luma(float r, float g, float b)
{
    return PX_LUMA_R * r + PX_LUMA_G * g + PX_LUMA_B * b;
}

static size_t area(const px_plane *p)
{
    return (size_t)p->size * (size_t)p->size;
}

/* x = clip(scale * x + shift) */
static PX_MULTIVERSION(affine, (float *x, size_t n, float scale, float shift), (x, n, scale, shift))
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        x[i] = clip(scale * x[i] + shift);
}

static PX_MULTIVERSION(add_up, (const float *x, size_t n, double *sum), (x, n, sum))
{
    enum { RUN = 4096 }; /* a sum in float is exact enough for one run; the image's sum is in double */
    double total = 0;
    for (size_t start = 0; start < n; start += RUN) {
        size_t end = n - start < RUN ? n : start + RUN;
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (size_t i = start; i < end; i++)
            part += x[i];
        total += part;
    }
    *sum = total;
}

static PX_MULTIVERSION(saturate, (float *restrict r, float *restrict g, float *restrict b, size_t n, float factor),
                       (r, g, b, n, factor))
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float gray = (1 - factor) * luma(r[i], g[i], b[i]);
        r[i] = clip(factor * r[i] + gray);
        g[i] = clip(factor * g[i] + gray);
        b[i] = clip(factor * b[i] + gray);
    }
}

/* One channel of an HSV colour; `h` in sixths of a turn plus the channel's offset, in [0, 12). The same as the usual
 * table of six cases (v, q, p, p, t, v), written as one trapezium over the circle of hues. */
static inline float channel(float h, float value, float chroma)
{
    h = h >= 6 ? h - 6 : h;
    float ramp = h < 4 - h ? h : 4 - h;
    return clip(value - chroma * clip(ramp));
}

/* RGB -> HSV, hue shifted by `turn` sixths of a turn in [-3, 3], back to RGB. */
static PX_MULTIVERSION(turn_hue, (float *restrict r, float *restrict g, float *restrict b, size_t n, float turn),
                       (r, g, b, n, turn))
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float red = r[i], green = g[i], blue = b[i];
        float high = red > green ? red : green, low = red < green ? red : green;
        high = high > blue ? high : blue;
        low = low < blue ? low : blue;
        float chroma = high - low, inverse = 1 / (chroma > 0 ? chroma : 1);
        float from_red = (green - blue) * inverse;                                          /* [-1, 1] */
        float from_green = 2 + (blue - red) * inverse;                                      /* [ 1, 3] */
        float from_blue = 4 + (red - green) * inverse;                                      /* [ 3, 5] */
        float h = turn + (red == high ? from_red : green == high ? from_green : from_blue); /* [-4, 8] */
        h = h < 0 ? h + 6 : h;
        h = h >= 6 ? h - 6 : h;
        r[i] = channel(h + 5, high, chroma);
        g[i] = channel(h + 3, high, chroma);
        b[i] = channel(h + 1, high, chroma);
    }
}

static PX_MULTIVERSION(make_gray, (float *restrict r, float *restrict g, float *restrict b, size_t n), (r, g, b, n))
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        r[i] = g[i] = b[i] = clip(luma(r[i], g[i], b[i]));
}

void px_brightness(px_plane *p, float factor)
{
    affine(p->data, area(p) * (size_t)p->channels, factor, 0);
}

void px_contrast(px_plane *p, float factor)
{
    PX_CHECK(p->channels == 1 || p->channels == 3);
    size_t n = area(p);
    double sum[3] = {0};
    for (int c = 0; c < p->channels; c++)
        add_up(p->data + (size_t)c * n, n, &sum[c]);
    if (p->channels == 3) /* the mean of the gray image is the gray of the channels' means */
        sum[0] = (double)PX_LUMA_R * sum[0] + (double)PX_LUMA_G * sum[1] + (double)PX_LUMA_B * sum[2];
    affine(p->data, n * (size_t)p->channels, factor, (1 - factor) * (float)(sum[0] / (double)n));
}

void px_saturation(px_plane *p, float factor)
{
    size_t n = area(p);
    if (p->channels == 3)
        saturate(p->data, p->data + n, p->data + 2 * n, n, factor);
}

void px_hue(px_plane *p, float shift)
{
    size_t n = area(p);
    if (p->channels == 3)
        turn_hue(p->data, p->data + n, p->data + 2 * n, n, 6 * (shift - rintf(shift)));
}

void px_gray(px_plane *p)
{
    size_t n = area(p);
    if (p->channels == 3)
        make_gray(p->data, p->data + n, p->data + 2 * n, n);
}

void px_solarize(px_plane *p)
{
    size_t n = area(p) * (size_t)p->channels;
    for (size_t i = 0; i < n; i++)
        p->data[i] = p->data[i] < 0.5f ? p->data[i] : 1 - p->data[i];
}

static float factor_around_one(px_rng *rng, float amount)
{
    return px_rng_range(rng, amount < 1 ? 1 - amount : 0, 1 + amount);
}

void px_color_jitter(px_plane *p, px_rng *rng, float brightness, float contrast, float saturation, float hue)
{
    enum { STEPS = 4 };
    void (*const step[STEPS])(px_plane *, float) = {px_brightness, px_contrast, px_saturation, px_hue};
    /* All numbers are drawn whether or not they are used, so that an amount of 0 does not change the others. */
    const float value[STEPS] = {factor_around_one(rng, brightness), factor_around_one(rng, contrast),
                                factor_around_one(rng, saturation), px_rng_range(rng, -hue, hue)};
    const bool wanted[STEPS] = {brightness > 0, contrast > 0, saturation > 0, hue > 0};
    int order[STEPS] = {0, 1, 2, 3};
    for (int i = STEPS - 1; i > 0; i--) {
        int j = (int)px_rng_below(rng, (uint32_t)i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (int i = 0; i < STEPS; i++)
        if (wanted[order[i]])
            step[order[i]](p, value[order[i]]);
}

void px_normalize(px_plane *p, const float mean[], const float std[])
{
    size_t n = area(p);
    for (int c = 0; c < p->channels; c++) {
        float *x = p->data + (size_t)c * n, scale = 1 / std[c], shift = mean[c];
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            x[i] = (x[i] - shift) * scale;
    }
}
