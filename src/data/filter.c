/* filter.c - separable filters on views: antialiased resampling of a crop, and Gaussian blur.
 *
 * Resampling equals torch's and PIL's antialiased interpolation: when shrinking, the filter's support grows by the
 * scale, so that every source pixel counts; at the border of the crop the filter is cut off and renormalised. The
 * horizontal pass reads the image's bytes once, LANES rows at a time, and transposes them, so that one column of these
 * rows is one vector: any sum of columns is then plain vector arithmetic without gathers, for all scales and channels.
 */
#include "base/error.h"
#include "base/simd.h"
#include "data/augment.h"
#include "tensor/cubic.h"

#include <math.h>
#include <string.h>

enum {
    LANES = 16,
    GROUP = 4, /* rows that are added in one pass over the output row */
};

/* One axis of a resampling: output i is the sum over k < count[i] of weight[i * stride + k] * input[first[i] + k]. */
typedef struct axis {
    int outputs, stride;
    int *first, *count;
    float *weight; /* (outputs, stride), zeros after count */
} axis;

typedef struct span {
    int begin, end; /* whole pixels that a crop touches along one axis */
} span;

static span touched(float start, float length, int limit)
{
    const float slack = 1e-3f; /* rounded sums such as top + height may end slightly beyond the intended pixel */
    PX_CHECK(length > 0 && start >= -slack && start + length <= (float)limit + 0.01f);
    int begin = (int)floorf(start + slack), end = (int)ceilf(start + length - slack);
    begin = begin < 0 ? 0 : begin;
    end = end > limit ? limit : end;
    return (span){begin, end > begin ? end : begin + 1};
}

static double kernel(px_filter filter, double x)
{
    return filter == PX_BILINEAR ? fmax(0, 1 - fabs(x)) : px_keys_cubic(x, -0.5);
}

static double support_of(px_filter filter, double scale)
{
    return (filter == PX_BILINEAR ? 1 : 2) * (scale > 1 ? scale : 1);
}

static int stride_of(px_filter filter, double scale)
{
    int taps = 2 * (int)ceil(support_of(filter, scale)) + 1;
    return (taps + GROUP - 1) / GROUP * GROUP;
}

static size_t axis_floats(int outputs, int stride)
{
    return (size_t)outputs * (size_t)(stride + 2);
}

/* `offset`: start of the crop, from the first touched pixel on; `inputs`: touched pixels; `gain`: sum of each output's
 * weights. */
static axis axis_make(float *memory, int outputs, int stride, px_filter filter, double scale, double offset, int inputs,
                      double gain, bool mirror)
{
    axis a = {outputs, stride, (int *)memory, (int *)memory + outputs, memory + 2 * outputs};
    double support = support_of(filter, scale), shrink = scale > 1 ? 1 / scale : 1;
    for (int i = 0; i < outputs; i++) {
        double center = offset + (i + 0.5) * scale, total = 0;
        int begin = (int)(center - support + 0.5), end = (int)(center + support + 0.5);
        begin = begin < 0 ? 0 : begin;
        end = end > inputs ? inputs : end;
        int place = mirror ? outputs - 1 - i : i;
        float *weight = a.weight + (size_t)place * (size_t)stride;
        for (int k = begin; k < end; k++) {
            double w = kernel(filter, (k - center + 0.5) * shrink);
            weight[k - begin] = (float)w;
            total += w;
        }
        for (int k = 0; k < end - begin; k++)
            weight[k] = (float)(weight[k] * (gain / total));
        for (int k = end - begin; k < stride; k++)
            weight[k] = 0;
        a.first[place] = begin;
        a.count[place] = end - begin;
    }
    return a;
}

/* One row's pixels to every LANES-th float. If `channels` differs from the image's, RGB becomes luma. */
static inline void load_row(float *out, const uint8_t *in, int pixels, int channels, int own)
{
    if (channels == own)
        for (int k = 0; k < pixels * channels; k++)
            out[k * LANES] = in[k];
    else
        for (int x = 0; x < pixels; x++)
            out[x * LANES] = PX_LUMA_R * in[3 * x] + PX_LUMA_G * in[3 * x + 1] + PX_LUMA_B * in[3 * x + 2];
}

static inline void load_wide_row(float *out, const uint16_t *in, int pixels, int channels, int own)
{
    if (channels == own)
        for (int k = 0; k < pixels * channels; k++)
            out[k * LANES] = in[k];
    else
        for (int x = 0; x < pixels; x++)
            out[x * LANES] = PX_LUMA_R * in[3 * x] + PX_LUMA_G * in[3 * x + 1] + PX_LUMA_B * in[3 * x + 2];
}

/* column[(x * channels + c) * LANES + lane] = channel c of the pixel (row + lane, left + x); lanes without a row repeat
 * the last one. If `channels` is 1, an RGB image becomes luma. */
static PX_MULTIVERSION(load_columns,
                       (float *column, const px_image *image, int row, int rows, span across, int channels),
                       (column, image, row, rows, across, channels))
{
    enum { TILE = 32 }; /* pixels: all lanes of a tile stay in the first cache while they are transposed */
    size_t depth = (size_t)image->channels, pitch = (size_t)image->width * depth;
    const uint16_t *wide = image->bits == 16 ? (const void *)image->pixels : NULL;
    for (int start = across.begin; start < across.end; start += TILE) {
        int pixels = across.end - start < TILE ? across.end - start : TILE;
        for (int lane = 0; lane < LANES; lane++) {
            size_t at = (size_t)(row + (lane < rows ? lane : rows - 1)) * pitch + (size_t)start * depth;
            float *out = column + (start - across.begin) * channels * LANES + lane;
            if (wide)
                load_wide_row(out, wide + at, pixels, channels, image->channels);
            else
                load_row(out, image->pixels + at, pixels, channels, image->channels);
        }
    }
}

/* Writes `rows` rows of out (channels, pitch rows, outputs). */
static PX_MULTIVERSION(mix_columns,
                       (float *out, size_t pitch, const float *column, const axis *a, int channels, int rows),
                       (out, pitch, column, a, channels, rows))
{
    for (int i = 0; i < a->outputs; i++) {
        const float *weight = a->weight + (size_t)i * (size_t)a->stride;
        for (int c = 0; c < channels; c++) {
            const float *in = column + (a->first[i] * channels + c) * LANES;
            float sum[LANES] = {0};
            for (int k = 0; k < a->count[i]; k++, in += channels * LANES) {
                float w = weight[k];
#pragma omp simd
                for (int lane = 0; lane < LANES; lane++)
                    sum[lane] += w * in[lane];
            }
            float *to = out + (size_t)c * pitch * (size_t)a->outputs + i;
            for (int lane = 0; lane < rows; lane++)
                to[lane * a->outputs] = sum[lane];
        }
    }
}

/* out[x] += sum of GROUP rows, each times its weight. */
static inline void add_group(float *restrict out, const float *const in[GROUP], const float *weight, int width)
{
    const float *a = in[0], *b = in[1], *c = in[2], *d = in[3];
    float wa = weight[0], wb = weight[1], wc = weight[2], wd = weight[3];
#pragma omp simd
    for (int x = 0; x < width; x++)
        out[x] += (wa * a[x] + wb * b[x]) + (wc * c[x] + wd * d[x]);
}

/* in: (rows, width) -> out: (a->outputs, width), clipped to [0,1]. */
static PX_MULTIVERSION(mix_rows, (float *out, const float *in, int rows, int width, const axis *a),
                       (out, in, rows, width, a))
{
    for (int i = 0; i < a->outputs; i++, out += width) {
        memset(out, 0, (size_t)width * sizeof *out);
        for (int k = 0; k < a->count[i]; k += GROUP) {
            const float *from[GROUP];
            for (int g = 0; g < GROUP; g++) {
                int row = a->first[i] + k + g; /* beyond the last row the weight is zero */
                from[g] = in + (size_t)(row < rows ? row : rows - 1) * (size_t)width;
            }
            add_group(out, from, a->weight + (size_t)i * (size_t)a->stride + k, width);
        }
#pragma omp simd
        for (int x = 0; x < width; x++)
            out[x] = out[x] < 0 ? 0 : out[x] > 1 ? 1 : out[x];
    }
}

void px_resize(px_plane *plane, const px_image *image, px_crop crop, bool flip, px_filter filter, px_scratch *scratch)
{
    PX_CHECK(plane->size > 0);
    PX_CHECK(plane->channels == image->channels || image->channels == 1 ||
             (image->channels == 3 && plane->channels == 1));
    int size = plane->size, channels = image->channels < plane->channels ? image->channels : plane->channels;
    span across = touched(crop.left, crop.width, image->width), down = touched(crop.top, crop.height, image->height);
    int width = across.end - across.begin, height = down.end - down.begin;
    double most = image->bits == 16 ? 65535 : 255;
    double scale_x = (double)crop.width / size, scale_y = (double)crop.height / size;
    int stride_x = stride_of(filter, scale_x), stride_y = stride_of(filter, scale_y);

    size_t columns = (size_t)width * (size_t)channels * LANES, one = (size_t)height * (size_t)size;
    size_t taps_x = axis_floats(size, stride_x), taps_y = axis_floats(size, stride_y);
    float *column = px_scratch_reserve(scratch, columns + one * (size_t)channels + taps_x + taps_y);
    float *middle = column + columns, *taps = middle + one * (size_t)channels; /* middle: (channels, height, size) */
    axis x = axis_make(taps, size, stride_x, filter, scale_x, crop.left - across.begin, width, 1 / most, flip);
    axis y = axis_make(taps + taps_x, size, stride_y, filter, scale_y, crop.top - down.begin, height, 1, false);

    for (int row = 0; row < height; row += LANES) {
        int rows = height - row < LANES ? height - row : LANES;
        load_columns(column, image, down.begin + row, rows, across, channels);
        mix_columns(middle + (size_t)row * (size_t)size, (size_t)height, column, &x, channels, rows);
    }
    size_t area = (size_t)size * (size_t)size;
    for (int c = 0; c < channels; c++)
        mix_rows(plane->data + (size_t)c * area, middle + (size_t)c * one, height, size, &y);
    for (int c = channels; c < plane->channels; c++)
        memcpy(plane->data + (size_t)c * area, plane->data, area * sizeof(float));
}

/* The index that a row or column beyond the edge is reflected to, without repeating the edge itself. */
static inline int reflect(int i, int size)
{
    return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
}

/* weight: 2 * half + 1 taps of a Gaussian that sum to 1, followed by zeros up to a multiple of GROUP. */
static void gaussian(float *weight, float sigma, int half)
{
    double total = 0;
    for (int k = -half; k <= half; k++)
        total += exp(-0.5 * k * k / ((double)sigma * sigma));
    for (int k = -half; k <= half; k++)
        weight[k + half] = (float)(exp(-0.5 * k * k / ((double)sigma * sigma)) / total);
    for (int k = 2 * half + 1; k % GROUP != 0; k++)
        weight[k] = 0;
}

/* (size, size) -> (size, size) along x. `edge`: room for size + 2 * half + GROUP floats. */
static PX_MULTIVERSION(blur_across, (float *out, const float *in, int size, const float *weight, int half, float *edge),
                       (out, in, size, weight, half, edge))
{
    for (int y = 0; y < size; y++, in += size, out += size) {
        memcpy(edge + half, in, (size_t)size * sizeof *in);
        for (int k = 1; k <= half; k++) {
            edge[half - k] = in[k];
            edge[half + size - 1 + k] = in[size - 1 - k];
        }
        memset(edge + size + 2 * half, 0, GROUP * sizeof *edge); /* read with zero weight, so it must be finite */
        memset(out, 0, (size_t)size * sizeof *out);
        for (int k = 0; k <= 2 * half; k += GROUP) {
            const float *from[GROUP] = {edge + k, edge + k + 1, edge + k + 2, edge + k + 3};
            add_group(out, from, weight + k, size);
        }
    }
}

/* The same blur along y. */
static PX_MULTIVERSION(blur_down, (float *out, const float *in, int size, const float *weight, int half),
                       (out, in, size, weight, half))
{
    for (int y = 0; y < size; y++, out += size) {
        memset(out, 0, (size_t)size * sizeof *out);
        for (int k = 0; k <= 2 * half; k += GROUP) {
            const float *from[GROUP];
            for (int g = 0; g < GROUP; g++) {
                int tap = k + g <= 2 * half ? k + g : 2 * half;
                from[g] = in + (size_t)reflect(y + tap - half, size) * (size_t)size;
            }
            add_group(out, from, weight + k, size);
        }
    }
}

void px_blur(px_plane *plane, float sigma, int side, px_scratch *scratch)
{
    PX_CHECK(sigma > 0 && side > 0);
    int size = plane->size, half = side / 2 < size ? side / 2 : size - 1; /* a reflection has size - 1 pixels */
    while (half > 0 && exp(-0.5 * half * half / ((double)sigma * sigma)) < 1e-9)
        half--; /* drop taps too small to change a float sum */
    size_t area = (size_t)size * (size_t)size, taps = (size_t)(2 * half + 1 + GROUP);
    float *weight = px_scratch_reserve(scratch, area + 2 * taps + (size_t)size);
    float *edge = weight + taps, *middle = edge + taps + size;
    gaussian(weight, sigma, half);
    for (int c = 0; c < plane->channels; c++) {
        float *data = plane->data + (size_t)c * area;
        blur_across(middle, data, size, weight, half, edge);
        blur_down(data, middle, size, weight, half);
    }
}
