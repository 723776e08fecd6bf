/* test_linear.c - the linear probe's protocol, on blobs with known answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/config.h"
#include "blobs.h"
#include "eval/linear.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static px_comm comm;
static px_log quiet;

/* The option table's defaults, but with few epochs. */
static void defaults(px_probe_cfg *cfg, px_config **owner)
{
    *owner = px_config_create();
    px_config_group(*owner, "probe", px_probe_options, cfg);
    assert_int_equal(px_config_set(*owner, "probe.epochs=8"), 0);
    assert_int_equal(px_config_finish(*owner), 0);
}

static int probe(const blobs *train, const blobs *test, px_probe_result *r)
{
    px_probe_cfg cfg = {0};
    px_config *owner;
    defaults(&cfg, &owner);
    int rc = px_linear_probe(&cfg, &train->f, &test->f, &comm, &quiet, r);
    px_config_destroy(owner);
    return rc;
}

static void test_separable_blobs_are_learnt(void **state)
{
    (void)state;
    blobs train = blobs_make(2000, 32, 10, 3, 1), test = blobs_make(510, 32, 10, 3, 2);
    px_probe_result r;
    assert_int_equal(probe(&train, &test, &r), 0);
    assert_true(r.top1 > 0.995);
    assert_true(r.top5 >= r.top1 && r.top5 <= 1);
    assert_true(r.best_top1 >= r.top1 && r.best_top1 == r.test_top1[r.best_epoch - 1]);
    assert_true(r.train_loss[7] < r.train_loss[0]);
    int64_t right = 0;
    for (int c = 0; c < 10; c++) {
        int64_t row = 0;
        for (int k = 0; k < 10; k++)
            row += r.confusion[c * 10 + k];
        assert_int_equal(row, 51); /* of the test set, class by class */
        assert_true(fabs(r.per_class[c] - (double)r.confusion[c * 11] / 51) < 1e-12);
        right += r.confusion[c * 11];
    }
    assert_true(fabs(r.top1 - (double)right / 510) < 1e-12);
    px_probe_result_finish(&r);
    blobs_free(&train);
    blobs_free(&test);
}

static void test_random_labels_give_chance(void **state)
{
    (void)state;
    blobs train = blobs_make(2000, 16, 10, 0, 1), test = blobs_make(2000, 16, 10, 0, 2);
    px_probe_result r;
    assert_int_equal(probe(&train, &test, &r), 0);
    assert_true(fabs(r.top1 - 0.1) < 0.035); /* five standard errors */
    assert_true(fabs(r.top5 - 0.5) < 0.06);
    px_probe_result_finish(&r);
    blobs_free(&train);
    blobs_free(&test);
}

static void test_choice_never_looks_at_the_test_set(void **state)
{
    (void)state;
    blobs train = blobs_make(1500, 32, 10, 0.4f, 1), test = blobs_make(500, 32, 10, 0.4f, 2);
    px_probe_result a, b;
    assert_int_equal(probe(&train, &test, &a), 0);
    for (int i = 0; i < 500; i++)
        test.label[i] = (test.label[i] + 1 + i % 9) % 10; /* never the right one */
    assert_int_equal(probe(&train, &test, &b), 0);
    assert_int_equal(a.chosen, b.chosen);
    assert_int_equal(a.rates, b.rates);
    assert_memory_equal(a.holdout_top1, b.holdout_top1, (size_t)a.rates * sizeof(double));
    assert_memory_equal(a.train_loss, b.train_loss, (size_t)a.epochs * sizeof(double));
    assert_true(a.top1 > 0.6 && b.top1 < 0.15);
    for (int i = 0; i < a.rates; i++)
        assert_true(a.holdout_top1[i] <= a.holdout_top1[a.chosen]);
    px_probe_result_finish(&a);
    px_probe_result_finish(&b);
    blobs_free(&train);
    blobs_free(&test);
}

/* The same information in other units, a useless feature, and rows without labels: the same result. */
static void test_units_and_ignored_rows_do_not_matter(void **state)
{
    (void)state;
    blobs train = blobs_make(1200, 12, 4, 0.7f, 1), test = blobs_make(400, 12, 4, 0.7f, 2);
    blobs more = blobs_make(1500, 12, 4, 0.7f, 3);
    for (int i = 0; i < 1200; i++)
        train.x[i * 12 + 11] = 5;
    for (int i = 0; i < 400; i++)
        test.x[i * 12 + 11] = 5;
    px_probe_result a, b;
    assert_int_equal(probe(&train, &test, &a), 0);
    for (int i = 0; i < 1500; i++) {
        more.label[i] = i % 5 == 4 ? -1 : train.label[i / 5 * 4 + i % 5];
        for (int j = 0; j < 12 && i % 5 < 4; j++)
            more.x[i * 12 + j] = train.x[(i / 5 * 4 + i % 5) * 12 + j] * 1024;
    }
    for (int i = 0; i < 400 * 12; i++)
        test.x[i] *= 1024;
    assert_int_equal(probe(&more, &test, &b), 0);
    assert_int_equal(a.chosen, b.chosen);
    assert_true(fabs(a.top1 - b.top1) < 1e-12 && fabs(a.train_loss[7] - b.train_loss[7]) < 1e-5);
    px_probe_result_finish(&a);
    px_probe_result_finish(&b);
    blobs_free(&train);
    blobs_free(&test);
    blobs_free(&more);
}

/* Labels that begin at 1 and have gaps: the same result, bit by bit, in the rows of the classes that there are. */
static void test_gaps_do_not_matter(void **state)
{
    (void)state;
    static const int number[] = {1, 3, 4, 6};
    blobs train = blobs_make(1200, 12, 4, 0.7f, 1), test = blobs_make(400, 12, 4, 0.7f, 2);
    px_probe_result a, b;
    assert_int_equal(probe(&train, &test, &a), 0);
    for (int i = 0; i < 1200; i++)
        train.label[i] = number[train.label[i]];
    for (int i = 0; i < 400; i++)
        test.label[i] = number[test.label[i]];
    train.f.classes = test.f.classes = 8;
    assert_int_equal(probe(&train, &test, &b), 0);
    assert_int_equal(b.classes, 8);
    assert_true(a.top1 == b.top1 && a.chosen == b.chosen && a.train_loss[7] == b.train_loss[7]);
    int64_t all = 0;
    for (int i = 0; i < 64; i++)
        all += b.confusion[i];
    assert_int_equal(all, 400);
    for (int c = 0; c < 4; c++) {
        assert_true(b.per_class[number[c]] == a.per_class[c]);
        for (int k = 0; k < 4; k++)
            assert_int_equal(b.confusion[number[c] * 8 + number[k]], a.confusion[c * 4 + k]);
    }
    assert_true(isnan(b.per_class[0]) && isnan(b.per_class[7]));
    px_probe_result_finish(&a);
    px_probe_result_finish(&b);
    blobs_free(&train);
    blobs_free(&test);
}

static void expect(const blobs *train, const blobs *test, px_status status, const char *words)
{
    px_probe_result r;
    assert_int_equal(probe(train, test, &r), -1);
    assert_int_equal(px_error_status(), status);
    if (!strstr(px_error(), words))
        fail_msg("'%s' lacks '%s'", px_error(), words);
    assert_null(r.rate);
}

static void test_bad_data_is_refused(void **state)
{
    (void)state;
    blobs train = blobs_make(100, 4, 5, 1, 1), test = blobs_make(50, 4, 5, 1, 2);
    for (int i = 0; i < 100; i++)
        train.label[i] = i % 5 == 3 ? 2 : i % 5;
    expect(&train, &test, PX_DATA, "class 3 has no training samples");
    for (int i = 0; i < 100; i++)
        train.label[i] = i % 5;
    train.x[4 * 17 + 2] = NAN;
    expect(&train, &test, PX_DIVERGED, "training features: row 17, feature 2");
    train.x[4 * 17 + 2] = 0;
    test.x[4 * 3 + 1] = -INFINITY;
    expect(&train, &test, PX_DIVERGED, "test features: row 3, feature 1");
    test.x[4 * 3 + 1] = 0;
    test.label[9] = 5;
    expect(&train, &test, PX_DATA, "test labels: row 9 has label 5");
    test.label[9] = -2;
    expect(&train, &test, PX_DATA, "test labels: row 9 has label -2");
    for (int i = 0; i < 50; i++)
        test.label[i] = -1;
    expect(&train, &test, PX_DATA, "no labelled");
    test.label[0] = 1;
    train.f.classes = 1;
    expect(&train, &test, PX_DATA, "at least two classes");
    train.f.classes = 5;
    train.f.count = 5;
    expect(&train, &test, PX_DATA, "held out");
    blobs_free(&train);
    blobs_free(&test);
}

/* With one rate no rows are held out; with three classes the top five contain all. */
static void test_one_rate_needs_no_choice(void **state)
{
    (void)state;
    blobs train = blobs_make(30, 4, 3, 4, 1), test = blobs_make(30, 4, 3, 4, 2);
    px_probe_cfg cfg = {.epochs = 20, .batch = 256, .rates = {1, {0.1}}, .holdout = 0.1};
    px_probe_result r;
    assert_int_equal(px_linear_probe(&cfg, &train.f, &test.f, &comm, &quiet, &r), 0);
    assert_int_equal(r.chosen, 0);
    assert_true(isnan(r.holdout_top1[0]) && r.top1 > 0.8 && r.top5 == 1);
    px_probe_result_finish(&r);
    cfg.rates.count = 0;
    assert_int_equal(px_linear_probe(&cfg, &train.f, &test.f, &comm, &quiet, &r), -1);
    assert_non_null(strstr(px_error(), "linear.rates is empty; linear.rates=0.1"));
    cfg.keys = "robustness"; /* whose messages name its own keys */
    assert_int_equal(px_linear_probe(&cfg, &train.f, &test.f, &comm, &quiet, &r), -1);
    assert_non_null(strstr(px_error(), "robustness.rates is empty; robustness.rates=0.1"));
    blobs_free(&train);
    blobs_free(&test);
}

/* The classifier that is kept, on features as they are, says what the probe's own test says, class by class; a class that was not
 * learned is never said. */
static void test_the_classifier_that_is_kept(void **state)
{
    (void)state;
    enum { WIDTH = 12, ROWS = 400, CLASSES = 6 }; /* two of which do not occur */
    blobs train = blobs_make(1200, WIDTH, 4, 0.7f, 1), test = blobs_make(ROWS, WIDTH, 4, 0.7f, 2);
    int64_t confusion[CLASSES * CLASSES] = {0};
    px_probe_result r;
    for (int i = 0; i < 1200 * WIDTH; i++)
        train.x[i] = train.x[i] * 3 + 5; /* so that standardising matters */
    for (int i = 0; i < ROWS * WIDTH; i++)
        test.x[i] = test.x[i] * 3 + 5;
    train.f.classes = test.f.classes = CLASSES;
    assert_int_equal(probe(&train, &test, &r), 0);
    assert_int_equal(r.width, WIDTH);
    for (int i = 0; i < ROWS; i++) {
        double most = -INFINITY;
        int said = 0;
        for (int c = 0; c < CLASSES; c++) {
            const float *w = r.weight + c * (WIDTH + 1);
            double score = (double)w[WIDTH];
            for (int j = 0; j < WIDTH; j++)
                score += (double)w[j] * (double)test.x[i * WIDTH + j];
            if (score > most) {
                most = score;
                said = c;
            }
        }
        confusion[test.label[i] * CLASSES + said]++;
    }
    assert_memory_equal(confusion, r.confusion, sizeof confusion);
    assert_true(r.top1 > 0.4 && r.top1 < 1); /* neither chance nor all */
    px_probe_result_finish(&r);
    blobs_free(&train);
    blobs_free(&test);
}

static int setup(void **state)
{
    (void)state;
    comm = px_comm_self();
    quiet = px_log_make(stderr, true);
    return 0;
}

/* Of labelled rows, or of chosen ones, labelled or not: a width that is no multiple of a block's columns. */
static void moments_of_rows(void **state)
{
    (void)state;
    enum { COUNT = 101, WIDTH = 70 };
    blobs b = blobs_make(COUNT, WIDTH, 5, 1, 3);
    double mean[WIDTH], variance[WIDTH];
    bool chosen[COUNT] = {false};
    for (int i = 0; i < COUNT; i++) {
        chosen[i] = i % 3 == 1;
        if (i % 7 == 2)
            b.label[i] = -1;
    }
    for (int kind = 0; kind < 2; kind++) {
        int64_t rows = 0;
        double sum[WIDTH] = {0}, squares[WIDTH] = {0};
        for (int i = 0; i < COUNT; i++) {
            if (kind ? !chosen[i] : b.label[i] < 0)
                continue;
            rows++;
            for (int j = 0; j < WIDTH; j++) {
                sum[j] += b.x[i * WIDTH + j];
                squares[j] += (double)b.x[i * WIDTH + j] * b.x[i * WIDTH + j];
            }
        }
        px_features_moments(&b.f, kind ? chosen : NULL, rows, mean, variance);
        for (int j = 0; j < WIDTH; j++) {
            double own = sum[j] / (double)rows;
            assert_true(fabs(mean[j] - own) < 1e-12);
            assert_true(fabs(variance[j] - (squares[j] / (double)rows - own * own)) < 1e-10);
        }
    }
    blobs_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_of_rows),
        cmocka_unit_test(test_separable_blobs_are_learnt),
        cmocka_unit_test(test_random_labels_give_chance),
        cmocka_unit_test(test_choice_never_looks_at_the_test_set),
        cmocka_unit_test(test_units_and_ignored_rows_do_not_matter),
        cmocka_unit_test(test_gaps_do_not_matter),
        cmocka_unit_test(test_bad_data_is_refused),
        cmocka_unit_test(test_one_rate_needs_no_choice),
        cmocka_unit_test(test_the_classifier_that_is_kept),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
