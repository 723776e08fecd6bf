/* weights_kind.h - what a weights file seems to be of, where none of our backbones fits. */
#ifndef PX_TRAIN_WEIGHTS_KIND_H
#define PX_TRAIN_WEIGHTS_KIND_H

#include "data/tensor_file.h"

/* What the names of its tensors look like ("a Swin transformer, ..."), or NULL: they look like nothing known. `sure`: only
 * what none of our backbones can be. */
const char *px_weights_kind(const px_tensor_file *, bool sure);

/* Fails with PX_DATA: names the first tensors of the file, and what they look like. Returns -1. */
int px_weights_fit_nothing(const px_tensor_file *, const char *path);

#endif
