/* test_vmath.c - exp, sigmoid, tanh, the normal distribution and gelu of ops/vmath.h against the C library in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/vmath.h"
#include "tensor/bf16.h"

#include <math.h>
#include <stdlib.h>

static void exp_is_exact_to_one_in_ten_million(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = -86999; i <= 88000; i++) {
        float x = (float)i * 1e-3f;
        worst = fmax(worst, fabs((double)px_vexp(x) / exp((double)x) - 1));
    }
    assert_true(worst < 1e-7);
    assert_true(px_vexp(-1e30f) < 2e-38f);
    assert_true(isnan(px_vexp(NAN)));
}

static void sigmoid_and_tanh(void **state)
{
    (void)state;
    double sigmoid = 0, tangent = 0;
    for (int i = -86000; i <= 100000; i++) {
        float x = (float)i * 1e-3f, small = (float)i * 1e-5f;
        sigmoid = fmax(sigmoid, fabs((double)px_vsigmoid(x) * (1 + exp(-(double)x)) - 1));
        if (i != 0) {
            tangent = fmax(tangent, fabs((double)px_vtanh(x) / tanh((double)x) - 1));
            tangent = fmax(tangent, fabs((double)px_vtanh(small) / tanh((double)small) - 1));
        }
    }
    if (sigmoid > 3e-7 || tangent > 4e-7)
        fail_msg("relative errors %g and %g", sigmoid, tangent);
    assert_true(px_vsigmoid(-1e30f) < 2e-38f && px_vsigmoid(1e30f) == 1 && isnan(px_vsigmoid(NAN)));
    assert_true(px_vtanh(-1e30f) == -1 && px_vtanh(INFINITY) == 1 && px_vtanh(0) == 0 && isnan(px_vtanh(NAN)));
}

/* Also x Phi(x), which is gelu. */
static void normal_distribution(void **state)
{
    (void)state;
    for (int i = -12000; i <= 12000; i++) {
        float x = (float)i * 1e-3f, bell, phi = px_vphi(x, &bell);
        double exact = 0.5 * erfc(-(double)x * M_SQRT1_2);
        assert_true(fabs(phi - exact) < 2.5e-7);
        assert_true(fabs((double)(x * phi) - (double)x * exact) < 2e-7 * fmax(1, fabs((double)x)));
        assert_true(fabs(bell / exp(-0.5 * (double)x * (double)x) - 1) < 1e-5);
    }
}

/* Integers in the same order as the bf16 numbers that they encode. */
static int rank_of(px_bf16 x)
{
    return x.bits & 0x8000 ? -(x.bits & 0x7fff) : x.bits;
}

static void rounds_alike(float got, double exact)
{
    px_bf16 y = px_bf16_of(got), want = px_bf16_of((float)exact);
    if (isnan(exact))
        assert_true(isnan(px_bf16_float(y)));
    else
        assert_true(abs(rank_of(y) - rank_of(want)) <= 1 || fabs((double)got - exact) < 1e-33);
}

/* At every bf16 number, including NaN and infinity. */
static void gelu_rounded_to_bf16(void **state)
{
    (void)state;
    for (int i = 0; i < 1 << 16; i++) {
        float f = px_bf16_float((px_bf16){(uint16_t)i});
        double x = (double)f, phi = 0.5 * erfc(-x * M_SQRT1_2), bell = exp(-0.5 * x * x) * 0.3989422804014327;
        rounds_alike(px_vgelu_short(f), phi == 0 ? 0 : x * phi);
        rounds_alike(px_vgelu_slope_short(f), phi + (bell == 0 ? 0 : x * bell));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exp_is_exact_to_one_in_ten_million),
                                       cmocka_unit_test(sigmoid_and_tanh), cmocka_unit_test(normal_distribution),
                                       cmocka_unit_test(gelu_rounded_to_bf16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
