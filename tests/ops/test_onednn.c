/* test_onednn.c - the layer over oneDNN's versions: layouts, what is found and what is refused, what follows a
 * product; and that base/cpu.h and oneDNN see the same processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/onednn/api.h"
#include "base/cpu.h"
#include "base/error.h"

#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static px_layout layout(px_shape shape, px_order order)
{
    return (px_layout){shape, PX_F32, order, NULL};
}

/* ---- the processor ---- */

static bool dnnl_has(dnnl_cpu_isa_t isa)
{
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

static void same_processor_with(const char *most)
{
    pid_t child = fork(); /* oneDNN reads the variable once */
    if (child == 0) {
        setenv("ONEDNN_MAX_CPU_ISA", most, 1);
        bool same = px_cpu_has(PX_ISA_AVX2) == dnnl_has(dnnl_cpu_isa_avx2) &&
                    px_cpu_has(PX_ISA_AVX512) == dnnl_has(dnnl_cpu_isa_avx512_core) &&
                    px_cpu_has(PX_ISA_AVX512_BF16) == dnnl_has(dnnl_cpu_isa_avx512_core_bf16) &&
                    px_cpu_has(PX_ISA_AMX) == dnnl_has(dnnl_cpu_isa_avx512_core_amx);
        _exit(same ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0)
        fail_msg("ONEDNN_MAX_CPU_ISA=%s: oneDNN sees another processor than base/cpu.h", most);
}

static void sees_the_same_processor(void **state)
{
    (void)state;
#ifdef __x86_64__
    static const char *const most[] = {"SSE41",
                                       "AVX",
                                       "AVX2",
                                       "AVX512_CORE",
                                       "AVX512_CORE_BF16",
                                       "AVX512_CORE_AMX",
                                       "AVX512_CORE_VNNI",
                                       "ALL",
                                       "what is not known"};
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++)
        same_processor_with(most[i]);
#else
    (void)same_processor_with;
    skip(); /* oneDNN's names of instructions are x86's */
#endif
}

/* ---- layouts ---- */

static void layouts_are_what_they_say(void **state)
{
    (void)state;
    px_shape image = PX_SHAPE(2, 24, 3, 5), matrix = PX_SHAPE(3, 7);
    assert_int_equal(px_layout_bytes(layout(image, PX_ORDER_PLAIN)), 2 * 24 * 3 * 5 * 4);
    assert_int_equal(px_layout_bytes(layout(image, PX_ORDER_BLOCKS_OF_16)), 2 * 32 * 3 * 5 * 4); /* a padded block */
    assert_int_equal(px_layout_bytes((px_layout){image, PX_BF16, PX_ORDER_CHANNELS_LAST, NULL}), 2 * 24 * 3 * 5 * 2);
    assert_int_equal(px_layout_bytes(layout((px_shape){0}, PX_ORDER_PLAIN)), 4);
    assert_true(px_layout_equal(layout(matrix, PX_ORDER_PLAIN), layout(matrix, PX_ORDER_PLAIN)));
    assert_false(px_layout_equal(layout(matrix, PX_ORDER_PLAIN), layout(matrix, PX_ORDER_TRANSPOSED)));
    assert_false(px_layout_equal(layout(image, PX_ORDER_PLAIN), layout(image, PX_ORDER_CHANNELS_LAST)));

    void *own = px_own_create(layout(image, PX_ORDER_BLOCKS_OF_8)), *again;
    px_layout l = px_layout_of_own(own);
    assert_true(px_shape_equal(l.shape, image));
    assert_int_equal(l.dtype, PX_F32);
    assert_true(px_layout_equal(l, layout(image, PX_ORDER_BLOCKS_OF_8)));
    again = px_own_create(l);
    assert_true(px_own_equal(own, again));
    px_own_destroy(own);
    assert_int_equal(px_layout_bytes(px_layout_of_own(again)), 2 * 24 * 3 * 5 * 4);
    px_own_destroy(again);
    px_own_destroy(NULL);
}

static void execute(px_primitive_desc *d, const px_dnnl_arg arg[], void *const address[], int count)
{
    assert_non_null(d);
    void *scratch = NULL, *all[PX_PRIMITIVE_ARGS];
    size_t bytes = px_dnnl_bytes_of(d, PX_DNNL_SCRATCHPAD);
    px_primitive *k = px_primitive_create(d);
    for (int i = 0; i < count; i++) {
        px_primitive_add(k, arg[i]);
        all[i] = address[i];
    }
    if (bytes) {
        px_primitive_add(k, PX_DNNL_SCRATCHPAD);
        all[count] = scratch = px_aligned_calloc(bytes);
    }
    px_primitive_execute(k, all);
    px_primitive_destroy(k);
    free(scratch);
}

static void reorders_move_channels(void **state)
{
    (void)state;
    enum { N = 2, C = 24, H = 3, W = 5 };
    static float plain[N * C * H * W], blocked[N * C * H * W], last[N * C * H * W];
    for (int i = 0; i < N * C * H * W; i++)
        plain[i] = (float)i;
    px_shape shape = PX_SHAPE(N, C, H, W);
    const px_dnnl_arg arg[] = {PX_DNNL_SRC, PX_DNNL_DST};
    execute(px_dnnl_find_reorder(layout(shape, PX_ORDER_PLAIN), layout(shape, PX_ORDER_BLOCKS_OF_8)), arg,
            (void *[]){plain, blocked}, 2);
    execute(px_dnnl_find_reorder(layout(shape, PX_ORDER_BLOCKS_OF_8), layout(shape, PX_ORDER_CHANNELS_LAST)), arg,
            (void *[]){blocked, last}, 2);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++)
            for (int s = 0; s < H * W; s++) {
                float x = plain[(n * C + c) * H * W + s];
                assert_true(blocked[((n * C / 8 + c / 8) * H * W + s) * 8 + c % 8] == x);
                assert_true(last[(n * H * W + s) * C + c] == x);
            }
}

/* ---- kernels ---- */

static double value(px_dnnl_function f, double x)
{
    double hard = x < -3 ? 0 : x > 3 ? 1 : (x + 3) / 6;
    return f == PX_DNNL_GELU         ? x * 0.5 * erfc(-x / sqrt(2))
           : f == PX_DNNL_SWISH      ? x / (1 + exp(-x))
           : f == PX_DNNL_HARD_SWISH ? x * hard
                                     : x;
}

/* (M, K) by (N, K) transposed, times a factor, plus a residual, through a function */
static void product(float factor, bool residual, px_dnnl_function function)
{
    enum { M = 5, N = 9, K = 17 };
    float x[M * K], w[N * K], y[M * N], more[M * N];
    for (int i = 0; i < M * N; i++)
        more[i] = (float)(i % 11 - 5) / 2;
    for (int i = 0; i < M * K; i++)
        x[i] = (float)(i % 13 - 6) / 4;
    for (int i = 0; i < N * K; i++)
        w[i] = (float)(i % 7 - 3) / 4;
    px_dnnl_matmul m = {.src = layout(PX_SHAPE(M, K), PX_ORDER_PLAIN),
                        .weights = layout(PX_SHAPE(K, N), PX_ORDER_TRANSPOSED),
                        .dst = layout(PX_SHAPE(M, N), PX_ORDER_PLAIN),
                        .factor = factor,
                        .function = function};
    px_layout like_dst = m.dst;
    m.residual = residual ? &like_dst : NULL;
    execute(px_dnnl_find_matmul(&m), (const px_dnnl_arg[]){PX_DNNL_SRC, PX_DNNL_WEIGHTS, PX_DNNL_DST, PX_DNNL_RESIDUAL},
            (void *[]){x, w, y, more}, residual ? 4 : 3);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < K; k++)
                sum += (double)x[i * K + k] * w[j * K + k];
            sum = value(function, sum * factor + (residual ? more[i * N + j] : 0));
            assert_true(fabs(y[i * N + j] - sum) < 1e-5 * (1 + fabs(sum)));
        }
}

static void products_have_factor_and_function(void **state)
{
    (void)state;
    for (px_dnnl_function f = PX_DNNL_NONE; f <= PX_DNNL_HARD_SWISH; f++) {
        product(1, false, f);
        product(0.125f, false, f);
        product(-3, false, f);
        product(1, true, f);
    }
}

/* A weight that lies as no fast kernel reads it. */
static void reference_kernels_are_refused(void **state)
{
    (void)state;
    px_dnnl_conv c = {
        .src = layout(PX_SHAPE(2, 16, 8, 8), PX_ORDER_PLAIN),
        .weights = layout(PX_SHAPE(16, 16, 3, 3), PX_ORDER_TRANSPOSED),
        .dst = layout(PX_SHAPE(2, 16, 8, 8), PX_ORDER_BLOCKS_OF_8),
        .slide = {.kernel = {3, 3}, .stride = {1, 1}, .before = {1, 1}, .after = {1, 1}, .dilation = {1, 1}}};
    for (px_pass pass = PX_PASS_FORWARD; pass <= PX_PASS_BACK_WEIGHTS; pass++)
        assert_null(px_dnnl_find_conv(pass, &c));
    c.src.order = c.weights.order = c.dst.order = PX_ORDER_ANY;
    for (px_pass pass = PX_PASS_FORWARD; pass <= PX_PASS_BACK_WEIGHTS; pass++) {
        px_primitive_desc *d = px_dnnl_find_conv(pass, &c);
#ifdef __x86_64__
        assert_non_null(d);
#endif
        if (d)
            assert_null(strstr(px_dnnl_kernel(d), "ref"));
        px_primitive_desc_destroy(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_the_same_processor),       cmocka_unit_test(layouts_are_what_they_say),
        cmocka_unit_test(reorders_move_channels),        cmocka_unit_test(products_have_factor_and_function),
        cmocka_unit_test(reference_kernels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
