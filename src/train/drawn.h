/* drawn.h - how a network's input becomes a picture again: which channels are drawn, and which values are black and white.
 *
 *     px_drawn d = px_drawn_of(task, channels);
 *     px_drawn_range(&d, task, image, height * width);             // image (C, H, W)
 *     byte = px_drawn_byte(&d, image[d.channel[k] * n + i], k);    // k < d.count
 */
#ifndef PX_TRAIN_DRAWN_H
#define PX_TRAIN_DRAWN_H

#include "train/method.h"

typedef struct px_drawn {
    int channel[3], count; /* 1 (gray) or 3 */
    float low[3], high[3]; /* what is black and white */
} px_drawn;

/* data.shown, if it fits so many channels; else the first three, or one. */
px_drawn px_drawn_of(const px_task *, int channels);

/* 0 and 1, before the task normalized them, are black and white for usual pictures. Others, as those of satellites, fill only a
 * part of their 16 bits: there it is the least and the largest of the n values of a channel. */
void px_drawn_range(px_drawn *, const px_task *, const float *image, int64_t n);

/* The least and the largest value of all channels that are drawn are black and white. */
void px_drawn_stretch(px_drawn *, const float *image, int64_t n);

/* From 0 (black) to 255 (white): `value` of channel[k], 0 <= k < count. Values beyond low[k] and high[k] are clipped. */
uint8_t px_drawn_byte(const px_drawn *, float value, int k);

#endif
