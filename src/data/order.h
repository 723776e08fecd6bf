/* order.h - in which order the batches of an epoch take the images of a split.
 *
 *     px_order o;
 *     px_order_init(&o, split, seed, repeats, shuffle);
 *     px_order_begin(&o, epoch);
 *     row = px_order_row(&o, place);        // place 0 to split->count - 1 of the epoch; later ones are the last one
 *     px_order_finish(&o);
 */
#ifndef PX_DATA_ORDER_H
#define PX_DATA_ORDER_H

#include "data/dataset.h"

typedef struct px_order {
    const px_split *split; /* borrowed */
    uint64_t seed;
    int repeats;     /* of each image, side by side; at least 1 */
    uint32_t *image; /* the permutation of `epoch`; NULL: the split's own order */
    int64_t epoch;   /* -1: none yet */
} px_order;

void px_order_init(px_order *, const px_split *, uint64_t seed, int repeats, bool shuffle);
void px_order_finish(px_order *);

/* The permutation of an epoch: a Fisher-Yates shuffle of the identity, so that it depends on (seed, epoch) only. */
void px_order_begin(px_order *, int64_t epoch);
/* The row of the data set. */
int64_t px_order_row(const px_order *, int64_t place);

/* The place, in a global batch, of the image that is mixed with the one at `place`: the repeats of an image stand side by side, so
 * that it is another image if the batch has at least two of them with all their repeats. */
static inline int64_t px_order_partner(int64_t place, int repeats, int64_t global_batch)
{
    return (place + global_batch - repeats % global_batch) % global_batch;
}

#endif
