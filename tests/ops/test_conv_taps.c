/* test_conv_taps.c - the gradient of a convolution's weight on small maps, by a product for each tap: against the
 * portable kernel, and the same on any number of threads. Below AVX-512, where oneDNN has no direct kernel for them. */
#include <omp.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "trial.h"

static const variant fast = {PX_F32, &px_backend_fast, .fuse = true};

/* Between two others of 1x1, from and to which blocked formats flow as in a network. */
static px_value *between(px_graph *g, px_value *v[], int stride, int pad)
{
    px_value *x = px_conv2d(g, v[0], v[1], NULL, 1, 0, 1);
    return px_conv2d(g, px_conv2d(g, x, v[2], NULL, stride, pad, 1), v[3], NULL, 1, 0, 1);
}

static px_value *build_same(px_graph *g, px_value *v[])
{
    return between(g, v, 1, 1);
}

static px_value *build_half(px_graph *g, px_value *v[])
{
    return between(g, v, 2, 1);
}

/* Taps that lie beside every map, more places than one product takes, output channels that pieces do not divide. */
static const test_case small[] = {
    {"1 x 1", build_same, {IN(5, 16, 1, 1), PARAM(32, 16, 1, 1), PARAM(72, 32, 3, 3), PARAM(16, 72, 1, 1)}},
    {"2 x 2", build_same, {IN(70, 16, 2, 2), PARAM(32, 16, 1, 1), PARAM(64, 32, 3, 3), PARAM(16, 64, 1, 1)}},
    {"2 x 1", build_same, {IN(3, 16, 2, 1), PARAM(24, 16, 1, 1), PARAM(80, 24, 3, 3), PARAM(16, 80, 1, 1)}},
    {"2 x 2, stride 2",
     build_half,
     {IN(9, 16, 2, 2), PARAM(64, 16, 1, 1), PARAM(128, 64, 3, 3), PARAM(16, 128, 1, 1)}}};
enum { CASES = sizeof small / sizeof small[0], WEIGHT = 2 };

/* The gradient of the weight between, and its kernel's name in `kernel` (64). */
static double *gradient_on(const test_case *c, int threads, char *kernel)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    trial t = start(c, fast);
    px_plan_run(t.p, NULL);
    for (int i = 0; i < px_plan_steps(t.p); i++) {
        px_step_info s = px_plan_step_info(t.p, i);
        if (strcmp(s.op, "conv2d_back_weight") == 0 && px_shape_equal(s.shape, c->operand[WEIGHT].shape))
            snprintf(kernel, 64, "%s", s.kernel);
    }
    double *g = gradient(&t, WEIGHT);
    stop(&t);
    omp_set_num_threads(before);
    return g;
}

static void agrees_with_portable(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++)
        compare_case(&small[i], fast);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    int ours = 0;
    for (int i = 0; i < CASES; i++) {
        char kernel[64] = "";
        double *one = gradient_on(&small[i], 1, kernel), *more = gradient_on(&small[i], 3, kernel);
        if (strcmp(kernel, "pretext:taps") == 0) {
            ours++;
            assert_memory_equal(one, more, (size_t)px_shape_count(small[i].operand[WEIGHT].shape) * sizeof(double));
        }
        assert_null(strstr(kernel, ":gemm"));
        free(one);
        free(more);
    }
    if (!px_cpu_has(PX_ISA_AVX2)) {
        print_message("[  SKIPPED ] without AVX2, and elsewhere than on x86, oneDNN's kernels have other formats\n");
        skip();
    }
    assert_true(ours > 0);
}

int main(void)
{
    setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_portable),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
