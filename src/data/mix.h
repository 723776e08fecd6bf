/* mix.h - two images as one, with labels in the same shares: mixup and CutMix, once for a whole batch.
 *
 *     px_mixing how = px_mix_draw(&mix, out->batch_rng, size);      // the same for all images of the batch
 *     if (how.mixes) {
 *         ... make the partner's view (px_sample_partner) ...
 *         px_mix_apply(&how, &plane, &other);
 *         px_soft_label(target, classes, label, other_label, how.share, smoothing);
 *     }
 */
#ifndef PX_DATA_MIX_H
#define PX_DATA_MIX_H

#include "base/option.h"
#include "data/augment.h"

typedef struct px_mix {
    enum { PX_MIX_NONE, PX_MIX_UP, PX_MIX_CUT, PX_MIX_EITHER } by;
    double mixup_alpha, cutmix_alpha; /* shares are Beta(alpha, alpha) distributed */
    double probability;               /* that a batch is mixed */
    double cutmix_share;              /* PX_MIX_EITHER: probability that a mixed batch is cut */
} px_mix;

/* The options of a method that mixes. */
#define PX_MIX_OPTIONS(type, field)                                                                                    \
    PX_OPTION_CHOICE_NAMED(                                                                                            \
        "mix", type, field.by, "none", "none|mixup|cutmix|either",                                                     \
        "images of a batch are mixed two by two, their labels too: as sums (mixup, arXiv:1710.09412), by "             \
        "rectangles (cutmix, arXiv:1905.04899), or one of both per batch (torchvision's V2)"),                         \
        PX_OPTION_NAMED("mixup_alpha", type, field.mixup_alpha, "0.2", 0.01, 100,                                      \
                        "mixup: shares are Beta(alpha, alpha) (paper: 0.1 to 0.4, CIFAR: 1; torchvision's V2: 0.2)"),  \
        PX_OPTION_NAMED("cutmix_alpha", type, field.cutmix_alpha, "1", 0.01, 100,                                      \
                        "cutmix: likewise (paper, torchvision's V2: 1)"),                                              \
        PX_OPTION_NAMED("mix_probability", type, field.probability, "1", 0, 1,                                         \
                        "probability that a batch is mixed (timm, torchvision: 1; CutMix on CIFAR: 0.5)"),             \
        PX_OPTION_NAMED("cutmix_share", type, field.cutmix_share, "0.5", 0, 1,                                         \
                        "mix=either: probability that a mixed batch is cut (timm, torchvision: 0.5)")

/* How the images of one batch are mixed. */
typedef struct px_mixing {
    bool mixes;
    float share;                  /* of the image itself; the partner has the rest */
    bool cuts;                    /* a rectangle is the partner's; else each pixel is a sum */
    int top, left, bottom, right; /* the rectangle, from `top` to before `bottom` */
} px_mixing;

/* Mixup: Zhang et al. 2018 (arXiv:1710.09412). CutMix: Yun et al. 2019 (arXiv:1905.04899): a rectangle of the share 1 - x of the
 * area, of any centre; what of it lies within the image counts. Of images `size` pixels wide and high. One rectangle and one share
 * for all images of a batch, as torchvision and timm do by default. */
px_mixing px_mix_draw(const px_mix *, px_rng batch, int size);

/* Mixes `other` into `plane`, both of the same size. */
void px_mix_apply(const px_mixing *, px_plane *plane, const px_plane *other);

/* target (classes): `share` of class `label` and the rest of `other`, of which `smoothing` is spread over all classes (Szegedy et
 * al. 2016, arXiv:1512.00567, section 7; torch's label_smoothing). The sum is 1. */
void px_soft_label(float target[], int classes, int label, int other, float share, float smoothing);

#endif
