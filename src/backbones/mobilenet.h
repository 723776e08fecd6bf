/* mobilenet.h - what the three MobileNets have in common. */
#ifndef PX_BACKBONES_MOBILENET_H
#define PX_BACKBONES_MOBILENET_H

#include "backbones/backbone.h"

/* px_backbone_family.check: five halvings leave something of 8 px, with the strides that the stem's option leaves. */
const char *px_mobilenet_check(const px_backbone *, const px_backbone_cfg *, int image_size, int channels);

#endif
