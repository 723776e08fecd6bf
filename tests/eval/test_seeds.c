/* test_seeds.c - the mean over seeds and its interval. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "eval/seeds.h"

#include <math.h>
#include <stdlib.h>

static double first(px_results *r, const char *path, int64_t place, int64_t count)
{
    double *data;
    int rank;
    int64_t dim[4];
    assert_int_equal(px_results_get(r, path, &data, &rank, dim), 0);
    assert_int_equal(dim[0], count);
    double value = data[place];
    free(data);
    return value;
}

static void put(px_results *r, int seed, const char *name, const double x[2])
{
    char *at = px_format("/eval/knn/pretrained/seeds/%d/%s", seed, name);
    assert_int_equal(px_results_put(r, at, PX_F64, 1, (int64_t[]){2}, x), 0);
    free(at);
}

/* k-NN's numbers are arrays over k. */
static void means(void **state)
{
    px_results *r;
    char *path = px_format("%s/run.h5", (char *)*state);
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    const double top1[3][2] = {{0.5, 0.2}, {0.6, 0.2}, {0.7, 0.2}}, k[] = {10, 20};
    const px_protocol *knn = px_protocols[px_protocol_index("knn")];
    for (int i = 0; i < 3; i++) {
        for (const char *const *name = px_protocol_numbers(knn); *name; name++)
            put(r, i, *name, top1[i]);
        put(r, i, "k", k);
    }
    assert_int_equal(px_seeds_conclude(r, "/eval/knn/pretrained", knn, 3), 0);
    assert_true(fabs(first(r, "/eval/knn/pretrained/top1", 0, 2) - 0.6) < 1e-12);
    assert_true(fabs(first(r, "/eval/knn/pretrained/top1_interval", 0, 2) - 4.30265273 * 0.1 / sqrt(3)) < 1e-6);
    assert_true(first(r, "/eval/knn/pretrained/top1_interval", 1, 2) < 1e-12);
    assert_true(first(r, "/eval/knn/pretrained/k", 1, 2) == 20);
    assert_int_equal(px_seeds_conclude(r, "/eval/knn/pretrained", knn, 4), -1); /* there is no fourth */
    assert_int_equal(px_results_close(r), 0);
    free(path);
}

static int set_up(void **state)
{
    *state = make_folder();
    return 0;
}

static int tear_down(void **state)
{
    remove_folder(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(means, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
