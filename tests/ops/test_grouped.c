/* test_grouped.c - convolutions in groups, and of odd numbers of channels: which kernels make them, and that gradients do not
 * depend on the number of threads. What they compute is checked in test_ops.c and test_maps.c. */
#include <omp.h>

#include "trial.h"

/* In groups, then 1x1, from which formats flow back as in a network. */
static px_value *in_groups(px_graph *g, px_value *v[], int stride, int dilation)
{
    int pad = (int)(v[1]->shape.dim[2] - 1) / 2 * dilation, groups = (int)(v[1]->shape.dim[0] / v[1]->shape.dim[1]);
    px_value *y = px_convolve(g, v[0], v[1], NULL,
                              (px_convolution){.stride = {stride, stride},
                                               .pad = {{pad, pad}, {pad, pad}},
                                               .dilation = {dilation, dilation},
                                               .groups = groups});
    return px_conv2d(g, y, v[2], NULL, 1, 0, 1);
}

static px_value *build_same(px_graph *g, px_value *v[])
{
    return in_groups(g, v, 1, 1);
}

static px_value *build_half(px_graph *g, px_value *v[])
{
    return in_groups(g, v, 2, 1);
}

static px_value *build_gaps(px_graph *g, px_value *v[])
{
    return in_groups(g, v, 1, 2);
}

#define LAYER(text, build, size, channels, group, kernel)                                                              \
    {                                                                                                                  \
        text, build,                                                                                                   \
        {                                                                                                              \
            IN(2, channels, size, size), PARAM(channels, group, kernel, kernel), PARAM(16, channels, 1, 1)             \
        }                                                                                                              \
    }
static const test_case layers[] = {
    LAYER("MobileNetV3, 3x3", build_same, 14, 200, 1, 3),
    LAYER("MobileNetV3, 3x3 stride 2", build_half, 20, 64, 1, 3),
    LAYER("MobileNetV3, 5x5 stride 2", build_half, 15, 72, 1, 5),
    LAYER("MobileNetV3, 5x5", build_same, 7, 120, 1, 5),
    LAYER("ConvNeXt, 7x7", build_same, 14, 96, 1, 7),
    LAYER("ConvNeXt, 7x7, small map", build_same, 4, 40, 1, 7),
    LAYER("3x3 with gaps", build_gaps, 14, 32, 1, 3),
    LAYER("ResNeXt, groups of 4", build_same, 14, 128, 4, 3),
    LAYER("ResNeXt, groups of 8, stride 2", build_half, 14, 64, 8, 3),
    LAYER("ResNeXt, groups of 16", build_same, 7, 64, 16, 3),
};

/* The three steps of the convolution in groups, which are known by what they cost: none is left to the portable kernel or
 * to a product for each image and group. */
static void check_kernels(const test_case *c, const trial *t)
{
    double cost = 0;
    int found = 0;
    for (int k = 0; k < px_plan_steps(t->p); k++) {
        px_step_info s = px_plan_step_info(t->p, k);
        if (strncmp(s.op, "conv2d", 6) != 0)
            continue;
        cost = cost > 0 ? cost : s.multiply_adds; /* the first one is it */
        if (s.multiply_adds != cost)
            continue;
        found++;
        if (strcmp(s.kernel, "portable") == 0 || strstr(s.kernel, "gemm:jit"))
            fail_msg("%s: %s is made by %s", c->name, s.op, s.kernel);
    }
    assert_int_equal(found, 3);
}

static void groups_have_kernels(void **state)
{
    (void)state;
    bool onednn = strcmp(px_backend_fast.name, "onednn") == 0;
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        trial t = start(&layers[i], (variant){PX_F32, &px_backend_fast, .fuse = true});
        if (onednn || layers[i].operand[1].shape.dim[1] <= 8)
            check_kernels(&layers[i], &t);
        stop(&t);
        compare_case(&layers[i], (variant){PX_F32, &px_backend_fast, .fuse = true});
        if (bf16_runs())
            compare_case(&layers[i],
                         (variant){PX_F32, &px_backend_fast, .fuse = true, .layers = true, .precision = PX_BF16});
    }
}

static px_value *build_narrow(px_graph *g, px_value *v[])
{
    px_value *y = px_relu(g, px_conv2d(g, v[0], v[1], NULL, 1, 1, 1));
    return px_conv2d(g, px_conv2d(g, y, v[2], NULL, 1, 0, 1), v[3], NULL, 2, 1, 1);
}

/* Not every block divides 24, 40 and 72 channels, which mobile networks have. */
static void odd_channels_have_kernels(void **state)
{
    static const test_case c = {"24 to 72 channels",
                                build_narrow,
                                {IN(2, 3, 9, 9), PARAM(24, 3, 3, 3), PARAM(72, 24, 1, 1), PARAM(40, 72, 3, 3)}};
    (void)state;
    if (strcmp(px_backend_fast.name, "onednn") != 0)
        skip();
    trial t = start(&c, (variant){PX_F32, &px_backend_fast, .fuse = true});
    for (int k = 0; k < px_plan_steps(t.p); k++) {
        px_step_info s = px_plan_step_info(t.p, k);
        if ((strcmp(s.op, "conv2d") == 0 || strcmp(s.op, "conv2d_back_data") == 0) && s.shape.dim[1] > 3 &&
            strcmp(s.kernel, "portable") == 0)
            fail_msg("%s: %s is made by %s", c.name, s.op, s.kernel);
    }
    stop(&t);
    compare_case(&c, (variant){PX_F32, &px_backend_fast, .fuse = true});
}

static double *gradient_on(const test_case *c, int threads)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    trial t = start(c, (variant){PX_F32, &px_backend_fast, .fuse = true});
    px_plan_run(t.p, NULL);
    double *g = gradient(&t, 1);
    stop(&t);
    omp_set_num_threads(before);
    return g;
}

/* Of our own kernel, which makes the gradient of 7x7 weights on all processors. */
static void gradients_do_not_depend_on_threads(void **state)
{
    (void)state;
    const test_case *c = &layers[5];
    assert_string_equal(c->name, "ConvNeXt, 7x7, small map");
    double *one = gradient_on(c, 1);
    for (int threads = 2; threads <= 5; threads++) {
        double *more = gradient_on(c, threads);
        assert_memory_equal(one, more, (size_t)px_shape_count(c->operand[1].shape) * sizeof one[0]);
        free(more);
    }
    free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_have_kernels),
        cmocka_unit_test(odd_channels_have_kernels),
        cmocka_unit_test(gradients_do_not_depend_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
