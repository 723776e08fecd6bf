/* holdout.c - see holdout.h. */
#include "eval/holdout.h"

#include "base/error.h"
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Marks the images of one class that are held out; place[n]: their places in the split. */
static void draw(int64_t *place, int64_t n, double share, int64_t seed, int class, bool *held)
{
    int64_t hold = llrint(share * (double)n);
    hold = hold < 1 ? 1 : hold;
    hold = hold > n - 1 ? n - 1 : hold;
    px_rng rng = px_rng_make((uint64_t)seed, PX_RNG_HOLDOUT, (uint64_t) class, 2);
    for (int64_t i = 0; i < hold; i++) {
        int64_t j = i + px_rng_below(&rng, (uint32_t)(n - i)), chosen = place[j];
        place[j] = place[i];
        held[chosen] = true;
    }
}

int px_holdout_make(px_holdout *h, const px_dataset *data, const px_split *from, double share, int64_t seed)
{
    int classes = px_dataset_about(data)->classes;
    size_t count = (size_t)from->count;
    int64_t *begin = px_calloc((size_t)classes + 1, sizeof *begin), *place = px_calloc(count + 1, sizeof *place);
    int64_t *next = px_calloc((size_t)classes + 1, sizeof *next), *kept = px_calloc(count + 1, sizeof *kept);
    int64_t *out = px_calloc(count + 1, sizeof *out);
    bool *held = px_calloc(count + 1, sizeof *held);
    *h = (px_holdout){.kept = {from->name, kept, 0}, .held = {from->name, out, 0}};
    for (int64_t i = 0; i < from->count; i++)
        if (px_dataset_label(data, from->index[i]) >= 0)
            begin[px_dataset_label(data, from->index[i]) + 1]++;
    for (int c = 0; c < classes; c++)
        begin[c + 1] += begin[c];
    for (int64_t i = 0; i < from->count; i++) {
        int label = px_dataset_label(data, from->index[i]);
        if (label >= 0)
            place[begin[label] + next[label]++] = i;
    }
    for (int c = 0; c < classes; c++)
        if (begin[c + 1] - begin[c] > 1)
            draw(place + begin[c], begin[c + 1] - begin[c], share, seed, c, held);
    for (int64_t i = 0; i < from->count; i++)
        if (held[i])
            out[h->held.count++] = from->index[i];
        else
            kept[h->kept.count++] = from->index[i];
    free(begin);
    free(place);
    free(next);
    free(held);
    if (h->held.count > 0)
        return 0;
    px_holdout_finish(h);
    return px_fail(PX_DATA, "%s: nothing can be held out of the split %s: no class has two images",
                   px_dataset_about(data)->path, from->name);
}

void px_holdout_finish(px_holdout *h)
{
    free((int64_t *)h->kept.index);
    free((int64_t *)h->held.index);
    *h = (px_holdout){0};
}
