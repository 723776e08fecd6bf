/* test_policy.c - each change of RandAugment and TrivialAugment against torchvision's on bytes, the amounts of all magnitudes, what
 * is drawn, and random erasing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/policy.h"
#include "policy_fixtures.h"

#include <math.h>
#include <string.h>

enum { SIDE = 9, PIXELS = SIDE * SIDE, DRAWS = 4000 };

/* The formula of make_policy_fixtures.py. */
static void fill(float *x)
{
    for (int i = 0; i < 3 * PIXELS; i++) {
        int c = i / PIXELS, row = i % PIXELS / SIDE, column = i % SIDE;
        x[i] =
            (float)(30 + (37 * row * row + 13 * column * row + 29 * column + 101 * c * (column + 2) + 64 * row) % 200) /
            255;
    }
}

/* torchvision cuts results off to bytes, so that ours lie up to a step above; a step more where it first cuts off a gray or blurred
 * image that it then mixes in. */
static void changes_are_torchvisions(void **state)
{
    (void)state;
    px_scratch scratch = {0};
    float x[3 * PIXELS];
    for (size_t k = 0; k < sizeof changed / sizeof changed[0]; k++) {
        bool mixes = changed[k].change >= PX_CHANGE_COLOR && changed[k].change <= PX_CHANGE_SHARPNESS;
        fill(x);
        px_change_apply(&(px_plane){x, 3, SIDE}, changed[k].change, changed[k].amount, &scratch);
        for (int i = 0; i < 3 * PIXELS; i++)
            if (fabsf(x[i] * 255 - changed[k].pixels[i]) > (mixes ? 2.001f : 1.001f))
                fail_msg("change %d by %g, pixel %d: %g is not %d", changed[k].change, (double)changed[k].amount, i,
                         (double)x[i] * 255, changed[k].pixels[i]);
    }
    px_scratch_finish(&scratch);
}

static void amounts_are_torchvisions(void **state)
{
    (void)state;
    const px_policy policy[] = {{PX_RANDAUGMENT, 2, 9}, {PX_TRIVIALAUGMENT, 0, 0}};
    for (int p = 0; p < 2; p++)
        for (int change = 0; change < PX_CHANGES; change++)
            for (int m = 0; m < PX_MAGNITUDES; m++) {
                float expected = (p == 0 ? randaugment_224 : trivialaugment)[change][m];
                float amount = px_policy_amount(&policy[p], (px_change)change, m, 224);
                assert_true(fabsf(amount - expected) <= 2e-6f * fmaxf(1, fabsf(expected)));
            }
}

/* What px_policy_apply does is one of the changes, by an amount of the policy's, with either sign where there are two; all of them
 * are drawn, about equally often. */
static void policies_draw_from_their_list(void **state)
{
    (void)state;
    const px_policy policy[] = {{PX_RANDAUGMENT, 1, 20}, {PX_TRIVIALAUGMENT, 0, 0}};
    px_scratch scratch = {0};
    for (int p = 0; p < 2; p++) {
        int unchanged = 0;
        double negative = 0, moved = 0;
        for (int i = 0; i < DRAWS; i++) {
            float x[3 * PIXELS], before[3 * PIXELS], again[3 * PIXELS];
            fill(x);
            memcpy(before, x, sizeof x);
            memcpy(again, x, sizeof x);
            px_rng rng = px_rng_make(1, PX_RNG_VIEWS, 0, (uint64_t)i), same = rng, peek = rng;
            px_policy_apply(&policy[p], &(px_plane){x, 3, SIDE}, &rng, &scratch);
            px_policy_apply(&policy[p], &(px_plane){again, 3, SIDE}, &same, &scratch);
            assert_memory_equal(x, again, sizeof x);
            px_change change = (px_change)px_rng_below(&peek, PX_CHANGES);
            if (change == PX_CHANGE_TRANSLATE_X && p == 0) { /* by 20/30 of 150/331 of 9 pixels: 2 */
                moved++;
                negative += x[0] == 0 ? 0 : 1;
            }
            unchanged += memcmp(x, before, sizeof x) == 0;
        }
        assert_true(unchanged > DRAWS / 20 && unchanged < DRAWS / 3);
        if (p == 0)
            assert_true(moved > DRAWS / 20 && negative > 0.35 * moved && negative < 0.65 * moved);
    }
    for (size_t i = 0; i < sizeof with_sign / sizeof with_sign[0]; i++)
        assert_int_equal(with_sign[i], PX_CHANGE_SHEAR_X + i);
    assert_int_equal(sizeof with_sign / sizeof with_sign[0], PX_CHANGE_SHARPNESS - PX_CHANGE_SHEAR_X + 1);
    px_scratch_finish(&scratch);
}

static void erases_a_rectangle(void **state)
{
    (void)state;
    enum { S = 32 };
    static float x[2 * S * S];
    double areas = 0;
    for (int i = 0; i < DRAWS; i++) {
        px_rng rng = px_rng_make(2, PX_RNG_VIEWS, 0, (uint64_t)i);
        for (int k = 0; k < 2 * S * S; k++)
            x[k] = 1;
        px_erase(&(px_plane){x, 2, S}, &rng);
        int top = S, left = S, bottom = -1, right = -1, count = 0;
        for (int k = 0; k < S * S; k++) {
            assert_true(x[k] == x[S * S + k]);
            if (x[k] != 0)
                continue;
            int row = k / S, column = k % S;
            top = row < top ? row : top;
            bottom = row > bottom ? row : bottom;
            left = column < left ? column : left;
            right = column > right ? column : right;
            count++;
        }
        int height = bottom - top + 1, width = right - left + 1;
        assert_int_equal(count, height * width);
        assert_true(count > 0.014 * S * S && count < 0.37 * S * S); /* sides are rounded */
        assert_true((height + 0.5) / (width - 0.5) > 0.3 && (height - 0.5) / (width + 0.5) < 3.3);
        areas += (double)count / (S * S);
    }
    assert_true(fabs(areas / DRAWS - 0.175) < 0.006);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_torchvisions), cmocka_unit_test(amounts_are_torchvisions),
        cmocka_unit_test(policies_draw_from_their_list), cmocka_unit_test(erases_a_rectangle)};
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
