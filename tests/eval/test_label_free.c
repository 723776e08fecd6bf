/* test_label_free.c - alignment, uniformity, LiDAR and CKA against NumPy's; what they are where it is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/rng.h"
#include "eval/label_free.h"
#include "label_free_fixtures.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>

/* make_label_free_fixtures.py makes the same numbers. */
static px_features features(int rows, int width, int salt)
{
    float *x = px_calloc((size_t)rows * (size_t)width, sizeof x[0]);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++)
            x[i * width + j] =
                (float)((double)((i * 7919 + j * 104729 + i * j * 31 + salt * 17 + i / 3 * 1299) % 1009) / 504.0 - 1);
    return (px_features){.count = rows, .width = width, .x = x};
}

static void free_features(px_features *f)
{
    free((float *)(uintptr_t)f->x);
}

static void near(double got, double expected)
{
    if (!(fabs(got - expected) <= 1e-10 * fmax(1, fabs(expected))))
        fail_msg("%.15g, expected %.15g", got, expected);
}

static double like(const px_features *x, const px_features *y)
{
    px_cka_side a = px_cka_side_of(x), b = px_cka_side_of(y);
    double cka = px_cka(&a, &b);
    px_cka_side_finish(&a);
    px_cka_side_finish(&b);
    return cka;
}

static void check(int images, int q, int width, const double *expected)
{
    px_features f = features(images * q, width, 1);
    px_label_free m;
    assert_int_equal(px_label_free_measure(&m, &f, q, 1e-4), 0);
    near(m.alignment, expected[0]);
    near(m.uniformity, expected[1]);
    near(m.lidar, expected[2]);
    free_features(&f);
}

static void numbers_are_those_of_numpy(void **state)
{
    (void)state;
    check(9, 4, 5, few);
    check(300, 3, 24, wide);    /* two blocks of pairs */
    check(5, 3, 24, long_rows); /* more features than rows: matrices of rows by rows */
    px_features x = features(300, 24, 1), y = features(300, 24, 2), z = features(300, 7, 3);
    near(like(&x, &y), cka_same_width);
    near(like(&x, &z), cka_other_width);
    near(like(&z, &x), cka_other_width);
    free_features(&x);
    free_features(&y);
    free_features(&z);
}

/* Images that are `directions` different points, with views close to them. */
static px_label_free of_points(int images, int q, int width, int directions, float noise)
{
    float *x = px_calloc((size_t)images * (size_t)q * (size_t)width, sizeof x[0]);
    px_rng rng = px_rng_make(5, PX_RNG_TEST, 0, 0);
    for (int64_t i = 0; i < (int64_t)images * q; i++)
        for (int j = 0; j < width; j++)
            x[i * width + j] = (float)(i / q % directions == j) + noise * px_rng_normal(&rng);
    px_features f = {.count = (int64_t)images * q, .width = width, .x = x};
    px_label_free m;
    assert_int_equal(px_label_free_measure(&m, &f, q, 1e-4), 0);
    free(x);
    return m;
}

static void lidar_counts_directions_between_images(void **state)
{
    (void)state;
    px_label_free eight = of_points(400, 10, 32, 8, 0.01f), two = of_points(400, 10, 32, 2, 0.01f);
    print_message("8 points: LiDAR %.2f, alignment %.4f, uniformity %.3f; 2 points: %.2f\n", eight.lidar,
                  eight.alignment, eight.uniformity, two.lidar);
    assert_true(fabs(eight.lidar - 7) < 0.3); /* eight points span seven directions around their mean */
    assert_true(fabs(two.lidar - 1) < 0.1);
    assert_true(eight.alignment < 0.02 && eight.uniformity < two.uniformity);
}

static void cka_is_blind_to_rotation_and_scale(void **state)
{
    (void)state;
    px_features x = features(200, 2, 1), y = features(200, 2, 1);
    float *turned = (float *)(uintptr_t)y.x;
    for (int i = 0; i < 200; i++) {
        turned[2 * i] = 3 * (0.6f * x.x[2 * i] - 0.8f * x.x[2 * i + 1]) + 1;
        turned[2 * i + 1] = 3 * (0.8f * x.x[2 * i] + 0.6f * x.x[2 * i + 1]);
    }
    assert_true(fabs(like(&x, &y) - 1) < 1e-6);
    for (int i = 0; i < 400; i++)
        turned[i] = 2;
    assert_true(isnan(like(&x, &y)));
    free_features(&x);
    free_features(&y);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    px_features f = features(1200, 160, 1), g = features(1200, 160, 2);
    px_label_free m[2];
    double alike[2];
    int threads = omp_get_max_threads();
    for (int i = 0; i < 2; i++) {
        omp_set_num_threads(i ? 4 : 1);
        assert_int_equal(px_label_free_measure(&m[i], &f, 4, 1e-4), 0);
        alike[i] = like(&f, &g);
        assert_int_equal(omp_get_max_threads(), i ? 4 : 1);
    }
    omp_set_num_threads(threads);
    assert_memory_equal(&m[0], &m[1], sizeof m[0]);
    assert_true(alike[0] == alike[1]);
    free_features(&f);
    free_features(&g);
}

static void refuses_what_is_not_finite(void **state)
{
    (void)state;
    px_features f = features(12, 4, 1);
    px_label_free m;
    ((float *)(uintptr_t)f.x)[7] = NAN;
    assert_int_equal(px_label_free_measure(&m, &f, 3, 1e-4), -1);
    assert_int_equal(px_error_status(), PX_DIVERGED);
    free_features(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_numpy), cmocka_unit_test(lidar_counts_directions_between_images),
        cmocka_unit_test(cka_is_blind_to_rotation_and_scale), cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(refuses_what_is_not_finite)};
    return cmocka_run_group_tests_name("label_free", tests, NULL, NULL);
}
