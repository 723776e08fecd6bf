/* test_data2vec2.c - data2vec 2.0's masks: as many patches stay as asked for, squares where there is room for them, each mask by
 * itself; the three tensors agree; sizes of the decoder; what is refused. Loss and gradients are compared with PyTorch in
 * mpi_fixtures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/conv_decoder.h"
#include "scene.h"

enum { SIDE = 56, PATCH = 4, ROWS = SIDE / PATCH, T = ROWS * ROWS, MASKS = 16 };

static uint8_t bytes[SIDE * SIDE * 3];
static const px_image picture = {.pixels = bytes, .height = SIDE, .width = SIDE, .channels = 3};
static const px_task task = {.image_size = SIDE, .channels = 3, .patch = PATCH, .augment = true};

/* The tensors of a mask; fills `stays`. */
static void check_mask(const int32_t *visible, const int32_t *hidden, const int32_t *restore, int K, bool stays[T])
{
    memset(stays, 0, T * sizeof stays[0]);
    for (int k = 0; k < K; k++) {
        assert_in_range(visible[k], 0, T - 1);
        assert_true(k == 0 || visible[k] > visible[k - 1]);
        stays[visible[k]] = true;
        assert_int_equal(restore[visible[k]], k);
    }
    for (int h = 0; h < T - K; h++) {
        assert_in_range(hidden[h], 0, T - 1);
        assert_true(h == 0 || hidden[h] > hidden[h - 1]);
        assert_false(stays[hidden[h]]);
        assert_int_equal(restore[hidden[h]], K + h);
    }
}

/* Patches that stay together with all that are around them in a square of 3 x 3. */
static int squares(const bool stays[T])
{
    int count = 0;
    for (int y = 1; y + 1 < ROWS; y++)
        for (int x = 1; x + 1 < ROWS; x++) {
            bool whole = true;
            for (int i = 0; i < 9; i++)
                whole = whole && stays[(y + i / 3 - 1) * ROWS + x + i % 3 - 1];
            count += whole;
        }
    return count;
}

static void masks_keep_squares(void **state)
{
    enum { SAMPLES = 20 };
    (void)state;
    const struct {
        const char *ratio, *size;
        int K, least, most; /* squares of a mask, on average */
    } cases[] = {{"data2vec2.mask_ratio=0.8", "data2vec2.mask_size=3", 39, 1, 10},
                 {"data2vec2.mask_ratio=0.8", "data2vec2.mask_size=1", 39, 0, 0}, /* one by chance is rare */
                 {"data2vec2.mask_ratio=0.5", "data2vec2.mask_size=5", 98, 12, 60}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene c;
        scene_start(&c, task, (const char *[]){"method=data2vec2", cases[i].ratio, cases[i].size, NULL});
        int K = scene_elements(&c, "visible"), found = 0, seen[T] = {0}, same = 0;
        bool stays[T], before[T] = {false};
        assert_int_equal(K, cases[i].K);
        assert_int_equal(c.views.view[scene_place(&c, "hidden")].copies, MASKS);
        for (uint64_t sample = 0; sample < SAMPLES; sample++) {
            scene_make(&c, &picture, 1, sample);
            for (int m = 0; m < MASKS; m++) {
                check_mask((const int32_t *)scene_view(&c, "visible") + m * K,
                           (const int32_t *)scene_view(&c, "hidden") + m * (T - K),
                           (const int32_t *)scene_view(&c, "restore") + m * T, K, stays);
                found += squares(stays);
                same += memcmp(before, stays, sizeof stays) == 0;
                memcpy(before, stays, sizeof stays);
                for (int t = 0; t < T; t++)
                    seen[t] += stays[t];
            }
        }
        assert_in_range((found + SAMPLES * MASKS / 2) / (SAMPLES * MASKS), cases[i].least, cases[i].most);
        assert_int_equal(same, 0);
        for (int t = 0; t < T; t++)
            assert_in_range(seen[t], 1, SAMPLES * MASKS - 1);
        scene_stop(&c);
    }
}

static const char *refusal(int patch, const char *setting)
{
    px_settings s;
    px_task given = {.image_size = 32, .channels = 3, .patch = patch, .batch = 2, .ranks = 1};
    assert_int_equal(px_settings_load(&s, NULL, (const char *[]){"method=data2vec2", setting}, 2), 0);
    px_task_take_backbone(&given, s.backbone, s.backbone_cfg);
    given.patch = patch;
    const char *why = s.method->check(s.method_cfg, &given, s.backbone);
    px_settings_finish(&s);
    return why;
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    assert_null(refusal(4, "seed=1"));
    assert_non_null(strstr(refusal(16, "seed=1"), "mask_ratio leaves no patch visible"));
    assert_null(refusal(16, "data2vec2.mask_ratio=0.7"));
    assert_string_equal(refusal(4, "data2vec2.decoder_kernel=4"), "decoder_kernel must be odd");
    assert_non_null(strstr(refusal(4, "data2vec2.decoder_groups=5"), "must divide the backbone's width"));
    assert_non_null(strstr(refusal(4, "data2vec2.blocks=13"), "is more than the backbone has"));
    assert_null(refusal(4, "data2vec2.blocks=12"));
}

static void the_decoder_fits_the_encoder(void **state)
{
    (void)state;
    const int cases[][4] = {/* the encoder's width; what is set; groups */
                            {192, 0, 0, 4},   {384, 0, 0, 8}, {768, 0, 0, 16}, {1024, 0, 0, 16},
                            {192, 100, 0, 2}, {16, 0, 0, 1},  {192, 0, 6, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        px_conv_decoder d = {.width = cases[i][1], .kernel = 3, .groups = cases[i][2]};
        px_conv_decoder_settle(&d, cases[i][0]);
        assert_int_equal(d.width, cases[i][1] ? cases[i][1] : cases[i][0]);
        assert_int_equal(d.groups, cases[i][3]);
        assert_null(px_conv_decoder_check(&d, cases[i][0]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(masks_keep_squares),
                                       cmocka_unit_test(what_cannot_work_is_refused),
                                       cmocka_unit_test(the_decoder_fits_the_encoder)};
    return cmocka_run_group_tests_name("data2vec2", tests, NULL, NULL);
}
