/* pictures.h - small pictures of some images of a data set, which results keep beside numbers.
 *
 *     uint8_t *pixels;                                          // (count, side, side, channels) on rank 0
 *     if (px_pictures_load(&pixels, t->source.from, rows, count) != 0) ...        // collective
 */
#ifndef PX_EVAL_PICTURES_H
#define PX_EVAL_PICTURES_H

#include "eval/extract.h"

enum { PX_PICTURE_SIDE = 64 /* pixels, at most */ };

/* The side of pictures of such a task; 0: its images are none, having other than 1 or 3 channels. */
int px_picture_side(const px_task *);

/* `row`: rows of the data set, in any order, also several times. Images are framed as for the network, without augmentation. 0, or
 * -1 and nothing to free; on ranks but 0 there never is anything. Collective. */
int px_pictures_load(uint8_t **pixels, const px_extract_spec *, const int64_t *row, int count);

#endif
