/* weights_heads.h - how many attention heads the weights of another program are for. The shapes of their tensors do not
 * tell, and with another number the features are others, without an error. */
#ifndef PX_TRAIN_WEIGHTS_HEADS_H
#define PX_TRAIN_WEIGHTS_HEADS_H

#include "base/log.h"
#include "train/weights_names.h"

/* The number of heads, if the file can be recognized as of a model whose number is known; else 0. */
int px_weights_heads_known(const px_weights_names *);

/* For a backbone with heads: one line says which number is taken and why. PX_DATA if the file is recognized and needs another
 * number, unless the option was given. 0 or -1. */
int px_weights_heads_check(const px_weights_names *, const px_settings *, const char *path, px_log *);

#endif
