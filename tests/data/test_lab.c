/* test_lab.c - CIE Lab against values that are in every table, and the bins of colours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/lab.h"

#include <math.h>
#include <stdbool.h>

static void near(float got, double expected, double within)
{
    if (!(fabs(got - expected) <= within))
        fail_msg("%g, expected %g", (double)got, expected);
}

static void is(px_lab c, double l, double a, double b)
{
    near(c.l, l, 0.01);
    near(c.a, a, 0.01);
    near(c.b, b, 0.01);
}

/* skimage.color.rgb2lab */
static void known_colours(void **state)
{
    (void)state;
    is(px_lab_of(1, 0, 0), 53.2406, 80.0923, 67.2028);
    is(px_lab_of(0, 1, 0), 87.7351, -86.1830, 83.1797);
    is(px_lab_of(0, 0, 1), 32.2957, 79.1856, -107.8573);
    is(px_lab_of(1, 1, 1), 100, -0.0025, 0.0047);
    is(px_lab_of(0, 0, 0), 0, 0, 0);
    is(px_lab_of(0.5f, 0.5f, 0.5f), 53.3890, -0.0015, 0.0028);
    is(px_lab_of(0.01f, 0.02f, 0.03f), 1.3001, -0.3124, -1.1998);
}

static void mean_of_a_square(void **state)
{
    (void)state;
    float data[3 * 16] = {0};
    for (int i = 0; i < 4; i++) /* red in the lower right square of 2 x 2, one of whose pixels is twice as bright */
        data[(2 + i / 2) * 4 + 2 + i % 2] = i == 3 ? 0.8f : 0.4f;
    px_plane p = {data, 3, 4};
    px_lab got = px_lab_of_square(p, 1, 1, 2), expected = px_lab_of(0.5f, 0, 0), black = px_lab_of_square(p, 0, 1, 2);
    is(got, expected.l, expected.a, expected.b);
    is(black, 0, 0, 0);
}

/* A plane of two gray squares and two that may have a colour. */
static void squares_of_a_plane(void **state)
{
    (void)state;
    for (int coloured = 0; coloured < 2; coloured++) {
        float data[3 * 16];
        int32_t bin[4][PX_COLOUR_NEAREST], own[PX_COLOUR_NEAREST];
        float share[4][PX_COLOUR_NEAREST], its[PX_COLOUR_NEAREST];
        for (int i = 0; i < 3 * 16; i++)
            data[i] = coloured && i < 16 && i % 4 >= 2 ? 0.9f : 0.3f;
        px_plane p = {data, 3, 4};
        assert_int_equal(px_colours_encode(p, 2, bin, share), coloured);
        for (int i = 0; i < 4; i++) {
            px_colour_encode(px_lab_of_square(p, i / 2, i % 2, 2), own, its);
            assert_memory_equal(bin[i], own, sizeof own);
            assert_memory_equal(share[i], its, sizeof its);
        }
        float right = px_lab_of(data[2], data[18], data[34]).l / 100;
        px_lightness(&p);
        for (int i = 0; i < 3 * 16; i++)
            near(data[i], i % 4 >= 2 ? right : px_lab_of(0.3f, 0.3f, 0.3f).l / 100, 1e-6);
    }
}

/* Each point of the grid that is a bin is its own nearest, and there are 313 of them, in ascending order. */
static void bins(void **state)
{
    (void)state;
    int32_t bin[PX_COLOUR_NEAREST], count = 0;
    float share[PX_COLOUR_NEAREST];
    for (int a = -110; a <= 110; a += 10)
        for (int b = -110; b <= 110; b += 10) {
            px_colour_encode((px_lab){50, (float)a, (float)b}, bin, share);
            float sum = 0;
            for (int k = 0; k < PX_COLOUR_NEAREST; k++) {
                sum += share[k];
                assert_in_range(bin[k], 0, PX_COLOUR_BINS - 1);
                assert_true(k == 0 || share[k] <= share[k - 1]);
            }
            near(sum, 1, 1e-6);
            count += bin[0] == count; /* a point outside has a neighbour's number, which was or will be counted there */
        }
    assert_int_equal(count, PX_COLOUR_BINS);
}

/* Around gray: itself, four at a distance of 10, four at 14.1, one at 20. */
static void shares(void **state)
{
    (void)state;
    int32_t bin[PX_COLOUR_NEAREST];
    float share[PX_COLOUR_NEAREST];
    px_colour_encode((px_lab){50, 0, 0}, bin, share);
    double sum = 1 + 4 * exp(-2) + 4 * exp(-4) + exp(-8);
    assert_int_equal(bin[0], 120); /* 113 with a below 0, 7 with b below 0 */
    near(share[0], 1 / sum, 1e-6);
    near(share[1], exp(-2) / sum, 1e-6);
    near(share[4], exp(-2) / sum, 1e-6);
    near(share[5], exp(-4) / sum, 1e-6);
    near(share[8], exp(-4) / sum, 1e-6);
    near(share[9], exp(-8) / sum, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_colours), cmocka_unit_test(mean_of_a_square),
                                       cmocka_unit_test(squares_of_a_plane), cmocka_unit_test(bins),
                                       cmocka_unit_test(shares)};
    return cmocka_run_group_tests_name("lab", tests, NULL, NULL);
}
