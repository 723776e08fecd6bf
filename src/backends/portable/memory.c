/* memory.c - portable kernels: rows by the numbers of images, and spherical k-means of them (see ops/memory.c). */
#include "backends/portable/portable.h"
#include "base/error.h"
#include "base/rng.h"
#include "dist/comm.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t row_of(real index, int64_t rows)
{
    int64_t row = (int64_t)index;
    PX_CHECK(row >= 0 && row < rows);
    return row;
}

void KERNEL(recall)(const px_step *s)
{
    int64_t N = s->node->in[0]->shape.dim[0], W = s->node->in[0]->shape.dim[1], n = s->node->in[1]->shape.dim[0];
    const real *memory = s->in[0], *index = s->in[1];
    real *y = s->out[0];
    for (int64_t i = 0; i < n; i++)
        memcpy(y + i * W, memory + row_of(index[i], N) * W, (size_t)W * sizeof y[0]);
}

void KERNEL(remember)(const px_step *s)
{
    int64_t N = s->node->in[0]->shape.dim[0], W = s->node->in[0]->shape.dim[1], n = s->node->in[2]->shape.dim[0];
    real *memory = s->in[0], *seen = s->in[1], *after = s->out[0];
    const real *index = s->in[2], *rows = s->in[3];
    if (*seen >= (real) * (const int64_t *)s->node->attr)
        *seen = 0;
    for (int64_t i = 0; i < n; i++)
        memcpy(memory + row_of(index[i], N) * W, rows + i * W, (size_t)W * sizeof rows[0]);
    *after = *seen += (real)n;
}

/* ---- spherical k-means ---- */

typedef struct clusters {
    int64_t N, W; /* rows of the memory, their width */
    int64_t K, D; /* centroids, their width */
    const real *memory;
    real *centroid;
    int32_t *own,
        *nearest;    /* (N) the number of each row's centroid, of this rank's rows and of all; -1: not remembered */
    double *sum;     /* (K, D) */
    uint64_t *order; /* (N) */
    const px_comm *comm;
    px_draws draws;
    int stream;
} clusters;

static const real *row_at(const clusters *c, int64_t i)
{
    return c->memory + i * c->W;
}

static bool is_remembered(const clusters *c, int64_t i)
{
    const real *x = row_at(c, i);
    for (int64_t d = 0; d < c->D; d++)
        if (x[d] != 0)
            return true;
    return false;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The first centroids are rows in a random order: each row draws a number of its own. False: nothing is remembered. */
static bool begin(clusters *c)
{
    int64_t count = 0;
    for (int64_t i = 0; i < c->N; i++) {
        px_rng rng = px_rng_make(c->draws.seed, PX_RNG_NUMBERS, (uint64_t)c->draws.step,
                                 (uint64_t)c->stream << 32 | (uint64_t)i);
        if (is_remembered(c, i))
            c->order[count++] = (uint64_t)(px_rng_u32(&rng) >> 8) << 32 | (uint64_t)i;
    }
    if (count == 0)
        return false;
    qsort(c->order, (size_t)count, sizeof c->order[0], by_number);
    for (int64_t k = 0; k < c->K; k++)
        memcpy(c->centroid + k * c->D, row_at(c, (int64_t)(c->order[k % count] & UINT32_MAX)),
               (size_t)c->D * sizeof(real));
    return true;
}

/* The nearest centroids of the rows of a block; of equal ones the first. Also of rows that are not remembered. */
static void search_block(const clusters *c, int64_t first, int rows, int32_t *nearest)
{
    real dot[PX_CLUSTER_BLOCK * PX_CLUSTER_BLOCK], best[PX_CLUSTER_BLOCK];
    for (int64_t begin = 0; begin < c->K; begin += PX_CLUSTER_BLOCK) {
        int count = (int)(c->K - begin < PX_CLUSTER_BLOCK ? c->K - begin : PX_CLUSTER_BLOCK);
        GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, rows, count, (int)c->D, 1, row_at(c, first), (int)c->W,
             c->centroid + begin * c->D, (int)c->D, 0, dot, count);
        for (int i = 0; i < rows; i++)
            for (int k = 0; k < count; k++)
                if ((begin == 0 && k == 0) || dot[i * count + k] > best[i]) {
                    best[i] = dot[i * count + k];
                    nearest[i] = (int32_t)(begin + k);
                }
    }
}

/* Each rank searches for its blocks of rows. */
static void assign(const clusters *c)
{
    int64_t share = px_cluster_share(c->N, c->comm->size), first = share * c->comm->rank;
#pragma omp parallel for schedule(dynamic)
    for (int64_t at = 0; at < share; at += PX_CLUSTER_BLOCK) {
        int64_t rows = c->N - first - at < PX_CLUSTER_BLOCK ? c->N - first - at : PX_CLUSTER_BLOCK;
        if (rows > 0)
            search_block(c, first + at, (int)rows, c->own + at);
        for (int64_t i = at; i < at + rows; i++)
            if (!is_remembered(c, first + i))
                c->own[i] = -1;
    }
    px_all_gather_bytes(c->comm, c->own, c->nearest, share * (int64_t)sizeof c->own[0]);
}

/* A centroid becomes the mean of its rows, of length 1; without rows it stays. */
static void move(const clusters *c)
{
    enum { COLUMNS = 16 };
    memset(c->sum, 0, (size_t)(c->K * c->D) * sizeof c->sum[0]);
#pragma omp parallel for schedule(static)
    for (int64_t from = 0; from < c->D; from += COLUMNS) {
        int64_t to = c->D < from + COLUMNS ? c->D : from + COLUMNS;
        for (int64_t i = 0; i < c->N; i++)
            for (int64_t d = from; c->nearest[i] >= 0 && d < to; d++)
                c->sum[c->nearest[i] * c->D + d] += row_at(c, i)[d];
    }
    for (int64_t k = 0; k < c->K; k++) {
        double square = 0;
        for (int64_t d = 0; d < c->D; d++)
            square += c->sum[k * c->D + d] * c->sum[k * c->D + d];
        for (int64_t d = 0; square > 0 && d < c->D; d++)
            c->centroid[k * c->D + d] = (real)(c->sum[k * c->D + d] / sqrt(square));
    }
}

void KERNEL(cluster)(const px_step *s)
{
    const px_cluster_attr *a = s->node->attr;
    const real *seen = s->in[2];
    clusters c = {.N = s->node->in[1]->shape.dim[0],
                  .W = s->node->in[1]->shape.dim[1],
                  .K = s->node->in[0]->shape.dim[0],
                  .D = s->node->in[0]->shape.dim[1],
                  .memory = (const real *)s->in[1] + a->how.column,
                  .centroid = s->in[0],
                  .comm = px_plan_comm(s->plan),
                  .draws = px_plan_draws(s->plan),
                  .stream = a->how.stream};
    px_cluster_layout at = px_cluster_places(c.N, c.K, c.D, a->ranks);
    char *scratch = s->scratch;
    c.sum = (double *)(scratch + at.sum);
    c.order = (uint64_t *)(scratch + at.order);
    c.own = (int32_t *)(scratch + at.own);
    c.nearest = (int32_t *)(scratch + at.nearest);
    memcpy(s->out[0], seen, sizeof *seen);
    if (*seen < (real)a->how.every || !begin(&c))
        return;
    for (int round = 0; round < a->how.rounds; round++) {
        assign(&c);
        move(&c);
    }
}
