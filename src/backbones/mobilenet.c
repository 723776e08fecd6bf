/* mobilenet.c - see mobilenet.h. */
#include "backbones/mobilenet.h"

const char *px_mobilenet_check(const px_backbone *b, const px_backbone_cfg *c, int image_size, int channels)
{
    (void)b;
    (void)c;
    (void)channels;
    return image_size < 8 ? "a MobileNet needs images of at least 8 px" : NULL;
}
