/* policy.h - random changes of an image, chosen from a list: RandAugment and TrivialAugment, as torchvision's; and random erasing.
 *
 *     px_policy policy = {PX_RANDAUGMENT, 2, 9};
 *     px_policy_apply(&policy, &plane, &rng, scratch);       // plane: values in [0,1], before they are normalized
 *     px_normalize(&plane, mean, std);
 *     px_erase(&plane, &rng);
 */
#ifndef PX_DATA_POLICY_H
#define PX_DATA_POLICY_H

#include "base/option.h"
#include "data/augment.h"

/* Both lists of torchvision, in its order. What is drawn beside the image is black. */
typedef enum px_change {
    PX_CHANGE_NOTHING,
    PX_CHANGE_SHEAR_X, /* pixels sideways per pixel of height */
    PX_CHANGE_SHEAR_Y,
    PX_CHANGE_TRANSLATE_X, /* whole pixels */
    PX_CHANGE_TRANSLATE_Y,
    PX_CHANGE_ROTATE,     /* degrees, counterclockwise */
    PX_CHANGE_BRIGHTNESS, /* added to the factor 1, as in the next three */
    PX_CHANGE_COLOR,
    PX_CHANGE_CONTRAST,
    PX_CHANGE_SHARPNESS,
    PX_CHANGE_POSTERIZE, /* bits that are left, of 8 */
    PX_CHANGE_SOLARIZE,  /* values of at least this are inverted, of 255 */
    PX_CHANGE_AUTOCONTRAST,
    PX_CHANGE_EQUALIZE,
    PX_CHANGES,
} px_change;

/* One change by `amount`, in the unit above. Within one step of 8 bits of torchvision's on bytes, which cuts its results off (two
 * where it mixes two images: color, contrast, sharpness).
 * For planes of one or three channels. */
void px_change_apply(px_plane *, px_change, float amount, px_scratch *);

typedef struct px_policy {
    enum {
        PX_POLICY_NONE,
        PX_RANDAUGMENT,    /* Cubuk et al. 2020, arXiv:1909.13719: `changes` of them, all of one magnitude */
        PX_TRIVIALAUGMENT, /* Mueller & Hutter 2021, arXiv:2103.10158, the wide space: one, of any magnitude */
    } by;
    int changes, magnitude; /* RandAugment's; of magnitudes 0 to 30 */
} px_policy;

/* The options of a method that has such changes; the defaults are none, and torchvision's. */
#define PX_POLICY_OPTIONS(type, field)                                                                                 \
    PX_OPTION_CHOICE_NAMED(                                                                                            \
        "policy", type, field.by, "none", "none|randaugment|trivialaugment",                                           \
        "changes chosen from a list of 14: some of one magnitude (randaugment, arXiv:1909.13719), or one of "          \
        "any magnitude (trivialaugment, arXiv:2103.10158, the wide space), as torchvision's"),                         \
        PX_OPTION_NAMED("policy_changes", type, field.changes, "2", 1, 10,                                             \
                        "randaugment: changes per image (torchvision: 2)"),                                            \
        PX_OPTION_NAMED("policy_magnitude", type, field.magnitude, "9", 0, PX_MAGNITUDES - 1,                          \
                        "randaugment: their magnitude, of 0 to 30 (torchvision: 9)")

/* The amount that torchvision gives a change of this magnitude, 0 to PX_MAGNITUDES - 1; images are `size` pixels wide and high. */
enum { PX_MAGNITUDES = 31 };
float px_policy_amount(const px_policy *, px_change, int magnitude, int size);

/* Rounds values to 8 bits, as torchvision's images are, and changes them. */
void px_policy_apply(const px_policy *, px_plane *, px_rng *, px_scratch *);

/* Zhong et al. 2020, arXiv:1708.04896, as torchvision.transforms.RandomErasing: a rectangle of 2 to 33 % of the area, its height by
 * its width 0.3 to 3.3, becomes 0. In normalized images that is the mean. */
void px_erase(px_plane *, px_rng *);

#endif
