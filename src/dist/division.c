/* division.c - see division.h. */
#include "dist/division.h"

#include "base/error.h"
#include "dist/allreduce.h"

#include <stdlib.h>
#include <string.h>

struct px_division {
    const px_comm *comm;
    const int64_t *bound;
    int buckets;
    px_allreduce *ring; /* of `flat`, made at its first use */
    float *flat;
};

px_division *px_division_create(const px_comm *comm, const int64_t *bound, int buckets)
{
    px_division *d = px_calloc(1, sizeof *d);
    *d = (px_division){.comm = comm, .bound = bound, .buckets = buckets};
    return d;
}

void px_division_destroy(px_division *d)
{
    if (!d)
        return;
    px_allreduce_destroy(d->ring);
    free(d);
}

int px_division_buckets(const px_division *d)
{
    return d->buckets;
}

int64_t px_division_end(const px_division *d, int bucket)
{
    return d->bound[bucket + 1];
}

void px_division_part(const px_division *d, int bucket, int64_t *from, int64_t *to)
{
    px_ring_part(d->bound[bucket], d->bound[bucket + 1], d->comm->rank, d->comm->size, from, to);
}

int64_t px_division_count(const int64_t *bound, int buckets, int rank, int ranks)
{
    int64_t count = 0, from, to;
    for (int b = 0; b < buckets; b++) {
        px_ring_part(bound[b], bound[b + 1], rank, ranks, &from, &to);
        count += to - from;
    }
    return count;
}

void px_division_sum(const px_division *d, double *numbers, int64_t count)
{
    px_all_reduce_f64(d->comm, numbers, count);
}

void px_division_spread(px_division *d, float *flat)
{
    if (d->flat != flat) {
        px_allreduce_destroy(d->ring);
        d->ring = px_allreduce_create(d->comm, flat, d->bound, d->buckets, PX_RING_GATHER);
        d->flat = flat;
    }
    for (int b = d->buckets - 1; b >= 0; b--)
        px_allreduce_start(d->ring, b);
    px_allreduce_finish(d->ring);
}

void px_division_collect(const px_division *d, int64_t offset, int64_t count, const float *own, float *out)
{
    int ranks = d->comm->size, b = 0;
    while (d->bound[b + 1] <= offset && b < d->buckets - 1)
        b++;
    PX_CHECK(offset >= d->bound[b] && offset + count <= d->bound[b + 1]);
    int64_t *bytes = px_calloc((size_t)ranks, sizeof *bytes);
    for (int r = 0; r < ranks; r++) {
        int64_t from, to;
        px_ring_part(d->bound[b], d->bound[b + 1], r, ranks, &from, &to);
        from = from > offset ? from : offset;
        to = to < offset + count ? to : offset + count;
        bytes[r] = to > from ? (to - from) * (int64_t)sizeof *own : 0;
    }
    bool root = d->comm->rank == 0;
    char *parts = root ? px_calloc((size_t)count, sizeof *out) : NULL;
    px_gather_parts(d->comm, own, parts, bytes, 0);
    if (root) { /* the last rank has the first part of a bucket (px_ring_part) */
        int64_t last = bytes[ranks - 1], others = count * (int64_t)sizeof *out - last;
        memcpy(out, parts + others, (size_t)last);
        memcpy((char *)out + last, parts, (size_t)others);
    }
    free(parts);
    free(bytes);
}
