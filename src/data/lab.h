/* lab.h - CIE L*a*b*, in which equal distances look about equally large: L is lightness, a and b are colour.
 *
 *     px_lab lab = px_lab_of(0.2f, 0.5f, 0.1f);
 */
#ifndef PX_DATA_LAB_H
#define PX_DATA_LAB_H

#include "data/augment.h"

#include <stdint.h>

typedef struct px_lab {
    float l, a, b; /* l 0 to 100; a (green to red) and b (blue to yellow) within about -110 to 110 */
} px_lab;

/* Of sRGB values in [0,1] (IEC 61966-2-1), with the white of D65 for 2 degrees, as skimage.color.rgb2lab. */
px_lab px_lab_of(float red, float green, float blue);

/* Of the mean of a square of side x side pixels of an RGB plane; row and column count squares. */
px_lab px_lab_of_square(px_plane, int row, int column, int side);

/* An RGB plane becomes L / 100 in all three channels. */
void px_lightness(px_plane *);

/* The colours of sRGB in squares of 10 x 10 in the plane of a and b (Zhang et al. 2016, arXiv:1603.08511). */
enum { PX_COLOUR_BINS = 313, PX_COLOUR_NEAREST = 10 };

/* The nearest bins of a colour in ascending distance, and their shares, which sum to 1: Gaussian, of deviation 5 (paper,
 * section 2.1). */
void px_colour_encode(px_lab, int32_t bin[PX_COLOUR_NEAREST], float share[PX_COLOUR_NEAREST]);
/* The same of each square of side x side pixels of an RGB plane, row by row. Returns whether one of them has a colour: |a| or |b|
 * above 5 (official code). */
bool px_colours_encode(px_plane, int side, int32_t (*bin)[PX_COLOUR_NEAREST], float (*share)[PX_COLOUR_NEAREST]);

#endif
