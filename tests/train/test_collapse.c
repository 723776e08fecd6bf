/* test_collapse.c - deviation and effective rank of rows with known answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "train/collapse.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 200, WIDTH = 32 };

/* Row i: `common` in the first `directions` features, and noise in them; lengths vary. */
static px_collapse measure(int count, int width, int directions, float common, float noise)
{
    px_rng rng = px_rng_make(3, PX_RNG_TEST, 0, 0);
    float *x = calloc((size_t)count * (size_t)width, sizeof *x);
    px_collapse c;
    assert_non_null(x);
    for (int i = 0; i < count; i++) {
        float length = 0.5f + px_rng_uniform(&rng);
        for (int j = 0; j < directions; j++)
            x[i * width + j] = length * (common + noise * px_rng_normal(&rng));
    }
    assert_int_equal(px_collapse_measure(&c, x, count, width), 0);
    free(x);
    return c;
}

static bool near(double a, double b, double share)
{
    return fabs(a - b) < share * b;
}

static void even_spread(void **state)
{
    (void)state;
    px_collapse c = measure(ROWS, WIDTH, WIDTH, 0, 1);
    assert_true(near(c.deviation, 1, 0.02) && near(c.rank, WIDTH, 0.05) && !c.collapsed);
    assert_true(fabs(c.uniformity - (-4 + 8.0 / WIDTH)) < 0.05); /* of a sphere of so many dimensions, to first order */
    assert_true(c.alpha > 0 && c.alpha < 1.5);                   /* all directions alike, but for chance */
    c = measure(WIDTH / 2, 8 * WIDTH, 8 * WIDTH, 0, 1);          /* fewer rows than features: no more than rows */
    assert_true(near(c.deviation, 1, 0.1) && near(c.rank, WIDTH / 2, 0.1) && !c.collapsed);
}

static void one_place(void **state)
{
    (void)state;
    px_collapse c = measure(ROWS, WIDTH, WIDTH, 1, 0);
    assert_true(c.deviation < 1e-6 && near(c.rank, 1, 1e-3) && c.collapsed);
    assert_true(fabs(c.uniformity) < 1e-9);
    c = measure(ROWS, WIDTH, WIDTH, 1, 0.01f); /* around it: noise / common */
    assert_true(near(c.deviation, 0.01, 0.1) && c.collapsed);
    c = measure(ROWS, WIDTH, 0, 0, 0); /* all are 0 */
    assert_true(c.deviation == 0 && c.rank == 0 && c.collapsed);
}

/* Both signs of one direction: far apart, of rank 1. */
static void one_direction(void **state)
{
    (void)state;
    px_collapse c = measure(ROWS, WIDTH, 1, 0, 1);
    assert_true(near(c.deviation, sqrt(WIDTH) / WIDTH, 0.05) && near(c.rank, 1, 1e-3) && c.collapsed);
    c = measure(ROWS, WIDTH, 4, 0, 1);
    assert_true(near(c.rank, 4, 0.05) && !c.collapsed);
}

static void not_finite(void **state)
{
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        px_collapse c = measure(ROWS, WIDTH, WIDTH, bad ? INFINITY : NAN, 1);
        assert_true(isnan(c.deviation) && isnan(c.rank) && !c.collapsed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(even_spread), cmocka_unit_test(one_place),
                                       cmocka_unit_test(one_direction), cmocka_unit_test(not_finite)};
    return cmocka_run_group_tests_name("collapse", tests, NULL, NULL);
}
