/* test_colorization.c - the lightness and the colours of a picture of two colours, and of a gray one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/lab.h"
#include "scene.h"

#include <math.h>

enum { S = 16, N = S * S, CELLS = 16, NEAREST = PX_COLOUR_NEAREST };

static uint8_t bytes[3 * N];
static const px_image picture = {.pixels = bytes, .height = S, .width = S, .channels = 3};
static const float mean[3] = {0.1f, 0.2f, 0.3f}, std[3] = {0.5f, 0.25f, 0.2f};

/* The left half has the first colour, the right one the second. */
static scene look(const uint8_t left[3], const uint8_t right[3])
{
    scene c;
    for (int i = 0; i < 3 * N; i++)
        bytes[i] = (i / 3 % S < S / 2 ? left : right)[i % 3];
    scene_start(&c, (px_task){.image_size = S, .channels = 3, .mean = mean, .std = std},
                (const char *[]){"method=colorization", NULL});
    scene_make(&c, &picture, 1, 0);
    return c;
}

static px_lab lab_of(const uint8_t c[3])
{
    return px_lab_of((float)c[0] / 255, (float)c[1] / 255, (float)c[2] / 255);
}

static void two_colours(void **state)
{
    (void)state;
    const uint8_t half[2][3] = {{200, 40, 40}, {30, 60, 220}};
    scene c = look(half[0], half[1]);
    const float *lightness = scene_view(&c, "lightness"), *shares = scene_view(&c, "shares"),
                *colours = scene_view(&c, "colours");
    const int32_t *bins = scene_view(&c, "bins"), *nearest = scene_view(&c, "nearest");
    float expected_colours[PX_COLOUR_BINS] = {0};
    for (int i = 0; i < 3 * N; i++) {
        float expected = (lab_of(half[i % S >= S / 2]).l / 100 - mean[i / N]) / std[i / N];
        assert_true(fabsf(lightness[i] - expected) < 1e-3f);
    }
    for (int cell = 0; cell < CELLS; cell++) {
        int32_t bin[NEAREST];
        float share[NEAREST];
        px_colour_encode(lab_of(half[cell % 4 >= 2]), bin, share);
        assert_int_equal(nearest[cell], bin[0]);
        assert_memory_equal(bins + (size_t)cell * NEAREST, bin, sizeof bin);
        for (int k = 0; k < NEAREST; k++) {
            assert_true(fabsf(shares[cell * NEAREST + k] - share[k]) < 1e-3f);
            expected_colours[bin[k]] += share[k] / CELLS;
        }
    }
    for (int q = 0; q < PX_COLOUR_BINS; q++)
        assert_true(fabsf(colours[q] - expected_colours[q]) < 1e-3f);
    scene_stop(&c);
}

/* Neither its loss nor its colours count. */
static void gray(void **state)
{
    (void)state;
    scene c = look((const uint8_t[]){90, 90, 90}, (const uint8_t[]){210, 208, 210});
    const float *shares = scene_view(&c, "shares"), *colours = scene_view(&c, "colours");
    for (int i = 0; i < CELLS * NEAREST; i++)
        assert_true(shares[i] == 0);
    for (int q = 0; q < PX_COLOUR_BINS; q++)
        assert_true(colours[q] == 0);
    scene_stop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_colours), cmocka_unit_test(gray)};
    return cmocka_run_group_tests_name("colorization", tests, NULL, NULL);
}
