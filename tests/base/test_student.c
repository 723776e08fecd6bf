/* test_student.c - Student's t, and intervals around means, against tables and SciPy's numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/student.h"

#include <math.h>

/* scipy.stats.t.ppf(0.975, freedom) */
static void quantiles(void **state)
{
    (void)state;
    static const struct {
        int freedom;
        double t;
    } table[] = {{1, 12.706204736}, {2, 4.302652730},  {3, 3.182446305},   {4, 2.776445105},    {5, 2.570581836},
                 {9, 2.262157163},  {30, 2.042272456}, {120, 1.979930405}, {10000, 1.960201264}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_true(fabs(px_student_95(table[i].freedom) - table[i].t) < 1e-6);
    assert_true(fabs(px_student_95(2000000000) - 1.959963985) < 1e-4);
    assert_true(isnan(px_student_95(0)));
}

static void intervals(void **state)
{
    (void)state;
    const double x[] = {0.71, 0.74, 0.69, 0.72};
    double half;
    assert_true(fabs(px_mean_95(x, 4, &half) - 0.715) < 1e-12);
    assert_true(fabs(half - 3.182446305 * 0.020816659994661327 / 2) < 1e-9); /* t s / sqrt(4) */
    assert_true(px_mean_95(x, 1, &half) == 0.71 && isnan(half));
    assert_true(isnan(px_mean_95(x, 0, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quantiles), cmocka_unit_test(intervals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
