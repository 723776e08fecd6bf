/* corrupt.c - see corrupt.h. */
#include "data/corrupt.h"

#include "base/error.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

const char *const px_corruption_names[PX_CORRUPTIONS] = {"noise", "blur", "jpeg", "brightness"};

double px_corruption_amount(const px_corruption *c)
{
    static const double amounts[2][PX_CORRUPTIONS][PX_STRENGTHS] = {
        [PX_CORRUPT_CIFAR] = {[PX_CORRUPT_NOISE] = {0.04, 0.06, 0.08, 0.09, 0.10},
                              [PX_CORRUPT_BLUR] = {0.4, 0.6, 0.7, 0.8, 1},
                              [PX_CORRUPT_JPEG] = {80, 65, 58, 50, 40},
                              [PX_CORRUPT_BRIGHTNESS] = {0.05, 0.1, 0.15, 0.2, 0.3}},
        [PX_CORRUPT_IMAGENET] = {[PX_CORRUPT_NOISE] = {0.08, 0.12, 0.18, 0.26, 0.38},
                                 [PX_CORRUPT_BLUR] = {1, 2, 3, 4, 6},
                                 [PX_CORRUPT_JPEG] = {25, 18, 15, 10, 7},
                                 [PX_CORRUPT_BRIGHTNESS] = {0.1, 0.2, 0.3, 0.4, 0.5}}};
    PX_CHECK(c->strength >= 1 && c->strength <= PX_STRENGTHS && c->kind < PX_CORRUPTIONS);
    return amounts[c->scale][c->kind][c->strength - 1];
}

/* Cut as numpy's uint8() does; the little that is added keeps an area of one colour as it was. */
static float to_8_bits(double x)
{
    double level = floor(255 * fmin(fmax(x, 0), 1) + 1e-4);
    return (float)(level / 255);
}

static void add_noise(px_plane *p, double deviation, px_rng *rng)
{
    int64_t n = (int64_t)p->channels * p->size * p->size;
    for (int64_t i = 0; i < n; i++)
        p->data[i] = to_8_bits((double)p->data[i] + deviation * (double)px_rng_normal(rng));
}

/* One axis of a channel: `step` from a value to its neighbour, `next` from one line to the next. */
static void blur_lines(const double *in, double *out, int size, int step, int next, const double *tap, int radius)
{
    for (int line = 0; line < size; line++)
        for (int i = 0; i < size; i++) {
            double sum = 0;
            for (int k = -radius; k <= radius; k++) {
                int at = i + k < 0 ? 0 : i + k >= size ? size - 1 : i + k;
                sum += tap[abs(k)] * in[line * next + at * step];
            }
            out[line * next + i * step] = sum;
        }
}

/* scipy.ndimage.gaussian_filter with mode="nearest" and truncate=4, which is what scikit-image's gaussian calls. */
static void blur(px_plane *p, double sigma)
{
    enum { RADIUS_MAX = 32 };
    int radius = (int)(4 * sigma + 0.5), area = p->size * p->size;
    double tap[RADIUS_MAX + 1], sum = 0;
    PX_CHECK(radius <= RADIUS_MAX);
    for (int k = 0; k <= radius; k++) {
        tap[k] = exp(-0.5 * k * k / (sigma * sigma));
        sum += k ? 2 * tap[k] : tap[k];
    }
    for (int k = 0; k <= radius; k++)
        tap[k] /= sum;
    double *in = px_calloc((size_t)area * 2, sizeof in[0]), *out = in + area;
    for (int c = 0; c < p->channels; c++) {
        float *channel = p->data + (int64_t)c * area;
        for (int i = 0; i < area; i++)
            in[i] = (double)channel[i];
        blur_lines(in, out, p->size, p->size, 1, tap, radius);
        blur_lines(out, in, p->size, 1, p->size, tap, radius);
        for (int i = 0; i < area; i++)
            channel[i] = to_8_bits(in[i]);
    }
    free(in);
}

/* Hue and saturation stay, so the channels keep their ratios; black becomes gray. */
static void brighten(px_plane *p, double more)
{
    int area = p->size * p->size;
    for (int i = 0; i < area; i++) {
        double value = 0;
        for (int c = 0; c < p->channels; c++)
            value = fmax(value, (double)p->data[c * area + i]);
        double brighter = fmin(value + more, 1);
        for (int c = 0; c < p->channels; c++)
            p->data[c * area + i] = to_8_bits(value > 0 ? (double)p->data[c * area + i] * brighter / value : brighter);
    }
}

/* Writes and reads a file in memory. */
static void through_jpeg(px_plane *p, int quality)
{
    int size = p->size, channels = p->channels, area = size * size;
    int format = channels == 1 ? TJPF_GRAY : TJPF_RGB, sampling = channels == 1 ? TJSAMP_GRAY : TJSAMP_420;
    PX_CHECK(channels == 1 || channels == 3);
    uint8_t *pixels = px_calloc((size_t)area * (size_t)channels, 1);
    for (int i = 0; i < area; i++)
        for (int c = 0; c < channels; c++)
            pixels[i * channels + c] = (uint8_t)lrintf(255 * p->data[c * area + i]);
    unsigned char *file = NULL;
    unsigned long bytes = 0;
    tjhandle to = tjInitCompress(), from = tjInitDecompress();
    PX_CHECK(to && from);
    PX_CHECK(tjCompress2(to, pixels, size, 0, size, format, &file, &bytes, sampling, quality, TJFLAG_ACCURATEDCT) == 0);
    PX_CHECK(tjDecompress2(from, file, bytes, pixels, size, 0, size, format, TJFLAG_ACCURATEDCT) == 0);
    for (int i = 0; i < area; i++)
        for (int c = 0; c < channels; c++)
            p->data[c * area + i] = (float)pixels[i * channels + c] / 255;
    tjFree(file);
    tjDestroy(to);
    tjDestroy(from);
    free(pixels);
}

void px_corrupt(const px_corruption *how, px_plane *p, px_rng *rng)
{
    double amount = px_corruption_amount(how);
    switch (how->kind) {
    case PX_CORRUPT_NOISE:
        add_noise(p, amount, rng);
        break;
    case PX_CORRUPT_BLUR:
        blur(p, amount);
        break;
    case PX_CORRUPT_JPEG:
        through_jpeg(p, (int)amount);
        break;
    case PX_CORRUPT_BRIGHTNESS:
        brighten(p, amount);
        break;
    case PX_CORRUPTIONS:
        break;
    }
}
