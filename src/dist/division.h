/* division.h - a flat buffer of parameters divided among ranks, as the gradient ring divides it: of each bucket every rank has a
 * part. For an optimizer that keeps the state of its own parameters only (Rajbhandari et al. 2020, ZeRO stage 1).
 *
 *     px_division *d = px_division_create(&comm, bound, buckets);
 *     ... px_division_part(d, bucket, &from, &to);           // of this rank
 *     px_division_spread(d, weights);                        // all ranks get every rank's part
 *     px_division_collect(d, offset, count, own, out);       // rank 0 gets elements of all parts
 *     px_division_destroy(d);
 */
#ifndef PX_DIST_DIVISION_H
#define PX_DIST_DIVISION_H

#include "dist/comm.h"

typedef struct px_division px_division;

/* Buckets as those of px_gradients; `bound` and the communicator are borrowed. */
px_division *px_division_create(const px_comm *, const int64_t *bound, int buckets);
void px_division_destroy(px_division *); /* accepts NULL */

int px_division_buckets(const px_division *);
int64_t px_division_end(const px_division *, int bucket); /* one behind its last element */

/* The elements [*from, *to) of a bucket that are this rank's; they may be none. */
void px_division_part(const px_division *, int bucket, int64_t *from, int64_t *to);

/* The number of elements that are a rank's, of all buckets. */
int64_t px_division_count(const int64_t *bound, int buckets, int rank, int ranks);

/* Collective: sums `count` numbers over ranks, in place. Where all but one rank have 0, that is exact. */
void px_division_sum(const px_division *, double *numbers, int64_t count);

/* Collective: in `flat`, of the whole length, every rank's part gets that rank's values. */
void px_division_spread(px_division *, float *flat);

/* Collective: rank 0 gets the elements offset to offset + count - 1, which lie in one bucket, in `out`, which is not used on the
 * other ranks. `own`: those of them that are this rank's, one after the other. */
void px_division_collect(const px_division *, int64_t offset, int64_t count, const float *own, float *out);

#endif
