/* test_heads.c - the training of the linear probe's heads: the gradient, and that heads do not affect each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "blobs.h"
#include "eval/heads.h"

#include <malloc.h>
#include <math.h>
#include <omp.h>
#include <string.h>

enum { ROWS = 90, WIDTH = 5, CLASSES = 3 };

typedef struct fixture {
    blobs data;
    float mean[64], scale[64];
    int64_t row[4096];
    px_selection all;
} fixture;

static void prepare(fixture *t, int64_t rows, int width, int classes, float apart)
{
    t->data = blobs_make(rows, width, classes, apart, 1);
    for (int j = 0; j < width; j++) {
        t->mean[j] = 3;
        t->scale[j] = 0.5f;
    }
    for (int64_t i = 0; i < rows; i++)
        t->row[i] = i;
    t->all = (px_selection){&t->data.f, t->mean, t->scale, t->row, rows, PX_ALL_RANKS};
}

/* At random weights, one step on all rows: w1 = w0 - rate (1 + 0.9) g gives the gradient that was used. */
static void test_gradient_is_that_of_the_loss(void **state)
{
    (void)state;
    fixture t;
    prepare(&t, ROWS, WIDTH, CLASSES, 0.5f);
    const double rate = 0.5;
    const px_heads_recipe recipe = {.epochs = 1};
    px_heads h;
    px_heads_init(&h, &rate, 1, CLASSES, WIDTH, ROWS);
    int64_t floats = (int64_t)CLASSES * h.stride;
    float *start = px_calloc((size_t)floats, sizeof(float)), *after = px_calloc((size_t)floats, sizeof(float));
    px_rng rng = px_rng_make(1, PX_RNG_TEST, 5, 5);
    for (int c = 0; c < CLASSES; c++)
        for (int j = 0; j <= WIDTH; j++)
            start[c * h.stride + j] = px_rng_normal(&rng);
    memcpy(h.weight, start, (size_t)floats * sizeof(float));
    double loss;
    px_heads_train(&h, &t.all, &recipe, 0, &loss);
    memcpy(after, h.weight, (size_t)floats * sizeof(float));

    px_head_score up, down;
    const float step = 1e-2f;
    for (int c = 0; c < CLASSES; c++)
        for (int j = 0; j <= WIDTH; j++) {
            int at = c * h.stride + j;
            memcpy(h.weight, start, (size_t)floats * sizeof(float));
            h.weight[at] = start[at] + step;
            px_heads_test(&h, &t.all, &up, NULL);
            h.weight[at] = start[at] - step;
            px_heads_test(&h, &t.all, &down, NULL);
            double expected = (up.loss - down.loss) / (2 * (double)step);
            double used = (double)(start[at] - after[at]) / (rate * 1.9);
            assert_true(fabs(used - expected) < 2e-4);
        }
    memcpy(h.weight, start, (size_t)floats * sizeof(float));
    px_heads_test(&h, &t.all, &up, NULL);
    assert_true(fabs(up.loss - loss) < 1e-5); /* the loss of an epoch is the one before the step */
    free(start);
    free(after);
    px_heads_finish(&h);
    blobs_free(&t.data);
}

static void train(px_heads *h, const px_selection *s, const double *rate, int count, int epochs, double decay)
{
    const px_heads_recipe recipe = {.epochs = epochs, .weight_decay = decay, .seed = 3};
    double loss[PX_LIST_MAX];
    px_heads_init(h, rate, count, s->of->classes, s->of->width, 100);
    for (int e = 0; e < epochs; e++)
        px_heads_train(h, s, &recipe, e, loss);
}

/* 13 heads at once, on one and on two threads, against each alone, and against a whole group alone (same bits). */
static void test_heads_trained_at_once_equal_heads_alone(void **state)
{
    (void)state;
    fixture t;
    prepare(&t, 1050, 37, 10, 0.3f);
    double rate[13];
    for (int i = 0; i < 13; i++)
        rate[i] = 0.001 * pow(1.7, i);
    px_heads all, again, part;
    train(&all, &t.all, rate, 13, 4, 1e-3);
    int threads = omp_get_max_threads();
    omp_set_num_threads(threads == 1 ? 3 : 1);
    train(&again, &t.all, rate, 13, 4, 1e-3);
    omp_set_num_threads(threads);
    int64_t floats = (int64_t)10 * all.stride;
    assert_memory_equal(all.weight, again.weight, (size_t)(13 * floats) * sizeof(float));
    px_heads_finish(&again);

    int group = px_heads_group(10);
    assert_in_range(group, 2, 12);
    train(&part, &t.all, rate + group, 13 - group, 4, 1e-3);
    assert_memory_equal(all.weight + group * floats, part.weight, (size_t)((13 - group) * floats) * sizeof(float));
    px_heads_finish(&part);
    for (int i = 0; i < 13; i++) {
        train(&part, &t.all, rate + i, 1, 4, 1e-3);
        for (int64_t j = 0; j < floats; j++)
            assert_true(fabsf(part.weight[j] - all.weight[i * floats + j]) < 1e-4f);
        px_heads_finish(&part);
    }
    px_heads_finish(&all);
    blobs_free(&t.data);
}

/* Zero weights give equal logits: ties go to the smallest class, and NaN is never right. */
static void test_ties_and_nan_do_not_count_as_right(void **state)
{
    (void)state;
    fixture t;
    prepare(&t, 80, WIDTH, 8, 1);
    const double rate = 1;
    int32_t predicted[80];
    px_head_score score;
    px_heads h;
    px_heads_init(&h, &rate, 1, 8, WIDTH, 32);
    px_heads_test(&h, &t.all, &score, predicted);
    assert_int_equal(score.right1, 10);
    assert_int_equal(score.right5, 50);
    assert_true(fabs(score.loss - log(8)) < 1e-6);
    for (int i = 0; i < 80; i++)
        assert_int_equal(predicted[i], 0);
    for (int c = 0; c < 8; c++)
        h.weight[c * h.stride + WIDTH] = NAN;
    px_heads_test(&h, &t.all, &score, NULL);
    assert_int_equal(score.right1, 0);
    px_heads_finish(&h);
    blobs_free(&t.data);
}

/* malloc rounds blocks up: large ones to whole pages. */
static void test_memory_is_as_told(void **state)
{
    (void)state;
    const double rate[7] = {0.1};
    px_heads h;
    px_heads_init(&h, rate, 7, 10, 300, 128);
    void *const blocks[] = {h.weight, h.velocity, h.gradient, h.x, h.label, h.logit, h.loss, h.place};
    double taken = 0, told = px_heads_bytes(7, 10, 300, 128);
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        taken += (double)malloc_usable_size(blocks[i]);
    assert_true(told <= taken && taken < told + 2 * 4096);
    px_heads_finish(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_is_that_of_the_loss),
        cmocka_unit_test(test_heads_trained_at_once_equal_heads_alone),
        cmocka_unit_test(test_ties_and_nan_do_not_count_as_right),
        cmocka_unit_test(test_memory_is_as_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
