/* drawn.c - see drawn.h. */
#include "train/drawn.h"

px_drawn px_drawn_of(const px_task *task, int channels)
{
    px_drawn d = {.channel = {0, 1, 2}, .count = channels >= 3 ? 3 : 1};
    if (task->shown_count > 0 && channels == task->channels)
        d.count = task->shown_count;
    for (int k = 0; k < task->shown_count && channels == task->channels; k++)
        d.channel[k] = task->shown[k];
    return d;
}

/* The least and the largest of n values, of which some are known already. */
static void widen(float *low, float *high, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

void px_drawn_range(px_drawn *d, const px_task *task, const float *image, int64_t n)
{
    bool usual = task->bits != 16 && (task->channels == 1 || task->channels == 3);
    for (int k = 0; k < d->count; k++) {
        const float *x = image + d->channel[k] * n;
        float mean = task->mean ? task->mean[d->channel[k]] : 0, std = task->mean ? task->std[d->channel[k]] : 1;
        d->low[k] = usual ? -mean / std : x[0];
        d->high[k] = usual ? (1 - mean) / std : x[0];
        if (!usual)
            widen(&d->low[k], &d->high[k], x, n);
        if (d->high[k] <= d->low[k])
            d->high[k] = d->low[k] + 1;
    }
}

void px_drawn_stretch(px_drawn *d, const float *image, int64_t n)
{
    float low = image[d->channel[0] * n], high = low;
    for (int k = 0; k < d->count; k++)
        widen(&low, &high, image + d->channel[k] * n, n);
    for (int k = 0; k < d->count; k++) {
        d->low[k] = low;
        d->high[k] = high > low ? high : low + 1;
    }
}

uint8_t px_drawn_byte(const px_drawn *d, float value, int k)
{
    value = (value - d->low[k]) / (d->high[k] - d->low[k]) * 255 + 0.5f;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}
