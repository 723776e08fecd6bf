/* test_random.c - numbers that a graph draws: normal ones, others in each step, stream and run, the same on all ranks; and
 * whitening by a Cholesky factor, also of a matrix that has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "graph/plan.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

enum { ROWS = 100, N = 300 * ROWS };

static void draw(float *y, int stream, px_mode mode, px_draws by)
{
    px_graph *g = px_graph_create(mode);
    px_value *out = px_random_normal(g, stream, PX_SHAPE(ROWS, N / ROWS));
    px_graph_output(g, "y", out);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_fast});
    assert_non_null(p);
    px_plan_draw_by(p, by);
    px_plan_run(p, NULL);
    memcpy(y, px_plan_read(p, out), N * sizeof y[0]);
    px_plan_destroy(p);
    px_graph_destroy(g);
}

static void numbers_belong_to_seed_step_and_stream(void **state)
{
    (void)state;
    static float first[N], other[N];
    const px_mode one = {.real = PX_F32};
    draw(first, 1, one, (px_draws){.seed = 5, .step = 9, .first = 0, .batch = 2});
    draw(other, 1, one, (px_draws){.seed = 5, .step = 9, .first = 6, .batch = 2}); /* another rank, or micro-batch */
    assert_memory_equal(first, other, sizeof first);
    draw(other, 1, one, (px_draws){.seed = 5, .step = 10});
    assert_memory_not_equal(first, other, sizeof first);
    draw(other, 2, one, (px_draws){.seed = 5, .step = 9});
    assert_memory_not_equal(first, other, sizeof first);
    draw(other, 1, one, (px_draws){.seed = 6, .step = 9});
    assert_memory_not_equal(first, other, sizeof first);
    assert_memory_not_equal(first, first + N / ROWS, N / ROWS * sizeof first[0]); /* rows differ */
}

/* Within five standard deviations of what each moment has over N numbers. */
static void numbers_are_normal(void **state)
{
    (void)state;
    static float y[N];
    double moment[5] = {0};
    draw(y, 1, (px_mode){.real = PX_F32}, (px_draws){.seed = 1});
    for (int i = 0; i < N; i++)
        for (int k = 1; k <= 4; k++)
            moment[k] += pow((double)y[i], k) / N;
    const double expected[] = {1, 0, 1, 0, 3}, variance[] = {0, 1, 2, 15, 96};
    for (int k = 1; k <= 4; k++)
        assert_true(fabs(moment[k] - expected[k]) < 5 * sqrt(variance[k] / N));
}

static void invert(double *y, const double *s)
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F64});
    px_value *x = px_input(g, "s", PX_F64, PX_SHAPE(1, 3, 3)), *w = px_inverse_cholesky(g, x);
    px_graph_output(g, "w", w);
    px_plan *p = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_openblas});
    assert_non_null(p);
    px_plan_bind(p, x, s);
    px_plan_run(p, NULL);
    memcpy(y, px_plan_read(p, w), 9 * sizeof y[0]);
    px_plan_destroy(p);
    px_graph_destroy(g);
}

/* S = L L^T with whole numbers; the upper triangle of S is not read. */
static void a_factor_is_inverted(void **state)
{
    (void)state;
    const double s[9] = {4, 99, 99, 2, 10, 99, -6, 3, 26}, /* L = {2; 1, 3; -3, 2, sqrt(13)} */
        root = sqrt(13),
                 expected[9] = {0.5, 0, 0, -1 / 6.0, 1 / 3.0, 0, (1.5 + 1 / 3.0) / root, -2 / (3 * root), 1 / root};
    double w[9];
    invert(w, s);
    for (int i = 0; i < 9; i++)
        assert_true(fabs(w[i] - expected[i]) < 1e-14);
    invert(w, (const double[9]){1, 0, 0, 1, 1, 0, 0, 0, 1}); /* singular */
    assert_false(isfinite(w[3]) && isfinite(w[4]));
    invert(w, (const double[9]){1, 0, 0, 2, 1, 0, 0, 0, 1}); /* an eigenvalue below 0 */
    assert_false(isfinite(w[4]));
}

static void other_shapes_are_refused(void **state)
{
    (void)state;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32});
    px_inverse_cholesky(g, px_input(g, "x", PX_F32, PX_SHAPE(3, 4)));
    assert_string_equal(px_graph_error(g), "inverse_cholesky: needs square matrices (..., D, D), not (3, 4)");
    px_graph_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_belong_to_seed_step_and_stream),
                                       cmocka_unit_test(numbers_are_normal), cmocka_unit_test(a_factor_is_inverted),
                                       cmocka_unit_test(other_shapes_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
