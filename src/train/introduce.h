/* introduce.h - what a run says of itself before its first step: network, images, steps, how the batch is divided, memory. */
#ifndef PX_TRAIN_INTRODUCE_H
#define PX_TRAIN_INTRODUCE_H

#include "base/log.h"
#include "train/session.h"

void px_introduce(const px_session *, px_log *);

#endif
