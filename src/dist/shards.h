/* shards.h - sums and gathers over the shards of a batch: the same bits however the shards lie on ranks.
 *
 * S shards, a power of two, lie on R ranks, a power of two: rank r holds the `count` = S/R shards from r S/R on, and
 * gives one array for each. All sums run along one binary tree over the shards, neighbours first,
 *     ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)),
 * of which each rank adds up a whole branch of its own and the ranks the rest. All functions are collective and
 * blocking; only the main thread may call.
 */
#ifndef PX_DIST_SHARDS_H
#define PX_DIST_SHARDS_H

#include "dist/comm.h"
#include "dist/sum.h"

enum { PX_SHARDS_MAX = 1024 };

/* data[count] arrays of n numbers: each becomes the sum. Threads share the work of large ones. */
void px_shards_sum(const px_comm *, px_summand, void *const data[], int count, int64_t n);

/* Blocks of rows: out[k] gets the `bytes` bytes of in[0..] of all ranks in the order of shards. */
void px_shards_gather(const px_comm *, const void *const in[], void *const out[], int count, int64_t bytes);

/* in[k]: S blocks of n numbers. out[k]: the block of that shard's number, summed over all shards. */
void px_shards_reduce_scatter(const px_comm *, px_summand, const void *const in[], void *const out[], int count,
                              int64_t n);

#endif
