/* allreduce.h - the gradient all-reduce: buckets of one flat buffer, summed over ranks while backward continues.
 *
 *     px_allreduce *a = px_allreduce_create(&comm, grad, count, bucket_floats);
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

/* Buckets are [begin[i], begin[i+1]) of `data`, i < buckets; `begin` has buckets+1 entries and is copied. */
px_allreduce *px_allreduce_create(const px_comm *, float *data, const int64_t *begin, int buckets);
void px_allreduce_destroy(px_allreduce *);
void px_allreduce_start(px_allreduce *, int bucket);
bool px_allreduce_progress(px_allreduce *); /* returns true when nothing is in flight */
void px_allreduce_finish(px_allreduce *);
/* Seconds spent in finish since creation, not overlapped with computation. */
double px_allreduce_waited(const px_allreduce *);

#endif
