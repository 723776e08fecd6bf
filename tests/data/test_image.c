/* test_image.c - every kind of PNG and JPEG is decoded correctly, and damaged ones are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/image.h"
#include "make_data.h"

enum { H = 19, W = 23, AREA = H * W };

static void check_decodes(blob file, int want, int channels, const uint8_t *expected, int tolerance)
{
    px_image image = {0};
    px_image_about about;
    assert_int_equal(px_image_decode(&image, file.bytes, file.size, (px_image_want){.channels = want}, "x"), 0);
    assert_int_equal(px_image_probe(file.bytes, file.size, &about, "x"), 0);
    assert_int_equal(about.height, H);
    assert_int_equal(about.width, W);
    assert_int_equal(image.height, H);
    assert_int_equal(image.width, W);
    assert_int_equal(image.channels, channels);
    if (want == 0)
        assert_int_equal(about.channels, channels);
    for (int i = 0; i < AREA * channels; i++)
        assert_in_range(image.pixels[i] + 100, expected[i] + 100 - tolerance, expected[i] + 100 + tolerance);
    px_image_finish(&image);
}

static void check_fails(const uint8_t *bytes, size_t size, const char *why)
{
    px_image image = {0};
    assert_int_equal(px_image_decode(&image, bytes, size, (px_image_want){.channels = 3}, "folder/cat.jpg"), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    assert_non_null(strstr(px_error(), "folder/cat.jpg"));
    if (!strstr(px_error(), why))
        fail_msg("'%s' does not say '%s'", px_error(), why);
    px_image_finish(&image);
}

static void png_rgb_and_gray(void **state)
{
    (void)state;
    uint8_t rgb[AREA * 3], gray[AREA], tripled[AREA * 3], luma[AREA];
    fill_pattern(rgb, sizeof rgb, 1);
    fill_pattern(gray, sizeof gray, 2);
    px_pixels_convert(gray, 1, tripled, 3, AREA);
    for (int i = 0; i < AREA; i++)
        luma[i] = (uint8_t)(0.299 * rgb[3 * i] + 0.587 * rgb[3 * i + 1] + 0.114 * rgb[3 * i + 2] + 0.5);
    blob colour = make_png(H, W, 3, rgb), plain = make_png(H, W, 1, gray);
    check_decodes(colour, 0, 3, rgb, 0);
    check_decodes(colour, 3, 3, rgb, 0);
    check_decodes(colour, 1, 1, luma, 1);
    check_decodes(plain, 0, 1, gray, 0);
    check_decodes(plain, 1, 1, gray, 0);
    check_decodes(plain, 3, 3, tripled, 0);
    free(colour.bytes);
    free(plain.bytes);
}

static void png_palette_alpha_16_bit(void **state)
{
    (void)state;
    uint8_t index[AREA], rgba[AREA * 4], deep[AREA * 6], deep_gray[AREA * 2], gray_alpha[AREA * 2], rgb[AREA * 3],
        gray[AREA];
    struct spng_plte palette = {.n_entries = 256};
    fill_pattern(index, sizeof index, 3);
    for (int i = 0; i < 256; i++)
        palette.entries[i] = (struct spng_plte_entry){(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(i * 7), 0};
    for (int i = 0; i < AREA; i++) {
        uint8_t v = index[i], p[] = {v, (uint8_t)(255 - v), (uint8_t)(v * 7)};
        memcpy(rgb + 3 * i, p, 3);
        memcpy(rgba + 4 * i, p, 3);
        rgba[4 * i + 3] = (uint8_t)(i % 256);
        for (int c = 0; c < 3; c++) { /* native byte order; the low byte is lost */
            uint16_t wide = (uint16_t)(p[c] << 8 | 0x12);
            memcpy(deep + 6 * i + 2 * c, &wide, 2);
        }
        uint16_t wide = (uint16_t)(v << 8 | 0x12);
        memcpy(deep_gray + 2 * i, &wide, 2);
        gray_alpha[2 * i] = gray[i] = v;
        gray_alpha[2 * i + 1] = 77;
    }
    blob files[] = {make_png_of(H, W, SPNG_COLOR_TYPE_INDEXED, 8, index, sizeof index, &palette),
                    make_png_of(H, W, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 8, rgba, sizeof rgba, NULL),
                    make_png_of(H, W, SPNG_COLOR_TYPE_TRUECOLOR, 16, deep, sizeof deep, NULL),
                    make_png_of(H, W, SPNG_COLOR_TYPE_GRAYSCALE, 16, deep_gray, sizeof deep_gray, NULL),
                    make_png_of(H, W, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 8, gray_alpha, sizeof gray_alpha, NULL)};
    for (int i = 0; i < 5; i++) {
        check_decodes(files[i], 0, i < 3 ? 3 : 1, i < 3 ? rgb : gray, 0);
        free(files[i].bytes);
    }
}

static void jpeg_colour_spaces(void **state)
{
    (void)state;
    /* Flat colours survive JPEG almost unchanged. */
    uint8_t rgb[AREA * 3], cmyk[AREA * 4], gray[AREA], rgb_of_cmyk[AREA * 3], luma[AREA];
    for (int i = 0; i < AREA; i++) {
        memcpy(rgb + 3 * i, (uint8_t[]){200, 100, 50}, 3);
        memcpy(cmyk + 4 * i, (uint8_t[]){200, 100, 50, 180}, 4);
        memcpy(rgb_of_cmyk + 3 * i, (uint8_t[]){200 * 180 / 255, 100 * 180 / 255, 50 * 180 / 255}, 3);
        gray[i] = 93;
        luma[i] = 124; /* 0.299*200 + 0.587*100 + 0.114*50 */
    }
    blob colour = make_jpeg(H, W, TJPF_RGB, TJSAMP_420, rgb), plain = make_jpeg(H, W, TJPF_GRAY, TJSAMP_GRAY, gray);
    blob ink = make_jpeg(H, W, TJPF_CMYK, TJSAMP_444, cmyk);
    check_decodes(colour, 0, 3, rgb, 3);
    check_decodes(colour, 1, 1, luma, 3);
    check_decodes(plain, 0, 1, gray, 2);
    check_decodes(ink, 0, 3, rgb_of_cmyk, 4);
    free(colour.bytes);
    free(plain.bytes);
    free(ink.bytes);
}

static void truncated_files(void **state)
{
    (void)state;
    uint8_t rgb[AREA * 3];
    fill_pattern(rgb, sizeof rgb, 4);
    blob png = make_png(H, W, 3, rgb), jpeg = make_jpeg(H, W, TJPF_RGB, TJSAMP_444, rgb);
    for (size_t cut = 1; cut < jpeg.size; cut += 97)
        check_fails(jpeg.bytes, cut, "cannot be decoded");
    check_fails(jpeg.bytes, jpeg.size - 40, "Premature end");
    for (size_t cut = 1; cut < png.size - 16; cut += 97)
        check_fails(png.bytes, cut, "cannot be decoded");
    check_fails(png.bytes, 0, "is empty");
    png.bytes[png.size / 2] ^= 0x40;
    check_fails(png.bytes, png.size, "cannot be decoded");
    free(png.bytes);
    free(jpeg.bytes);
}

static void damaged_and_foreign_files(void **state)
{
    (void)state;
    uint8_t rgb[AREA * 3];
    fill_pattern(rgb, sizeof rgb, 5);
    check_fails((const uint8_t *)"GIF90a and so on", 16, "neither JPEG nor PNG");
    check_fails((const uint8_t *)"\xFF\xD8\xFF\xE0 not more than a beginning", 32, "cannot be decoded");
    /* Bytes between the data and the end marker do no harm: several files of ImageNet have them. */
    blob jpeg = make_jpeg(H, W, TJPF_RGB, TJSAMP_444, rgb);
    blob longer = {px_calloc(jpeg.size + 3, 1), jpeg.size + 3};
    memcpy(longer.bytes, jpeg.bytes, jpeg.size - 2);
    memcpy(longer.bytes + jpeg.size - 2, "\x11\x22\x33\xFF\xD9", 5);
    px_image whole = {0}, odd = {0};
    assert_int_equal(px_image_decode(&whole, jpeg.bytes, jpeg.size, (px_image_want){.channels = 3}, "whole"), 0);
    assert_int_equal(px_image_decode(&odd, longer.bytes, longer.size, (px_image_want){.channels = 3}, "odd"), 0);
    assert_memory_equal(whole.pixels, odd.pixels, sizeof rgb);
    px_image_finish(&whole);
    px_image_finish(&odd);
    free(jpeg.bytes);
    free(longer.bytes);
}

/* Headers that ask for more memory than any picture needs. */
static void huge_sizes(void **state)
{
    (void)state;
    uint8_t rgb[AREA * 3] = {0};
    blob jpeg = make_jpeg(H, W, TJPF_RGB, TJSAMP_444, rgb);
    for (size_t i = 0; i + 9 < jpeg.size; i++)
        if (jpeg.bytes[i] == 0xFF && jpeg.bytes[i + 1] == 0xC0)
            memcpy(jpeg.bytes + i + 5, "\xFF\xDC\xFF\xDC", 4); /* 65500 x 65500 */
    check_fails(jpeg.bytes, jpeg.size, "65500 x 65500");
    free(jpeg.bytes);
    blob png = make_flat_png(H, W, 3, 1);
    claim_png_size(png, 60000);
    check_fails(png.bytes, png.size, "60000 x 60000");
    claim_png_size(png, 12000);
    check_fails(png.bytes, png.size, "claims 12000 x 12000 pixels, which its ");
    free(png.bytes);
}

static void threads_agree(void **state)
{
    (void)state;
    uint8_t rgb[AREA * 3];
    fill_pattern(rgb, sizeof rgb, 6);
    blob jpeg = make_jpeg(H, W, TJPF_RGB, TJSAMP_420, rgb), png = make_png(H, W, 3, rgb);
    px_image first = {0};
    assert_int_equal(px_image_decode(&first, jpeg.bytes, jpeg.size, (px_image_want){.channels = 3}, "jpeg"), 0);
    int wrong = 0;
#pragma omp parallel num_threads(4) reduction(+ : wrong)
    {
        px_image image = {0};
        for (int i = 0; i < 50; i++) {
            wrong += px_image_decode(&image, jpeg.bytes, jpeg.size, (px_image_want){.channels = 3}, "jpeg") != 0;
            wrong += memcmp(image.pixels, first.pixels, sizeof rgb) != 0;
            wrong += px_image_decode(&image, jpeg.bytes, jpeg.size / 2, (px_image_want){.channels = 3}, "half") == 0;
            wrong += px_image_decode(&image, png.bytes, png.size, (px_image_want){.channels = 3}, "png") != 0;
            wrong += memcmp(image.pixels, rgb, sizeof rgb) != 0;
        }
        px_image_finish(&image);
    }
    assert_int_equal(wrong, 0);
    px_image_finish(&first);
    free(jpeg.bytes);
    free(png.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_rgb_and_gray),
        cmocka_unit_test(png_palette_alpha_16_bit),
        cmocka_unit_test(jpeg_colour_spaces),
        cmocka_unit_test(truncated_files),
        cmocka_unit_test(damaged_and_foreign_files),
        cmocka_unit_test(huge_sizes),
        cmocka_unit_test(threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
