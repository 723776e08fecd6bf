/* shards.c - see shards.h. */
#include "dist/shards.h"
#include "base/error.h"

#include <stdbool.h>
#include <string.h>

enum {
    BLOCK = 4096,   /* bytes of a branch's sum at a time, so that it stays in the first cache */
    PIECE = 262144, /* most bytes per message */
    TAG_TREE = 4,
};

/* out = the sum of in[0..count) at numbers [at, at + n): halves first. out may be in[0]. */
static void branch(px_summand s, const void *const in[], int count, int64_t at, int64_t n, void *out)
{
    _Alignas(64) char other[BLOCK];
    if (count == 1) {
        memmove(out, (const char *)in[0] + (size_t)at * s.bytes, (size_t)n * s.bytes);
        return;
    }
    branch(s, in, count / 2, at, n, out);
    branch(s, in + count / 2, count / 2, at, n, other);
    s.add(out, other, n);
}

/* out[n] = the sum of in[0..count) at numbers [first, first + n) */
static void sum_own(px_summand s, const void *const in[], int count, int64_t first, int64_t n, void *out)
{
    const int64_t step = BLOCK / (int64_t)s.bytes;
    if (count == 1 && in[0] == out)
        return;
#pragma omp parallel for schedule(static) if (n > 16 * step)
    for (int64_t at = 0; at < n; at += step)
        branch(s, in, count, first + at, n - at < step ? n - at : step, (char *)out + (size_t)at * s.bytes);
}

/* The part of the array that a rank sums at this point of the halving. */
typedef struct range {
    int64_t first, count;
} range;

static void exchange(const px_comm *comm, px_summand s, char *out, int64_t out_count, char *in, int64_t in_count,
                     int partner)
{
    MPI_Sendrecv(out, (int)out_count, s.type, partner, TAG_TREE, in, (int)in_count, s.type, partner, TAG_TREE,
                 comm->mpi, MPI_STATUS_IGNORE);
    comm->traffic->bytes += (double)out_count * (double)s.bytes;
}

static int64_t piece_of(range r, int64_t at, int64_t step)
{
    int64_t left = r.count - at;
    return left < 0 ? 0 : left < step ? left : step;
}

/* Sends the range `give` and adds what arrives to the range `keep`. */
static void exchange_sums(const px_comm *comm, px_summand s, char *data, range give, range keep, int partner)
{
    _Alignas(64) char theirs[PIECE];
    const int64_t step = PIECE / (int64_t)s.bytes;
    for (int64_t at = 0; at < give.count || at < keep.count; at += step) {
        int64_t out = piece_of(give, at, step), in = piece_of(keep, at, step);
        char *mine = data + (size_t)(keep.first + at) * s.bytes;
        exchange(comm, s, data + (size_t)(give.first + at) * s.bytes, out, theirs, in, partner);
        s.add(mine, theirs, in);
    }
}

/* Recursive halving and doubling (Rabenseifner 2004), but neighbours first: each rank sends 2 (R-1)/R of the bytes.
 * a + b is b + a, so it does not matter which side adds. */
static void sum_ranks(const px_comm *comm, px_summand s, char *data, int64_t n)
{
    range own = {0, n}, given[32] = {{0, 0}};
    int level = 0;
    for (int distance = 1; distance < comm->size; distance *= 2, level++) {
        range low = {own.first, own.count / 2}, high = {own.first + own.count / 2, own.count - own.count / 2};
        bool upper = comm->rank & distance;
        given[level] = upper ? low : high;
        own = upper ? high : low;
        exchange_sums(comm, s, data, given[level], own, comm->rank ^ distance);
    }
    for (int distance = comm->size / 2; distance >= 1; distance /= 2) {
        range back = given[--level];
        const int64_t step = PIECE / (int64_t)s.bytes;
        for (int64_t at = 0; at < own.count || at < back.count; at += step)
            exchange(comm, s, data + (size_t)(own.first + at) * s.bytes, piece_of(own, at, step),
                     data + (size_t)(back.first + at) * s.bytes, piece_of(back, at, step), comm->rank ^ distance);
        own = (range){own.first < back.first ? own.first : back.first, own.count + back.count};
    }
}

static void copy_to_others(void *const data[], int count, size_t bytes)
{
#pragma omp parallel for schedule(static) if (bytes > 65536)
    for (int k = 1; k < count; k++)
        memcpy(data[k], data[0], bytes);
}

static void check(const px_comm *comm, int count)
{
    PX_CHECK(count >= 1 && (count & (count - 1)) == 0 && (comm->size & (comm->size - 1)) == 0);
}

void px_shards_sum(const px_comm *comm, px_summand s, void *const data[], int count, int64_t n)
{
    check(comm, count);
    sum_own(s, (const void *const *)data, count, 0, n, data[0]);
    if (comm->size > 1) {
        px_comm_begun begun = px_comm_begin();
        sum_ranks(comm, s, data[0], n);
        px_comm_count(comm, 0, begun); /* bytes are counted as they are sent */
    }
    copy_to_others(data, count, (size_t)n * s.bytes);
}

void px_shards_gather(const px_comm *comm, const void *const in[], void *const out[], int count, int64_t bytes)
{
    char *own = (char *)out[0] + (int64_t)comm->rank * count * bytes;
    check(comm, count);
    for (int k = 0; k < count; k++)
        memcpy(own + k * bytes, in[k], (size_t)bytes);
    px_all_gather_bytes(comm, own, out[0], count * bytes);
    copy_to_others(out, count, (size_t)(comm->size * count * bytes));
}

void px_shards_reduce_scatter(const px_comm *comm, px_summand s, const void *const in[], void *const out[], int count,
                              int64_t n)
{
    int64_t all = (int64_t)comm->size * count * n;
    check(comm, count);
    for (int k = 0; k < count && comm->size == 1; k++)
        sum_own(s, in, count, k * n, n, out[k]);
    if (comm->size == 1)
        return;
    char *sum = px_comm_scratch_bytes(comm, (size_t)all * s.bytes);
    sum_own(s, in, count, 0, all, sum);
    sum_ranks(comm, s, sum, all);
    for (int k = 0; k < count; k++)
        memcpy(out[k], sum + (size_t)((comm->rank * count + k) * n) * s.bytes, (size_t)n * s.bytes);
}
