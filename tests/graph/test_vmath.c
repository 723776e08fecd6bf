/* test_vmath.c - exp and the normal distribution of ops/vmath.h against the C library in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/vmath.h"

#include <math.h>

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

/* And x Phi(x), which is gelu. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exp_is_exact_to_one_in_ten_million),
                                       cmocka_unit_test(normal_distribution)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
