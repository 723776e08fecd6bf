/* Our own kernels that work on blocks, at sizes of many blocks that they do not divide: attention, and convolutions' and
 * linear layers' gradients, against the portable kernels, and on any number of threads. In bf16 they run on matrix units
 * where the processor has them. */
#include <omp.h>

#include "trial.h"

/* A few roundings to 8 bits one after the other: 3e-3. */
static const variant fast_bf16 = {PX_F32,         &px_backend_fast,     .fuse = true,
                                  .layers = true, .precision = PX_BF16, .limit = 4e-3};

static px_value *build_attention(px_graph *g, px_value *v[])
{
    return px_attention(g, v[0], 2);
}

/* Many blocks of queries, the last not full, and more of them than are summed before memory; heads that vectors do not
 * divide; in fp32 and in bf16, by AMX where the processor has it. */
static void long_attention_agrees_with_portable(void **state)
{
    static const test_case longer[] = {{"attention over 33 tokens", build_attention, {IN(2, 33, 192)}},
                                       {"attention over 50 tokens", build_attention, {IN(2, 50, 384)}},
                                       {"attention over 197 tokens", build_attention, {IN(1, 197, 240)}},
                                       {"attention over 300 tokens", build_attention, {IN(1, 300, 96)}}};
    (void)state;
    for (size_t i = 0; i < sizeof longer / sizeof longer[0]; i++) {
        compare_case(&longer[i], (variant){PX_F32, &px_backend_fast, .fuse = true});
        if (bf16_runs())
            compare_case(&longer[i], fast_bf16);
    }
}

/* Between two others of 1x1, from and to which formats flow as in a network. */
static px_value *conv_between(px_graph *g, px_value *v[], int stride, int pad)
{
    return px_conv2d(g, px_conv2d(g, v[0], v[1], NULL, stride, pad, 1), v[2], NULL, 1, 0, 1);
}

static px_value *build_same(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 1, 1);
}

static px_value *build_half(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 2, 1);
}

static px_value *build_wide_half(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 2, 3);
}

static px_value *build_pointwise(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 1, 0);
}

static px_value *build_pointwise_half(px_graph *g, px_value *v[])
{
    return conv_between(g, v, 2, 0);
}

static px_value *build_linear(px_graph *g, px_value *v[])
{
    return px_linear(g, px_linear(g, v[0], v[1], NULL), v[2], NULL);
}

/* Channels in several blocks of 32, the last not full in some; places in several parts, of which steps of 32 are no
 * multiple; small maps, and strides, at which some places see nothing of a kernel. */
static const test_case wide[] = {
    {"wide conv 3x3", build_same, {IN(2, 40, 13, 11), PARAM(72, 40, 3, 3), PARAM(32, 72, 1, 1)}},
    {"the same, small maps", build_same, {IN(3, 64, 7, 5), PARAM(96, 64, 3, 3), PARAM(32, 96, 1, 1)}},
    {"the same, stride 2", build_half, {IN(2, 64, 15, 14), PARAM(96, 64, 3, 3), PARAM(32, 96, 1, 1)}},
    {"wide conv 7x7", build_wide_half, {IN(2, 3, 71, 69), PARAM(40, 3, 7, 7), PARAM(32, 40, 1, 1)}},
    {"wide conv 1x1", build_pointwise, {IN(3, 96, 33, 31), PARAM(40, 96, 1, 1), PARAM(32, 40, 1, 1)}},
    {"the same, widening", build_pointwise, {IN(3, 40, 33, 31), PARAM(72, 40, 1, 1), PARAM(32, 72, 1, 1)}},
    {"the same, stride 2", build_pointwise_half, {IN(2, 40, 9, 9), PARAM(96, 40, 1, 1), PARAM(32, 96, 1, 1)}},
    {"the same, whole blocks", build_pointwise_half, {IN(2, 64, 9, 8), PARAM(96, 64, 1, 1), PARAM(32, 96, 1, 1)}},
    {"wide linear layer", build_linear, {IN(1111, 96), PARAM(40, 96), PARAM(32, 40)}},
    {"the same, widening", build_linear, {IN(1111, 40), PARAM(72, 40), PARAM(32, 72)}}};

static void wide_layers_agree_with_portable(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        compare_case(&wide[i], (variant){PX_F32, &px_backend_fast, .fuse = true});
        if (bf16_runs())
            compare_case(&wide[i], fast_bf16);
    }
}

/* The gradients of input and weight on this many threads. *matrix_unit: the processor has one; *own: ours makes the
 * weight's there. */
static void gradients_on(const test_case *c, int threads, double *gradients[2], bool *matrix_unit, bool *own)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    trial t = start(c, fast_bf16);
    px_plan_run(t.p, NULL);
    for (int i = 0; i < px_plan_steps(t.p); i++) {
        px_step_info s = px_plan_step_info(t.p, i);
        *matrix_unit |= strstr(s.kernel, "amx") != NULL;
        bool weight = strcmp(s.op, "conv2d_back_weight") == 0 || strcmp(s.op, "matmul") == 0;
        if (weight && px_shape_equal(s.shape, c->operand[1].shape))
            *own = strstr(s.kernel, "pretext") != NULL;
    }
    for (int k = 0; k < 2; k++)
        gradients[k] = gradient(&t, k);
    stop(&t);
    omp_set_num_threads(before);
}

/* Of our own kernels on matrix units: others may add up in another order. */
static void gradients_do_not_depend_on_threads(void **state)
{
    (void)state;
    if (!bf16_runs())
        skip();
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        double *one[2], *more[2];
        bool matrix_unit = false, own = false;
        gradients_on(&wide[i], 1, one, &matrix_unit, &own);
        assert_true(own || !matrix_unit);
        for (int threads = 2; threads <= 5; threads++) {
            gradients_on(&wide[i], threads, more, &matrix_unit, &own);
            for (int k = 0; k < 2; k++) {
                int64_t n = px_shape_count(wide[i].operand[k].shape);
                if (own)
                    assert_memory_equal(one[k], more[k], (size_t)n * sizeof(double));
                free(more[k]);
            }
        }
        free(one[0]);
        free(one[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_attention_agrees_with_portable),
        cmocka_unit_test(wide_layers_agree_with_portable),
        cmocka_unit_test(gradients_do_not_depend_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
