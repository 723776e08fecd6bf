/* test_write.c - evaluations written to run.h5 and read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "eval/knn.h"
#include "eval/layers.h"
#include "eval/spectrum.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void expect(px_results *r, const char *path, int rank, const double *value, int64_t count)
{
    double *data;
    int found;
    int64_t dim[4], have = 1;
    assert_int_equal(px_results_get(r, path, &data, &found, dim), 0);
    assert_int_equal(found, rank);
    for (int i = 0; i < found; i++)
        have *= dim[i];
    assert_int_equal(have, count);
    for (int64_t i = 0; i < count; i++)
        assert_true(data[i] == value[i]);
    free(data);
}

static void test_written_results_come_back(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    char *folder = px_format("%s/px-write-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    char *path = px_format("%s/run.h5", folder);
    double rate[] = {0.1, 0.2, 0.3}, holdout[] = {0.5, 0.7, 0.6}, loss[] = {2, 1}, test[] = {0.4, 0.6},
           recall[] = {0.25, 1};
    int64_t confusion[] = {1, 3, 0, 4};
    px_probe_result p = {.top1 = 0.6,
                         .top5 = 1,
                         .best_top1 = 0.6,
                         .best_epoch = 2,
                         .rates = 3,
                         .rate = rate,
                         .holdout_top1 = holdout,
                         .chosen = 1,
                         .epochs = 2,
                         .train_loss = loss,
                         .test_top1 = test,
                         .classes = 2,
                         .per_class = recall,
                         .confusion = confusion};
    px_knn_result k = {.count = 2, .k = {10, 20}, .top1 = {0.5, 0.25}, .top5 = {0.75, 1}};
    double eigenvalue[] = {3, 2, 1};
    px_spectrum s = {
        .width = 3, .deviation = 0.5, .healthy = 0.577, .rankme = 2.5, .alpha = 1.1, .eigenvalue = eigenvalue};
    px_layers l = {.count = 2, .layer = {{"layer1", 64, 0.3, 0.8, 0.35, 0.1}, {"layer2", 128, 0.4, 0.9, 0.45, 0.2}}};
    px_results *r;
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_APPEND), 0);
    for (int twice = 0; twice < 2; twice++) { /* a second probe replaces the first */
        assert_int_equal(px_linear_probe_write(r, "/eval/linear", &p), 0);
        assert_int_equal(px_layers_write(r, "/eval/linear/layers", &l), 0);
        assert_int_equal(px_knn_write(r, "/eval/knn", &k), 0);
        assert_int_equal(px_spectrum_write(r, "/eval/spectrum", &s), 0);
    }
    assert_int_equal(px_results_close(r), 0);
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_READ), 0);
    expect(r, "/eval/linear/top1", 0, &p.top1, 1);
    expect(r, "/eval/linear/best_epoch", 0, (double[]){2}, 1);
    expect(r, "/eval/linear/chosen_rate", 0, (double[]){0.2}, 1);
    expect(r, "/eval/linear/rates", 1, rate, 3);
    expect(r, "/eval/linear/holdout_top1", 1, holdout, 3);
    expect(r, "/eval/linear/test_top1", 1, test, 2);
    expect(r, "/eval/linear/train_loss", 1, loss, 2);
    expect(r, "/eval/linear/per_class", 1, recall, 2);
    expect(r, "/eval/linear/confusion", 2, (double[]){1, 3, 0, 4}, 4);
    expect(r, "/eval/linear/layers/width", 1, (double[]){64, 128}, 2);
    expect(r, "/eval/linear/layers/top1", 1, (double[]){0.3, 0.4}, 2);
    expect(r, "/eval/linear/layers/top5", 1, (double[]){0.8, 0.9}, 2);
    expect(r, "/eval/linear/layers/holdout_top1", 1, (double[]){0.35, 0.45}, 2);
    expect(r, "/eval/linear/layers/chosen_rate", 1, (double[]){0.1, 0.2}, 2);
    char **names;
    int count;
    assert_int_equal(px_results_get_texts(r, "/eval/linear/layers/names", &names, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "layer1");
    assert_string_equal(names[1], "layer2");
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    expect(r, "/eval/knn/k", 1, (double[]){10, 20}, 2);
    expect(r, "/eval/knn/top1", 1, k.top1, 2);
    expect(r, "/eval/spectrum/rankme", 0, &s.rankme, 1);
    expect(r, "/eval/spectrum/eigenvalues", 1, eigenvalue, 3);
    assert_int_equal(px_results_close(r), 0);
    char *remove = px_format("rm -r '%s'", folder);
    assert_int_equal(system(remove), 0);
    free(remove);
    free(path);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_written_results_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
