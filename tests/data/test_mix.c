/* test_mix.c - shares and rectangles are distributed as mixup's and CutMix's papers say; images and labels are mixed in the same
 * shares; the partners of a batch are its own images, whatever the number of ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/mix.h"
#include "data/order.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWS = 20000, SIDE = 16, CLASSES = 5 };

static px_rng batch_of(int i)
{
    return px_rng_make(3, PX_RNG_BATCH, (uint64_t)i, 0);
}

/* Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2a + 1)). */
static void shares_are_beta_distributed(void **state)
{
    (void)state;
    static const double alphas[] = {0.05, 0.2, 1, 4};
    for (size_t k = 0; k < sizeof alphas / sizeof alphas[0]; k++) {
        const px_mix mix = {.by = PX_MIX_UP, .mixup_alpha = alphas[k], .probability = 1};
        double sum = 0, squares = 0;
        for (int i = 0; i < DRAWS; i++) {
            px_mixing m = px_mix_draw(&mix, batch_of(i), SIDE);
            assert_true(m.mixes && !m.cuts && m.share >= 0 && m.share <= 1);
            sum += (double)m.share;
            squares += ((double)m.share - 0.5) * ((double)m.share - 0.5);
        }
        double variance = 1 / (4 * (2 * alphas[k] + 1));
        assert_true(fabs(sum / DRAWS - 0.5) < 4 * sqrt(variance / DRAWS));
        assert_true(fabs(squares / DRAWS / variance - 1) < 0.04);
    }
}

/* alpha 1: 1 - share is uniform, so a side of the rectangle is sqrt(u) of the image's, before its border cuts it. */
static void rectangles_have_their_share(void **state)
{
    (void)state;
    const px_mix mix = {.by = PX_MIX_CUT, .cutmix_alpha = 1, .probability = 1};
    double area = 0;
    for (int i = 0; i < DRAWS; i++) {
        px_mixing m = px_mix_draw(&mix, batch_of(i), SIDE);
        int height = m.bottom - m.top, width = m.right - m.left;
        assert_true(m.mixes && m.cuts && m.top >= 0 && m.left >= 0 && m.bottom <= SIDE && m.right <= SIDE);
        assert_true(fabs(1 - (double)(height * width) / (SIDE * SIDE) - (double)m.share) < 1e-6);
        area += 1 - (double)m.share;
    }
    /* The mean area that lies inside, summed over torchvision's formula: all centres, and u in 10,000 steps. */
    double expected = 0;
    for (int u = 0; u < 10000; u++) {
        int half = (int)(0.5 * sqrt((u + 0.5) / 10000) * SIDE);
        double inside = 0;
        for (int x = 0; x < SIDE; x++)
            inside += (double)((x + half < SIDE ? x + half : SIDE) - (x - half > 0 ? x - half : 0)) / SIDE;
        expected += inside / SIDE * (inside / SIDE) / 10000;
    }
    assert_true(fabs(area / DRAWS - expected) < 0.006);
}

static void switch_and_probability(void **state)
{
    (void)state;
    const px_mix mix = {
        .by = PX_MIX_EITHER, .mixup_alpha = 1, .cutmix_alpha = 1, .probability = 0.75, .cutmix_share = 0.4};
    const px_mix none = {.by = PX_MIX_NONE, .probability = 1};
    int mixed = 0, cut = 0;
    for (int i = 0; i < DRAWS; i++) {
        px_mixing m = px_mix_draw(&mix, batch_of(i), SIDE), again = px_mix_draw(&mix, batch_of(i), SIDE);
        mixed += m.mixes;
        cut += m.cuts;
        assert_true(m.mixes || (m.share == 1 && !m.cuts));
        assert_true(m.share == again.share && m.top == again.top && m.left == again.left);
        assert_false(px_mix_draw(&none, batch_of(i), SIDE).mixes);
    }
    assert_true(abs(mixed - DRAWS * 3 / 4) < 250 && abs(cut - DRAWS * 3 / 10) < 250);
}

static void pixels_and_labels_agree(void **state)
{
    (void)state;
    float a[2 * SIDE * SIDE], b[2 * SIDE * SIDE], target[CLASSES];
    const px_mixing how[] = {{.mixes = true, .share = 0.7f},
                             {.mixes = true,
                              .cuts = true,
                              .share = 1 - 12.0f / (SIDE * SIDE),
                              .top = 3,
                              .left = 5,
                              .bottom = 6,
                              .right = 9}};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 2 * SIDE * SIDE; i++)
            a[i] = 1, b[i] = 2;
        px_mix_apply(&how[k], &(px_plane){a, 2, SIDE}, &(px_plane){b, 2, SIDE});
        double sum = 0;
        for (int i = 0; i < 2 * SIDE * SIDE; i++) {
            int y = i / SIDE % SIDE, x = i % SIDE;
            bool inside = y >= 3 && y < 6 && x >= 5 && x < 9;
            assert_true(fabsf(a[i] - (k == 0 ? 1.3f : inside ? 2 : 1)) < 1e-6f);
            sum += (double)a[i] - 1;
        }
        assert_true(fabs(sum / (2 * SIDE * SIDE) - (1 - (double)how[k].share)) < 1e-5);
    }
    px_soft_label(target, CLASSES, 1, 3, 0.7f, 0.1f); /* 0.9 times one hot, and 0.1 / 5 */
    static const double mixed[CLASSES] = {0.02, 0.65, 0.02, 0.29, 0.02};
    for (int i = 0; i < CLASSES; i++)
        assert_true(fabs((double)target[i] - mixed[i]) < 1e-6);
    px_soft_label(target, CLASSES, 2, 2, 0.4f, 0);
    for (int i = 0; i < CLASSES; i++)
        assert_true(fabsf(target[i] - (i == 2)) < 1e-6f);
}

static void partners_are_others(void **state)
{
    (void)state;
    for (int repeats = 1; repeats <= 4; repeats++) {
        int seen[24] = {0};
        for (int place = 0; place < 24; place++) {
            int64_t partner = px_order_partner(place, repeats, 24);
            assert_in_range(partner, 0, 23);
            seen[partner]++;
            assert_true(partner / repeats != place / repeats);
        }
        for (int place = 0; place < 24; place++)
            assert_int_equal(seen[place], 1);
    }
    assert_int_equal(px_order_partner(0, 3, 1), 0); /* there is no other */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_beta_distributed), cmocka_unit_test(rectangles_have_their_share),
        cmocka_unit_test(switch_and_probability),      cmocka_unit_test(pixels_and_labels_agree),
        cmocka_unit_test(partners_are_others),
    };
    return cmocka_run_group_tests_name("mix", tests, NULL, NULL);
}
