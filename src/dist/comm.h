/* comm.h - the ranks of a job.
 *
 *     px_comm comm;
 *     px_comm_init(&comm, &argc, &argv);        // also sets px_on_abort to MPI_Abort
 *     if (px_agree(&comm, open_something()) != 0) ...   // collective: all fail if one does, with the same message
 *     px_comm_finish(&comm);
 */
#ifndef PX_DIST_COMM_H
#define PX_DIST_COMM_H

#include <mpi.h>
#include <stdint.h>

typedef struct px_comm_scratch px_comm_scratch;

/* What this rank has sent to others since px_comm_init: payload, without what MPI adds; a broadcast counts as what all others
 * got of it. `seconds`: in which it did nothing but that or wait for it. Not counted: agreement on failures, the watch. */
typedef struct px_traffic {
    double bytes, seconds;
    /* Processor seconds of the thread that talks, within `seconds`: waiting may sleep, or share its core. */
    double core;
} px_traffic;

typedef struct px_comm {
    MPI_Comm mpi;    /* a duplicate of MPI_COMM_WORLD, for the graph's collectives */
    MPI_Comm bucket; /* another one, so that gradient buckets in flight never match the graph's messages */
    int rank, size;
    int local_size;           /* ranks on this host */
    int local_rank;           /* this one among them */
    px_traffic *traffic;      /* NULL: there are no others */
    px_comm_scratch *scratch; /* buffers of the blocking collectives, kept from call to call */
} px_comm;

int px_comm_init(px_comm *, int *argc, char ***argv); /* MPI_THREAD_FUNNELED */
void px_comm_finish(px_comm *);

/* A job of one rank without MPI (mpi is MPI_COMM_NULL): every function here works on it and at most copies. */
px_comm px_comm_self(void);

/* Collective. Returns 0 if rc is 0 on all ranks. Else every rank gets -1 and the status and message of the lowest
 * failing rank (with the prefix "rank N: " unless all ranks failed with the same message). */
int px_agree(const px_comm *, int rc);

void px_broadcast(const px_comm *, void *data, int64_t bytes, int root);
void px_barrier(const px_comm *);

/* Blocking sum over ranks, in place, of a few numbers (statistics, metrics). All ranks get the same bits. */
void px_all_reduce_f64(const px_comm *, double *data, int64_t count);

/* A sum whose terms are added in the order of the ranks, whatever their number: between the two calls, which are collective, a rank
 * adds its terms. The first one begins with its `data`, each other one with what the rank before has; at the end all have all. */
void px_chain_begin(const px_comm *, double *data, int64_t count);
void px_chain_end(const px_comm *, double *data, int64_t count);

/* Blocking sum over ranks, in place, of larger float arrays, by the ring of allreduce.h. */
void px_all_reduce_f32(const px_comm *, float *data, int64_t count);

/* Row blocks: every rank gives `bytes` bytes; `out` gets size*bytes in rank order. */
void px_all_gather_bytes(const px_comm *, const void *in, void *out, int64_t bytes);
/* The same for parts of different sizes, bytes (size) of each rank. */
void px_all_gather_parts(const px_comm *, const void *in, void *out, const int64_t *bytes);
/* The same for one rank alone; of the others, `out` is not used. */
void px_gather_parts(const px_comm *, const void *in, void *out, const int64_t *bytes, int root);

/* in: size blocks of `bytes` bytes, one for each rank; out: the blocks that are for this one, in the order of the ranks. */
void px_all_to_all_bytes(const px_comm *, const void *in, void *out, int64_t bytes);

/* in: size blocks of `count`; out: this rank's block summed over ranks in rank order. */
void px_reduce_scatter_f32(const px_comm *, const float *in, float *out, int64_t count);
void px_reduce_scatter_f64(const px_comm *, const double *in, double *out, int64_t count);

/* For collectives elsewhere in dist/, with more than one rank: adds to comm->traffic what was sent since px_comm_begin. */
typedef struct px_comm_begun {
    double wall, core;
} px_comm_begun;
px_comm_begun px_comm_begin(void);
void px_comm_count(const px_comm *, double bytes, px_comm_begun);

/* Temporary memory for a collective, with more than one rank: valid until the next call of any function here. */
void *px_comm_scratch_bytes(const px_comm *, size_t bytes);

#endif
