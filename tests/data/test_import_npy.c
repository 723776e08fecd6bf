/* test_import_npy.c - NumPy's arrays: MedMNIST's .npz, pairs of .npy files, types and orders of axes, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "data/pack.h"
#include "make_npy.h"

enum { N = 4, H = 3, W = 5, AREA = H * W };

static const px_pack_options plain = {.split = "", .labels = "", .class_names = ""};

static void put(const char *folder, const char *name, blob b)
{
    free(write_file(folder, name, b.bytes, b.size));
    free(b.bytes);
}

/* Packs sources of the folder; `second` may be NULL. 0 or -1. */
static int pack(const char *folder, const char *first, const char *second)
{
    px_log log = px_log_make(stderr, true);
    px_pack_summary summary = {0};
    char *sources[] = {px_format("%s/%s", folder, first), px_format("%s/%s", folder, second ? second : "")};
    char *out = px_format("%s/out.h5", folder);
    int status = px_pack((const char *const *)sources, second ? 2 : 1, out, &plain, &log, &summary);
    free(summary.text);
    free(sources[0]);
    free(sources[1]);
    free(out);
    return status;
}

static px_dataset *pack_open(const char *folder, const char *first, const char *second)
{
    px_dataset *d = NULL;
    char *out = px_format("%s/out.h5", folder);
    if (pack(folder, first, second) != 0 || px_dataset_open(&d, out, PX_LINKS_REFUSED) != 0)
        fail_msg("%s", px_error());
    free(out);
    return d;
}

static void check_refused(const char *folder, const char *what, const char *why)
{
    assert_int_equal(pack(folder, what, NULL), -1);
    if (!strstr(px_error(), why))
        fail_msg("'%s' is not in: %s", why, px_error());
}

/* Image i has the value 10 i + c in channel c. */
static void fill(uint8_t *pixels, int count, int channels, bool first)
{
    for (int i = 0; i < count; i++)
        for (int c = 0; c < channels; c++)
            for (int k = 0; k < AREA; k++)
                pixels[(i * channels * AREA) + (first ? c * AREA + k : k * channels + c)] = (uint8_t)(10 * i + c);
}

static void check_rows(px_dataset *d, int channels, const int labels[])
{
    assert_int_equal(px_dataset_about(d)->count, N);
    assert_int_equal(px_dataset_about(d)->channels, channels);
    for (int i = 0; i < N; i++) {
        px_image image = {0};
        assert_int_equal(px_dataset_read(d, i, &image), 0);
        for (int k = 0; k < AREA * channels; k++)
            assert_int_equal(image.pixels[k], 10 * i + k % channels);
        px_image_finish(&image);
        assert_int_equal(px_dataset_label(d, i), labels[i]);
    }
}

static void pairs_of_files(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[N * AREA * 3];
    static const int64_t wide[N] = {2, 0, 1, 2};
    static const int labels[N] = {2, 0, 1, 2};
    fill(pixels, N, 3, false);
    put(folder, "x_train.npy", make_npy(1, "|u1", false, "(4, 3, 5, 3)", pixels, sizeof pixels));
    put(folder, "y_train.npy", make_npy(2, "<i8", false, "(4,)", wide, sizeof wide));
    px_dataset *d = pack_open(folder, "x_train.npy", "y_train.npy");
    check_rows(d, 3, labels);
    px_dataset_close(d);
    remove_folder(folder);
}

static void channels_first(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[N * AREA * 3], column[N] = {1, 0, 1, 1};
    static const int labels[N] = {1, 0, 1, 1};
    fill(pixels, N, 3, true);
    put(folder, "set/images.npy", make_npy(3, "|u1", false, "(4, 3, 3, 5)", pixels, sizeof pixels));
    put(folder, "set/labels.npy", make_npy(1, "|u1", false, "(4, 1)", column, sizeof column));
    put(folder, "set/embedding.npy", make_npy(1, "<f8", false, "(1,)", (double[]){1}, sizeof(double)));
    px_dataset *d = pack_open(folder, "set", NULL);
    check_rows(d, 3, labels);
    px_dataset_close(d);
    remove_folder(folder);
}

/* numpy.savez without names calls them arr_0 and arr_1. */
static void the_only_ones_are_a_pair(void **state)
{
    (void)state;
    char *folder = make_folder(), *path = px_format("%s/set.npz", folder);
    uint8_t pixels[N * AREA];
    static const uint8_t big[2 * N] = {0, 1, 0, 0, 0, 2, 0, 1};
    static const int labels[N] = {1, 0, 2, 1};
    fill(pixels, N, 1, false);
    blob images = make_npy(1, "|u1", false, "(4, 3, 5)", pixels, sizeof pixels),
         numbers = make_npy(1, ">u2", false, "(4,)", big, sizeof big);
    struct archive *a = begin_archive(path, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE);
    add_entry(a, "arr_0.npy", images.bytes, images.size);
    add_entry(a, "arr_1.npy", numbers.bytes, numbers.size);
    end_archive(a);
    px_dataset *d = pack_open(folder, "set.npz", NULL);
    check_rows(d, 1, labels);
    px_dataset_close(d);
    free(images.bytes);
    free(numbers.bytes);
    free(path);
    remove_folder(folder);
}

static void values_of_16_bits(void **state)
{
    (void)state;
    char *folder = make_folder();
    static const uint8_t big[] = {0x12, 0x34, 0xAB, 0xCD}, little[] = {0x34, 0x12, 0xCD, 0xAB};
    put(folder, "x_test.npy", make_npy(1, ">u2", false, "(1, 1, 2)", big, sizeof big));
    put(folder, "x_train.npy", make_npy(1, "<u2", false, "(1, 1, 2)", little, sizeof little));
    px_dataset *d = pack_open(folder, "x_test.npy", "x_train.npy");
    assert_int_equal(px_dataset_about(d)->bits, 16);
    for (int i = 0; i < 2; i++) {
        px_image image = {0};
        assert_int_equal(px_dataset_read(d, i, &image), 0);
        assert_int_equal(((const uint16_t *)(const void *)image.pixels)[0], 0x1234);
        assert_int_equal(((const uint16_t *)(const void *)image.pixels)[1], 0xABCD);
        px_image_finish(&image);
    }
    px_dataset_close(d);
    remove_folder(folder);
}

static void refusals(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[N * AREA] = {0};
    static const int64_t wrong[2] = {0, -5};
    put(folder, "columns.npy", make_npy(1, "|u1", true, "(4, 3, 5)", pixels, sizeof pixels));
    check_refused(folder, "columns.npy", "columns.npy: is an array in Fortran's order; images are uint8 or uint16");
    put(folder, "real.npy", make_npy(1, "<f4", false, "(1, 3, 5)", pixels, sizeof pixels));
    check_refused(folder, "real.npy", "real.npy: holds neither images nor labels");
    put(folder, "objects.npy", make_npy(1, "|O", false, "(4,)", pixels, sizeof pixels));
    check_refused(folder, "objects.npy", "holds neither images nor labels");
    put(folder, "short.npy", make_npy(1, "|u1", false, "(5, 3, 5)", pixels, sizeof pixels));
    check_refused(folder, "short.npy", "short.npy: is truncated or too long");
    put(folder, "huge.npy", make_npy(1, "|u1", false, "(4611686018427387904, 3, 5)", pixels, sizeof pixels));
    check_refused(folder, "huge.npy", "holds neither images nor labels");
    put(folder, "negative.npy", make_npy(1, "|u1", false, "(-4, 3, 5)", pixels, sizeof pixels));
    check_refused(folder, "negative.npy", "its header is not one of NumPy's");
    put(folder, "deep.npy", make_npy(1, "|u1", false, "(4, 3, 5, 1, 1, 1, 1)", pixels, sizeof pixels));
    check_refused(folder, "deep.npy", "holds neither images nor labels");
    put(folder, "set/x.npy", make_npy(1, "|u1", false, "(2, 3, 5)", pixels, 2 * AREA));
    put(folder, "set/y.npy", make_npy(1, "<i8", false, "(2,)", wrong, sizeof wrong));
    check_refused(folder, "set", "x.npy: label -5 of image 1 is not a class");
    put(folder, "set/y.npy", make_npy(1, "|u1", false, "(2,)", pixels, 2));
    put(folder, "set/labels.npy", make_npy(1, "|u1", false, "(2,)", pixels, 2));
    check_refused(folder, "set", "labels.npy and ");
    put(folder, "twins/x.npy", make_npy(1, "|u1", false, "(2, 3, 5)", pixels, 2 * AREA));
    put(folder, "twins/images.npy", make_npy(1, "|u1", false, "(2, 3, 5)", pixels, 2 * AREA));
    check_refused(folder, "twins", "x.npy are arrays of images; remove one, or give it another name");
    for (int i = 0; i < 3; i++) {
        static const char *const types[] = {"|u0", "|u", "|u3"};
        put(folder, "bytes.npy", make_npy(1, types[i], false, "(1, 2, 2)", pixels, 4));
        check_refused(folder, "bytes.npy", "holds neither images nor labels");
    }
    remove_folder(folder);
}

/* Those of another split, as many, are not theirs. */
static void names_decide(void **state)
{
    (void)state;
    static const int none[N] = {-1, -1, -1, -1};
    char *folder = make_folder();
    uint8_t pixels[N * AREA], labels[N] = {1, 0, 1, 1};
    fill(pixels, N, 1, false);
    put(folder, "x_train.npy", make_npy(1, "|u1", false, "(4, 3, 5)", pixels, sizeof pixels));
    put(folder, "y_test.npy", make_npy(1, "|u1", false, "(4,)", labels, sizeof labels));
    px_dataset *d = pack_open(folder, "x_train.npy", "y_test.npy");
    check_rows(d, 1, none);
    px_dataset_close(d);
    put(folder, "set/images.npy", make_npy(1, "|u1", false, "(4, 3, 5)", pixels, sizeof pixels));
    put(folder, "set/masks.npy", make_npy(1, "|u1", false, "(4, 3, 5)", pixels, sizeof pixels));
    d = pack_open(folder, "set", NULL);
    check_rows(d, 1, none);
    px_dataset_close(d);
    remove_folder(folder);
}

/* Arrays beside pictures are somebody's results. */
static void pictures_come_first(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[N * AREA * 3] = {0};
    for (int i = 0; i < 2; i++) {
        blob png = make_png(W, H, 3, pixels);
        put(folder, i ? "photos/b/z.png" : "photos/a/b.png", png);
    }
    put(folder, "photos/a/a.npy", make_npy(1, "|u1", false, "(4, 3, 5)", pixels, N * AREA));
    static const int64_t ids[2] = {20230101, 20230102};
    put(folder, "photos/a/ids.npy", make_npy(1, "<i8", false, "(2,)", ids, sizeof ids));
    put(folder, "photos/a/0.npy", make_npy(1, "|u1", false, "(5, 3, 5)", pixels, AREA)); /* cut off */
    put(folder, "photos/b/zz.npy", make_npy(1, "|u1", false, "(4, 3, 5)", pixels, N * AREA));
    px_dataset *d = pack_open(folder, "photos", NULL);
    assert_int_equal(px_dataset_about(d)->count, 2);
    px_dataset_close(d);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_of_files),
        cmocka_unit_test(channels_first),
        cmocka_unit_test(the_only_ones_are_a_pair),
        cmocka_unit_test(values_of_16_bits),
        cmocka_unit_test(refusals),
        cmocka_unit_test(names_decide),
        cmocka_unit_test(pictures_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
