/* advice.h - which key would help, with which value: for messages about settings that cannot work. */
#ifndef PX_TRAIN_ADVICE_H
#define PX_TRAIN_ADVICE_H

#include "train/method.h"
#include "train/settings.h"

/* "; data.image_size=32 or 48 would work": the nearest sides, below and above `size`, that the backbone takes; "" if there
 * is none. Returns `text`. */
const char *px_advise_size(const px_settings *, const char *key, int size, int channels, char text[96]);

/* "; batch=8 or 12 would work": the nearest multiples of `step` below and above `value`. Returns `text`. */
const char *px_advise_multiple(const char *key, int value, int step, char text[96]);

/* How to pack the images, if only the number of channels, gray or RGB, keeps a stored first layer from fitting; otherwise
 * "". */
const char *px_advise_channels(px_shape stored, px_shape wanted);

/* "; resnet.stem=7x7 would fit", for a parameter whose stored shape differs from the one that the model needs: what an
 * option of the backbone, or the images' channels, explain; otherwise "". Returns `text`. */
const char *px_advise_shape(const px_settings *, const char *name, px_shape stored, px_shape wanted, char text[128]);

#endif
