/* advice.h - what a message about settings that cannot work tells beyond that: which key would help, with which value.
 */
#ifndef PX_TRAIN_ADVICE_H
#define PX_TRAIN_ADVICE_H

#include "train/method.h"
#include "train/settings.h"

/* "; data.image_size=32 or 48 would work": the nearest sides, below and above `size`, that the backbone takes; "" if there
 * is none. Returns `text`. */
const char *px_advise_size(const px_settings *, const char *key, int size, int channels, char text[96]);

/* "; batch=8 or 12 would work": the nearest multiples of `step` below and above `value`. Returns `text`. */
const char *px_advise_multiple(const char *key, int value, int step, char text[96]);

/* For a first layer that is stored for images of other channels, gray or RGB, and is otherwise as wanted: how to pack the
 * images; otherwise "". */
const char *px_advise_channels(px_shape stored, px_shape wanted);

/* For a parameter that is stored in another shape than the model needs it: "; resnet.stem=7x7 would fit" where an option
 * of the backbone, or the images' channels, explain the difference; otherwise "". Returns `text`. */
const char *px_advise_shape(const px_settings *, const char *name, px_shape stored, px_shape wanted, char text[128]);

#endif
