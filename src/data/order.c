/* order.c - see order.h. */
#include "data/order.h"
#include "base/error.h"
#include "base/rng.h"

#include <stdlib.h>

void px_order_init(px_order *o, const px_split *split, uint64_t seed, int repeats, bool shuffle)
{
    *o = (px_order){.split = split, .seed = seed, .repeats = repeats, .epoch = -1};
    if (shuffle)
        o->image = px_calloc((size_t)split->count, sizeof o->image[0]);
}

void px_order_finish(px_order *o)
{
    free(o->image);
    *o = (px_order){0};
}

void px_order_begin(px_order *o, int64_t epoch)
{
    if (!o->image || o->epoch == epoch)
        return;
    uint32_t n = (uint32_t)o->split->count;
    px_rng rng = px_rng_make(o->seed, PX_RNG_SHUFFLE, (uint64_t)epoch, 0);
    for (uint32_t i = 0; i < n; i++)
        o->image[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = px_rng_below(&rng, i), swap = o->image[j];
        o->image[j] = o->image[i - 1];
        o->image[i - 1] = swap;
    }
    o->epoch = epoch;
}

int64_t px_order_row(const px_order *o, int64_t place)
{
    int64_t last = o->split->count - 1, at = (place <= last ? place : last) / o->repeats;
    return o->split->index[o->image ? o->image[at] : at];
}
