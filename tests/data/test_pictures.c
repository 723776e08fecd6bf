/* test_pictures.c - WebP, TIFF, BMP, PNM and GIF are decoded exactly, orientation and CMYK are understood, and files that lie
 * are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/image.h"
#include "make_pictures.h"

enum { H = 19, W = 23, AREA = H * W };

static px_image decode(blob file, px_image_want want)
{
    px_image image = {0};
    if (px_image_decode(&image, file.bytes, file.size, want, "x") != 0)
        fail_msg("%s", px_error());
    return image;
}

/* The header tells the same shape, and the values are exactly these. */
static void check(blob file, int channels, int bits, const void *expected)
{
    px_image_about about;
    px_image image = decode(file, (px_image_want){.bits = bits});
    assert_int_equal(px_image_probe(file.bytes, file.size, &about, "x"), 0);
    assert_int_equal(about.height, H);
    assert_int_equal(about.width, W);
    assert_int_equal(about.channels, channels);
    assert_int_equal(about.bits, bits);
    assert_int_equal(image.height, H);
    assert_int_equal(image.width, W);
    assert_int_equal(image.channels, channels);
    assert_int_equal(image.bits, bits);
    assert_memory_equal(image.pixels, expected, (size_t)(AREA * channels * bits / 8));
    px_image_finish(&image);
}

/* Cut anywhere, the file is refused with one line, or (where only what is behind the pixels lacks) decoded. */
static void check_cuts(blob file, size_t least)
{
    px_image image = {0};
    for (size_t cut = 1; cut < file.size; cut += cut < 64 ? 1 : 37) {
        uint8_t *part = px_realloc(NULL, cut); /* so that a sanitizer sees a read beyond it */
        memcpy(part, file.bytes, cut);
        int status = px_image_decode(&image, part, cut, (px_image_want){.channels = 3}, "folder/cut");
        free(part);
        if (status == 0) {
            assert_true(cut >= least);
            continue;
        }
        assert_int_equal(px_error_status(), PX_DATA);
        assert_int_equal(strncmp(px_error(), "folder/cut: ", 12), 0);
        assert_null(strchr(px_error(), '\n'));
    }
    px_image_finish(&image);
}

static void check_refused(blob file, int channels, const char *why)
{
    px_image image = {0};
    assert_int_equal(px_image_decode(&image, file.bytes, file.size, (px_image_want){.channels = channels}, "x"), -1);
    if (!strstr(px_error(), why))
        fail_msg("'%s' does not say '%s'", px_error(), why);
    px_image_finish(&image);
}

static void webp(void **state)
{
    (void)state;
    uint8_t rgb[AREA * 3];
    fill_pattern(rgb, sizeof rgb, 1);
    blob file = make_webp(H, W, rgb, NULL, 0);
    check(file, 3, 8, rgb);
    check_cuts(file, file.size);
    free(file.bytes);
}

/* Eight bits and sixteen, few channels and many, strips and tiles, together and apart, packed and not. */
static void tiff_layouts(void **state)
{
    (void)state;
    static const tiff_spec specs[] = {
        {.samples = 3, .bits = 8, .photometric = PHOTOMETRIC_RGB, .rows = 5},
        {.samples = 1, .bits = 8, .photometric = PHOTOMETRIC_MINISBLACK, .rows = H, .compression = COMPRESSION_LZW},
        {.samples = 1, .bits = 16, .photometric = PHOTOMETRIC_MINISBLACK, .rows = 4},
        {.samples = 3,
         .bits = 16,
         .photometric = PHOTOMETRIC_RGB,
         .tile = 16,
         .compression = COMPRESSION_ADOBE_DEFLATE},
        {.samples = 13, .bits = 16, .photometric = PHOTOMETRIC_MINISBLACK, .rows = 7, .separate = true},
        {.samples = 13, .bits = 16, .photometric = PHOTOMETRIC_MINISBLACK, .tile = 16},
        {.samples = 13,
         .bits = 8,
         .photometric = PHOTOMETRIC_RGB,
         .tile = 16,
         .separate = true,
         .compression = COMPRESSION_LZW},
        {.samples = 4, .bits = 8, .photometric = PHOTOMETRIC_RGB, .rows = 3},
    };
    uint8_t pixels[AREA * 13 * 2];
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        tiff_spec s = specs[i];
        s.height = H;
        s.width = W;
        fill_pattern(pixels, (size_t)(AREA * s.samples * s.bits / 8), (unsigned)i);
        blob file = make_tiff(&s, pixels);
        check(file, s.samples, s.bits, pixels);
        check_cuts(file, file.size);
        free(file.bytes);
    }
}

static void tiff_alpha_white_and_few_bits(void **state)
{
    (void)state;
    uint8_t rgba[AREA * 4], rgb[AREA * 3], gray[AREA], white[AREA], bits[H * ((W + 7) / 8)], black[AREA];
    fill_pattern(rgba, sizeof rgba, 3);
    fill_pattern(gray, sizeof gray, 4);
    fill_pattern(bits, sizeof bits, 5);
    for (int i = 0; i < AREA; i++) {
        memcpy(rgb + 3 * i, rgba + 4 * i, 3);
        white[i] = (uint8_t)(255 - gray[i]);
        black[i] = bits[i / W * ((W + 7) / 8) + i % W / 8] >> (7 - i % W % 8) & 1 ? 255 : 0;
    }
    tiff_spec s = {H, W, .samples = 4, .bits = 8, .photometric = PHOTOMETRIC_RGB, .rows = H, .alphas = 1};
    blob alpha = make_tiff(&s, rgba);
    check(alpha, 3, 8, rgb);
    s = (tiff_spec){H, W, .samples = 1, .bits = 8, .photometric = PHOTOMETRIC_MINISWHITE, .rows = H};
    blob inverse = make_tiff(&s, white);
    check(inverse, 1, 8, gray);
    s = (tiff_spec){H, W, .samples = 1, .bits = 1, .photometric = PHOTOMETRIC_MINISBLACK, .rows = H};
    blob bilevel = make_tiff(&s, bits);
    check(bilevel, 1, 8, black);
    free(alpha.bytes);
    free(inverse.bytes);
    free(bilevel.bytes);
}

static void tiff_refusals(void **state)
{
    (void)state;
    uint8_t pixels[AREA * 13 * 2] = {0};
    tiff_spec s = {H, W, .samples = 1, .bits = 16, .photometric = 1, .rows = H, .format = SAMPLEFORMAT_INT};
    blob with_sign = make_tiff(&s, pixels);
    s = (tiff_spec){H, W, .samples = 13, .bits = 8, .photometric = 1, .rows = H};
    blob many = make_tiff(&s, pixels);
    check_refused(with_sign, 0, "x: cannot be decoded: its values are signed");
    check_refused(many, 3, "x: has 13 channels, but 3 are wanted");
    /* The width in the directory, as libtiff writes it: tag 256, a long or short. */
    for (size_t i = 8; i + 12 <= many.size; i += 2)
        if (memcmp(many.bytes + i, "\0\1\3\0\1\0\0\0", 8) == 0)
            memcpy(many.bytes + i + 8, "\0\xF0", 2);
    check_refused(many, 0, "x: ");
    free(with_sign.bytes);
    free(many.bytes);
}

static void bmp(void **state)
{
    (void)state;
    uint8_t rgb[AREA * 3], gray[AREA], rgba[AREA * 4];
    fill_pattern(rgb, sizeof rgb, 1);
    fill_pattern(gray, sizeof gray, 2);
    for (int i = 0; i < AREA; i++) {
        memcpy(rgba + 4 * i, rgb + 3 * i, 3);
        rgba[4 * i + 3] = 255;
    }
    blob files[] = {make_bmp(H, W, 24, rgb, false), make_bmp(H, W, 24, rgb, true), make_bmp(H, W, 32, rgba, false),
                    make_bmp(H, W, 8, gray, false)};
    for (int i = 0; i < 4; i++) {
        check(files[i], i < 3 ? 3 : 1, 8, i < 3 ? rgb : gray);
        check_cuts(files[i], files[i].size - 16);
    }
    files[0].bytes[30] = 1; /* run lengths */
    check_refused(files[0], 3, "it is a compressed bitmap");
    memcpy(files[1].bytes + 18, "\x00\x80\0\0\x00\x80\0\0", 8); /* 32768 on each side */
    check_refused(files[1], 3, "32768 x 32768 pixels");
    for (int i = 0; i < 4; i++)
        free(files[i].bytes);
}

static void pnm(void **state)
{
    (void)state;
    uint8_t rgb[AREA * 3], bits[H * ((W + 7) / 8)], black[AREA], deep[AREA * 2];
    uint16_t wide[AREA];
    fill_pattern(rgb, sizeof rgb, 1);
    fill_pattern(bits, sizeof bits, 2);
    for (int i = 0; i < AREA; i++) {
        wide[i] = (uint16_t)(i * 149);
        deep[2 * i] = (uint8_t)(wide[i] >> 8); /* the file's order */
        deep[2 * i + 1] = (uint8_t)wide[i];
        black[i] = bits[i / W * ((W + 7) / 8) + i % W / 8] >> (7 - i % W % 8) & 1 ? 0 : 255;
    }
    blob files[] = {make_pnm(H, W, 6, 255, rgb, sizeof rgb), make_pnm(H, W, 5, 255, rgb, AREA),
                    make_pnm(H, W, 5, 65535, deep, sizeof deep), make_pnm(H, W, 4, 1, bits, sizeof bits)};
    check(files[0], 3, 8, rgb);
    check(files[1], 1, 8, rgb);
    check(files[2], 1, 16, wide);
    check(files[3], 1, 8, black);
    for (int i = 0; i < 4; i++) {
        check_cuts(files[i], files[i].size - 8);
        free(files[i].bytes);
    }
    static const char text[] = "P3\n# a comment\n2 1\n255\n1 2 3  40 50 60\n";
    px_image image = decode((blob){(uint8_t *)text, sizeof text - 1}, (px_image_want){0});
    assert_memory_equal(image.pixels, ((uint8_t[]){1, 2, 3, 40, 50, 60}), 6);
    px_image_finish(&image);
    check_refused((blob){(uint8_t *)"P6\n60000 60000\n255\n\1\2\3", 23}, 3, "60000 x 60000");
}

static void gif(void **state)
{
    (void)state;
    GifColorType colours[256], grays[256];
    uint8_t index[AREA], rgb[AREA * 3], framed[AREA * 3];
    fill_pattern(index, sizeof index, 7);
    for (int i = 0; i < 256; i++) {
        colours[i] = (GifColorType){(uint8_t)(255 - i), (uint8_t)(i * 3), (uint8_t)(i * 7)};
        grays[i] = (GifColorType){(uint8_t)i, (uint8_t)i, (uint8_t)i};
    }
    for (int i = 0; i < AREA; i++)
        memcpy(rgb + 3 * i, &colours[index[i]], 3);
    blob plain = make_gif(H, W, 0, 0, H, W, index, colours, false);
    blob interlaced = make_gif(H, W, 0, 0, H, W, index, colours, true);
    blob gray = make_gif(H, W, 0, 0, H, W, index, grays, false);
    blob frame = make_gif(H, W, 2, 3, 4, 5, index, colours, false);
    for (int i = 0; i < AREA; i++) {
        int y = i / W - 2, x = i % W - 3;
        memcpy(framed + 3 * i, &colours[y >= 0 && y < 4 && x >= 0 && x < 5 ? index[y * 5 + x] : 8], 3);
    }
    frame.bytes[11] = 8; /* the background's number in the palette */
    check(plain, 3, 8, rgb);
    check(interlaced, 3, 8, rgb);
    check(gray, 1, 8, index);
    check(frame, 3, 8, framed);
    check_cuts(plain, plain.size - 16); /* the second frame does not matter */
    /* A pixel with a gray palette of its own, on red: 1 x 2, global palette of red and black. */
    static const char mixed[] = "GIF89a\2\0\1\0\x80\0\0\xFF\0\0\0\0\0,\0\0\0\0\1\0\1\0\x80\7\7\7\x9\x9\x9"
                                "\2\2\x44\1\0;";
    px_image red = decode((blob){(uint8_t *)mixed, sizeof mixed - 1}, (px_image_want){0});
    assert_int_equal(red.channels, 3);
    assert_memory_equal(red.pixels, ((uint8_t[]){7, 7, 7, 255, 0, 0}), 6);
    px_image_finish(&red);
    free(plain.bytes);
    free(interlaced.bytes);
    free(gray.bytes);
    free(frame.bytes);
}

/* Where the upright picture's pixel (y, x) lies in the stored one, by EXIF's table: the sides at which the first row and the
 * first column of the stored picture are seen. */
static int stored_at(int orientation, int y, int x)
{
    switch (orientation) {
    case 2:
        return y * W + (W - 1 - x); /* top, right */
    case 3:
        return (H - 1 - y) * W + (W - 1 - x); /* bottom, right */
    case 4:
        return (H - 1 - y) * W + x; /* bottom, left */
    case 5:
        return x * W + y; /* left, top */
    case 6:
        return (H - 1 - x) * W + y; /* right, top */
    case 7:
        return (H - 1 - x) * W + (W - 1 - y); /* right, bottom */
    case 8:
        return x * W + (W - 1 - y); /* left, bottom */
    default:
        return y * W + x;
    }
}

static void check_turned(blob file, const uint8_t *rgb, int orientation, int tolerance)
{
    bool lying = orientation >= 5;
    px_image_about about;
    assert_int_equal(px_image_probe(file.bytes, file.size, &about, "x"), 0);
    assert_int_equal(about.orientation, orientation);
    px_image image = decode(file, (px_image_want){.channels = 3});
    assert_int_equal(image.height, lying ? W : H);
    assert_int_equal(image.width, lying ? H : W);
    for (int i = 0; i < AREA * 3; i++) {
        int y = i / 3 / image.width, x = i / 3 % image.width;
        int want = rgb[3 * stored_at(orientation, y, x) + i % 3];
        assert_in_range(image.pixels[i] + 100, want + 100 - tolerance, want + 100 + tolerance);
    }
    px_image_finish(&image);
    image = decode(file, (px_image_want){.channels = 3, .unturned = true});
    assert_int_equal(image.height, H);
    px_image_finish(&image);
    free(file.bytes);
}

static void orientations(void **state)
{
    (void)state;
    uint8_t rgb[AREA * 3], smooth[AREA * 3], exif[EXIF_SIZE], prefixed[EXIF_SIZE + 6] = "Exif\0";
    fill_pattern(rgb, sizeof rgb, 1);
    for (int i = 0; i < AREA * 3; i++) /* what JPEG keeps well */
        smooth[i] = (uint8_t)(i / 3 / W * 9 + i / 3 % W * 3);
    blob jpeg = make_jpeg(H, W, TJPF_RGB, TJSAMP_444, smooth);
    for (int o = 1; o <= 8; o++) {
        tiff_spec s = {H, W, .samples = 3, .bits = 8, .photometric = PHOTOMETRIC_RGB, .rows = H, .orientation = o};
        make_exif(exif, o);
        memcpy(prefixed + 6, exif, EXIF_SIZE);
        check_turned(insert_segment(jpeg, 0xE1, prefixed, sizeof prefixed), smooth, o, 6);
        check_turned(make_tiff(&s, rgb), rgb, o, 0);
        check_turned(make_webp(H, W, rgb, exif, sizeof exif), rgb, o, 0);
        check_turned(make_png_exif(H, W, rgb, exif, sizeof exif), rgb, o, 0);
    }
    free(jpeg.bytes);
}

/* Adobe's marker says that 255 is no ink; without it 255 is full ink. */
static void cmyk_by_its_marker(void **state)
{
    (void)state;
    uint8_t ink[AREA * 4];
    for (int i = 0; i < AREA; i++)
        memcpy(ink + 4 * i, (uint8_t[]){200, 100, 50, 180}, 4);
    blob marked = make_jpeg(H, W, TJPF_CMYK, TJSAMP_444, ink);
    px_image adobe = decode(marked, (px_image_want){0});
    const char app14[] = "\xFF\xEE\0\x0E"
                         "Adobe";
    for (size_t i = 0; i + sizeof app14 <= marked.size;
         i++) /* the marker becomes a comment; YCCK then is taken as CMYK */
        if (memcmp(marked.bytes + i, app14, sizeof app14 - 1) == 0)
            marked.bytes[i + 1] = 0xFE;
    px_image plain = decode(marked, (px_image_want){0});
    assert_int_equal(adobe.channels, 3);
    assert_in_range(adobe.pixels[0], 200 * 180 / 255 - 3, 200 * 180 / 255 + 3);
    /* libturbojpeg writes YCCK; its last channel, black, is the same in both. */
    for (int c = 0; c < 3; c++)
        assert_true(plain.pixels[c] <= 255 - 180 + 3);
    px_image_finish(&adobe);
    px_image_finish(&plain);
    free(marked.bytes);
}

static void bits_and_channels_as_wanted(void **state)
{
    (void)state;
    uint16_t wide[AREA];
    for (int i = 0; i < AREA; i++)
        wide[i] = (uint16_t)(i * 149);
    blob png = make_png_of(H, W, SPNG_COLOR_TYPE_GRAYSCALE, 16, wide, sizeof wide, NULL);
    check(png, 1, 16, wide);
    px_image image = decode(png, (px_image_want){.channels = 3, .bits = 16});
    const uint16_t *v = (const void *)image.pixels;
    for (int i = 0; i < AREA * 3; i++)
        assert_int_equal(v[i], wide[i / 3]);
    px_image_finish(&image);
    image = decode(png, (px_image_want){.bits = 8});
    for (int i = 0; i < AREA; i++)
        assert_int_equal(image.pixels[i], wide[i] >> 8);
    px_image_finish(&image);
    uint8_t narrow[AREA];
    fill_pattern(narrow, sizeof narrow, 1);
    blob gray = make_png(H, W, 1, narrow);
    image = decode(gray, (px_image_want){.bits = 16});
    v = (const void *)image.pixels;
    for (int i = 0; i < AREA; i++)
        assert_int_equal(v[i], narrow[i] * 257);
    px_image_finish(&image);
    free(png.bytes);
    free(gray.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(webp),
        cmocka_unit_test(tiff_layouts),
        cmocka_unit_test(tiff_alpha_white_and_few_bits),
        cmocka_unit_test(tiff_refusals),
        cmocka_unit_test(bmp),
        cmocka_unit_test(pnm),
        cmocka_unit_test(gif),
        cmocka_unit_test(orientations),
        cmocka_unit_test(cmyk_by_its_marker),
        cmocka_unit_test(bits_and_channels_as_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
