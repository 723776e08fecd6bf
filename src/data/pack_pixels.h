/* pack_pixels.h - the second walk of `pretext pack`: every image is read again, decoded on all threads, added to the
 * statistics, and written to its row. */
#ifndef PX_DATA_PACK_PIXELS_H
#define PX_DATA_PACK_PIXELS_H

#include "data/catalog.h"
#include "data/pack_file.h"

__extension__ typedef unsigned __int128 px_sum; /* 2^64 squares of 16 bits fit */

/* Exact sums, which do not depend on the order. */
typedef struct px_pack_sums {
    uint64_t pixels;
    px_sum sum[PX_CHANNELS_MAX], square[PX_CHANNELS_MAX]; /* over pixels, per channel */
} px_pack_sums;

/* Writes all images of the catalog, and sums those of `sums_split` (-1: all). 0 or -1. Image files that cannot be decoded
 * are marked, and their messages added to the catalog's `bad`; what was written is then of no use. */
int px_pack_pixels(px_catalog *, px_pack_file *, int sums_split, px_pack_sums *);

/* Only finds the image files that cannot be decoded. 0 or -1. */
int px_pack_check(px_catalog *);

#endif
