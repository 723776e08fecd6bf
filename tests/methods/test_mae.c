/* test_mae.c - MAE's masks: how many patches are hidden, that the three tensors agree, that every sample has its own
 * mask; what is refused. Loss and gradients are compared with PyTorch in tests/golden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"
#include "train/model.h"

#include <math.h>

enum { SIDE = 32, PATCH = 4, T = 64, K = 16 };

static uint8_t bytes[SIDE * SIDE * 3];
static const px_image picture = {.pixels = bytes, .height = SIDE, .width = SIDE, .channels = 3};

static px_task task_of(int image_size, int patch)
{
    return (px_task){.image_size = image_size, .channels = 3, .patch = patch};
}

static void number_of_visible_patches(void **state)
{
    (void)state;
    const struct {
        int size, patch;
        const char *ratio;
        int visible, hidden;
    } cases[] = {{32, 4, "mae.mask_ratio=0.75", 16, 48},   {224, 16, "mae.mask_ratio=0.75", 49, 147},
                 {28, 4, "mae.mask_ratio=0.75", 12, 37},   {32, 8, "mae.mask_ratio=0.7", 4, 12},
                 {32, 8, "mae.mask_ratio=0.6", 6, 10},     {32, 8, "mae.mask_ratio=0.01", 15, 1},
                 {224, 16, "mae.mask_ratio=0.99", 1, 195}, {96, 16, "mae.mask_ratio=0.5", 18, 18}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene c;
        scene_start(&c, task_of(cases[i].size, cases[i].patch), (const char *[]){"method=mae", cases[i].ratio, NULL});
        assert_int_equal(scene_elements(&c, "visible"), cases[i].visible);
        assert_int_equal(scene_elements(&c, "hidden"), cases[i].hidden);
        assert_int_equal(scene_elements(&c, "restore"), 1 + cases[i].visible + cases[i].hidden);
        scene_stop(&c);
    }
}

/* visible and hidden together are all places, each once; restore puts the decoder's tokens back in order. */
static void check_mask(const scene *c)
{
    const int32_t *visible = scene_view(c, "visible"), *hidden = scene_view(c, "hidden"),
                  *restore = scene_view(c, "restore");
    int seen[T] = {0};
    for (int j = 0; j < K; j++) {
        assert_in_range(visible[j], 0, T - 1);
        assert_int_equal(restore[1 + visible[j]], 2 + j);
        seen[visible[j]]++;
    }
    for (int j = 0; j < T - K; j++) {
        assert_in_range(hidden[j], j ? hidden[j - 1] + 1 : 0, T - 1);
        assert_int_equal(restore[1 + hidden[j]], 0);
        seen[hidden[j]]++;
    }
    assert_int_equal(restore[0], 1); /* the class token */
    for (int p = 0; p < T; p++)
        assert_int_equal(seen[p], 1);
}

static void masks_say_the_same(void **state)
{
    (void)state;
    scene c;
    scene_start(&c, task_of(SIDE, PATCH), (const char *[]){"method=mae", NULL});
    for (uint64_t sample = 0; sample < 50; sample++) {
        scene_make(&c, &picture, 1, sample);
        check_mask(&c);
    }
    scene_stop(&c);
}

static void each_sample_has_its_own(void **state)
{
    (void)state;
    scene c;
    int32_t first[T - K];
    scene_start(&c, task_of(SIDE, PATCH), (const char *[]){"method=mae", NULL});
    const int32_t *hidden = scene_view(&c, "hidden");
    scene_make(&c, &picture, 1, 0);
    memcpy(first, hidden, sizeof first);
    scene_make(&c, &picture, 1, 1);
    assert_memory_not_equal(first, hidden, sizeof first);
    scene_make(&c, &picture, 2, 0);
    assert_memory_not_equal(first, hidden, sizeof first);
    scene_make(&c, &picture, 1, 0);
    assert_memory_equal(first, hidden, sizeof first);
    scene_stop(&c);
}

/* How often a patch, or a pair of patches, is visible: within five standard deviations of a uniform choice. */
static void masks_are_uniform(void **state)
{
    enum { SAMPLES = 4000 };
    (void)state;
    scene c;
    static int seen[T], pairs[T][T];
    scene_start(&c, task_of(SIDE, PATCH), (const char *[]){"method=mae", NULL});
    const int32_t *visible = scene_view(&c, "visible");
    for (uint64_t sample = 0; sample < SAMPLES; sample++) {
        scene_make(&c, &picture, 1, sample);
        for (int i = 0; i < K; i++) {
            seen[visible[i]]++;
            for (int j = 0; j < K; j++)
                pairs[visible[i]][visible[j]] += i != j;
        }
    }
    const double one = (double)K / T, two = one * (K - 1) / (T - 1);
    for (int p = 0; p < T; p++) {
        assert_true(fabs(seen[p] - SAMPLES * one) < 5 * sqrt(SAMPLES * one * (1 - one)));
        for (int q = 0; q < T; q++)
            if (q != p)
                assert_true(fabs(pairs[p][q] - SAMPLES * two) < 5 * sqrt(SAMPLES * two * (1 - two)));
    }
    scene_stop(&c);
}

/* augment=none: the unchanged image, standardised by the data set's moments; masks are still drawn. */
static void the_image_itself(void **state)
{
    (void)state;
    scene c;
    const float mean[3] = {0.5f, 0.4f, 0.3f}, std[3] = {0.2f, 0.25f, 0.5f};
    px_rng paint = px_rng_make(3, PX_RNG_TEST, 0, 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)px_rng_below(&paint, 256);
    px_task task = task_of(SIDE, PATCH);
    task.mean = mean;
    task.std = std;
    scene_start(&c, task, (const char *[]){"method=mae", NULL});
    const float *x = scene_view(&c, "image");
    scene_make(&c, &picture, 1, 0);
    check_mask(&c);
    for (int ch = 0; ch < 3; ch++)
        for (int i = 0; i < SIDE * SIDE; i++)
            assert_true(fabsf(x[ch * SIDE * SIDE + i] - ((float)bytes[i * 3 + ch] / 255 - mean[ch]) / std[ch]) < 1e-4f);
    scene_stop(&c);
}

static const char *refusal(int size, int patch, const char *ratio, const char *width)
{
    const char *given[] = {"method=mae", ratio, width, "mae.decoder_heads=16"};
    px_settings s;
    px_task task = task_of(size, patch);
    assert_int_equal(px_settings_load(&s, NULL, given, 4), 0);
    px_task_take_backbone(&task, s.backbone, s.backbone_cfg);
    task.patch = patch;
    const char *why = s.method->check(s.method_cfg, &task, s.backbone);
    px_settings_finish(&s);
    return why;
}

static void what_cannot_work(void **state)
{
    (void)state;
    assert_null(refusal(32, 8, "mae.mask_ratio=0.93", "mae.decoder_width=64"));
    assert_non_null(strstr(refusal(32, 8, "mae.mask_ratio=0.94", "mae.decoder_width=64"), "leaves no patch visible"));
    assert_non_null(strstr(refusal(32, 8, "mae.mask_ratio=0.75", "mae.decoder_width=40"), "a multiple of 4 and of"));
    assert_null(refusal(32, 8, "mae.mask_ratio=0.01", "mae.decoder_width=64"));
}

/* Of the configuration that a run would record. */
static void expect_decoder(const char *backbone, const char *option, int width, int depth, int heads)
{
    char *set_backbone = px_format("backbone=%s", backbone);
    const char *given[] = {"method=mae", set_backbone, option};
    px_settings s;
    px_task task;
    const px_dataset_info info = {.height = 224, .width = 224, .channels = 3, .std = {1, 1, 1}};
    assert_int_equal(px_settings_load(&s, NULL, given, 3), 0);
    assert_int_equal(px_task_of(&task, &s, &info, false, 8, 1), 0);
    assert_null(s.method->check(s.method_cfg, &task, s.backbone));
    char *text = px_config_text(s.config),
         *keys[] = {px_format("decoder_width = %d;", width), px_format("decoder_depth = %d;", depth),
                    px_format("decoder_heads = %d;", heads)};
    for (int i = 0; i < 3; i++) {
        if (!strstr(text, keys[i]))
            fail_msg("%s, %s: not '%s' in %s", backbone, option, keys[i], text);
        free(keys[i]);
    }
    free(text);
    free(set_backbone);
    px_settings_finish(&s);
}

static void the_decoder_fits_the_encoder(void **state)
{
    (void)state;
    expect_decoder("vit_tiny_16", "seed=1", 96, 4, 3);
    expect_decoder("vit_small_16", "seed=1", 192, 4, 6);
    expect_decoder("vit_base_16", "seed=1", 512, 8, 16); /* the paper's */
    expect_decoder("vit_large_16", "seed=1", 512, 8, 16);
    expect_decoder("vit_tiny_16", "mae.decoder_width=512", 512, 4, 16);
    expect_decoder("vit_tiny_16", "mae.decoder_depth=8", 96, 8, 3);
    expect_decoder("vit_tiny_16", "mae.decoder_heads=2", 96, 4, 2);
    expect_decoder("vit_tiny_16", "mae.decoder_width=200", 200, 4, 5); /* 200 is no multiple of 6 */
    expect_decoder("vit_tiny_16", "mae.decoder_width=40", 40, 4, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(number_of_visible_patches),
                                       cmocka_unit_test(masks_say_the_same),
                                       cmocka_unit_test(each_sample_has_its_own),
                                       cmocka_unit_test(masks_are_uniform),
                                       cmocka_unit_test(the_image_itself),
                                       cmocka_unit_test(what_cannot_work),
                                       cmocka_unit_test(the_decoder_fits_the_encoder)};
    return cmocka_run_group_tests_name("mae", tests, NULL, NULL);
}
