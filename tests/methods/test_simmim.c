/* test_simmim.c - SimMIM's masks: whole squares, as many as asked for, each as often as any other; the two tensors agree; what is
 * refused. Loss and gradients are compared with PyTorch in mpi_fixtures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"
#include "train/model.h"

#include <math.h>

enum { SIDE = 32, PATCH = 4, ROWS = SIDE / PATCH, T = ROWS * ROWS };

static uint8_t bytes[SIDE * SIDE * 3];
static const px_image picture = {.pixels = bytes, .height = SIDE, .width = SIDE, .channels = 3};

static px_task task_of(int image_size, int patch)
{
    return (px_task){.image_size = image_size, .channels = 3, .patch = patch};
}

static void number_of_hidden_patches(void **state)
{
    (void)state;
    const struct {
        int size, patch;
        const char *side, *ratio;
        int hidden;
    } cases[] = {{224, 16, "simmim.mask_size=0", "simmim.mask_ratio=0.6", 120}, /* 30 of 49 squares of 4 patches */
                 {224, 16, "simmim.mask_size=32", "simmim.mask_ratio=0.6", 120},
                 {224, 16, "simmim.mask_size=16", "simmim.mask_ratio=0.6", 118},
                 {192, 16, "simmim.mask_size=0", "simmim.mask_ratio=0.6", 88}, /* 22 of 36 squares of 4 patches */
                 {32, 4, "simmim.mask_size=0", "simmim.mask_ratio=0.6", 39},
                 {32, 4, "simmim.mask_size=16", "simmim.mask_ratio=0.6", 48},
                 {32, 4, "simmim.mask_size=0", "simmim.mask_ratio=1", 64}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene c;
        scene_start(&c, task_of(cases[i].size, cases[i].patch),
                    (const char *[]){"method=simmim", cases[i].side, cases[i].ratio, NULL});
        assert_int_equal(scene_elements(&c, "hidden"), cases[i].hidden);
        scene_stop(&c);
    }
}

/* Squares of two by two patches; within five standard deviations of a uniform choice of 10 of 16. */
static void masks_are_squares(void **state)
{
    enum { SAMPLES = 2000, HIDDEN = 40 };
    (void)state;
    scene c;
    int seen[T] = {0};
    scene_start(&c, task_of(SIDE, PATCH), (const char *[]){"method=simmim", "simmim.mask_size=8", NULL});
    const float *mask = scene_view(&c, "mask");
    const int32_t *hidden = scene_view(&c, "hidden");
    for (uint64_t sample = 0; sample < SAMPLES; sample++) {
        int found = 0;
        scene_make(&c, &picture, 1, sample);
        for (int t = 0; t < T; t++) {
            int corner = t / ROWS / 2 * 2 * ROWS + t % ROWS / 2 * 2;
            assert_true(mask[t] == 0 || mask[t] == 1);
            assert_true(mask[t] == mask[corner]);
            if (mask[t] == 1) {
                assert_int_equal(hidden[found++], t);
                seen[t]++;
            }
        }
        assert_int_equal(found, HIDDEN);
    }
    double p = 10.0 / 16, room = 5 * sqrt(SAMPLES * p * (1 - p));
    for (int t = 0; t < T; t++)
        assert_true(fabs(seen[t] - SAMPLES * p) < room);
    scene_stop(&c);
}

static void squares_must_fit(void **state)
{
    (void)state;
    static const char *const sides[] = {"simmim.mask_size=6", "simmim.mask_size=12", "simmim.mask_size=64"};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        px_settings s;
        px_task task = task_of(SIDE, PATCH);
        assert_int_equal(px_settings_load(&s, NULL, (const char *[]){"method=simmim", sides[i]}, 2), 0);
        const char *why = s.method->check(s.method_cfg, &task, s.backbone);
        assert_non_null(why);
        assert_non_null(strstr(why, "simmim.mask_size must be whole patches"));
        px_settings_finish(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(number_of_hidden_patches), cmocka_unit_test(masks_are_squares),
                                       cmocka_unit_test(squares_must_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
