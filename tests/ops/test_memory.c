/* test_memory.c - a memory of all images and its clusters: when they are made, against a plain formulation of spherical k-means
 * on sizes that blocks do not divide, with rows that are not remembered; the same bits with any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/rng.h"
#include "graph/plan.h"
#include "graph/plan_params.h"
#include "ops/ops.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 150, K = 70, D = 5, WIDTH = 12, COLUMN = 4, ROUNDS = 3, STEP = 9, STREAM = 2 };

typedef struct subject {
    px_graph *g;
    px_plan *p;
    double index[IMAGES], rows[IMAGES * WIDTH];
} subject;

/* A graph that remembers so many rows in each run; after `every` there are clusters. */
static void start(subject *t, int rows, int every)
{
    *t = (subject){.g = px_graph_create((px_mode){.real = PX_F64, .ranks = 1})};
    px_value *memory = px_state(t->g, "memory", PX_SHAPE(IMAGES, WIDTH), px_init_constant(0));
    px_value *seen = px_state(t->g, "seen", PX_SHAPE(1), px_init_constant(0));
    px_value *centroids = px_state(t->g, "centroids", PX_SHAPE(K, D), px_init_constant(0));
    px_value *index = px_input(t->g, "index", PX_F64, PX_SHAPE(rows));
    px_value *x = px_input(t->g, "rows", PX_F64, PX_SHAPE(rows, WIDTH));
    px_graph_output(t->g, "before", px_recall(t->g, memory, index));
    px_after_begin(t->g);
    px_remember(t->g, memory, seen, index, x, every);
    px_cluster(t->g, centroids, memory, seen,
               (px_spherical){.column = COLUMN, .every = every, .rounds = ROUNDS, .stream = STREAM});
    px_after_end(t->g);
    t->p = px_plan_create(t->g, &(px_plan_spec){.backend = &px_backend_openblas});
    assert_non_null(t->p);
    px_plan_init_params(t->p, 1);
    px_plan_bind(t->p, index, t->index);
    px_plan_bind(t->p, x, t->rows);
    px_plan_draw_by(t->p, (px_draws){.step = STEP});
}

static void stop(subject *t)
{
    px_plan_destroy(t->p);
    px_graph_destroy(t->g);
}

static void get(const subject *t, int number, double *out)
{
    px_plan_get_param(t->p, number, out);
}

/* Rows of length 1 for images 0, 2, 4, ...; the others are never seen. */
static int make_rows(subject *t)
{
    int count = 0;
    for (int i = 0; i < IMAGES; i += 2, count++) {
        double square = 0, *row = t->rows + count * WIDTH;
        t->index[count] = i;
        for (int d = 0; d < WIDTH; d++) {
            row[d] = sin(1.7 * i + 2.3 * d * d + 0.3 * i * d);
            square += d >= COLUMN && d < COLUMN + D ? row[d] * row[d] : 0;
        }
        for (int d = 0; d < WIDTH; d++)
            row[d] /= sqrt(square);
    }
    return count;
}

static const double *row_of(const subject *t, int image)
{
    return t->rows + image / 2 * WIDTH + COLUMN;
}

/* The images in the order of the numbers that they draw. */
static uint32_t drawn(int image)
{
    px_rng rng = px_rng_make(0, PX_RNG_NUMBERS, STEP, (uint64_t)STREAM << 32 | (uint64_t)image);
    return px_rng_u32(&rng) >> 8;
}

static int by_draw(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return drawn(x) < drawn(y) ? -1 : drawn(x) > drawn(y) ? 1 : x - y;
}

static int nearest(const double *centroid, const double *row)
{
    int best = 0;
    double most = -2;
    for (int k = 0; k < K; k++) {
        double dot = 0;
        for (int d = 0; d < D; d++)
            dot += centroid[k * D + d] * row[d];
        if (dot > most) {
            most = dot;
            best = k;
        }
    }
    return best;
}

static void plainly(const subject *t, double *centroid)
{
    int order[IMAGES / 2];
    for (int i = 0; i < IMAGES / 2; i++)
        order[i] = 2 * i;
    qsort(order, IMAGES / 2, sizeof order[0], by_draw);
    for (int k = 0; k < K; k++)
        memcpy(centroid + k * D, row_of(t, order[k]), D * sizeof(double));
    for (int round = 0; round < ROUNDS; round++) {
        double sum[K * D] = {0};
        for (int i = 0; i < IMAGES; i += 2)
            for (int d = 0, k = nearest(centroid, row_of(t, i)); d < D; d++)
                sum[k * D + d] += row_of(t, i)[d];
        for (int k = 0; k < K; k++) {
            double length = 0;
            for (int d = 0; d < D; d++)
                length += sum[k * D + d] * sum[k * D + d];
            for (int d = 0; d < D && length > 0; d++)
                centroid[k * D + d] = sum[k * D + d] / sqrt(length);
        }
    }
}

static void clusters_are_those_of_a_plain_formulation(void **state)
{
    (void)state;
    subject t;
    double expected[K * D], got[K * D], other[K * D], zeros[K * D] = {0};
    start(&t, IMAGES / 2, IMAGES / 2);
    assert_int_equal(make_rows(&t), IMAGES / 2);
    get(&t, 2, got);
    assert_memory_equal(got, zeros, sizeof got);
    omp_set_num_threads(1);
    px_plan_run(t.p, NULL);
    get(&t, 2, got);
    plainly(&t, expected);
    for (int i = 0; i < K * D; i++)
        if (!(fabs(got[i] - expected[i]) < 1e-12))
            fail_msg("%d: %.15f, expected %.15f", i, got[i], expected[i]);
    omp_set_num_threads(3);
    px_plan_run(t.p, NULL);
    get(&t, 2, other);
    assert_memory_equal(got, other, sizeof got);
    px_plan_draw_by(t.p, (px_draws){.step = STEP + 1});
    px_plan_run(t.p, NULL);
    get(&t, 2, other);
    assert_memory_not_equal(got, other, sizeof got); /* another beginning */
    stop(&t);
}

/* Two rows in each run, clusters after four; and rows are as they were before the step. */
static void clusters_come_once_per_epoch(void **state)
{
    (void)state;
    subject t;
    double seen, before[K * D], after[K * D], memory[IMAGES * WIDTH];
    start(&t, 2, 4);
    make_rows(&t);
    for (int run = 1; run <= 6; run++) {
        get(&t, 2, before);
        px_plan_draw_by(t.p, (px_draws){.step = run});
        t.index[0] = run;
        t.index[1] = 100 + run;
        px_plan_run(t.p, NULL);
        const double *recalled = px_plan_read(t.p, px_graph_find_output(t.g, "before"));
        assert_true(recalled[0] == 0 && recalled[WIDTH] == 0);
        get(&t, 0, memory);
        assert_memory_equal(memory + (100 + run) * WIDTH, t.rows + WIDTH, WIDTH * sizeof(double));
        get(&t, 1, &seen);
        get(&t, 2, after);
        assert_true(seen == (run % 2 ? 2 : 4));
        assert_int_equal(memcmp(before, after, sizeof after) != 0, run % 2 == 0);
    }
    stop(&t);
}

static void what_does_not_fit(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .ranks = 1});
    px_value *memory = px_state(g, "memory", PX_SHAPE(5, 7), px_init_constant(0));
    px_value *seen = px_state(g, "seen", PX_SHAPE(1), px_init_constant(0));
    px_remember(g, memory, seen, px_input(g, "index", PX_F32, PX_SHAPE(3)), px_input(g, "x", PX_F32, PX_SHAPE(3, 6)),
                1);
    assert_string_equal(px_graph_error(g), "remember: rows (3, 6) do not fit into a memory (5, 7)");
    px_graph_destroy(g);
    g = px_graph_create((px_mode){.real = PX_F32, .ranks = 1});
    memory = px_state(g, "memory", PX_SHAPE(5, 7), px_init_constant(0));
    seen = px_state(g, "seen", PX_SHAPE(1), px_init_constant(0));
    px_cluster(g, px_state(g, "c", PX_SHAPE(2, 4), px_init_constant(0)), memory, seen, (px_spherical){.column = 4});
    assert_string_equal(px_graph_error(g), "cluster: centroids (2, 4) do not fit to a memory (5, 7)");
    px_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(clusters_are_those_of_a_plain_formulation),
                                       cmocka_unit_test(clusters_come_once_per_epoch),
                                       cmocka_unit_test(what_does_not_fit)};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
