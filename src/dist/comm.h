/* comm.h - the ranks of a job.
 *
 *     px_comm comm;
 *     px_comm_init(&comm, &argc, &argv);        // also sets px_on_abort to MPI_Abort
 *     if (px_agree(&comm, open_something()) != 0) ...   // collective: all fail with the message of the lowest
 * that failed
 *     px_comm_finish(&comm);
 */
#ifndef PX_DIST_COMM_H
#define PX_DIST_COMM_H

#include <mpi.h>
#include <stdint.h>

typedef struct px_comm_scratch px_comm_scratch;

typedef struct px_comm {
    MPI_Comm mpi;    /* a duplicate of MPI_COMM_WORLD: collectives of the graph */
    MPI_Comm bucket; /* another: gradient buckets in flight never match the graph's messages */
    int rank, size;
    int local_size;           /* ranks on this host */
    px_comm_scratch *scratch; /* buffers of the blocking collectives, kept from call to call */
} px_comm;

int px_comm_init(px_comm *, int *argc, char ***argv); /* MPI_THREAD_FUNNELED */
void px_comm_finish(px_comm *);

/* A job of one, without MPI having been initialised (mpi is MPI_COMM_NULL): every function here works on it and at
 * most copies. */
px_comm px_comm_self(void);

/* Collective: 0 if rc is 0 on all ranks; else every rank gets -1 and the status and message of the lowest failing
 * rank (prefixed by "rank N: " when not all failed alike and size > 1). */
int px_agree(const px_comm *, int rc);

void px_broadcast(const px_comm *, void *data, int64_t bytes, int root);
void px_barrier(const px_comm *);

/* Blocking sum over ranks in place, for small things (statistics, metrics). Deterministic: the same on all ranks. */
void px_all_reduce_f64(const px_comm *, double *data, int64_t count);

/* Blocking sum in place of larger float arrays, by the ring of allreduce.h. */
void px_all_reduce_f32(const px_comm *, float *data, int64_t count);

/* Row blocks: every rank gives `bytes` bytes; `out` gets size*bytes in rank order. */
void px_all_gather_bytes(const px_comm *, const void *in, void *out, int64_t bytes);
/* in: size blocks of `count`; out: this rank's block summed over ranks in rank order. */
void px_reduce_scatter_f32(const px_comm *, const float *in, float *out, int64_t count);
void px_reduce_scatter_f64(const px_comm *, const double *in, double *out, int64_t count);

/* Memory for a collective made of messages, of more than one rank: valid until the next call of any function here. */
void *px_comm_scratch_bytes(const px_comm *, size_t bytes);

#endif
