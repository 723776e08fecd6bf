/* test_need.c - what a command needs as text, and the refusal of what does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/need.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"activations", "views of images", "parameters", "gradients"};

static void as_text(void **state)
{
    (void)state;
    px_need n = {"training", names, 4, {300.0 * (1 << 20), 2e9 * 1.073741824, 0, 2.5 * (1 << 20)}};
    char *text = px_need_text(&n);
    assert_string_equal(text, "2.3 GiB = views of images 2.0 GiB, activations 300 MiB, gradients 2.5 MiB");
    free(text);
}

static double room_asked;

static void why(const void *about, int part, FILE *out)
{
    fprintf(out, " for %d %s", *(const int *)about, part == 2 ? "weights" : "others");
}

static void two(const void *about, double room, px_proposals *p)
{
    (void)about;
    room_asked = room;
    px_propose(p, "batch=%d", 8);
    px_propose(p, "layers=false");
}

static void none(const void *about, double room, px_proposals *p)
{
    (void)about;
    (void)room;
    (void)p;
}

static void check(void **state)
{
    (void)state;
    const int count = 7;
    px_need n = {"probing", names, 4, {1e6, 0, 1e18, 0}};
    px_need_advice advice = {&count, why, two, "a larger machine"};
    assert_int_equal(px_need_check(&n, 1, &advice), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    const char *said = px_error();
    assert_int_equal(strncmp(said, "probing needs 888 PiB of memory, but on ", 40), 0);
    assert_non_null(strstr(said, ": parameters take 888 PiB for 7 weights; what would fit: batch=8; or layers=false"));
    double alone = room_asked;
    assert_int_equal(px_need_check(&n, 2, &advice), -1);
    assert_non_null(strstr(px_error(), "probing needs 1776 PiB of memory for 2 ranks, but on "));
    assert_non_null(strstr(px_error(), " for 7 weights per rank; what would fit: "));
    assert_true(room_asked < 0.6 * alone && room_asked > 0.2 * alone); /* other programs come and go */
    advice.fits = none;
    assert_int_equal(px_need_check(&n, 1, &advice), -1);
    assert_non_null(strstr(px_error(), "; what would fit: a larger machine"));
    n.part[2] = 4096;
    assert_int_equal(px_need_check(&n, 1, &advice), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_text), cmocka_unit_test(check)};
    return cmocka_run_group_tests_name("need", tests, NULL, NULL);
}
