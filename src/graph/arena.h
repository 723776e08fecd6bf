/* arena.h - places buffers with known lifetimes in one block of memory.
 *
 *     px_span spans[n];                    // size, first and last step of use
 *     size_t bytes = px_arena_place(spans, n);   // fills offset
 */
#ifndef PX_GRAPH_ARENA_H
#define PX_GRAPH_ARENA_H

#include <stddef.h>

typedef struct px_span {
    size_t bytes;
    int first, last; /* inclusive; spans that share a step never share memory */
    size_t offset;   /* out: a multiple of 64 */
} px_span;

/* Greedy by size (Pisarchyk & Lee 2020): the largest first, each in the lowest gap that holds it. Returns the total. */
size_t px_arena_place(px_span *, int count);

#endif
