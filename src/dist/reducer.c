/* reducer.c - see reducer.h. */
#include "dist/reducer.h"
#include "base/error.h"
#include "base/log.h"
#include "dist/allreduce.h"
#include "dist/shards.h"

#include <stdlib.h>
#include <string.h>

typedef struct kind {
    void (*ready)(px_reducer *, int bucket);
    void (*progress)(px_reducer *);
    void (*finish)(px_reducer *);
    void (*numbers)(px_reducer *, double *const of[], int64_t count);
    double (*waited)(const px_reducer *);
    void (*destroy)(px_reducer *);
} kind;

struct px_reducer {
    const kind *kind;
    const px_comm *comm;
    px_gradients of;
    px_allreduce *ring; /* ring */
    double summing;     /* tree: seconds */
    px_reducer *next;   /* micros */
    int micros;
    int *passes; /* micros: in which each bucket has become ready */
    float *sum;  /* micros: (parts, parameters), of the passes so far */
};

static px_reducer *make(const kind *k, const px_comm *comm, px_gradients of)
{
    px_reducer *r = px_calloc(1, sizeof *r);
    *r = (px_reducer){.kind = k, .comm = comm, .of = of};
    return r;
}

static int64_t all_of(px_gradients of)
{
    return of.bound[of.buckets];
}

/* ---- ring ---- */

static void ring_ready(px_reducer *r, int bucket)
{
    px_allreduce_start(r->ring, bucket);
}

static void ring_progress(px_reducer *r)
{
    px_allreduce_progress(r->ring);
}

static void ring_finish(px_reducer *r)
{
    px_allreduce_finish(r->ring);
}

static void ring_numbers(px_reducer *r, double *const of[], int64_t count)
{
    px_all_reduce_f64(r->comm, of[0], count);
}

static double ring_waited(const px_reducer *r)
{
    return px_allreduce_waited(r->ring);
}

static void ring_destroy(px_reducer *r)
{
    px_allreduce_destroy(r->ring);
}

static const kind ring = {ring_ready, ring_progress, ring_finish, ring_numbers, ring_waited, ring_destroy};

px_reducer *px_reducer_ring(const px_comm *comm, px_gradients of, bool divided)
{
    PX_CHECK(of.parts == 1);
    px_reducer *r = make(&ring, comm, of);
    r->ring = px_allreduce_create(comm, of.part[0], of.bound, of.buckets, divided ? PX_RING_SCATTER : PX_RING_SUM);
    return r;
}

/* ---- tree ---- */

static void tree_ready(px_reducer *r, int bucket)
{
    (void)r;
    (void)bucket;
}

static void tree_progress(px_reducer *r)
{
    (void)r;
}

static void tree_finish(px_reducer *r)
{
    double start = px_now();
    px_shards_sum(r->comm, px_summand_f32(), (void *const *)r->of.part, r->of.parts, all_of(r->of));
    r->summing += px_now() - start;
}

static void tree_numbers(px_reducer *r, double *const of[], int64_t count)
{
    px_shards_sum(r->comm, px_summand_f64(), (void *const *)of, r->of.parts, count);
}

static double tree_waited(const px_reducer *r)
{
    return r->summing;
}

static void tree_destroy(px_reducer *r)
{
    (void)r;
}

static const kind tree = {tree_ready, tree_progress, tree_finish, tree_numbers, tree_waited, tree_destroy};

px_reducer *px_reducer_tree(const px_comm *comm, px_gradients of)
{
    return make(&tree, comm, of);
}

/* ---- micros ---- */

/* sum = term, or sum += term */
static void add(float *sum, const float *term, int64_t n, bool first)
{
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n; i++)
        sum[i] = first ? term[i] : sum[i] + term[i];
}

/* In the last pass the earlier ones' sum is added, and the bucket passed on. */
static void micros_ready(px_reducer *r, int bucket)
{
    int64_t from = r->of.bound[bucket], n = r->of.bound[bucket + 1] - from;
    int pass = r->passes[bucket]++;
    bool last = pass == r->micros - 1;
    for (int k = 0; k < r->of.parts; k++) {
        float *grad = r->of.part[k] + from, *sum = r->sum + k * all_of(r->of) + from;
        if (last)
            add(grad, sum, n, false);
        else
            add(sum, grad, n, pass == 0);
    }
    if (last) {
        r->passes[bucket] = 0;
        px_reducer_ready(r->next, bucket);
    }
}

static void micros_progress(px_reducer *r)
{
    px_reducer_progress(r->next);
}

static void micros_finish(px_reducer *r)
{
    px_reducer_finish(r->next);
}

static void micros_numbers(px_reducer *r, double *const of[], int64_t count)
{
    px_reducer_numbers(r->next, of, count);
}

static double micros_waited(const px_reducer *r)
{
    return px_reducer_waited(r->next);
}

static void micros_destroy(px_reducer *r)
{
    px_reducer_destroy(r->next);
    free(r->passes);
    free(r->sum);
}

static const kind micros = {micros_ready,   micros_progress, micros_finish,
                            micros_numbers, micros_waited,   micros_destroy};

px_reducer *px_reducer_micros(px_reducer *next, px_gradients of, int count)
{
    px_reducer *r = make(&micros, next->comm, of);
    r->next = next;
    r->micros = count;
    r->passes = px_calloc((size_t)of.buckets, sizeof r->passes[0]);
    r->sum = px_aligned_calloc((size_t)(all_of(of) * of.parts) * sizeof r->sum[0]);
    return r;
}

/* ---- all ---- */

void px_reducer_destroy(px_reducer *r)
{
    if (!r)
        return;
    r->kind->destroy(r);
    free(r);
}

void px_reducer_ready(px_reducer *r, int bucket)
{
    r->kind->ready(r, bucket);
}

void px_reducer_progress(px_reducer *r)
{
    r->kind->progress(r);
}

void px_reducer_finish(px_reducer *r)
{
    r->kind->finish(r);
}

void px_reducer_numbers(px_reducer *r, double *const of[], int64_t count)
{
    r->kind->numbers(r, of, count);
}

double px_reducer_waited(const px_reducer *r)
{
    return r->kind->waited(r);
}
