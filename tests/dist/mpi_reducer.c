/* mpi_reducer.c - the three ways to sum a step's gradients give the sums, of whole numbers, so that they are exact: over
 * ranks in buckets, over shards by a tree, and either after several passes; twice, since a reducer serves all steps. */
#include "base/error.h"
#include "dist/reducer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTS_MAX = 4, BUCKETS = 3, COUNT = 70000, NUMBERS = 37, STEPS = 2 };

static const int64_t bound[BUCKETS + 1] = {0, 5, 66000, COUNT};

/* What pass `pass` of part `part` (of all ranks) adds at place i. */
static float term(int step, int pass, int part, int64_t i)
{
    return (float)(i % 97 + 3 * part + 11 * pass + step);
}

typedef struct subject {
    const px_comm *comm;
    float *grad[PARTS_MAX];
    px_gradients of;
    px_reducer *reducer;
} subject;

static void start(subject *t, const px_comm *comm, int parts)
{
    *t = (subject){.comm = comm};
    for (int k = 0; k < parts; k++)
        t->grad[k] = px_aligned_calloc(COUNT * sizeof(float));
    t->of = (px_gradients){.part = t->grad, .parts = parts, .bound = bound, .buckets = BUCKETS};
}

static void take_step(subject *t, int step, int passes)
{
    for (int pass = 0; pass < passes; pass++)
        for (int b = BUCKETS - 1; b >= 0; b--) {
            for (int k = 0; k < t->of.parts; k++)
                for (int64_t i = bound[b]; i < bound[b + 1]; i++)
                    t->grad[k][i] = term(step, pass, t->comm->rank * t->of.parts + k, i);
            px_reducer_ready(t->reducer, b);
            px_reducer_progress(t->reducer);
        }
    px_reducer_finish(t->reducer);
    int all = t->comm->size * t->of.parts;
    for (int64_t i = 0; i < COUNT; i++) {
        double sum = 0;
        for (int pass = 0; pass < passes; pass++)
            for (int part = 0; part < all; part++)
                sum += term(step, pass, part, i);
        PX_CHECK(t->grad[0][i] == sum);
    }
}

static void sum_numbers(subject *t)
{
    double *of[PARTS_MAX];
    int all = t->comm->size * t->of.parts;
    for (int k = 0; k < t->of.parts; k++) {
        of[k] = px_calloc(NUMBERS, sizeof of[k][0]);
        for (int i = 0; i < NUMBERS; i++)
            of[k][i] = i + t->comm->rank * t->of.parts + k;
    }
    px_reducer_numbers(t->reducer, of, NUMBERS);
    for (int i = 0; i < NUMBERS; i++)
        PX_CHECK(of[0][i] == all * i + all * (all - 1) / 2);
    for (int k = 0; k < t->of.parts; k++)
        free(of[k]);
}

static void check(const px_comm *comm, bool shards, int parts, int passes)
{
    subject t;
    start(&t, comm, parts);
    t.reducer = shards ? px_reducer_tree(comm, t.of) : px_reducer_ring(comm, t.of, false);
    if (passes > 1)
        t.reducer = px_reducer_micros(t.reducer, t.of, passes);
    for (int step = 0; step < STEPS; step++)
        take_step(&t, step, passes);
    sum_numbers(&t);
    PX_CHECK(px_reducer_waited(t.reducer) >= 0);
    px_reducer_destroy(t.reducer);
    for (int k = 0; k < parts; k++)
        free(t.grad[k]);
}

int main(int argc, char **argv)
{
    px_comm comm;
    PX_CHECK(px_comm_init(&comm, &argc, &argv) == 0);
    for (int passes = 1; passes < 4; passes++) {
        check(&comm, false, 1, passes);
        for (int parts = 1; parts <= PARTS_MAX; parts *= 2)
            check(&comm, true, parts, passes);
    }
    px_reducer_destroy(NULL);
    if (comm.rank == 0)
        printf("ring, tree and micro-batches on %d ranks: exact\n", comm.size);
    px_comm_finish(&comm);
    return 0;
}
