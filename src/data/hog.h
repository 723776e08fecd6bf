/* hog.h - histograms of oriented gradients: how strong the edges of each direction are, cell by cell (Dalal and Triggs 2005,
 * https://lear.inrialpes.fr/people/triggs/pubs/Dalal-cvpr05.pdf). Called in the loader's threads; no state.
 *
 *     px_hog h = {.cell = px_hog_cell_for(plane.size), .orientations = 9};
 *     float *x = ...px_hog_width(&h, plane.size) values...;
 *     px_hog_describe(&h, &plane, x, scratch);
 *
 * A cell is a square of pixels; what is left over at the right and at the bottom belongs to no cell. Each pixel votes for the
 * direction of its gradient, of `orientations` equal parts of 180 degrees, by its magnitude. Unlike in the paper a vote is not
 * shared between neighbouring cells and directions: these are scikit-image's values.
 */
#ifndef PX_DATA_HOG_H
#define PX_DATA_HOG_H

#include "data/augment.h"

typedef struct px_hog {
    int cell;         /* side of a cell in pixels */
    int orientations; /* paper: 9 */
} px_hog;

/* The cell for images of this side: 8 px, or 7 or 6 if fewer pixels are left over then (cells of 6 to 8 px do best in the
 * paper); half of a smaller image, so that there is a block. */
int px_hog_cell_for(int size);

/* The descriptor of a whole image: blocks of 2 x 2 cells at each place, of length 1, clipped at 0.2 and again of length 1 (the
 * paper's L2-Hys). Where there are several channels, a pixel's gradient is that of the first one with the largest. Gradients are
 * differences of the two neighbours, 0 at the image's edges. The image has at least 2 x 2 cells.
 * out: (blocks, blocks, 2, 2, orientations), px_hog_width numbers. */
int px_hog_width(const px_hog *, int size);
void px_hog_describe(const px_hog *, const px_plane *, float *out, px_scratch *);

/* The target of MaskFeat (Wei et al. 2022, arXiv:2112.09133; official code): a histogram of length 1 for each cell and channel.
 * Gradients are Sobel's, of an image reflected at its edges; magnitudes are weighed by a Gaussian over each 2 x 2 cells whose
 * deviation is a cell's side.
 * out: (cells, cells, channels, orientations). */
void px_hog_by_channel(const px_hog *, const px_plane *, float *out);

#endif
