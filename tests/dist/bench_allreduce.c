/* bench_allreduce.c - measures the all-reduce of 44 MiB of gradients (ResNet-18's) between ranks that do nothing else:
 * our ring, with a plan's buckets, beside MPI_Allreduce. Prints medians of alternating rounds; it is not a test.
 *
 *     mpirun -n 2 BUILD/tests/dist/bench_allreduce
 */
#include "base/error.h"
#include "base/log.h"
#include "dist/allreduce.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 41, BUCKETS = 11, BUCKET = 1 << 20 /* floats */, COUNT = BUCKETS * BUCKET };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double ring(const px_comm *comm, px_allreduce *a)
{
    px_barrier(comm);
    double start = px_now();
    for (int i = BUCKETS - 1; i >= 0; i--)
        px_allreduce_start(a, i);
    px_allreduce_finish(a);
    return px_now() - start;
}

static double plain(const px_comm *comm, float *data)
{
    px_barrier(comm);
    double start = px_now();
    MPI_Allreduce(MPI_IN_PLACE, data, COUNT, MPI_FLOAT, MPI_SUM, comm->mpi);
    return px_now() - start;
}

int main(int argc, char **argv)
{
    px_comm comm;
    int64_t begin[BUCKETS + 1];
    double ours[ROUNDS], mpi[ROUNDS];
    if (px_comm_init(&comm, &argc, &argv) != 0)
        px_die("%s", px_error());
    for (int i = 0; i <= BUCKETS; i++)
        begin[i] = (int64_t)i * BUCKET;
    float *data = px_aligned_calloc(COUNT * sizeof data[0]);
    px_allreduce *a = px_allreduce_create(&comm, data, begin, BUCKETS, PX_RING_SUM);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = ring(&comm, a);
        mpi[i] = plain(&comm, data);
    }
    qsort(ours, ROUNDS, sizeof ours[0], ascending);
    qsort(mpi, ROUNDS, sizeof mpi[0], ascending);
    double seconds = ours[ROUNDS / 2], bytes = COUNT * (double)sizeof data[0];
    if (comm.rank == 0)
        printf("44 MiB between %d ranks: %.1f ms, %.2f GB/s; MPI_Allreduce %.1f ms\n", comm.size, seconds * 1e3,
               bytes / seconds / 1e9, mpi[ROUNDS / 2] * 1e3);
    px_allreduce_destroy(a);
    free(data);
    px_comm_finish(&comm);
}
