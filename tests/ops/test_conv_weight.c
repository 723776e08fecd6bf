/* test_conv_weight.c - the gradient of a convolution's weight from blocks of channels: against the portable kernel, and the same
 * bits on any number of threads. `test_conv_weight avx2` does so on as much of the processor as isa=avx2 leaves. */
#include <omp.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "between.h"
#include "trial.h"

static const variant fast = {PX_F32, &px_backend_fast, .fuse = true};

static px_value *build_bare(px_graph *g, px_value *v[])
{
    return between(g, v, 1, 0);
}

static px_value *build_wide(px_graph *g, px_value *v[])
{
    return between(g, v, 3, 2);
}

/* Taps that lie beside every map, odd numbers of blocks, more than 64 input channels, fewer images than parts, maps of which a
 * piece has several, one, or some rows. */
static const test_case cases[] = {
    {"1 x 1", build_same, {IN(5, 16, 1, 1), PARAM(32, 16, 1, 1), PARAM(80, 32, 3, 3), PARAM(16, 80, 1, 1)}},
    {"2 x 2", build_same, {IN(30, 16, 2, 2), PARAM(32, 16, 1, 1), PARAM(64, 32, 3, 3), PARAM(16, 64, 1, 1)}},
    {"5 x 2", build_same, {IN(7, 16, 5, 2), PARAM(32, 16, 1, 1), PARAM(64, 32, 3, 3), PARAM(16, 64, 1, 1)}},
    {"2 x 1", build_same, {IN(3, 16, 2, 1), PARAM(48, 16, 1, 1), PARAM(80, 48, 3, 3), PARAM(16, 80, 1, 1)}},
    {"2 x 2, stride 2", build_half, {IN(9, 16, 2, 2), PARAM(64, 16, 1, 1), PARAM(48, 64, 3, 3), PARAM(16, 48, 1, 1)}},
    {"160 channels", build_same, {IN(2, 16, 5, 4), PARAM(160, 16, 1, 1), PARAM(32, 160, 3, 3), PARAM(16, 32, 1, 1)}},
    {"19 x 33", build_same, {IN(2, 16, 19, 33), PARAM(16, 16, 1, 1), PARAM(32, 16, 3, 3), PARAM(16, 32, 1, 1)}},
    {"3 x 401", build_half, {IN(1, 16, 3, 401), PARAM(16, 16, 1, 1), PARAM(16, 16, 3, 3), PARAM(16, 16, 1, 1)}},
    {"no border", build_bare, {IN(4, 16, 6, 7), PARAM(16, 16, 1, 1), PARAM(48, 16, 3, 3), PARAM(16, 48, 1, 1)}},
    {"5 x 5, stride 3", build_wide, {IN(3, 16, 9, 8), PARAM(16, 16, 1, 1), PARAM(48, 16, 5, 5), PARAM(16, 48, 1, 1)}},
    {"2 x 6", build_wide, {IN(3, 16, 9, 8), PARAM(16, 16, 1, 1), PARAM(32, 16, 2, 6), PARAM(16, 32, 1, 1)}},
};
enum { CASES = sizeof cases / sizeof cases[0], WEIGHT = 2 };

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
        compare_case(&cases[i], fast);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    if (!px_cpu_has(PX_ISA_AVX2)) {
        print_message("[  SKIPPED ] without AVX2, and elsewhere than on x86, oneDNN's kernels have other formats\n");
        skip();
    }
    for (int i = 0; i < CASES; i++) {
        char kernel[64] = "";
        double *one = gradient_on(&cases[i], 1, kernel), *more = gradient_on(&cases[i], 3, kernel);
        if (cases[i].operand[WEIGHT].shape.dim[3] == 3 && strcmp(kernel, "pretext:blocks") != 0)
            fail_msg("%s: the kernel is %s", cases[i].name, kernel); /* for 2 x 6 oneDNN 3 leaves maps plain */
        assert_memory_equal(one, more, (size_t)px_shape_count(cases[i].operand[WEIGHT].shape) * sizeof(double));
        free(one);
        free(more);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && px_cpu_narrow(argv[1]) != 0) {
        printf("skipped: %s\n", px_error());
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_portable),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
