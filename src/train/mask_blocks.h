/* mask_blocks.h - masks of rectangular blocks of patches, as BEiT (Bao et al. 2022, arXiv:2106.08254, algorithm 1) and iBOT's
 * official loader make them, for make_views. */
#ifndef PX_TRAIN_MASK_BLOCKS_H
#define PX_TRAIN_MASK_BLOCKS_H

#include "base/rng.h"

/* Adds blocks to a mask (rows, columns) of zeros, which becomes 1 where a patch is hidden, until `most` are hidden or ten tries in
 * a row found no place. A block's sides have a ratio of 0.3 to 1/0.3; it has at least `least` patches, unless fewer are left to
 * hide. Returns how many are hidden, at most `most`. */
int px_mask_blocks(px_rng *, int rows, int columns, int least, int most, float *mask);

#endif
