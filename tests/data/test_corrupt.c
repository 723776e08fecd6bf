/* test_corrupt.c - spoilt images: blur, brightness and JPEG against scikit-image and Pillow, noise against its distribution. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "corrupt_fixtures.h"
#include "data/corrupt.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = 16, COUNT = 3 * SIDE * SIDE };

/* make_corrupt_fixtures.py fills its image by the same formula. */
static px_plane scene(float *data)
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                data[(c * SIDE + y) * SIDE + x] =
                    (float)((9 * y * y + 5 * x * y + 13 * x + 41 * c * (x + 2) + 7 * y) % 256) / 255;
    return (px_plane){data, 3, SIDE};
}

/* Levels of 255 that differ: how many, and by how much at most. */
static void near(const px_corruption how, const uint8_t *expected, int differ, int most)
{
    float data[COUNT];
    px_plane p = scene(data);
    px_rng rng = px_rng_make(1, PX_RNG_TEST, 0, 0);
    px_corrupt(&how, &p, &rng);
    int different = 0, largest = 0;
    for (int i = 0; i < COUNT; i++) {
        double level = 255 * (double)data[i];
        assert_true(fabs(level - round(level)) < 1e-3); /* of 8 bits */
        int by = abs((int)lround(level) - expected[i]);
        different += by > 0;
        largest = by > largest ? by : largest;
    }
    if (different > differ || largest > most)
        fail_msg("%s %d: %d of %d values differ, by up to %d", px_corruption_names[how.kind], how.strength, different,
                 COUNT, largest);
}

static void blur_is_that_of_scikit_image(void **state)
{
    (void)state;
    near((px_corruption){PX_CORRUPT_BLUR, 1, PX_CORRUPT_CIFAR}, blur_cifar_1, 2, 1);
    near((px_corruption){PX_CORRUPT_BLUR, 5, PX_CORRUPT_CIFAR}, blur_cifar_5, 2, 1);
    near((px_corruption){PX_CORRUPT_BLUR, 3, PX_CORRUPT_IMAGENET}, blur_imagenet_3, 2, 1);
}

static void brightness_is_that_of_scikit_image(void **state)
{
    (void)state;
    near((px_corruption){PX_CORRUPT_BRIGHTNESS, 5, PX_CORRUPT_CIFAR}, brightness_cifar_5, 8, 1);
    near((px_corruption){PX_CORRUPT_BRIGHTNESS, 1, PX_CORRUPT_IMAGENET}, brightness_imagenet_1, 8, 1);
}

static void jpeg_is_that_of_pillow(void **state)
{
    (void)state;
    near((px_corruption){PX_CORRUPT_JPEG, 3, PX_CORRUPT_CIFAR}, jpeg_cifar_3, 24, 2); /* other versions of libjpeg */
    near((px_corruption){PX_CORRUPT_JPEG, 5, PX_CORRUPT_IMAGENET}, jpeg_imagenet_5, 24, 2);
}

static void noise_has_its_deviation(void **state)
{
    (void)state;
    enum { LARGE = 128 };
    static float data[3 * LARGE * LARGE];
    px_plane p = {data, 3, LARGE};
    for (int strength = 1; strength <= PX_STRENGTHS; strength++) {
        const px_corruption how = {PX_CORRUPT_NOISE, strength, PX_CORRUPT_CIFAR};
        px_rng rng = px_rng_make(3, PX_RNG_TEST, (uint64_t)strength, 0);
        double sum = 0, square = 0, n = 3 * LARGE * LARGE;
        for (int i = 0; i < 3 * LARGE * LARGE; i++)
            data[i] = 128.0f / 255;
        px_corrupt(&how, &p, &rng);
        for (int i = 0; i < 3 * LARGE * LARGE; i++) {
            double by = (double)data[i] - 128.0 / 255;
            sum += by;
            square += by * by;
        }
        double mean = sum / n, deviation = sqrt(square / n - mean * mean), wanted = px_corruption_amount(&how);
        assert_true(fabs(mean + 0.5 / 255) < 5 * wanted / sqrt(n)); /* cut, not rounded */
        assert_true(fabs(deviation / wanted - 1) < 0.02);
    }
}

static void gray_images_and_black_pixels(void **state)
{
    (void)state;
    for (int k = 0; k < PX_CORRUPTIONS; k++) {
        const px_corruption how = {(px_corruption_kind)k, 3, PX_CORRUPT_CIFAR};
        float data[64] = {0};
        px_plane p = {data, 1, 8};
        px_rng rng = px_rng_make(3, PX_RNG_TEST, 9, 0);
        px_corrupt(&how, &p, &rng);
        for (int i = 0; i < 64; i++)
            assert_true(data[i] >= 0 && data[i] <= 1);
        if (k == PX_CORRUPT_BRIGHTNESS)
            assert_true(fabsf(data[0] - 38.0f / 255) < 1e-6f); /* 0.15 of 255, cut */
        else if (k != PX_CORRUPT_NOISE)
            assert_true(data[0] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blur_is_that_of_scikit_image), cmocka_unit_test(brightness_is_that_of_scikit_image),
        cmocka_unit_test(jpeg_is_that_of_pillow), cmocka_unit_test(noise_has_its_deviation),
        cmocka_unit_test(gray_images_and_black_pixels)};
    return cmocka_run_group_tests_name("corrupt", tests, NULL, NULL);
}
