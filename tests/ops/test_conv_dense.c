/* test_conv_dense.c - convolutions on maps so small that each place sees all others: against the portable kernels, and the same
 * bits on any number of threads. */
#include <omp.h>
#include <stdlib.h>

#include "between.h"
#include "trial.h"

static const variant fast = {PX_F32, &px_backend_fast, .fuse = true};

static px_value *build_bare(px_graph *g, px_value *v[])
{
    return between(g, v, 2, 0);
}

static px_value *build_wide(px_graph *g, px_value *v[])
{
    return between(g, v, 1, 2);
}

/* More rows and columns than a task has; channels that are no multiple of a block; one row of places; strides; one place. */
static const test_case cases[] = {
    {"2 x 2", build_same, {IN(140, 16, 2, 2), PARAM(32, 16, 1, 1), PARAM(80, 32, 3, 3), PARAM(16, 80, 1, 1)}},
    {"11 to 7 channels", build_same, {IN(33, 5, 2, 2), PARAM(11, 5, 1, 1), PARAM(7, 11, 3, 3), PARAM(3, 7, 1, 1)}},
    {"2 x 1", build_same, {IN(40, 16, 2, 1), PARAM(48, 16, 1, 1), PARAM(80, 48, 3, 3), PARAM(16, 80, 1, 1)}},
    {"1 x 1", build_same, {IN(32, 16, 1, 1), PARAM(32, 16, 1, 1), PARAM(48, 32, 3, 3), PARAM(16, 48, 1, 1)}},
    {"stride 2", build_half, {IN(36, 16, 2, 2), PARAM(64, 16, 1, 1), PARAM(48, 64, 3, 3), PARAM(16, 48, 1, 1)}},
    {"no border", build_bare, {IN(50, 16, 2, 2), PARAM(32, 16, 1, 1), PARAM(48, 32, 2, 2), PARAM(16, 48, 1, 1)}},
    {"5 x 5 taps", build_wide, {IN(32, 8, 3, 3), PARAM(16, 8, 1, 1), PARAM(32, 16, 5, 5), PARAM(16, 32, 1, 1)}},
    {"5 x 5 taps, 2 x 3", build_wide, {IN(32, 8, 2, 3), PARAM(16, 8, 1, 1), PARAM(32, 16, 5, 5), PARAM(16, 32, 1, 1)}},
};
enum { CASES = sizeof cases / sizeof cases[0], WEIGHT = 2 };

/* Of all steps, how many the kernel has. */
static int dense_steps(const trial *t)
{
    int count = 0;
    for (int i = 0; i < px_plan_steps(t->p); i++)
        count += strcmp(px_plan_step_info(t->p, i).kernel, "pretext:dense") == 0;
    return count;
}

/* The output and the gradients of the input and of the weight, one after the other: `count` numbers in a new array. */
static double *results_on(const test_case *c, int threads, size_t *count)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    trial t = start(c, fast);
    px_plan_run(t.p, NULL);
    if (dense_steps(&t) != 3)
        fail_msg("%s: %d steps are dense", c->name, dense_steps(&t));
    double *part[] = {output(&t), gradient(&t, 0), gradient(&t, WEIGHT)}, *all = NULL;
    const size_t length[] = {(size_t)px_shape_count(px_graph_find_output(t.g, "y")->shape),
                             (size_t)px_shape_count(c->operand[0].shape),
                             (size_t)px_shape_count(c->operand[WEIGHT].shape)};
    *count = 0;
    for (int i = 0; i < 3; i++) {
        all = px_realloc(all, (*count + length[i]) * sizeof all[0]);
        memcpy(all + *count, part[i], length[i] * sizeof all[0]);
        *count += length[i];
        free(part[i]);
    }
    stop(&t);
    omp_set_num_threads(before);
    return all;
}

static void agrees_with_portable(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++)
        compare_case(&cases[i], fast);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        size_t count, again;
        double *one = results_on(&cases[i], 1, &count), *more = results_on(&cases[i], 3, &again);
        assert_int_equal(count, again);
        assert_memory_equal(one, more, count * sizeof one[0]);
        free(one);
        free(more);
    }
}

/* A place that does not see all others, few images, what is fused. */
static px_value *build_biased(px_graph *g, px_value *v[])
{
    return px_conv2d(g, v[0], v[1], v[2], 1, 1, 1);
}

static px_value *build_relu(px_graph *g, px_value *v[])
{
    return px_relu(g, px_conv2d(g, v[0], v[1], NULL, 1, 1, 1));
}

static px_value *build_plain(px_graph *g, px_value *v[])
{
    return px_conv2d(g, v[0], v[1], NULL, 1, 1, 1);
}

static void others_are_left_to_others(void **state)
{
    (void)state;
    static const test_case others[] = {
        {"3 x 2", build_plain, {PARAM(40, 16, 3, 2), PARAM(16, 16, 3, 3)}},
        {"few images", build_plain, {PARAM(8, 16, 2, 2), PARAM(16, 16, 3, 3)}},
        {"an activation", build_relu, {PARAM(40, 16, 2, 2), PARAM(16, 16, 3, 3)}},
        {"a bias", build_biased, {PARAM(40, 16, 2, 2), PARAM(16, 16, 3, 3), PARAM(16)}},
    };
    static const int dense[] = {0, 0, 2, 2}; /* the gradients of the last are those of a convolution without */
    for (int i = 0; i < 4; i++) {
        trial t = start(&others[i], fast);
        if (dense_steps(&t) != dense[i])
            fail_msg("%s: %d steps are dense", others[i].name, dense_steps(&t));
        stop(&t);
        compare_case(&others[i], fast);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_portable),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(others_are_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
