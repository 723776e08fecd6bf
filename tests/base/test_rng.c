/* test_rng.c - the random numbers: Philox itself, streams that repeat and differ, and their distributions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

#include <string.h>

/* Rows "philox4x32 10" of Random123's own tests/kat_vectors: counter, key, result. */
static void philox_gives_known_answers(void **state)
{
    (void)state;
    static const struct {
        philox4x32_ctr_t counter;
        philox4x32_key_t key;
        uint32_t result[4];
    } rows[] = {
        {{{0, 0, 0, 0}}, {{0, 0}}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
         {{0xffffffff, 0xffffffff}},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
         {{0xa4093822, 0x299f31d0}},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        px_rng rng = {.counter = rows[i].counter, .key = rows[i].key};
        for (int word = 3; word >= 0; word--) /* a block is read from its end */
            assert_int_equal(px_rng_u32(&rng), rows[i].result[word]);
    }
}

/* Old runs must stay repeatable: these numbers may never change. */
static void streams_never_change(void **state)
{
    (void)state;
    px_rng rng = px_rng_make(0x0123456789abcdef, PX_RNG_VIEWS, 7, 0x100000002);
    philox4x32_ctr_t counter = {{0, 7, 2, 1}};
    philox4x32_key_t key = {{0x89abcdef, 0x01234567u ^ (3u << 24)}};
    philox4x32_ctr_t first = philox4x32(counter, key);
    counter.v[0] = 1;
    philox4x32_ctr_t second = philox4x32(counter, key);
    for (int i = 3; i >= 0; i--)
        assert_int_equal(px_rng_u32(&rng), first.v[i]);
    for (int i = 3; i >= 0; i--)
        assert_int_equal(px_rng_u32(&rng), second.v[i]);
}

static void streams_differ_in_every_key(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        px_rng_purpose purpose;
        uint64_t a, b;
    } keys[] = {
        {1, PX_RNG_VIEWS, 2, 3},
        {2, PX_RNG_VIEWS, 2, 3},
        {1 | 1ull << 32, PX_RNG_VIEWS, 2, 3},
        {1, PX_RNG_SHUFFLE, 2, 3},
        {1, PX_RNG_INIT, 2, 3},
        {1, PX_RNG_VIEWS, 3, 3},
        {1, PX_RNG_VIEWS, 2 | 1ull << 32, 3},
        {1, PX_RNG_VIEWS, 2 | 1ull << 63, 3},
        {1, PX_RNG_VIEWS, 2, 4},
        {1, PX_RNG_VIEWS, 2, 3 | 1ull << 32},
        {1, PX_RNG_VIEWS, 3, 2},
    };
    enum { COUNT = sizeof keys / sizeof *keys, WORDS = 8 };
    uint32_t words[COUNT][WORDS];
    for (int i = 0; i < COUNT; i++) {
        px_rng rng = px_rng_make(keys[i].seed, keys[i].purpose, keys[i].a, keys[i].b);
        for (int w = 0; w < WORDS; w++)
            words[i][w] = px_rng_u32(&rng);
        for (int j = 0; j < i; j++) /* all 64 words differ: two are equal by accident with a chance of 2^-26 */
            for (int v = 0; v < WORDS * WORDS; v++)
                assert_int_not_equal(words[i][v / WORDS], words[j][v % WORDS]);
    }
}

/* 99.99% bounds of chi-square over 64 bins are about 27 and 117. */
static void assert_even(const int *bins, int count, double draws)
{
    double chi = 0, expected = draws / count;
    for (int i = 0; i < count; i++)
        chi += (bins[i] - expected) * (bins[i] - expected) / expected;
    assert_true(chi > 27 && chi < 117);
}

static void uniform_numbers_are_even(void **state)
{
    (void)state;
    enum { DRAWS = 1 << 20, BINS = 64 };
    int bins[BINS] = {0}, below[BINS] = {0}, first[BINS] = {0};
    px_rng rng = px_rng_make(1, PX_RNG_TEST, 0, 0);
    double sum = 0, square = 0, lag = 0, previous = 0.5;
    for (int i = 0; i < DRAWS; i++) {
        float u = px_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        bins[(int)(u * BINS)]++;
        sum += u;
        square += (double)u * u;
        lag += (u - 0.5) * (previous - 0.5);
        previous = u;
        below[px_rng_below(&rng, BINS)]++;
        px_rng other = px_rng_make(1, PX_RNG_TEST, 1, (uint64_t)i); /* first draws of neighbouring streams */
        first[(int)(px_rng_uniform(&other) * BINS)]++;
    }
    assert_even(bins, BINS, DRAWS);
    assert_even(below, BINS, DRAWS);
    assert_even(first, BINS, DRAWS);
    assert_true(fabs(sum / DRAWS - 0.5) < 4 * sqrt(1. / 12 / DRAWS));
    assert_true(fabs(square / DRAWS - 1. / 3) < 4 * sqrt(4. / 45 / DRAWS));
    assert_true(fabs(lag / DRAWS) < 4 * (1. / 12) / sqrt(DRAWS));
}

static void neighbouring_streams_are_independent(void **state)
{
    (void)state;
    enum { STREAMS = 256, DRAWS = 256 };
    double sum = 0;
    for (uint64_t s = 0; s < STREAMS; s++) {
        px_rng a = px_rng_make(1, PX_RNG_TEST, 0, s), b = px_rng_make(1, PX_RNG_TEST, 0, s + 1);
        for (int i = 0; i < DRAWS; i++)
            sum += (px_rng_uniform(&a) - 0.5) * (px_rng_uniform(&b) - 0.5);
    }
    assert_true(fabs(sum) < 4 * (1. / 12) * sqrt((double)STREAMS * DRAWS));
}

static void normal_numbers_have_their_moments(void **state)
{
    (void)state;
    enum { DRAWS = 1 << 19 };
    px_rng rng = px_rng_make(3, PX_RNG_TEST, 0, 0);
    double moments[5] = {0};
    for (int i = 0; i < DRAWS; i++) {
        double x = px_rng_normal(&rng), power = 1;
        assert_true(isfinite(x));
        for (int m = 1; m <= 4; m++)
            moments[m] += (power *= x) / DRAWS;
    }
    double unit = 4 / sqrt(DRAWS); /* four standard errors: of x^k, sqrt(E x^2k - (E x^k)^2) */
    assert_true(fabs(moments[1]) < unit);
    assert_true(fabs(moments[2] - 1) < unit * sqrt(2));
    assert_true(fabs(moments[3]) < unit * sqrt(15));
    assert_true(fabs(moments[4] - 3) < unit * sqrt(96));
}

static void ranges_are_kept(void **state)
{
    (void)state;
    px_rng rng = px_rng_make(4, PX_RNG_TEST, 0, 0);
    uint32_t seen = 0;
    for (int i = 0; i < 10000; i++) {
        float x = px_rng_range(&rng, -2, 3);
        assert_true(x >= -2 && x <= 3);
        uint32_t n = px_rng_below(&rng, 3);
        assert_true(n < 3);
        seen |= 1u << n;
        assert_int_equal(px_rng_below(&rng, 1), 0);
    }
    assert_int_equal(seen, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_known_answers),
        cmocka_unit_test(streams_never_change),
        cmocka_unit_test(streams_differ_in_every_key),
        cmocka_unit_test(uniform_numbers_are_even),
        cmocka_unit_test(neighbouring_streams_are_independent),
        cmocka_unit_test(normal_numbers_have_their_moments),
        cmocka_unit_test(ranges_are_kept),
    };
    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
