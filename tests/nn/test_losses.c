/* test_losses.c - words of losses against numbers that are known: their gradients are compared with PyTorch's in
 * tests/methods/mpi_fixtures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "graph/plan_params.h"
#include "nn/losses.h"
#include "nn/transformer.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 3, WIDTH = 2 };

/* The single number that `word` makes of x (ROWS, WIDTH). */
static double of(px_value *(*word)(px_graph *, px_value *), const double x[ROWS * WIDTH])
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F64, .ranks = 1});
    px_value *in = px_input(g, "x", PX_F64, PX_SHAPE(ROWS, WIDTH)), *out = word(g, in);
    px_graph_output(g, "out", out);
    px_plan *plan = px_plan_create(g, &(px_plan_spec){.backend = &px_backend_openblas});
    if (!plan)
        fail_msg("%s", px_error());
    double *data = px_aligned_calloc(ROWS * WIDTH * sizeof data[0]);
    for (int i = 0; i < ROWS * WIDTH; i++)
        data[i] = x[i];
    px_plan_bind(plan, in, data);
    px_plan_run(plan, NULL);
    double value = px_plan_scalar(plan, out);
    px_plan_destroy(plan);
    px_graph_destroy(g);
    free(data);
    return value;
}

static void is(double got, double expected)
{
    if (!(fabs(got - expected) < 1e-12))
        fail_msg("%.15g, expected %.15g", got, expected);
}

static px_value *smooth(px_graph *g, px_value *x)
{
    return px_sum_all(g, px_smooth_l1(g, x));
}

static void huber(void **state)
{
    (void)state;
    is(of(smooth, (const double[]){-2, -0.5, 0, 1, 3, 0.25}), 1.5 + 0.125 + 0 + 0.5 + 2.5 + 0.03125);
}

static void deviation(void **state)
{
    (void)state;
    is(of(px_batch_deviation, (const double[]){1, 5, 1, 5, 1, 5}), 1e-3); /* all rows are alike */
    is(of(px_batch_deviation, (const double[]){1, 0, 3, 0, 5, 0}), (sqrt(8.0 / 3 + 1e-6) + 1e-3) / 2);
}

static void mean_entropy(void **state)
{
    (void)state;
    const double half = log(0.5), most = log(0.75), least = log(0.25);
    is(of(px_mean_entropy, (const double[]){most, least, least, most, half, half}), log(2));
    is(of(px_mean_entropy, (const double[]){most, least, most, least, most, least}), -0.75 * most - 0.25 * least);
}

static px_value *normed(px_graph *g, px_value *x)
{
    return px_sum_all(g, px_unary(g, PX_FN_SQUARE, px_plain_layer_norm(g, x, 0.25), 0, 0));
}

/* Of two numbers at a distance of 2 d: each becomes d / sqrt(d^2 + eps). */
static void plain_layer_norm(void **state)
{
    (void)state;
    is(of(normed, (const double[]){1, 3, 7, 7, -2, 2}), 2 * (1 / 1.25 + 0 + 4 / 4.25));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(huber), cmocka_unit_test(deviation),
                                       cmocka_unit_test(mean_entropy), cmocka_unit_test(plain_layer_norm)};
    return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
