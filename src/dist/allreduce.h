/* allreduce.h - the gradient all-reduce: buckets of one flat buffer, summed over ranks while backward continues.
 *
 *     px_allreduce *a = px_allreduce_create(&comm, grad, begin, buckets, PX_RING_SUM);
 *     ... px_allreduce_start(a, bucket) as each bucket is complete (same order on all ranks);
 *     ... px_allreduce_progress(a) between kernels: MPI makes progress only when called;
 *     px_allreduce_finish(a);                    // waits for all started buckets; grad now holds the sums
 *
 * Each bucket goes through a ring (reduce-scatter, then all-gather; Patarasuk & Yuan 2009): each rank sends 2(R-1)/R
 * of its bytes. The ring fixes the order of additions: results do not depend on timing, and all ranks get the same
 * bits. Do not touch a bucket's data between start and finish. With one rank it does nothing. Only the main thread may
 * call these functions.
 */
#ifndef PX_DIST_ALLREDUCE_H
#define PX_DIST_ALLREDUCE_H

#include "dist/comm.h"

#include <stdbool.h>

typedef struct px_allreduce px_allreduce;

/* Both halves of the ring, or one of them: after PX_RING_SCATTER a rank has the sums of its part of each bucket (px_ring_part),
 * with the same bits as after PX_RING_SUM, and elsewhere sums over some ranks; PX_RING_GATHER gives all ranks each rank's part. */
typedef enum px_ring_half { PX_RING_SUM, PX_RING_SCATTER, PX_RING_GATHER } px_ring_half;

/* Parts of buckets begin at multiples of so many floats of `data`, but for a bucket's own bounds. */
enum { PX_RING_GRAIN = 16 * 1024 };

/* The part [*from, *to) of the bucket [begin, end) that belongs to a rank; it may be empty. */
void px_ring_part(int64_t begin, int64_t end, int rank, int size, int64_t *from, int64_t *to);

/* Buckets are [begin[i], begin[i+1]) of `data`, i < buckets; `begin` has buckets+1 entries and is copied. */
px_allreduce *px_allreduce_create(const px_comm *, float *data, const int64_t *begin, int buckets, px_ring_half);
void px_allreduce_destroy(px_allreduce *);
void px_allreduce_start(px_allreduce *, int bucket);
bool px_allreduce_progress(px_allreduce *); /* returns true when nothing is in flight */
void px_allreduce_finish(px_allreduce *);
/* Seconds spent in finish since creation, not overlapped with computation. */
double px_allreduce_waited(const px_allreduce *);

#endif
