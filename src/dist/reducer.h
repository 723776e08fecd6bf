/* reducer.h - the sum of a step's gradients over everything that computes a part of it: ranks, shards, micro-batches. Three
 * kinds behind one interface:
 *     ring    one part per rank; each bucket travels while backward goes on (allreduce.h)
 *     tree    some shards per rank; the same bits on any number of ranks (shards.h)
 *     micros  several passes, whose gradients are added before they go to one of the other two
 *
 *     px_reducer *r = px_reducer_ring(&comm, gradients, false);
 *     if (micros > 1)
 *         r = px_reducer_micros(r, gradients, micros);
 *     ... px_reducer_ready(r, bucket) in each pass, as each bucket is complete; px_reducer_progress(r) between kernels
 *     px_reducer_finish(r);                         // gradients.part[0] holds the sums; `divided`: of this rank's part
 *     px_reducer_numbers(r, numbers, count);        // numbers[0] holds theirs
 *
 * All functions are collective except for ready and progress; only the main thread may call them. */
#ifndef PX_DIST_REDUCER_H
#define PX_DIST_REDUCER_H

#include "dist/comm.h"

#include <stdbool.h>

typedef struct px_reducer px_reducer;

/* Gradients of this rank's parts of a batch: `parts` flat buffers with the same buckets, [bound[b], bound[b+1]). Everything
 * is borrowed, and must outlive the reducer. */
typedef struct px_gradients {
    float *const *part;
    int parts;
    const int64_t *bound;
    int buckets;
} px_gradients;

px_reducer *px_reducer_ring(const px_comm *, px_gradients, bool divided);  /* of one part */
px_reducer *px_reducer_tree(const px_comm *, px_gradients);                /* ranks and parts: powers of two */
px_reducer *px_reducer_micros(px_reducer *next, px_gradients, int micros); /* owns `next` */
void px_reducer_destroy(px_reducer *);                                     /* accepts NULL */

/* A bucket is complete in all parts, for this pass. Each bucket becomes ready once per pass, in the same order on all
 * ranks; after the last pass its gradients must not be touched until px_reducer_finish. */
void px_reducer_ready(px_reducer *, int bucket);
void px_reducer_progress(px_reducer *);
void px_reducer_finish(px_reducer *);

/* of[0] becomes the sum, over all parts of all ranks, of `count` numbers. */
void px_reducer_numbers(px_reducer *, double *const of[], int64_t count);

/* Seconds since creation in which this rank only waited for sums of gradients, or computed them. */
double px_reducer_waited(const px_reducer *);

#endif
