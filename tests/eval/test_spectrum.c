/* test_spectrum.c - the collapse panel, on features with a known spectrum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/rng.h"
#include "eval/spectrum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 64, ROWS = 40000 }; /* two blocks of rows, the second one short */

static px_comm comm;

/* Feature j: standard normal times (j + 1)^(-alpha / 2), so that the covariance's eigenvalues fall like n^-alpha. */
static float *gaussian(double alpha)
{
    float *x = px_calloc((size_t)ROWS * WIDTH, sizeof(float));
    px_rng rng = px_rng_make(1, PX_RNG_TEST, 1, 1);
    for (int64_t i = 0; i < ROWS; i++)
        for (int j = 0; j < WIDTH; j++)
            x[i * WIDTH + j] = (float)pow(j + 1, -alpha / 2) * px_rng_normal(&rng);
    return x;
}

static px_features features(const float *x, int64_t rows)
{
    return (px_features){.count = rows, .width = WIDTH, .classes = 0, .x = x, .label = NULL};
}

static void test_isotropic_features_have_full_rank(void **state)
{
    (void)state;
    float *x = gaussian(0);
    px_features f = features(x, ROWS);
    px_spectrum s;
    assert_int_equal(px_spectrum_measure(&f, &comm, &s), 0);
    assert_true(s.rankme > 0.999 * WIDTH && s.rankme <= WIDTH * (1 + 1e-12));
    assert_true(fabs(s.deviation / s.healthy - 1) < 0.005);
    assert_true(fabs(s.healthy - 0.125) < 1e-12);
    assert_true(fabs(s.alpha) < 0.1); /* the sample's eigenvalues spread by (1 + sqrt(WIDTH / ROWS))^2 */
    for (int i = 1; i < WIDTH; i++)
        assert_true(s.eigenvalue[i] <= s.eigenvalue[i - 1] && fabs(s.eigenvalue[i] - 1) < 0.1);
    px_spectrum_finish(&s);
    free(x);
}

static void test_parallel_rows_are_collapse(void **state)
{
    (void)state;
    float *x = gaussian(0);
    for (int64_t i = 1; i < ROWS; i++)
        for (int j = 0; j < WIDTH; j++)
            x[i * WIDTH + j] = x[j] * (float)(1 + i % 3);
    px_features f = features(x, ROWS);
    px_spectrum s;
    assert_int_equal(px_spectrum_measure(&f, &comm, &s), 0);
    assert_true(fabs(s.rankme - 1) < 1e-4);
    assert_true(s.deviation < 1e-6);
    assert_true(s.eigenvalue[0] > 0 && s.eigenvalue[1] < 1e-6 * s.eigenvalue[0]);
    px_spectrum_finish(&s);
    memset(x, 0, (size_t)ROWS * WIDTH * sizeof(float));
    assert_int_equal(px_spectrum_measure(&f, &comm, &s), 0);
    assert_true(s.rankme == 0 && s.deviation == 0 && isnan(s.alpha));
    px_spectrum_finish(&s);
    free(x);
}

static void test_power_law_is_found(void **state)
{
    (void)state;
    const double alphas[] = {0.5, 1, 2};
    for (int a = 0; a < 3; a++) {
        float *x = gaussian(alphas[a]);
        px_features f = features(x, ROWS);
        px_spectrum s;
        assert_int_equal(px_spectrum_measure(&f, &comm, &s), 0);
        assert_true(fabs(s.alpha - alphas[a]) < 0.05);
        double sum = 0, entropy = 0; /* of the true singular values */
        for (int j = 1; j <= WIDTH; j++)
            sum += pow(j, -alphas[a] / 2);
        for (int j = 1; j <= WIDTH; j++)
            entropy -= pow(j, -alphas[a] / 2) / sum * log(pow(j, -alphas[a] / 2) / sum);
        assert_true(fabs(s.rankme / exp(entropy) - 1) < 0.01);
        px_spectrum_finish(&s);
        free(x);
    }
}

/* The mean is not part of the variance: it does not change the covariance, but pulls RankMe, which is not centred,
 * towards 1. */
static void test_mean_is_not_covariance(void **state)
{
    (void)state;
    float *x = gaussian(1);
    px_features f = features(x, ROWS);
    px_spectrum a, b;
    assert_int_equal(px_spectrum_measure(&f, &comm, &a), 0);
    for (int64_t i = 0; i < (int64_t)ROWS * WIDTH; i++)
        x[i] += 100;
    assert_int_equal(px_spectrum_measure(&f, &comm, &b), 0);
    for (int i = 0; i < WIDTH; i++)
        assert_true(fabs(a.eigenvalue[i] - b.eigenvalue[i]) < 1e-4 * a.eigenvalue[0]);
    assert_true(b.rankme < 1.2 && a.rankme > 30 && b.deviation < 0.01 * a.deviation);
    px_spectrum_finish(&a);
    px_spectrum_finish(&b);
    free(x);
}

static void test_bad_input_is_refused(void **state)
{
    (void)state;
    float *x = gaussian(0);
    px_features f = features(x, 1);
    px_spectrum s;
    assert_int_equal(px_spectrum_measure(&f, &comm, &s), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    f.count = 100;
    x[WIDTH * 5 + 6] = INFINITY;
    assert_int_equal(px_spectrum_measure(&f, &comm, &s), -1);
    assert_non_null(strstr(px_error(), "row 5, feature 6 is inf"));
    free(x);
}

static int setup(void **state)
{
    (void)state;
    comm = px_comm_self();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_isotropic_features_have_full_rank),
        cmocka_unit_test(test_parallel_rows_are_collapse),
        cmocka_unit_test(test_power_law_is_found),
        cmocka_unit_test(test_mean_is_not_covariance),
        cmocka_unit_test(test_bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
