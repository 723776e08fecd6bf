/* allreduce.h - the gradient all-reduce: buckets of one flat buffer, summed over ranks while backward goes on.
 *
 *     px_allreduce *a = px_allreduce_create(&comm, grad, count, bucket_floats);
 *     ... px_allreduce_start(a, bucket) as each bucket is complete (same order on all ranks);
 *     ... px_allreduce_progress(a) between kernels: MPI moves nothing unless somebody calls it;
 *     px_allreduce_finish(a);                    // waits for all that was started; grad now holds the sums
 *
 * Each bucket goes through a ring (reduce-scatter, then all-gather; Patarasuk & Yuan 2009): 2(R-1)/R of its bytes
 * per rank. The order of additions is fixed by the ring: results do not depend on timing, and all ranks hold the
 * same bits. The data of a bucket is not to be touched between start and finish. One rank: does nothing. Only the
 * main thread may call.
 */
#ifndef PX_DIST_ALLREDUCE_H
#define PX_DIST_ALLREDUCE_H

#include "dist/comm.h"

#include <stdbool.h>

typedef struct px_allreduce px_allreduce;

/* Buckets are [begin[i], begin[i+1]) of `data`, i < buckets; `begin` has buckets+1 entries and is copied. */
px_allreduce *px_allreduce_create(const px_comm *, float *data, const int64_t *begin, int buckets);
void px_allreduce_destroy(px_allreduce *);
void px_allreduce_start(px_allreduce *, int bucket);
bool px_allreduce_progress(px_allreduce *); /* true when nothing is in flight */
void px_allreduce_finish(px_allreduce *);
double px_allreduce_waited(const px_allreduce *); /* seconds spent in finish since creation: what was not overlapped */

#endif
