/* shards.h - sums and gathers over the shards of a batch, with the same bits however shards are spread over ranks.
 *
 * There are S shards on R ranks, both powers of two. Rank r holds the `count` = S/R shards from r S/R on, and passes
 * one array per shard. All sums follow one binary tree over the shards, neighbours first:
 *     ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
 * Each rank sums one branch by itself; sums over branches need messages. All functions are collective and blocking;
 * only the main thread may call them.
 */
#ifndef PX_DIST_SHARDS_H
#define PX_DIST_SHARDS_H

#include "dist/comm.h"
#include "dist/sum.h"

enum { PX_SHARDS_MAX = 1024 };

/* data: `count` arrays of n numbers, each of which becomes the sum over all shards. Large ones are summed by several
 * threads. */
void px_shards_sum(const px_comm *, px_summand, void *const data[], int count, int64_t n);

/* Gathers: each out[k] gets the `bytes` bytes of every shard's in[], of all ranks, in the order of shards. */
void px_shards_gather(const px_comm *, const void *const in[], void *const out[], int count, int64_t bytes);

/* in[k]: S blocks of n numbers. out[k] gets the block with that shard's number, summed over all shards. */
void px_shards_reduce_scatter(const px_comm *, px_summand, const void *const in[], void *const out[], int count,
                              int64_t n);

#endif
