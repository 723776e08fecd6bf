/* test_maskfeat.c - MaskFeat's views: as many hidden patches as the paper has, in blocks, the same in both tensors; targets are the
 * histograms of these patches' cells. Loss and gradients are compared with PyTorch in mpi_fixtures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/hog.h"
#include "scene.h"

#include <math.h>

enum { SIDE = 32, PATCH = 8, ROWS = SIDE / PATCH, T = ROWS * ROWS };

static uint8_t bytes[SIDE * SIDE * 3];
static const px_image picture = {.pixels = bytes, .height = SIDE, .width = SIDE, .channels = 3};

static px_task task_of(int image_size, int patch)
{
    return (px_task){.image_size = image_size, .channels = 3, .patch = patch, .augment = true};
}

static void sizes(void **state)
{
    (void)state;
    const struct {
        int size, patch, hidden, width;
    } cases[] = {{224, 16, 78, 108}, {32, 4, 25, 27}, {32, 8, 6, 108}, {96, 16, 14, 108}, {98, 14, 19, 108}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scene c;
        scene_start(&c, task_of(cases[i].size, cases[i].patch), (const char *[]){"method=maskfeat", NULL});
        assert_int_equal(scene_elements(&c, "hidden"), cases[i].hidden);
        assert_int_equal(scene_elements(&c, "hog"), cases[i].hidden * cases[i].width);
        scene_stop(&c);
    }
}

/* Each patch is hidden sometimes; neighbours of hidden ones more often than others. */
static void masks_are_blocks(void **state)
{
    enum { SAMPLES = 500, PATCHES = 64, SIDES = 8, HIDDEN = 25 };
    (void)state;
    scene c;
    int seen[PATCHES] = {0}, pairs = 0;
    scene_start(&c, task_of(SIDE, 4), (const char *[]){"method=maskfeat", NULL});
    const float *mask = scene_view(&c, "mask");
    const int32_t *hidden = scene_view(&c, "hidden");
    for (uint64_t sample = 0; sample < SAMPLES; sample++) {
        int found = 0;
        scene_make(&c, &picture, 1, sample);
        for (int t = 0; t < PATCHES; t++) {
            assert_true(mask[t] == 0 || mask[t] == 1);
            if (mask[t] > 0) {
                assert_int_equal(hidden[found++], t);
                seen[t]++;
                pairs += t % SIDES < SIDES - 1 && mask[t + 1] > 0;
            }
        }
        assert_int_equal(found, HIDDEN);
    }
    for (int t = 0; t < PATCHES; t++)
        assert_true(seen[t] > SAMPLES / 20 && seen[t] < SAMPLES * 3 / 4);
    double by_chance = SAMPLES * 56.0 * 25 / 64 * 24 / 63;
    assert_true(pairs > 1.4 * by_chance);
    scene_stop(&c);
}

/* Four cells of 4 px a patch: (channel, direction, row, column). */
static void targets_are_histograms_of_the_hidden_patches(void **state)
{
    (void)state;
    enum { CELL = 4, CELLS = SIDE / CELL, BINS = 9, WIDTH = 3 * BINS * 4 };
    static float all[CELLS * CELLS * 3 * BINS];
    scene c;
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        bytes[i] = (uint8_t)(i * i / 7 + 31 * i);
    scene_start(&c, task_of(SIDE, PATCH), (const char *[]){"method=maskfeat", NULL});
    scene_make(&c, &picture, 1, 5);
    const int32_t *hidden = scene_view(&c, "hidden");
    const float *target = scene_view(&c, "hog");
    px_plane plane = {(float *)scene_view(&c, "image"), 3, SIDE};
    px_hog_by_channel(&(px_hog){.cell = CELL, .orientations = BINS}, &plane, all);
    for (int m = 0; m < scene_elements(&c, "hidden"); m++)
        for (int channel = 0; channel < 3; channel++)
            for (int bin = 0; bin < BINS; bin++)
                for (int at = 0; at < 4; at++) {
                    int row = 2 * (hidden[m] / ROWS) + at / 2, column = 2 * (hidden[m] % ROWS) + at % 2;
                    float expected = all[((row * CELLS + column) * 3 + channel) * BINS + bin];
                    assert_true(target[m * WIDTH + (channel * BINS + bin) * 4 + at] == expected);
                }
    scene_stop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(masks_are_blocks),
                                       cmocka_unit_test(targets_are_histograms_of_the_hidden_patches)};
    return cmocka_run_group_tests_name("maskfeat", tests, NULL, NULL);
}
