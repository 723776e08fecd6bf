/* mpi_allreduce.c - the collectives of dist/ on several ranks: exact sums, the same bits everywhere, buckets in
 * flight beside blocking collectives, agreement on failures. Run it with mpirun; a failed check ends the job and names
 * the rank. */
#include "base/error.h"
#include "dist/allreduce.h"
#include "dist/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Small whole numbers, whose sums are exact in any order. */
static float whole(int rank, int64_t i)
{
    return (float)((i * 7 + rank * 13) % 101 - 50);
}

/* Values whose sums depend on the order of additions. */
static float uneven(int rank, int64_t i)
{
    return 1.0f / (float)(1 + (i * 31 + rank * 17) % 1009);
}

static float whole_sum(int size, int64_t i)
{
    float sum = 0;
    for (int r = 0; r < size; r++)
        sum += whole(r, i);
    return sum;
}

static void check_same_bits(const px_comm *comm, const void *data, size_t bytes)
{
    void *first = px_calloc(bytes, 1);
    memcpy(first, data, bytes);
    px_broadcast(comm, first, (int64_t)bytes, 0);
    PX_CHECK(memcmp(first, data, bytes) == 0);
    free(first);
}

static void test_sizes(const px_comm *comm)
{
    static const int64_t counts[] = {0, 1, 2, 7, 16, 17, 1000, 65537, 262144, 1000003};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        int64_t n = counts[c];
        float *x = px_calloc((size_t)n, sizeof *x), *again = px_calloc((size_t)n, sizeof *x);
        for (int64_t i = 0; i < n; i++)
            x[i] = whole(comm->rank, i);
        px_all_reduce_f32(comm, x, n);
        for (int64_t i = 0; i < n; i++)
            PX_CHECK(x[i] == whole_sum(comm->size, i));

        for (int64_t i = 0; i < n; i++)
            x[i] = again[i] = uneven(comm->rank, i);
        px_all_reduce_f32(comm, x, n);
        px_all_reduce_f32(comm, again, n);
        PX_CHECK(memcmp(x, again, (size_t)n * sizeof *x) == 0);
        check_same_bits(comm, x, (size_t)n * sizeof *x);
        free(x);
        free(again);
    }
}

/* Buckets of very different sizes (one is empty), more than can travel at a time, are started one by one as in
 * backward, while the graph's collectives run on the other communicator; several steps over the same buffer. */
static void test_buckets(const px_comm *comm)
{
    enum { BUCKETS = 9, STEPS = 5 };
    static const int64_t begin[BUCKETS + 1] = {3, 4, 70004, 70004, 70011, 300000, 900001, 900017, 1000000, 1400003};
    const int64_t total = begin[BUCKETS];
    float *grad = px_calloc((size_t)total, sizeof *grad);
    px_allreduce *a = px_allreduce_create(comm, grad, begin, BUCKETS, PX_RING_SUM);
    for (int step = 0; step < STEPS; step++) {
        for (int64_t i = 0; i < total; i++)
            grad[i] = whole(comm->rank + step, i);
        for (int b = BUCKETS - 1; b >= 0; b--) {
            double statistics[3] = {1, comm->rank, b};
            int all[64] = {0};
            px_allreduce_start(a, b);
            px_all_reduce_f64(comm, statistics, 3);
            PX_CHECK(statistics[0] == comm->size && statistics[2] == b * comm->size);
            PX_CHECK(statistics[1] == comm->size * (comm->size - 1) / 2);
            PX_CHECK(comm->size <= 64);
            px_all_gather_bytes(comm, &comm->rank, all, sizeof(int));
            for (int r = 0; r < comm->size; r++)
                PX_CHECK(all[r] == r);
            px_allreduce_progress(a);
        }
        if (step % 2) /* by polling alone */
            while (!px_allreduce_progress(a))
                ;
        px_allreduce_finish(a);
        PX_CHECK(px_allreduce_progress(a));
        for (int64_t i = 0; i < total; i++) {
            float sum = 0;
            for (int r = 0; r < comm->size; r++)
                sum += whole(r + step, i);
            PX_CHECK(grad[i] == (i < begin[0] ? whole(comm->rank + step, i) : sum));
        }
    }
    PX_CHECK(px_allreduce_waited(a) >= 0);
    px_allreduce_destroy(a);
    free(grad);
}

static void test_sum_f64(const px_comm *comm)
{
    static const int64_t counts[] = {0, 1, 5, 4096, 4097, 20000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        int64_t n = counts[c];
        double *x = px_calloc((size_t)n, sizeof *x);
        for (int64_t i = 0; i < n; i++)
            x[i] = whole(comm->rank, i);
        px_all_reduce_f64(comm, x, n);
        for (int64_t i = 0; i < n; i++)
            PX_CHECK(x[i] == whole_sum(comm->size, i));
        for (int64_t i = 0; i < n; i++)
            x[i] = uneven(comm->rank, i) / 3.0;
        px_all_reduce_f64(comm, x, n);
        check_same_bits(comm, x, (size_t)n * sizeof *x);
        free(x);
    }
}

/* Also checks that the order is that of the ranks, for both element types. */
static void test_reduce_scatter(const px_comm *comm)
{
    static const int64_t counts[] = {0, 1, 33, 100000, 2048};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        int64_t n = counts[c], all = n * comm->size;
        float *in = px_calloc((size_t)all, sizeof *in), *out = px_calloc((size_t)n, sizeof *out);
        double *in64 = px_calloc((size_t)all, sizeof *in64), *out64 = px_calloc((size_t)n, sizeof *out64);
        for (int64_t i = 0; i < all; i++) {
            in[i] = uneven(comm->rank, i);
            in64[i] = uneven(comm->rank, i) / 3.0;
        }
        px_reduce_scatter_f32(comm, in, out, n);
        px_reduce_scatter_f64(comm, in64, out64, n);
        for (int64_t i = 0; i < n; i++) {
            float sum = 0;
            double sum64 = 0;
            for (int r = 0; r < comm->size; r++) {
                sum += uneven(r, comm->rank * n + i);
                sum64 += uneven(r, comm->rank * n + i) / 3.0;
            }
            PX_CHECK(out[i] == sum && out64[i] == sum64);
        }
        free(in);
        free(out);
        free(in64);
        free(out64);
    }
}

static void test_gather(const px_comm *comm)
{
    static const int64_t sizes[] = {0, 1, 1000, 20000, 3000001};
    for (size_t c = 0; c < sizeof sizes / sizeof *sizes; c++) {
        int64_t n = sizes[c];
        unsigned char *in = px_calloc((size_t)n, 1), *out = px_calloc((size_t)(n * comm->size), 1);
        for (int in_place = 0; in_place < 2; in_place++) {
            unsigned char *own = in_place ? out + comm->rank * n : in;
            memset(out, 255, (size_t)(n * comm->size));
            for (int64_t i = 0; i < n; i++)
                own[i] = (unsigned char)(i % 251 + comm->rank);
            px_all_gather_bytes(comm, own, out, n);
            for (int r = 0; r < comm->size; r++)
                for (int64_t i = 0; i < n; i++)
                    PX_CHECK(out[r * n + i] == (unsigned char)(i % 251 + r));
        }
        free(in);
        free(out);
    }
}

/* Parts of different sizes, rank r's of r bytes; a block for each rank; a sum whose bits depend on the order of its terms. */
static void test_exchanges(const px_comm *comm)
{
    enum { MOST = 64 };
    int64_t bytes[MOST], all = 0;
    char own[MOST], out[MOST * MOST];
    PX_CHECK(comm->size <= MOST);
    for (int r = 0; r < comm->size; r++)
        bytes[r] = r;
    memset(own, comm->rank, sizeof own);
    px_all_gather_parts(comm, own, out, bytes);
    for (int r = 0; r < comm->size; r++)
        for (int i = 0; i < r; i++)
            PX_CHECK(out[all++] == r);
    for (int root = 0; root < comm->size; root++) {
        memset(out, -1, sizeof out);
        px_gather_parts(comm, own, out, bytes, root);
        for (int64_t r = 0, at = 0; r < comm->size; r++)
            for (int i = 0; i < r; i++)
                PX_CHECK(out[at++] == (comm->rank == root ? r : -1));
    }
    for (int r = 0; r < comm->size; r++)
        own[r] = (char)(10 * comm->rank + r);
    px_all_to_all_bytes(comm, own, out, 1);
    for (int r = 0; r < comm->size; r++)
        PX_CHECK(out[r] == (char)(10 * r + comm->rank));
    double sum[2] = {1e16, 0}, expected = 1e16;
    px_chain_begin(comm, sum, 2);
    sum[0] += comm->rank + 0.7;
    sum[1] += 1;
    px_chain_end(comm, sum, 2);
    for (int r = 0; r < comm->size; r++)
        expected += r + 0.7;
    PX_CHECK(sum[0] == expected && sum[1] == comm->size);
}

static void test_broadcast(const px_comm *comm)
{
    for (int root = 0; root < comm->size; root++) {
        int64_t values[3] = {comm->rank, comm->rank + 100, 7};
        px_broadcast(comm, values, sizeof values, root);
        PX_CHECK(values[0] == root && values[1] == root + 100 && values[2] == 7);
    }
    px_broadcast(comm, NULL, 0, 0);
    px_barrier(comm);
}

static void test_agree(const px_comm *comm)
{
    int last = comm->size - 1;
    char expected[64];
    PX_CHECK(px_agree(comm, 0) == 0);

    /* One rank. */
    int rc = comm->rank == last ? px_fail(PX_DATA, "shard %d is cut off", last) : 0;
    PX_CHECK(px_agree(comm, rc) == -1);
    PX_CHECK(px_error_status() == PX_DATA);
    snprintf(expected, sizeof expected, "rank %d: shard %d is cut off", last, last);
    PX_CHECK(strcmp(px_error(), expected) == 0);

    /* All ranks fail alike: no rank is named. */
    PX_CHECK(px_agree(comm, px_fail(PX_USAGE, "unknown key 'epoch'")) == -1);
    PX_CHECK(px_error_status() == PX_USAGE);
    PX_CHECK(strcmp(px_error(), "unknown key 'epoch'") == 0);

    /* All ranks fail with different messages: the lowest rank's is used. */
    PX_CHECK(px_agree(comm, px_fail(comm->rank ? PX_FAIL : PX_STOPPED, "reason %d", comm->rank)) == -1);
    PX_CHECK(px_error_status() == PX_STOPPED);
    PX_CHECK(strcmp(px_error(), "rank 0: reason 0") == 0);
    PX_CHECK(px_agree(comm, 0) == 0);
}

/* Sums over shards along the tree, written as plainly as possible. */
static float tree(int first, int count, int64_t i)
{
    return count == 1 ? uneven(first, i) : tree(first, count / 2, i) + tree(first + count / 2, count / 2, i);
}

enum { SHARDS = 8 };

static void make_shards(const px_comm *comm, int own, int64_t n, void *data[])
{
    for (int k = 0; k < own; k++) {
        float *x = px_calloc((size_t)n + 1, sizeof *x);
        for (int64_t i = 0; i < n; i++)
            x[i] = uneven(comm->rank * own + k, i);
        data[k] = x;
    }
}

static void free_shards(int own, void *data[])
{
    for (int k = 0; k < own; k++)
        free(data[k]);
}

static void test_shards_sum(const px_comm *comm, int own, int64_t n)
{
    void *data[SHARDS];
    make_shards(comm, own, n, data);
    px_shards_sum(comm, px_summand_f32(), data, own, n);
    for (int k = 0; k < own; k++)
        for (int64_t i = 0; i < n; i++)
            PX_CHECK(((float *)data[k])[i] == tree(0, SHARDS, i));
    free_shards(own, data);
}

static void test_shards_blocks(const px_comm *comm, int own, int64_t n)
{
    void *in[SHARDS], *out[SHARDS], *all[SHARDS];
    make_shards(comm, own, n * SHARDS, in);
    make_shards(comm, own, n, out);
    make_shards(comm, own, n * SHARDS * SHARDS, all);
    px_shards_reduce_scatter(comm, px_summand_f32(), (const void *const *)in, out, own, n);
    px_shards_gather(comm, (const void *const *)in, all, own, n * SHARDS * (int64_t)sizeof(float));
    for (int k = 0; k < own; k++) {
        for (int64_t i = 0; i < n; i++)
            PX_CHECK(((float *)out[k])[i] == tree(0, SHARDS, (comm->rank * own + k) * n + i));
        for (int64_t i = 0; i < n * SHARDS * SHARDS; i++)
            PX_CHECK(((float *)all[k])[i] == uneven((int)(i / (n * SHARDS)), i % (n * SHARDS)));
    }
    free_shards(own, in);
    free_shards(own, out);
    free_shards(own, all);
}

/* Eight shards: 1, 2 and 4 ranks give the bits of the tree. */
static void test_shards(const px_comm *comm)
{
    static const int64_t counts[] = {0, 1, 3, 1000, 65537, 300001};
    px_comm self = px_comm_self();
    for (int i = 0; i < 6; i++)
        test_shards_sum(&self, SHARDS, counts[i]);
    test_shards_blocks(&self, SHARDS, 100);
    if (comm->size == 3)
        return;
    for (int i = 0; i < 6; i++)
        test_shards_sum(comm, SHARDS / comm->size, counts[i]);
    test_shards_blocks(comm, SHARDS / comm->size, 100);
}

int main(int argc, char **argv)
{
    px_comm comm;
    PX_CHECK(px_comm_init(&comm, &argc, &argv) == 0);
    PX_CHECK(comm.size > 1 && comm.rank < comm.size && comm.local_size >= 1 && comm.local_size <= comm.size);
    test_sizes(&comm);
    test_buckets(&comm);
    test_sum_f64(&comm);
    test_reduce_scatter(&comm);
    test_gather(&comm);
    test_exchanges(&comm);
    test_broadcast(&comm);
    test_agree(&comm);
    test_shards(&comm);
    px_comm_finish(&comm);
    return 0;
}
