/* mask_blocks.h - masks of rectangular blocks of patches, as BEiT (Bao et al. 2022, arXiv:2106.08254, algorithm 1) and iBOT's official
 * loader make them, for make_views. */
#ifndef PX_TRAIN_MASK_BLOCKS_H
#define PX_TRAIN_MASK_BLOCKS_H

#include "base/rng.h"

/* Adds blocks with sides in the ratio 0.3 to 1/0.3 to a mask (rows, columns) of zeros, 1 where a patch is hidden, until `most` are or
 * ten tries in a row found no place. A block has at least `least` patches, unless fewer are left to hide. Returns how many are
 * hidden, at most `most`. */
int px_mask_blocks(px_rng *, int rows, int columns, int least, int most, float *mask);

#endif
