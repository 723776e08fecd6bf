/* test_rotation.c - the turns of a picture whose pixels encode their places: all four, or one at random with its number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

#include <math.h>

enum { S = 16, N = S * S, TURNS = 4 };

static uint8_t bytes[N * 3];
static const px_image picture = {.pixels = bytes, .height = S, .width = S, .channels = 3};

/* Red is the row, green the column. */
static scene look(const char *turns, bool augment)
{
    for (int i = 0; i < N; i++) {
        bytes[3 * i] = (uint8_t)(i / S);
        bytes[3 * i + 1] = (uint8_t)(i % S);
    }
    scene c;
    scene_start(&c, (px_task){.image_size = S, .channels = 3, .augment = augment},
                (const char *[]){"method=rotation", turns, NULL});
    return c;
}

/* The number of quarter turns counter-clockwise after which the plain picture is x; -1: none. */
static int turns_of(const float *x)
{
    for (int k = 0; k < TURNS; k++) {
        bool same = true;
        for (int i = 0; same && i < N; i++) {
            /* A turn brings (row, column) to (S - 1 - column, row). */
            int row = i / S, column = i % S, to_row = row, to_column = column;
            for (int t = 0; t < k; t++) {
                int before = to_row;
                to_row = S - 1 - to_column;
                to_column = before;
            }
            int at = to_row * S + to_column;
            same = fabsf(x[at] * 255 - (float)row) < 1e-3f && fabsf(x[N + at] * 255 - (float)column) < 1e-3f;
        }
        if (same)
            return k;
    }
    return -1;
}

static void all_four(void **state)
{
    (void)state;
    scene c = look("rotation.turns=all", false);
    scene_make(&c, &picture, 1, 0);
    const float *turned = scene_view(&c, "turned");
    for (int k = 0; k < TURNS; k++)
        assert_int_equal(turns_of(turned + (size_t)k * 3 * N), k);
    scene_stop(&c);
}

static void one_with_its_number(void **state)
{
    (void)state;
    scene c = look("rotation.turns=one", false);
    int count[TURNS] = {0};
    for (uint64_t sample = 0; sample < 200; sample++) {
        scene_make(&c, &picture, 1, sample);
        int32_t number = *(const int32_t *)scene_view(&c, "turn");
        assert_int_equal(turns_of(scene_view(&c, "turned")), number);
        count[number]++;
    }
    for (int k = 0; k < TURNS; k++)
        assert_in_range(count[k], 25, 75); /* 50 +- 4 deviations */
    scene_stop(&c);
}

/* What is turned is a random crop, the same in all copies. */
static void turns_of_one_crop(void **state)
{
    (void)state;
    scene c = look("rotation.turns=all", true);
    scene_make(&c, &picture, 3, 0);
    const float *turned = scene_view(&c, "turned");
    assert_int_equal(turns_of(turned), -1);
    for (int k = 1; k < TURNS; k++)
        for (int i = 0; i < 3 * N; i++) {
            int channel = i / N, row = i / S % S, column = i % S;
            float before = turned[(size_t)(k - 1) * 3 * N + (size_t)i];
            assert_true(turned[(size_t)k * 3 * N + (size_t)(channel * N + (S - 1 - column) * S + row)] == before);
        }
    scene_stop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_four), cmocka_unit_test(one_with_its_number),
                                       cmocka_unit_test(turns_of_one_crop)};
    return cmocka_run_group_tests_name("rotation", tests, NULL, NULL);
}
