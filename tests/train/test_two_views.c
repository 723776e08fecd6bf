/* test_two_views.c - what may differ between the two views of an image, on pictures that show it: one colour, whose crops are all
 * alike, and a chessboard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../methods/scene.h"

#include <math.h>

enum { SIDE = 40, AREA = SIDE * SIDE };

static uint8_t bytes[AREA * 3];
static const px_image picture = {.pixels = bytes, .height = SIDE, .width = SIDE, .channels = 3};
static const int colour[3] = {200, 100, 40};

static void paint(void)
{
    for (int i = 0; i < AREA * 3; i++)
        bytes[i] = (uint8_t)colour[i % 3];
}

/* Views (2, 3, SIDE, SIDE) of BYOL, without whatever is not asked for. */
static const float *look(scene *c, const char *first, const char *second)
{
    scene_start(
        c, (px_task){.image_size = SIDE, .channels = 3, .augment = true},
        (const char *[]){"method=byol", "byol.jitter=0", "byol.gray=0", "byol.solarize=0", first, second, NULL});
    scene_make(c, &picture, 1, 0);
    return scene_view(c, "views");
}

static void only_the_second_is_solarized(void **state)
{
    (void)state;
    scene c;
    paint();
    const float *x = look(&c, "byol.solarize=1", "byol.flip=0");
    for (int i = 0; i < 3 * AREA; i++) {
        float v = (float)colour[i / AREA] / 255;
        assert_float_equal(x[i], v, 1e-3);
        assert_float_equal(x[3 * AREA + i], v < 0.5f ? v : 1 - v, 1e-3);
    }
    scene_stop(&c);
}

/* Mean squared difference of neighbours in a row. */
static double roughness(const float *x)
{
    double sum = 0;
    for (int i = 0; i + 1 < AREA; i++)
        sum += (x[i + 1] - x[i]) * (x[i + 1] - x[i]);
    return sum / AREA;
}

static void the_second_has_its_own_blur(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        bool blurred[2];
    } cases[] = {{"byol.blur=0", "byol.second_blur=1", {false, true}},
                 {"byol.blur=1", "byol.second_blur=0", {true, false}},
                 {"byol.blur=1", "byol.second_blur=-1", {true, true}},
                 {"byol.blur=0", "byol.second_blur=-1", {false, false}}};
    for (int i = 0; i < AREA * 3; i++)
        bytes[i] = (i / 3 % SIDE / 2 + i / 3 / SIDE / 2) % 2 ? 255 : 0;
    scene plain;
    const float *sharp = look(&plain, "byol.blur=0", "byol.flip=0");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene c;
        const float *x = look(&c, cases[i].first, cases[i].second);
        for (int v = 0; v < 2; v++) /* the crops are those of `plain` */
            assert_true((roughness(x + 3 * v * AREA) < 0.97 * roughness(sharp + 3 * v * AREA)) == cases[i].blurred[v]);
        scene_stop(&c);
    }
    scene_stop(&plain);
}

/* jitter_strength=0 changes nothing, and saturation alone keeps the luma (ITU-R 601). */
static void saturation_has_its_own_strength(void **state)
{
    (void)state;
    scene c;
    paint();
    const float *x = look(&c, "byol.jitter=1", "byol.jitter_strength=0"); /* byol.saturation=0.2 */
    float luma[2] = {0.299f * x[0] + 0.587f * x[AREA] + 0.114f * x[2 * AREA],
                     (0.299f * (float)colour[0] + 0.587f * (float)colour[1] + 0.114f * (float)colour[2]) / 255};
    assert_float_equal(luma[0], luma[1], 2e-3);
    assert_true(fabsf(x[0] - (float)colour[0] / 255) > 1e-3f);
    scene_stop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_second_is_solarized),
                                       cmocka_unit_test(the_second_has_its_own_blur),
                                       cmocka_unit_test(saturation_has_its_own_strength)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
