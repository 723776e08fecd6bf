/* allreduce.c - non-blocking ring all-reduce of gradient buckets (Patarasuk & Yuan 2009).
 *
 * A bucket is cut into one chunk per rank, and each chunk into `segments` pieces. In step s of 2(R-1), rank r sends
 * chunk r-s to its right neighbour and receives chunk r-s-1 from its left one. In the first R-1 steps it adds what
 * arrives to its own values (then chunk r+1 is complete here); in the other steps what arrives replaces them.
 * An item is one piece in one step; items are numbered step * segments + segment, and are sent and received in this
 * order. Item i may be sent once item i - segments has arrived, which brought the same piece.
 *
 * A few buckets travel at a time, each in a lane with its own tag: while one waits for its neighbour, another moves.
 */
#include "dist/allreduce.h"

#include "base/error.h"
#include "base/log.h"
#include "dist/sum.h"

#include <stdlib.h>
#include <string.h>

/* Measured with two ranks on one busy machine and 44 MB: segments of 64 Ki to 256 Ki with windows of 4 or 8 took 10.3
 * to 11.3 ms; segments of 16 Ki, 12.4 ms; one lane instead of four, 15 ms. About 7 ms of that is MPI copying between
 * the processes. */
enum {
    SEGMENT = 64 * 1024, /* most floats in a piece */
    LANES = 4,           /* buckets in flight */
    WINDOW = 4,          /* items of a lane in flight, in each direction */
    LINE = 16,           /* in a part of a bucket pieces begin at multiples of a cache line */
};

/* One direction of a lane: items [done, posted) are in flight; those that completed out of order are marked. */
typedef struct flow {
    int64_t posted, done;
    bool complete[WINDOW];
} flow;

typedef struct lane {
    int bucket; /* -1: free */
    int64_t segments, items;
    flow in, out;
    float *incoming; /* WINDOW pieces, to be added when they have arrived */
} lane;

struct px_allreduce {
    const px_comm *comm;
    MPI_Comm mpi;
    int rank, size;
    float *data;
    int64_t *begin;
    int buckets;
    px_ring_half half;
    int64_t grain; /* chunks begin at its multiples */
    int *waiting;  /* circular queue, of `buckets` entries, of started buckets that have no lane yet */
    int first_waiting, waiting_count;
    bool *active; /* started and not finished */
    int active_count;
    lane lanes[LANES];
    MPI_Request requests[LANES * 2 * WINDOW]; /* [lane][in, out][item % WINDOW] */
    double waited;
};

static px_allreduce *create(const px_comm *comm, MPI_Comm mpi, float *data, const int64_t *begin, int buckets,
                            px_ring_half half, int64_t grain)
{
    px_allreduce *a = px_calloc(1, sizeof *a);
    int size = comm->size;
    a->comm = comm;
    a->mpi = mpi;
    a->rank = comm->rank;
    a->size = size;
    a->data = data;
    a->buckets = buckets;
    a->half = half;
    a->grain = grain;
    a->begin = px_calloc((size_t)buckets + 1, sizeof *begin);
    memcpy(a->begin, begin, ((size_t)buckets + 1) * sizeof *begin);
    a->waiting = px_calloc((size_t)buckets, sizeof *a->waiting);
    a->active = px_calloc((size_t)buckets, sizeof *a->active);
    for (int i = 0; i < LANES * 2 * WINDOW; i++)
        a->requests[i] = MPI_REQUEST_NULL;
    for (int i = 0; i < LANES; i++) {
        a->lanes[i].bucket = -1;
        if (size > 1 && i < buckets && half != PX_RING_GATHER)
            a->lanes[i].incoming = px_aligned_calloc(WINDOW * (SEGMENT + LINE) * sizeof(float));
    }
    return a;
}

px_allreduce *px_allreduce_create(const px_comm *comm, float *data, const int64_t *begin, int buckets,
                                  px_ring_half half)
{
    return create(comm, comm->bucket, data, begin, buckets, half, PX_RING_GRAIN);
}

void px_allreduce_destroy(px_allreduce *a)
{
    if (!a)
        return;
    px_allreduce_finish(a);
    for (int i = 0; i < LANES; i++)
        free(a->lanes[i].incoming);
    free(a->begin);
    free(a->waiting);
    free(a->active);
    free(a);
}

/* Where chunk `chunk` of `size` begins in the bucket [begin, end): at a multiple of `grain`. */
static int64_t chunk_at(int64_t begin, int64_t end, int chunk, int size, int64_t grain)
{
    int64_t at = begin + (end - begin) * chunk / size;
    at = (at + grain - 1) / grain * grain;
    return chunk == 0 ? begin : chunk == size || at > end ? end : at;
}

/* After the first half of the ring a rank has the next one's chunk. */
void px_ring_part(int64_t begin, int64_t end, int rank, int size, int64_t *from, int64_t *to)
{
    int chunk = (rank + 1) % size;
    *from = chunk_at(begin, end, chunk, size, PX_RING_GRAIN);
    *to = chunk_at(begin, end, chunk + 1, size, PX_RING_GRAIN);
}

/* Where piece `segment` of `segments` begins in a chunk of `count` floats. */
static int64_t cut(int64_t count, int64_t segments, int64_t segment)
{
    int64_t at = (count * segment / segments + LINE - 1) / LINE * LINE;
    return at < count ? at : count;
}

/* The values, and their number, of the piece that an item sends, or receives if `ahead` is 1. */
static float *item_piece(const px_allreduce *a, const lane *l, int64_t item, int ahead, int *count)
{
    int64_t step = item / l->segments, segment = item % l->segments, first = a->begin[l->bucket],
            last = a->begin[l->bucket + 1];
    int chunk = (int)((a->rank - step - ahead + 2 * a->size) % a->size); /* step + ahead is below 2 * size */
    int64_t begin = chunk_at(first, last, chunk, a->size, a->grain),
            end = chunk_at(first, last, chunk + 1, a->size, a->grain);
    int64_t from = cut(end - begin, l->segments, segment), to = cut(end - begin, l->segments, segment + 1);
    *count = (int)(to - from);
    return a->data + begin + from;
}

static bool adds(const px_allreduce *a, const lane *l, int64_t item)
{
    return item < (a->size - 1) * l->segments;
}

static float *incoming(const lane *l, int64_t item)
{
    return l->incoming + item % WINDOW * (SEGMENT + LINE);
}

static MPI_Request *request(px_allreduce *a, const lane *l, bool out, int64_t item)
{
    return &a->requests[((l - a->lanes) * 2 + out) * WINDOW + item % WINDOW];
}

/* Posts all receives and sends that the windows and the order allow. Receives come first: a message that arrives before
 * its receive is posted costs a copy. */
static void post(px_allreduce *a, lane *l)
{
    int left = (a->rank + a->size - 1) % a->size, right = (a->rank + 1) % a->size, count;
    const int64_t round = (a->size - 1) * l->segments;
    for (; l->in.posted < l->items && l->in.posted < l->in.done + WINDOW; l->in.posted++) {
        int64_t item = l->in.posted;
        if (item >= round && l->out.done <= item - round)
            break; /* the values that this one replaces are still being sent */
        float *values = item_piece(a, l, item, 1, &count);
        MPI_Irecv(adds(a, l, item) ? incoming(l, item) : values, count, MPI_FLOAT, left, l->bucket, a->mpi,
                  request(a, l, false, item));
    }
    for (; l->out.posted < l->items && l->out.posted < l->out.done + WINDOW; l->out.posted++) {
        int64_t item = l->out.posted;
        if (item >= l->segments && l->in.done <= item - l->segments)
            break;
        float *values = item_piece(a, l, item, 0, &count);
        MPI_Isend(values, count, MPI_FLOAT, right, l->bucket, a->mpi, request(a, l, true, item));
        a->comm->traffic->bytes += (double)count * sizeof *values;
    }
}

/* Gives free lanes to waiting buckets in the order in which they were started. Then the oldest unfinished bucket has a
 * lane on all ranks, so there is no deadlock. */
static void fill_lanes(px_allreduce *a)
{
    for (int i = 0; i < LANES && a->waiting_count; i++) {
        lane *l = &a->lanes[i];
        if (l->bucket >= 0)
            continue;
        l->bucket = a->waiting[a->first_waiting];
        a->first_waiting = (a->first_waiting + 1) % a->buckets;
        a->waiting_count--;
        int64_t length = a->begin[l->bucket + 1] - a->begin[l->bucket];
        /* a chunk may be a grain longer than the others */
        l->segments = ((length + a->size - 1) / a->size + a->grain + SEGMENT - 1) / SEGMENT;
        int64_t round = (a->size - 1) * l->segments, first = a->half == PX_RING_GATHER ? round : 0;
        l->items = a->half == PX_RING_SCATTER ? round : 2 * round;
        l->in = l->out = (flow){.posted = first, .done = first};
        post(a, l);
    }
}

void px_allreduce_start(px_allreduce *a, int bucket)
{
    PX_CHECK(bucket >= 0 && bucket < a->buckets && !a->active[bucket]);
    if (a->size == 1 || a->begin[bucket] == a->begin[bucket + 1])
        return;
    a->active[bucket] = true;
    a->active_count++;
    a->waiting[(a->first_waiting + a->waiting_count++) % a->buckets] = bucket;
    fill_lanes(a);
}

/* Marks request `index` as complete, adds what it brought, and moves the lane on. */
static void complete(px_allreduce *a, int index)
{
    lane *l = &a->lanes[index / (2 * WINDOW)];
    bool out = index / WINDOW % 2;
    flow *f = out ? &l->out : &l->in;
    int64_t item = f->done + (index % WINDOW - f->done % WINDOW + WINDOW) % WINDOW;
    if (!out && adds(a, l, item)) {
        int count;
        float *values = item_piece(a, l, item, 1, &count);
        px_add_f32(values, incoming(l, item), count);
    }
    f->complete[item % WINDOW] = true;
    while (f->done < f->posted && f->complete[f->done % WINDOW]) {
        f->complete[f->done % WINDOW] = false;
        f->done++;
    }
    post(a, l);
    if (l->in.done == l->items && l->out.done == l->items) {
        a->active[l->bucket] = false;
        a->active_count--;
        l->bucket = -1;
        fill_lanes(a);
    }
}

bool px_allreduce_progress(px_allreduce *a)
{
    int indices[LANES * 2 * WINDOW], count;
    if (a->active_count == 0)
        return true;
    MPI_Testsome(LANES * 2 * WINDOW, a->requests, &count, indices, MPI_STATUSES_IGNORE);
    for (int i = 0; i < count; i++) /* count is MPI_UNDEFINED, which is negative, when no request is pending */
        complete(a, indices[i]);
    return a->active_count == 0;
}

void px_allreduce_finish(px_allreduce *a)
{
    int indices[LANES * 2 * WINDOW], count;
    if (a->active_count == 0)
        return;
    double start = px_now();
    px_comm_begun begun = px_comm_begin();
    while (a->active_count) {
        MPI_Waitsome(LANES * 2 * WINDOW, a->requests, &count, indices, MPI_STATUSES_IGNORE);
        for (int i = 0; i < count; i++)
            complete(a, indices[i]);
    }
    a->waited += px_now() - start;
    px_comm_count(a->comm, 0, begun); /* bytes were counted when they were sent */
}

double px_allreduce_waited(const px_allreduce *a)
{
    return a->waited;
}

void px_all_reduce_f32(const px_comm *comm, float *data, int64_t count)
{
    if (comm->size == 1)
        return;
    const int64_t begin[2] = {0, count};
    px_allreduce *a = create(comm, comm->mpi, data, begin, 1, PX_RING_SUM, LINE);
    px_allreduce_start(a, 0);
    px_allreduce_destroy(a); /* also finishes */
}
