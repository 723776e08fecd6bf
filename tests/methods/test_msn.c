/* test_msn.c - MSN's views: a recipe's small crops by default, as many visible patches as the official code keeps, none
 * twice; what is refused. Loss and gradients are compared with PyTorch in mpi_fixtures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

static px_task task_of(int image_size, int patch)
{
    return (px_task){.image_size = image_size, .channels = 3, .patch = patch, .augment = true, .batch = 2, .ranks = 1};
}

static void number_of_visible_patches(void **state)
{
    (void)state;
    const struct {
        int size, patch;
        const char *drop;
        int visible;
    } cases[] = {{224, 16, "msn.drop=0.15", 166}, {32, 4, "msn.drop=0.15", 54}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene c;
        scene_start(&c, task_of(cases[i].size, cases[i].patch), (const char *[]){"method=msn", cases[i].drop, NULL});
        assert_int_equal(scene_elements(&c, "visible"), cases[i].visible);
        assert_int_equal(c.views.view[scene_place(&c, "small")].copies, 10);
        scene_stop(&c);
    }
}

static void visible_patches_are_apart(void **state)
{
    (void)state;
    static uint8_t bytes[32 * 32 * 3];
    const px_image picture = {.pixels = bytes, .height = 32, .width = 32, .channels = 3};
    for (int small = 0; small < 2; small++) {
        scene c;
        scene_start(&c, task_of(32, 4),
                    (const char *[]){"method=msn", small ? "msn.small_crops=1" : "msn.small_crops=0", NULL});
        const int32_t *visible = scene_view(&c, "visible");
        for (uint64_t sample = 0; sample < 50; sample++) {
            bool seen[64] = {false};
            scene_make(&c, &picture, 1, sample);
            for (int k = 0; k < 54; k++) {
                assert_in_range(visible[k], 0, 63);
                assert_false(seen[visible[k]]);
                seen[visible[k]] = true;
            }
        }
        scene_stop(&c);
    }
}

static void all_patches_can_stay(void **state)
{
    (void)state;
    scene c;
    scene_start(&c, task_of(32, 4), (const char *[]){"method=msn", "msn.drop=0", NULL});
    assert_int_equal(c.views.count, 2); /* the views and the small crops */
    scene_stop(&c);
}

static void something_must_be_visible(void **state)
{
    (void)state;
    const struct {
        int size, patch;
        const char *text;
    } cases[] = {{32, 16,
                  "msn.drop leaves no patch; a smaller one, larger images (data.image_size) or a backbone of "
                  "smaller patches would"},
                 {64, 4, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        px_settings s;
        px_task task = task_of(cases[i].size, cases[i].patch);
        const char *given[] = {"method=msn", "msn.drop=0.9", "msn.small_crops=0"};
        assert_int_equal(px_settings_load(&s, NULL, given, 3), 0);
        const char *why = s.method->check(s.method_cfg, &task, s.backbone);
        assert_true(why ? cases[i].text && strcmp(why, cases[i].text) == 0 : !cases[i].text);
        px_settings_finish(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_of_visible_patches), cmocka_unit_test(visible_patches_are_apart),
        cmocka_unit_test(all_patches_can_stay), cmocka_unit_test(something_must_be_visible)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
