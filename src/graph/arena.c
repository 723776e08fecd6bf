/* arena.c - see arena.h. */
#include "graph/arena.h"
#include "base/error.h"

#include <stdlib.h>

static int larger_first(const void *a, const void *b)
{
    const px_span *x = *(px_span *const *)a, *y = *(px_span *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first - y->first;
}

static int lower_first(const void *a, const void *b)
{
    const px_span *x = *(px_span *const *)a, *y = *(px_span *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The lowest offset where `s` fits between the placed spans that live at the same time. */
static size_t lowest_gap(const px_span *s, px_span **placed, int count, px_span **alive)
{
    int n = 0;
    for (int i = 0; i < count; i++)
        if (placed[i]->first <= s->last && s->first <= placed[i]->last)
            alive[n++] = placed[i];
    qsort(alive, (size_t)n, sizeof alive[0], lower_first);
    size_t at = 0;
    for (int i = 0; i < n && alive[i]->offset < at + s->bytes; i++)
        if (alive[i]->offset + alive[i]->bytes > at)
            at = alive[i]->offset + alive[i]->bytes;
    return at;
}

size_t px_arena_place(px_span *spans, int count)
{
    px_span **order = px_calloc((size_t)count + 1, sizeof order[0]);
    px_span **alive = px_calloc((size_t)count + 1, sizeof alive[0]);
    for (int i = 0; i < count; i++) {
        spans[i].bytes = (spans[i].bytes + 63) / 64 * 64;
        order[i] = &spans[i];
    }
    qsort(order, (size_t)count, sizeof order[0], larger_first);
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        order[i]->offset = lowest_gap(order[i], order, i, alive);
        if (order[i]->offset + order[i]->bytes > total)
            total = order[i]->offset + order[i]->bytes;
    }
    free(order);
    free(alive);
    return total;
}
