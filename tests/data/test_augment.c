/* test_augment.c - views against torchvision's results, against direct formulas in double, and against properties of
 * every filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "augment_fixtures.h"
#include "base/error.h"
#include "data/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static void assert_near(const float *got, const float *want, int n, double tolerance)
{
    for (int i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance))
            fail_msg("value %d of %d is %.7f, not %.7f", i, n, (double)got[i], (double)want[i]);
}

/* The image of make_augment_fixtures.py. */
static px_image fixture_image(void)
{
    enum { HEIGHT = 11, WIDTH = 13 };
    static uint8_t pixels[HEIGHT * WIDTH * 3];
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < 3; c++)
                pixels[(y * WIDTH + x) * 3 + c] =
                    (uint8_t)((37 * y * y + 13 * x * y + 29 * x + 101 * c * (x + 2) + 64 * y) % 256);
    return (px_image){.pixels = pixels, .height = HEIGHT, .width = WIDTH, .channels = 3};
}

/* A new image of random bytes; free its pixels. */
static px_image random_image(px_rng *rng, int height, int width, int channels)
{
    size_t n = (size_t)height * (size_t)width * (size_t)channels;
    uint8_t *pixels = px_calloc(n, 1);
    for (size_t i = 0; i < n; i++)
        pixels[i] = (uint8_t)px_rng_below(rng, 256);
    return (px_image){.pixels = pixels, .height = height, .width = width, .channels = channels};
}

static px_rng test_rng(uint64_t which)
{
    return px_rng_make(1, PX_RNG_TEST, which, 0);
}

static void resize_as_torchvision(void **state)
{
    (void)state;
    px_image image = fixture_image();
    px_scratch scratch = {0};
    float out[3 * 6 * 6];
    px_plane small = {out, 3, 4}, large = {out, 3, 6};
    px_crop all = {1, 1, 9, 11}, few = {2, 3, 3, 4};
    px_resize(&small, &image, all, false, PX_BILINEAR, &scratch);
    assert_near(out, bilinear_shrunk, COUNT(bilinear_shrunk), 2e-6);
    px_resize(&large, &image, few, false, PX_BILINEAR, &scratch);
    assert_near(out, bilinear_enlarged, COUNT(bilinear_enlarged), 2e-6);
    px_resize(&small, &image, all, false, PX_BICUBIC, &scratch);
    assert_near(out, bicubic_shrunk, COUNT(bicubic_shrunk), 2e-6);
    px_resize(&large, &image, few, false, PX_BICUBIC, &scratch);
    assert_near(out, bicubic_enlarged, COUNT(bicubic_enlarged), 2e-6);
    px_scratch_finish(&scratch);
}

static void color_as_torchvision(void **state)
{
    (void)state;
    static const struct {
        void (*change)(px_plane *, float);
        float amount;
        const float *want;
    } cases[] = {{px_brightness, 1.4f, brighter},
                 {px_contrast, 0.6f, flatter},
                 {px_saturation, 1.7f, saturated},
                 {px_hue, 0.2f, hue_up},
                 {px_hue, -0.4f, hue_down}};
    float data[COUNT(plane)];
    px_plane p = {data, 3, 4};
    for (int i = 0; i < COUNT(cases); i++) {
        memcpy(data, plane, sizeof data);
        cases[i].change(&p, cases[i].amount);
        assert_near(data, cases[i].want, COUNT(plane), 2e-6);
    }
    memcpy(data, plane, sizeof data);
    px_gray(&p);
    assert_near(data, gray, COUNT(gray), 1e-6);
}

static void blur_as_torchvision(void **state)
{
    (void)state;
    px_scratch scratch = {0};
    float data[COUNT(blur_source)];
    px_plane p = {data, 1, 6};
    memcpy(data, blur_source, sizeof data);
    px_blur(&p, 0.8f, 4, &scratch); /* made odd: 5 */
    assert_near(data, blurred_5, COUNT(data), 1e-6);
    memcpy(data, blur_source, sizeof data);
    px_blur(&p, 2, 11, &scratch);
    assert_near(data, blurred_11, COUNT(data), 1e-6);
    memcpy(data, blur_source, sizeof data);
    px_blur(&p, 2, 99, &scratch); /* limited to what can be reflected: 11 again */
    assert_near(data, blurred_11, COUNT(data), 1e-6);
    px_scratch_finish(&scratch);
}

/* ---- resampling against the direct formula ---- */

static double reference_kernel(px_filter filter, double x)
{
    x = fabs(x);
    if (filter == PX_BILINEAR)
        return x < 1 ? 1 - x : 0;
    return x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1 : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

/* Weight of source pixel `k` for output `i`, not normalised: pixels that the crop does not touch do not count. */
static double reference_weight(px_filter filter, double start, double length, int size, int i, int k)
{
    double scale = length / size, reach = (filter == PX_BILINEAR ? 1 : 2) * fmax(scale, 1);
    double at = start + (i + 0.5) * scale - (k + 0.5);
    bool within = k >= floor(start + 1e-3) && k < ceil(start + length - 1e-3) && fabs(at) <= reach;
    return within ? reference_kernel(filter, at / fmax(scale, 1)) : 0;
}

static double pixel(const px_image *image, int y, int x, int c, int channels)
{
    const uint8_t *p = image->pixels + (y * image->width + x) * image->channels;
    if (image->channels == 3 && channels == 1)
        return (0.2989 * p[0] + 0.587 * p[1] + 0.114 * p[2]) / 255;
    return p[image->channels == 1 ? 0 : c] / 255.0;
}

static double reference(const px_image *image, px_crop crop, px_filter filter, const px_plane *p, int c, int i, int j)
{
    double total = 0, weights = 0;
    for (int y = 0; y < image->height; y++) {
        double wy = reference_weight(filter, (double)crop.top, (double)crop.height, p->size, i, y);
        for (int x = 0; wy != 0 && x < image->width; x++) {
            double w = wy * reference_weight(filter, (double)crop.left, (double)crop.width, p->size, j, x);
            total += w * pixel(image, y, x, c, p->channels);
            weights += w;
        }
    }
    return fmin(fmax(total / weights, 0), 1);
}

static void resize_as_formula(void **state)
{
    (void)state;
    px_rng rng = test_rng(1);
    px_scratch scratch = {0};
    for (int round = 0; round < 60; round++) {
        px_image image = random_image(&rng, 1 + (int)px_rng_below(&rng, 40), 1 + (int)px_rng_below(&rng, 40),
                                      round % 3 == 0 ? 1 : 3);
        px_crop crop = px_crop_random(&rng, &image, 0.05f, 1, 0.5f, 2);
        if (round % 2) { /* crops between the pixels */
            crop.height *= 0.77f;
            crop.width *= 0.77f;
            crop.top += 0.21f * crop.height;
            crop.left += 0.13f * crop.width;
        }
        bool flip = round % 5 < 2;
        px_filter filter = round % 4 < 2 ? PX_BILINEAR : PX_BICUBIC;
        px_plane p = {NULL, round % 7 < 3 ? 1 : 3, 1 + (int)px_rng_below(&rng, 24)};
        p.data = px_calloc((size_t)(p.channels * p.size * p.size), sizeof(float));
        px_resize(&p, &image, crop, flip, filter, &scratch);
        for (int c = 0; c < p.channels; c++)
            for (int i = 0; i < p.size; i++)
                for (int j = 0; j < p.size; j++) {
                    float want = (float)reference(&image, crop, filter, &p, c, i, flip ? p.size - 1 - j : j);
                    assert_near(&p.data[(c * p.size + i) * p.size + j], &want, 1, 1e-5);
                }
        free(p.data);
        free((void *)image.pixels);
    }
    px_scratch_finish(&scratch);
}

static void whole_image_is_itself(void **state)
{
    (void)state;
    px_rng rng = test_rng(2);
    px_scratch scratch = {0};
    enum { SIZE = 21 };
    px_image image = random_image(&rng, SIZE, SIZE, 3);
    float data[3 * SIZE * SIZE], want;
    px_plane p = {data, 3, SIZE};
    for (int flip = 0; flip < 2; flip++)
        for (int filter = PX_BILINEAR; filter <= PX_BICUBIC; filter++) {
            px_resize(&p, &image, px_crop_whole(&image), flip, (px_filter)filter, &scratch);
            for (int i = 0; i < 3 * SIZE * SIZE; i++) {
                int c = i / (SIZE * SIZE), y = i / SIZE % SIZE, x = flip ? SIZE - 1 - i % SIZE : i % SIZE;
                want = image.pixels[(y * SIZE + x) * 3 + c] / 255.0f;
                assert_near(&data[i], &want, 1, 1e-6);
            }
        }
    free((void *)image.pixels);
    px_scratch_finish(&scratch);
}

static void constant_stays_constant(void **state)
{
    (void)state;
    px_rng rng = test_rng(3);
    px_scratch scratch = {0};
    enum { SIZE = 19 };
    uint8_t pixels[50 * 30 * 3];
    memset(pixels, 77, sizeof pixels);
    px_image image = {.pixels = pixels, .height = 50, .width = 30, .channels = 3};
    float data[3 * SIZE * SIZE], want[3 * SIZE * SIZE];
    px_plane p = {data, 3, SIZE};
    for (int i = 0; i < COUNT(want); i++)
        want[i] = 77 / 255.0f;
    for (int round = 0; round < 20; round++) {
        px_crop crop = px_crop_random(&rng, &image, 0.08f, 1, 0.75f, 4 / 3.0f);
        px_resize(&p, &image, crop, false, round % 2 ? PX_BICUBIC : PX_BILINEAR, &scratch);
        assert_near(data, want, COUNT(want), 1e-6);
        px_blur(&p, px_rng_range(&rng, 0.1f, 2), 1 + round, &scratch);
        assert_near(data, want, COUNT(want), 1e-6);
    }
    px_saturation(&p, 0.3f);
    px_hue(&p, 0.3f);
    assert_near(data, want, COUNT(want), 3e-5); /* the luma weights sum to 0.9999 */
    px_scratch_finish(&scratch);
}

/* ---- crops ---- */

static void random_crops(void **state)
{
    (void)state;
    enum { CROPS = 4000 };
    px_rng rng = test_rng(4);
    px_image image = {.height = 120, .width = 160, .channels = 3};
    double area = 0, log_ratio = 0, least = 1, most = 0;
    for (int i = 0; i < CROPS; i++) {
        px_crop c = px_crop_random(&rng, &image, 0.2f, 0.6f, 0.75f, 4 / 3.0f);
        assert_true(c.top >= 0 && c.left >= 0 && c.height >= 1 && c.width >= 1);
        assert_true(c.top + c.height <= 120 && c.left + c.width <= 160);
        assert_true(c.top == floorf(c.top) && c.left == floorf(c.left));
        assert_true(c.height == floorf(c.height) && c.width == floorf(c.width));
        double share = (double)(c.height * c.width) / (120 * 160);
        assert_true(share > 0.195 && share < 0.61);
        assert_true(c.width / c.height > 0.73f && c.width / c.height < 1.37f);
        area += share / CROPS;
        log_ratio += log((double)(c.width / c.height)) / CROPS;
        least = fmin(least, share);
        most = fmax(most, share);
    }
    assert_true(fabs(area - 0.4) < 0.01 && least < 0.21 && most > 0.58);
    assert_true(fabs(log_ratio) < 0.02); /* log-uniform and symmetric: as many wide as high */
}

static void crops_as_torchvision(void **state)
{
    (void)state;
    px_rng rng = test_rng(5);
    px_image wide = {.height = 10, .width = 100, .channels = 3}, high = {.height = 101, .width = 10, .channels = 3};
    px_crop c = px_crop_random(&rng, &wide, 0.95f, 1, 3.0f / 4, 4.0f / 3);
    assert_near((float[]){c.top, c.left, c.height, c.width}, fallback_wide, 4, 0);
    c = px_crop_random(&rng, &high, 0.95f, 1, 3.0f / 4, 4.0f / 3);
    assert_near((float[]){c.top, c.left, c.height, c.width}, fallback_high, 4, 0);
    c = px_crop_center(&high, 1);
    assert_near((float[]){c.top, c.left, c.height, c.width}, (float[]){46, 0, 10, 10}, 4, 0);
    c = px_crop_center(&wide, 0.875f);
    assert_near((float[]){c.top, c.left, c.height, c.width}, (float[]){1, 46, 9, 9}, 4, 1);
}

/* ---- colours ---- */

static void hue_turns(void **state)
{
    (void)state;
    px_rng rng = test_rng(6);
    enum { SIZE = 9, AREA = SIZE * SIZE };
    float data[3 * AREA], start[3 * AREA];
    px_plane p = {data, 3, SIZE};
    for (int i = 0; i < 3 * AREA; i++)
        start[i] = px_rng_uniform(&rng);
    memcpy(data, start, sizeof data);
    px_hue(&p, 1);
    assert_near(data, start, 3 * AREA, 1e-6);
    px_hue(&p, 0.3f);
    px_hue(&p, -0.3f);
    assert_near(data, start, 3 * AREA, 2e-5);

    /* a third of a turn moves every channel to the next: red to green to blue */
    px_hue(&p, 1.0f / 3);
    assert_near(data + AREA, start, AREA, 2e-5);
    assert_near(data + 2 * AREA, start + AREA, AREA, 2e-5);
    assert_near(data, start + 2 * AREA, AREA, 2e-5);

    float red[3] = {1, 0, 0};
    px_plane one = {red, 3, 1};
    px_hue(&one, 1.0f / 3);
    assert_near(red, (float[]){0, 1, 0}, 3, 1e-6);
    px_hue(&one, 0.5f);
    assert_near(red, (float[]){1, 0, 1}, 3, 1e-6);
}

/* As PIL's with a threshold of 128 on bytes. */
static void solarizing(void **state)
{
    (void)state;
    float data[12];
    for (int i = 0; i < 12; i++)
        data[i] = (float)(122 + i) / 255;
    px_plane p = {data, 3, 2};
    px_solarize(&p);
    for (int i = 0; i < 12; i++)
        assert_float_equal(data[i] * 255, 122 + i < 128 ? 122 + i : 255 - (122 + i), 1e-4);
}

static void one_channel(void **state)
{
    (void)state;
    float data[4] = {0.1f, 0.2f, 0.3f, 0.8f}, start[4];
    memcpy(start, data, sizeof data);
    px_plane p = {data, 1, 2};
    px_saturation(&p, 0.1f);
    px_hue(&p, 0.4f);
    px_gray(&p);
    assert_near(data, start, 4, 0);
    px_contrast(&p, 0.5f);
    assert_near(data, (float[]){0.225f, 0.275f, 0.325f, 0.575f}, 4, 1e-6);
    px_brightness(&p, 2);
    assert_near(data, (float[]){0.45f, 0.55f, 0.65f, 1}, 4, 1e-6);
    px_normalize(&p, (float[]){0.5f}, (float[]){0.25f});
    assert_near(data, (float[]){-0.2f, 0.2f, 0.6f, 2}, 4, 1e-6);
}

static void large_contrast_mean(void **state)
{
    (void)state;
    enum { SIZE = 300 };
    float *data = px_calloc(SIZE * SIZE, sizeof *data);
    px_plane p = {data, 1, SIZE};
    double mean = 0;
    for (int i = 0; i < SIZE * SIZE; i++) {
        data[i] = (float)(i % 1000) / 1000;
        mean += (double)data[i] / (SIZE * SIZE);
    }
    px_contrast(&p, 0); /* nothing is left but the mean */
    float want = (float)mean;
    assert_near(&data[12345], &want, 1, 1e-6);
    free(data);
}

static void jitter(void **state)
{
    (void)state;
    enum { SIZE = 8, N = 3 * SIZE * SIZE };
    px_image image = fixture_image();
    px_scratch scratch = {0};
    float first[N], again[N], start[N];
    px_plane a = {first, 3, SIZE}, b = {again, 3, SIZE}, s = {start, 3, SIZE};
    px_resize(&s, &image, px_crop_whole(&image), false, PX_BICUBIC, &scratch);
    int different = 0;
    for (uint64_t round = 0; round < 30; round++) {
        px_rng rng = test_rng(100 + round), same = rng;
        memcpy(first, start, sizeof start);
        memcpy(again, start, sizeof start);
        px_color_jitter(&a, &rng, 0.8f, 0.8f, 0.8f, 0.2f);
        px_color_jitter(&b, &same, 0.8f, 0.8f, 0.8f, 0.2f);
        assert_memory_equal(first, again, sizeof first);
        different += memcmp(first, start, sizeof first) != 0;
        for (int i = 0; i < N; i++)
            assert_true(first[i] >= 0 && first[i] <= 1);
    }
    assert_int_equal(different, 30);
    px_rng rng = test_rng(7);
    memcpy(first, start, sizeof start);
    px_color_jitter(&a, &rng, 0, 0, 0, 0);
    assert_memory_equal(first, start, sizeof first);
    px_scratch_finish(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_as_torchvision),
        cmocka_unit_test(color_as_torchvision),
        cmocka_unit_test(blur_as_torchvision),
        cmocka_unit_test(resize_as_formula),
        cmocka_unit_test(whole_image_is_itself),
        cmocka_unit_test(constant_stays_constant),
        cmocka_unit_test(random_crops),
        cmocka_unit_test(crops_as_torchvision),
        cmocka_unit_test(hue_turns),
        cmocka_unit_test(solarizing),
        cmocka_unit_test(one_channel),
        cmocka_unit_test(large_contrast_mean),
        cmocka_unit_test(jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
