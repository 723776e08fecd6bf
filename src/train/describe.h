/* describe.h - what a method makes of images and of a backbone, as text: the tensors of each image, the networks with their
 * sizes, what is kept between steps, what is probed. It is read from the graph that training would run, so it holds for any
 * method, also one from outside.
 *
 *     px_settings s;                                            // "method=byol", and what the user says besides
 *     if (px_describe(stdout, &s, 224) != 0) ...
 */
#ifndef PX_TRAIN_DESCRIBE_H
#define PX_TRAIN_DESCRIBE_H

#include "train/settings.h"

#include <stdio.h>

/* Lines of text, for RGB images of `side` px in ten classes; data.image_size changes it. Settles the settings for them. 0, or -1
 * (PX_USAGE): the method cannot be built so. */
int px_describe(FILE *, px_settings *, int side);

#endif
