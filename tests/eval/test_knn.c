/* test_knn.c - nearest neighbours against a search that sorts everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "blobs.h"
#include "eval/knn.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

static px_comm comm;
static px_log quiet;

typedef struct near {
    double similarity;
    int64_t row;
} near;

static int nearest_first(const void *a, const void *b)
{
    double x = ((const near *)a)->similarity, y = ((const near *)b)->similarity;
    return x > y ? -1 : x < y;
}

static double similarity(const float *a, const float *b, int width)
{
    double ab = 0, aa = 0, bb = 0;
    for (int j = 0; j < width; j++) {
        ab += (double)a[j] * b[j];
        aa += (double)a[j] * a[j];
        bb += (double)b[j] * b[j];
    }
    return ab / sqrt(aa * bb);
}

static void brute_force(const px_features *train, const px_features *test, int k, double *top1, double *top5)
{
    near *all = px_calloc((size_t)train->count, sizeof(near));
    int tested = 0, right1 = 0, right5 = 0;
    for (int64_t i = 0; i < test->count; i++) {
        if (test->label[i] < 0)
            continue;
        tested++;
        int64_t rows = 0;
        for (int64_t j = 0; j < train->count; j++)
            if (train->label[j] >= 0)
                all[rows++] =
                    (near){similarity(test->x + i * test->width, train->x + j * train->width, train->width), j};
        qsort(all, (size_t)rows, sizeof(near), nearest_first);
        double votes[32] = {0};
        for (int n = 0; n < k; n++)
            votes[train->label[all[n].row]] += exp(all[n].similarity / 0.07);
        int label = test->label[i], before = 0;
        for (int c = 0; c < train->classes; c++)
            before += votes[c] > votes[label] || (votes[c] == votes[label] && c < label);
        right1 += votes[label] > 0 && before < 1;
        right5 += votes[label] > 0 && before < 5;
    }
    *top1 = (double)right1 / tested;
    *top5 = (double)right5 / tested;
    free(all);
}

/* On both sides more rows than a block, not a multiple of one, some without labels. */
static void test_equals_brute_force(void **state)
{
    (void)state;
    blobs train = blobs_make(2500, 24, 12, 0.3f, 1), test = blobs_make(300, 24, 12, 0.3f, 2);
    for (int i = 0; i < 2500; i += 7)
        train.label[i] = -1;
    for (int i = 0; i < 300; i += 11)
        test.label[i] = -1;
    px_knn_cfg cfg = {.k = {4, {200, 1, 10, 20}}, .temperature = 0.07};
    px_knn_result r;
    assert_int_equal(px_knn(&cfg, &train.f, &test.f, &comm, &quiet, &r), 0);
    assert_int_equal(r.count, 4);
    for (int i = 0; i < 4; i++) {
        double top1, top5;
        assert_int_equal(r.k[i], (int)cfg.k.value[i]);
        brute_force(&train.f, &test.f, r.k[i], &top1, &top5);
        assert_true(top1 > 0.15 && top1 < 0.95); /* neither chance nor trivial: the comparison means something */
        assert_true(fabs(r.top1[i] - top1) < 1.5 / 272); /* in float one near-tie may go the other way */
        assert_true(fabs(r.top5[i] - top5) < 1.5 / 272);
    }
    blobs_free(&train);
    blobs_free(&test);
}

static void test_own_row_is_the_nearest(void **state)
{
    (void)state;
    blobs train = blobs_make(500, 8, 10, 0, 1);
    px_knn_cfg cfg = {.k = {2, {1, 1000}}, .temperature = 0.07};
    px_knn_result r;
    assert_int_equal(px_knn(&cfg, &train.f, &train.f, &comm, &quiet, &r), 0);
    assert_int_equal(r.count, 1); /* 1000 is left out, since there are 500 */
    assert_true(r.top1[0] == 1 && r.top5[0] == 1);
    blobs_free(&train);
}

/* Length must not matter, and a row of zeros has similarity 0 to all others. */
static void test_length_does_not_matter(void **state)
{
    (void)state;
    blobs train = blobs_make(400, 8, 4, 0.5f, 1), test = blobs_make(200, 8, 4, 0.5f, 2);
    px_knn_cfg cfg = {.k = {1, {10}}, .temperature = 0.07};
    px_knn_result a, b;
    assert_int_equal(px_knn(&cfg, &train.f, &test.f, &comm, &quiet, &a), 0);
    for (int i = 0; i < 400 * 8; i++)
        train.x[i] *= i / 8 % 2 ? 64 : 1;
    assert_int_equal(px_knn(&cfg, &train.f, &test.f, &comm, &quiet, &b), 0);
    assert_true(fabs(a.top1[0] - b.top1[0]) < 1e-12);
    memset(train.x, 0, 8 * sizeof(float));
    assert_int_equal(px_knn(&cfg, &train.f, &test.f, &comm, &quiet, &b), 0);
    assert_true(fabs(a.top1[0] - b.top1[0]) < 0.05);
    blobs_free(&train);
    blobs_free(&test);
}

/* Which the nearest are, and of which test rows that is told: by the angle between rows, whatever their lengths; ties go to the
 * smaller row; rows without a label are neither asked for nor found; a row of zeros is like nothing. */
static void test_tells_the_nearest(void **state)
{
    (void)state;
    float train[10][2] = {{0, 4}, {2, 2}, {8, 0}, {1, 0}, {0, 0}, {-1, 0}, {4, 0}, {-1, -1}, {-2, -1}, {-1, -2}},
          test[4][2] = {{1, 1}, {2, 0}, {0, 1}, {0, -7}};
    int32_t of_train[] = {0, 0, 1, 1, 0, 1, -1, 1, 1, 1}, of_test[] = {0, 1, -1, 0};
    px_features keys = {.count = 10, .width = 2, .classes = 2, .x = train[0], .label = of_train},
                asked = {.count = 4, .width = 2, .classes = 2, .x = test[0], .label = of_test};
    px_knn_cfg cfg = {.k = {1, {1}}, .temperature = 1, .neighbours = 2};
    px_knn_result r;
    assert_int_equal(px_knn(&cfg, &keys, &asked, &comm, &quiet, &r), 0);
    assert_int_equal(r.shown.queries, 2);
    assert_int_equal(r.shown.k, 8);
    assert_memory_equal(r.shown.query, ((int64_t[]){0, 3}), 16); /* of rows 0, 1 and 3, in the middle of each half */
    assert_memory_equal(r.shown.found, ((int64_t[]){1, 0, 2, 3, 4, 5, 8, 9}), 64);
    assert_memory_equal(r.shown.found + 8, ((int64_t[]){9, 7, 8, 2, 3, 4, 5, 1}), 64);
    assert_true(fabs(r.shown.similarity[0] - 1) < 1e-6 && fabs(r.shown.similarity[1] - sqrt(0.5)) < 1e-6);
    assert_true(r.shown.similarity[4] == 0 && r.shown.similarity[13] == 0);
    px_neighbours_finish(&r.shown);

    cfg.neighbours = 9; /* no more than there are */
    keys.count = 6;
    assert_int_equal(px_knn(&cfg, &keys, &asked, &comm, &quiet, &r), 0);
    assert_int_equal(r.shown.queries, 3);
    assert_int_equal(r.shown.k, 6);
    assert_memory_equal(r.shown.query, ((int64_t[]){0, 1, 3}), 24);
    assert_memory_equal(r.shown.found + 6, ((int64_t[]){2, 3, 1, 0, 4, 5}), 48);
    px_neighbours_finish(&r.shown);
}

/* Three blocks of queries, shared by more threads than that; half of the training rows have a twin of another class, a block
 * further on, so that which of two equally near ones is found matters. As floats and as bf16. */
static void test_threads_do_not_matter(void **state)
{
    (void)state;
    blobs train = blobs_make(2500, 24, 12, 0.3f, 1), test = blobs_make(300, 24, 12, 0.3f, 2);
    for (int64_t i = 0; i < 2048; i += 1024)
        memcpy(train.x + (i + 512) * 24, train.x + i * 24, 512 * 24 * sizeof(float));
    blobs_round(&train);
    blobs_round(&test);
    px_features rows[] = {blobs_share(&train, &comm, 100), blobs_share(&test, &comm, 100)};
    int before = omp_get_max_threads();
    for (int i = 0; i < 6; i++) {
        px_knn_cfg cfg = {.k = {1, {i % 2 ? 1 : 2000}}, .temperature = 0.07};
        px_knn_result one, r;
        bool bf16 = i >= 3;
        omp_set_num_threads(1);
        assert_int_equal(px_knn(&cfg, &train.f, &test.f, &comm, &quiet, &one), 0);
        omp_set_num_threads(2 + i % 3 * 3);
        assert_int_equal(px_knn(&cfg, bf16 ? &rows[0] : &train.f, bf16 ? &rows[1] : &test.f, &comm, &quiet, &r), 0);
        assert_true(one.top1[0] > 0.1 && one.top1[0] < 0.9);
        assert_true(r.top1[0] == one.top1[0] && r.top5[0] == one.top5[0]);
        assert_true(r.equal[0] == one.equal[0] && r.distance[0] == one.distance[0]);
    }
    omp_set_num_threads(before);
    blobs_free_share(&rows[0]);
    blobs_free_share(&rows[1]);
    blobs_free(&train);
    blobs_free(&test);
}

static void test_bad_input_is_refused(void **state)
{
    (void)state;
    blobs train = blobs_make(40, 8, 4, 1, 1);
    px_knn_cfg cfg = {.k = {1, {2.5}}, .temperature = 0.07};
    px_knn_result r;
    assert_int_equal(px_knn(&cfg, &train.f, &train.f, &comm, &quiet, &r), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    cfg.k.value[0] = 41;
    assert_int_equal(px_knn(&cfg, &train.f, &train.f, &comm, &quiet, &r), -1);
    assert_non_null(strstr(px_error(), "between 1 and 40"));
    cfg.k.value[0] = 3;
    train.x[9] = NAN;
    assert_int_equal(px_knn(&cfg, &train.f, &train.f, &comm, &quiet, &r), -1);
    assert_int_equal(px_error_status(), PX_DIVERGED);
    blobs_free(&train);
}

static int setup(void **state)
{
    (void)state;
    comm = px_comm_self();
    quiet = px_log_make(stderr, true);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_brute_force),     cmocka_unit_test(test_own_row_is_the_nearest),
        cmocka_unit_test(test_length_does_not_matter), cmocka_unit_test(test_tells_the_nearest),
        cmocka_unit_test(test_threads_do_not_matter),  cmocka_unit_test(test_bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
