/* corrupt.h - what cameras and files do to images, in five strengths, to ask how much of a network's accuracy is left
 * (Hendrycks and Dietterich 2019, arXiv:1903.12261).
 *
 *     const px_corruption how = {PX_CORRUPT_BLUR, 3, PX_CORRUPT_CIFAR};
 *     px_corrupt(&how, &plane, &rng);                   // plane (channels, size, size) in [0,1]
 *
 * Of the paper's fifteen kinds these are four, one of each group (noise, blur, weather, digital), that need neither pictures of
 * frost nor an image library. Formulas and amounts are those of the paper's code, for CIFAR-10-C and for ImageNet-C. As there, the
 * result is cut to 8 bits.
 */
#ifndef PX_DATA_CORRUPT_H
#define PX_DATA_CORRUPT_H

#include "data/augment.h"

typedef enum px_corruption_kind {
    PX_CORRUPT_NOISE,      /* Gaussian, independent per value; the amount is its deviation */
    PX_CORRUPT_BLUR,       /* Gaussian, edges repeated; sigma in pixels */
    PX_CORRUPT_JPEG,       /* quality; colour at half the resolution, as PIL writes it. Planes of 1 or 3 channels */
    PX_CORRUPT_BRIGHTNESS, /* added to the value of HSV, the largest channel of a pixel */
    PX_CORRUPTIONS
} px_corruption_kind;
enum { PX_STRENGTHS = 5 };

typedef enum px_corruption_scale { PX_CORRUPT_CIFAR, PX_CORRUPT_IMAGENET } px_corruption_scale;

typedef struct px_corruption {
    px_corruption_kind kind;
    int strength; /* 1 to 5 */
    px_corruption_scale scale;
} px_corruption;

/* "noise", "blur", "jpeg", "brightness". */
extern const char *const px_corruption_names[PX_CORRUPTIONS];

/* Deviation, sigma, quality or addition. */
double px_corruption_amount(const px_corruption *);

void px_corrupt(const px_corruption *, px_plane *, px_rng *);

#endif
