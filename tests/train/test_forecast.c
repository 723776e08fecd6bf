/* test_forecast.c - how long a run will take: when that is told, and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Steps of `seconds` each, the first with 5 more; after which of them it is told, 0: never. */
static int told_after(px_forecast *f, int steps, double seconds)
{
    int at = 0;
    double now = 1000;
    *f = px_forecast_begin(steps, now);
    for (int i = 1; i <= steps; i++) {
        now += seconds + (i == 1 ? 5 : 0);
        if (px_forecast_step(f, now)) {
            assert_int_equal(at, 0);
            at = i;
        }
    }
    return at;
}

static void when(void **state)
{
    (void)state;
    px_forecast f;
    assert_int_equal(told_after(&f, 1000, 0.1), 10);
    assert_true(fabs(f.left - 99) < 1e-9 && fabs(f.all - 105) < 1e-9); /* the slow first step counts once */
    assert_int_equal(told_after(&f, 1000, 3), 2);                      /* 11 seconds */
    assert_int_equal(told_after(&f, 1000, 12), 1);
    assert_int_equal(told_after(&f, 20, 0.1), 5);
    assert_int_equal(told_after(&f, 4, 0.1), 2);
    assert_int_equal(told_after(&f, 2, 0.1), 0);
    assert_int_equal(told_after(&f, 1, 20), 0);
}

static void expect(double all, double left, const char *text)
{
    char buffer[64];
    struct tm noon = {.tm_year = 126, .tm_mon = 10, .tm_mday = 28, .tm_hour = 12, .tm_min = 30}; /* a Saturday */
    px_forecast f = {.all = all, .left = left};
    assert_string_equal(px_forecast_text(&f, mktime(&noon), buffer), text);
}

static void words(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    expect(0.2, 0.1, "about 1 s, until 12:30");
    expect(42, 30, "about 42 s, until 12:30");
    expect(730, 720, "about 12 min, until 12:42");
    expect(3 * 3600, 3 * 3600 - 60, "about 3 h, until 15:29");
    expect(14 * 3600, 13 * 3600, "about 14 h, until Sun 01:30");
    expect(10 * 86400, 10 * 86400, "about 10 days, until  8 Dec");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(when), cmocka_unit_test(words)};
    return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
