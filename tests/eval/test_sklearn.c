/* test_sklearn.c - logistic regression, nearest neighbours, retrieval and clustering beside scikit-learn on the same features
 * (sklearn_fixtures.py made sklearn.h5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "eval/clustering.h"
#include "eval/knn.h"
#include "eval/logistic.h"
#include "eval/retrieval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static px_comm comm;
static px_log quiet;
static px_results *fixture;

typedef struct part {
    px_features f;
    float *x;
    int32_t *label;
} part;

static double *numbers(const char *path, int64_t *count)
{
    double *data = NULL;
    int rank;
    int64_t dim[4];
    if (px_results_get(fixture, path, &data, &rank, dim) != 0)
        fail_msg("%s", px_error());
    *count = dim[0] * dim[1];
    return data;
}

static double number(const char *path)
{
    int64_t count;
    double *data = numbers(path, &count), first = data[0];
    free(data);
    return first;
}

static part read_part(const char *name)
{
    char *rows = px_format("/%s/x", name), *labels = px_format("/%s/label", name);
    int64_t values, count;
    double *x = numbers(rows, &values), *label = numbers(labels, &count);
    part p = {.x = px_calloc((size_t)values, sizeof(float)), .label = px_calloc((size_t)count, sizeof(int32_t))};
    for (int64_t i = 0; i < values; i++)
        p.x[i] = (float)x[i];
    for (int64_t i = 0; i < count; i++)
        p.label[i] = (int32_t)label[i];
    p.f = (px_features){.count = count, .width = (int)(values / count), .classes = 6, .x = p.x, .label = p.label};
    free(x);
    free(label);
    free(rows);
    free(labels);
    return p;
}

static void part_finish(part *p)
{
    free(p->x);
    free(p->label);
}

static part train, test;

/* The minimum is the same one, for weak, usual and strong C: equal losses to eight digits, equal accuracy. */
static void test_logistic(void **state)
{
    (void)state;
    int64_t count;
    double *C = numbers("/logistic/C", &count), *top1 = numbers("/logistic/top1", &count),
           *loss = numbers("/logistic/loss", &count);
    for (int64_t i = 0; i < count; i++) {
        px_logistic_cfg cfg = {.C = {1, {C[i]}}, .holdout = 0.1, .tolerance = 1e-9, .iterations = 10000};
        px_logistic_result r;
        if (px_logistic(&cfg, &train.f, &test.f, &comm, &quiet, &r) != 0)
            fail_msg("%s", px_error());
        assert_true(fabs(r.loss / loss[i] - 1) < 1e-8);
        assert_true(fabs(r.top1 - top1[i]) < 1e-9 && r.top1 > 0.5 && r.top1 < 0.97);
        assert_true(r.top5 >= r.top1 && r.slope <= 1e-6);
        int64_t right = 0, all = 0;
        for (int k = 0; k < 36; k++) {
            all += r.confusion[k];
            right += k % 7 == 0 ? r.confusion[k] : 0;
        }
        assert_int_equal(all, test.f.count);
        assert_true(fabs((double)right / (double)all - r.top1) < 1e-12);
        px_logistic_result_finish(&r);
    }
    free(C);
    free(top1);
    free(loss);
}

/* C is chosen on the training set alone: where the labels of the test are wrong, the same one. */
static void test_logistic_chooses_without_the_test(void **state)
{
    (void)state;
    px_logistic_cfg cfg = {.C = {4, {1e-6, 1e-3, 1, 1e3}}, .holdout = 0.25, .tolerance = 1e-6, .iterations = 1000};
    px_logistic_result a, b;
    part wrong = read_part("test");
    for (int64_t i = 0; i < wrong.f.count; i++)
        wrong.label[i] = (wrong.label[i] + 1) % 6;
    assert_int_equal(px_logistic(&cfg, &train.f, &test.f, &comm, &quiet, &a), 0);
    assert_int_equal(px_logistic(&cfg, &train.f, &wrong.f, &comm, &quiet, &b), 0);
    assert_true(a.C[a.chosen] == b.C[b.chosen] && a.C[a.chosen] > 1e-6);
    assert_memory_equal(a.holdout_top1, b.holdout_top1, 4 * sizeof(double));
    assert_true(a.top1 > 0.5 && b.top1 < 0.2);
    px_logistic_result_finish(&a);
    px_logistic_result_finish(&b);
    part_finish(&wrong);
}

static void test_knn(void **state)
{
    (void)state;
    int64_t count;
    double *k = numbers("/knn/k", &count), *top1 = numbers("/knn/top1", &count), *equal = numbers("/knn/equal", &count),
           *distance = numbers("/knn/distance", &count);
    px_knn_cfg cfg = {.k = {.count = (int)count}, .temperature = 0.07};
    px_knn_result r;
    memcpy(cfg.k.value, k, (size_t)count * sizeof *k);
    assert_int_equal(px_knn(&cfg, &train.f, &test.f, &comm, &quiet, &r), 0);
    for (int64_t i = 0; i < count; i++) {
        assert_true(fabs(r.top1[i] - top1[i]) < 1e-9);
        assert_true(fabs(r.equal[i] - equal[i]) < 1e-9);
        assert_true(fabs(r.distance[i] - distance[i]) < 1e-9);
    }
    free(k);
    free(top1);
    free(equal);
    free(distance);
}

static void test_retrieval(void **state)
{
    (void)state;
    static const char *const gallery[] = {"train", "test"};
    int64_t count;
    double *k = numbers("/retrieval/k", &count);
    for (int i = 0; i < 2; i++) {
        char *map = px_format("/retrieval/%s/map", gallery[i]), *at = px_format("/retrieval/%s/recall", gallery[i]);
        double *recall = numbers(at, &count);
        px_retrieval_cfg cfg = {.gallery = i ? PX_GALLERY_TEST : PX_GALLERY_TRAIN, .k = {.count = (int)count}};
        px_retrieval_result r;
        memcpy(cfg.k.value, k, (size_t)count * sizeof *k);
        assert_int_equal(px_retrieval(&cfg, &train.f, &test.f, &comm, &quiet, &r), 0);
        assert_int_equal(r.queries, test.f.count);
        assert_true(fabs(r.map - number(map)) < 1e-6); /* similarities in single precision */
        for (int64_t n = 0; n < count; n++)
            assert_true(fabs(r.recall[n] - recall[n]) < 1e-9);
        cfg.k = (px_list){.count = 2, .value = {1, 100000}}; /* more than there are */
        assert_int_equal(px_retrieval(&cfg, &train.f, &test.f, &comm, &quiet, &r), 0);
        assert_int_equal(r.count, 1);
        assert_int_equal(r.k[0], 1);
        cfg.k = (px_list){.count = 1, .value = {100000}};
        assert_int_equal(px_retrieval(&cfg, &train.f, &test.f, &comm, &quiet, &r), -1);
        assert_non_null(strstr(px_error(), "no retrieval.k to report: give one between 1 and "));
        free(recall);
        free(map);
        free(at);
    }
    free(k);
}

static void test_clustering(void **state)
{
    (void)state;
    px_clustering_cfg cfg = {.starts = 500, .steps = 300, .seed = 1};
    px_clustering_result r;
    assert_int_equal(px_clustering(&cfg, &test.f, &comm, &quiet, &r), 0);
    assert_int_equal(r.clusters, 6);
    assert_true(fabs(r.inertia / number("/clustering/inertia") - 1) < 1e-5);
    assert_true(fabs(r.like.nmi - number("/clustering/nmi")) < 1e-9);
    assert_true(fabs(r.like.ari - number("/clustering/ari")) < 1e-9);
    assert_true(fabs(r.like.accuracy - number("/clustering/accuracy")) < 1e-9);
    cfg.clusters = 1000;
    assert_int_equal(px_clustering(&cfg, &test.f, &comm, &quiet, &r), -1);
    assert_non_null(strstr(px_error(), "there are only 150 labelled test samples"));
}

static void test_partitions(void **state)
{
    (void)state;
    static const int clusters[] = {4, 9};
    for (int i = 0; i < 2; i++) {
        char *at[4];
        static const char *const what[] = {"table", "nmi", "ari", "accuracy"};
        for (int k = 0; k < 4; k++)
            at[k] = px_format("/partition/%d/%s", clusters[i], what[k]);
        int64_t count, table[54];
        double *cells = numbers(at[0], &count);
        assert_int_equal(count, 6 * clusters[i]);
        for (int64_t k = 0; k < count; k++)
            table[k] = (int64_t)cells[k];
        px_partition p = px_partition_compare(table, 6, clusters[i]);
        assert_true(fabs(p.nmi - number(at[1])) < 1e-12);
        assert_true(fabs(p.ari - number(at[2])) < 1e-12);
        assert_true(fabs(p.accuracy - number(at[3])) < 1e-12);
        free(cells);
        for (int k = 0; k < 4; k++)
            free(at[k]);
    }
    const int64_t same[] = {0, 3, 5, 0}, one[] = {4, 4};
    px_partition p = px_partition_compare(same, 2, 2);
    assert_true(fabs(p.nmi - 1) < 1e-12 && fabs(p.ari - 1) < 1e-12 && p.accuracy == 1);
    p = px_partition_compare(one, 2, 1); /* everything in one cluster */
    assert_true(p.nmi == 0 && fabs(p.ari) < 1e-12 && p.accuracy == 0.5);
}

static int setup(void **state)
{
    (void)state;
    const char *path = getenv("SKLEARN_FILE");
    comm = px_comm_self();
    quiet = px_log_make(stderr, true);
    if (!path || px_results_open(&fixture, path, PX_RESULTS_READ) != 0)
        return -1;
    train = read_part("train");
    test = read_part("test");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    part_finish(&train);
    part_finish(&test);
    px_results_close(fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logistic),   cmocka_unit_test(test_logistic_chooses_without_the_test),
        cmocka_unit_test(test_knn),        cmocka_unit_test(test_retrieval),
        cmocka_unit_test(test_clustering), cmocka_unit_test(test_partitions),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
