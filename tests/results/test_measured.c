/* test_measured.c - measurements of different things stand beside each other, the same one replaces itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "results/measured.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[256], path[300];

static const char on_test[] = "data = d.h5\ntest = test, 10 images\nweights = checkpoint\nweights_step = 7\n",
                  on_train[] = "data = d.h5\ntest = train, 90 images\nweights = checkpoint\nweights_step = 7\n",
                  later[] = "data = d.h5\ntest = test, 10 images\nweights = checkpoint\nweights_step = 9\n";

static int setup(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/pretext-measured-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/run.h5", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void measure(px_results *r, const char *measured, double top1)
{
    if (px_measured_begin(r, "/eval/knn/pretrained", measured) != 0 ||
        px_results_put(r, "/eval/knn/pretrained/top1", PX_F64, 0, NULL, &top1) != 0)
        fail_msg("%s", px_error());
}

static void expect(px_results *r, const char *subject, double top1, const char *measured)
{
    char *group = px_format("/eval/knn/%s", subject), *at = px_format("%s/top1", group),
         *is = px_measured_get(r, group);
    double *value;
    int rank;
    int64_t dim[4];
    assert_int_equal(px_results_get(r, at, &value, &rank, dim), 0);
    assert_true(*value == top1);
    assert_true(is ? measured && strcmp(is, measured) == 0 : !measured);
    free(value);
    free(is);
    free(at);
    free(group);
}

static void test_nothing_is_replaced_by_another(void **state)
{
    (void)state;
    px_results *r;
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    assert_int_equal(px_results_put(r, "/eval/knn/pretrained/top1", PX_F64, 0, NULL, &(double){0.1}),
                     0); /* an old file */
    measure(r, on_test, 0.2);
    expect(r, "pretrained@1", 0.1, NULL);
    measure(r, on_test, 0.25); /* again: replaces itself */
    measure(r, on_train, 0.9);
    expect(r, "pretrained@2", 0.25, on_test);
    measure(r, later, 0.3);
    expect(r, "pretrained@3", 0.9, on_train);
    measure(r, on_test, 0.26); /* again, after others: the older number goes */
    assert_false(px_results_has(r, "/eval/knn/pretrained@2"));
    expect(r, "pretrained", 0.26, on_test);
    expect(r, "pretrained@1", 0.1, NULL);
    expect(r, "pretrained@3", 0.9, on_train);
    expect(r, "pretrained@4", 0.3, later);
    assert_int_equal(px_measured_begin(r, "/eval/knn/pre", on_test), 0); /* the beginning of another name */
    expect(r, "pretrained", 0.26, on_test);
    assert_int_equal(px_results_close(r), 0);
}

static void test_what_differs(void **state)
{
    (void)state;
    const char *const texts[] = {on_test, NULL, on_train, later, "data = d.h5\nweights = initial\npatches = 9\n"};
    int count;
    char **keys = px_measured_differences(texts, 5, &count), *value = px_measured_value(on_train, "test");
    assert_string_equal(value, "train, 90 images");
    free(value);
    assert_null(px_measured_value(on_train, "tes"));
    assert_int_equal(count, 3);
    const char *const expected[] = {"test", "weights", "weights_step"};
    for (int i = 0; i < count; i++) {
        assert_string_equal(keys[i], expected[i]);
        free(keys[i]);
    }
    free(keys);
    const char *const precisions[] = {"test = t\n", "test = t\nprecision = bf16\n"}; /* without the line: fp32 */
    keys = px_measured_differences(precisions, 2, &count);
    assert_int_equal(count, 1);
    assert_string_equal(keys[0], "precision");
    free(keys[0]);
    free(keys);
    assert_true(px_measured_alike(on_test, later));
    assert_false(px_measured_alike(on_test, on_train));
    assert_false(px_measured_alike(on_test, texts[4]));
    assert_false(px_measured_alike(NULL, NULL));
    assert_true(px_measured_alike("normalize = auto\n", "normalize = none\n"));
    assert_false(px_measured_alike("normalize = auto\n", "normalize = dataset\n"));
    assert_int_equal(px_measured_subject("pretrained@12"), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_replaced_by_another),
                                       cmocka_unit_test(test_what_differs)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
