/* vit.h - what px_backbone.variant points to in the family of vision transformers, for sizes that the family does not have. */
#ifndef PX_BACKBONES_VIT_H
#define PX_BACKBONES_VIT_H

#include "backbones/backbone.h"

typedef struct px_vit_variant {
    int width, depth, heads, patch;
} px_vit_variant;
extern const px_backbone_family px_vit_family;

#endif
