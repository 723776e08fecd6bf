/* test_import_h5.c - HDF5 files of others are packed as they are named: PatchCamelyon's pairs of files, Keras's arrays, channels
 * first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/catalog.h"
#include "data/dataset.h"
#include "data/h5_array.h"
#include "data/pack.h"
#include "make_data.h"

#include <hdf5.h>

extern const px_importer px_importer_h5;

enum { N = 6, SIDE = 5 };

static const px_pack_options plain = {.split = "", .labels = "", .class_names = ""};

static hid_t create(const char *folder, const char *name)
{
    char *path = write_file(folder, name, "", 0);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    free(path);
    return file;
}

static void put(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dims, bool packed,
                const void *values)
{
    hid_t space = H5Screate_simple(rank, dims, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    if (packed) {
        H5Pset_chunk(how, rank, dims);
        H5Pset_deflate(how, 4);
    }
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    hid_t set = H5Dcreate2(file, name, type, space, links, how, H5P_DEFAULT);
    assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Pclose(how);
    H5Pclose(links);
    H5Sclose(space);
}

#define PUT(file, name, type, packed, values, ...)                                                                     \
    put(file, name, type, (int)(sizeof((hsize_t[]){__VA_ARGS__}) / sizeof(hsize_t)), (hsize_t[]){__VA_ARGS__}, packed, \
        values)

static px_dataset *pack_open_with(const char *folder, const char *what, const px_pack_options *options)
{
    px_log log = px_log_make(stderr, true);
    px_pack_summary summary;
    px_dataset *d = NULL;
    char *source = px_format("%s/%s", folder, what), *out = px_format("%s/out.h5", folder);
    if (px_pack((const char *const[]){source}, 1, out, options, &log, &summary) != 0 ||
        px_dataset_open(&d, out, PX_LINKS_REFUSED) != 0)
        fail_msg("%s", px_error());
    free(summary.text);
    free(source);
    free(out);
    return d;
}

static px_dataset *pack_open(const char *folder, const char *what)
{
    return pack_open_with(folder, what, &plain);
}

/* Of one source, or of two. */
static void check_refused_with(const char *folder, const char *what, const char *second, const px_pack_options *options,
                               const char *why)
{
    px_log log = px_log_make(stderr, true);
    px_pack_summary summary;
    char *sources[] = {px_format("%s/%s", folder, what), px_format("%s/%s", folder, second ? second : "")};
    char *out = px_format("%s/refused.h5", folder);
    assert_int_equal(px_pack((const char *const *)sources, second ? 2 : 1, out, options, &log, &summary), -1);
    if (!strstr(px_error(), why))
        fail_msg("'%s' does not say '%s'", px_error(), why);
    free(sources[0]);
    free(sources[1]);
    free(out);
}

static void check_refused(const char *folder, const char *what, const char *why)
{
    check_refused_with(folder, what, NULL, &plain, why);
}

/* Image `i` of the split is `pixels`, with this label. */
static void check_row(const px_dataset *d, const char *split, int i, const void *pixels, size_t size, int label)
{
    px_image image = {0};
    const px_split *s = px_dataset_split(d, split);
    assert_non_null(s);
    assert_int_equal(px_dataset_read(d, s->index[i], &image), 0);
    assert_int_equal(image.label, label);
    assert_memory_equal(image.pixels, pixels, size);
    px_image_finish(&image);
}

/* Rows keep their order within a class; the pattern's label grows with the row, so that it is the file's order. */
static void patch_camelyon(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t train[N * SIDE * SIDE * 3], test[2 * SIDE * SIDE * 3];
    const uint8_t labels[N] = {0, 0, 0, 1, 1, 1};
    const size_t one = SIDE * SIDE * 3;
    fill_pattern(train, sizeof train, 1);
    fill_pattern(test, sizeof test, 2);
    hid_t file = create(folder, "cam/level_2_split_train_x.h5");
    PUT(file, "x", H5T_STD_U8LE, true, train, N, SIDE, SIDE, 3);
    H5Fclose(file);
    file = create(folder, "cam/level_2_split_train_y.h5");
    PUT(file, "y", H5T_STD_U8LE, false, labels, N, 1, 1, 1);
    H5Fclose(file);
    file = create(folder, "cam/level_2_split_test_x.h5");
    PUT(file, "x", H5T_STD_U8LE, true, test, 2, SIDE, SIDE, 3);
    H5Fclose(file);
    file = create(folder, "cam/level_2_split_test_y.h5");
    PUT(file, "y", H5T_STD_U8LE, false, labels + 2, 2, 1, 1, 1);
    H5Fclose(file);
    px_dataset *d = pack_open(folder, "cam");
    assert_int_equal(px_dataset_about(d)->count, N + 2);
    assert_int_equal(px_dataset_about(d)->classes, 2);
    for (int i = 0; i < N; i++)
        check_row(d, "train", i, train + (size_t)i * one, one, labels[i]);
    for (int i = 0; i < 2; i++)
        check_row(d, "test", i, test + (size_t)i * one, one, i);
    px_dataset_close(d);
    remove_folder(folder);
}

static void arrays_of_several_splits_in_one_file(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[N * SIDE * SIDE];
    const int64_t labels[N] = {0, 1, 2, 3, 4, 5};
    const size_t one = SIDE * SIDE;
    fill_pattern(pixels, sizeof pixels, 3);
    hid_t file = create(folder, "keras.h5");
    PUT(file, "x_train", H5T_STD_U8LE, false, pixels, 4, SIDE, SIDE);
    PUT(file, "y_train", H5T_NATIVE_INT64, false, labels, 4);
    PUT(file, "x_test", H5T_STD_U8LE, false, pixels + 4 * one, 2, SIDE, SIDE);
    PUT(file, "y_test", H5T_NATIVE_INT64, false, labels, 2);
    PUT(file, "notes", H5T_NATIVE_INT64, false, labels, 3);
    H5Fclose(file);
    px_dataset *d = pack_open(folder, "keras.h5");
    assert_int_equal(px_dataset_about(d)->channels, 1);
    for (int i = 0; i < N; i++)
        check_row(d, i < 4 ? "train" : "test", i % 4, pixels + (size_t)i * one, one, i % 4);
    px_dataset_close(d);
    px_pack_options whole = plain;
    whole.split = "train"; /* of one split, the arrays are in the order of their names */
    d = pack_open_with(folder, "keras.h5", &whole);
    for (int i = 0; i < N; i++)
        check_row(d, "train", i, pixels + (size_t)((i + 4) % N) * one, one, (i + 4) % N % 4);
    px_dataset_close(d);
    check_refused(folder, "out.h5", "out.h5: is a data set already, which needs no packing");
    check_refused_with(folder, "out.h5", "keras.h5", &plain, "out.h5: is a data set already, which needs no packing");
    remove_folder(folder);
}

static void channels_first_of_16_bits(void **state)
{
    (void)state;
    enum { C = 13, WIDE = 70 };
    char *folder = make_folder();
    static uint16_t first[N * C * WIDE * WIDE], last[WIDE * WIDE * C];
    const uint8_t labels[N] = {0, 1, 2, 3, 4, 5};
    for (int i = 0; i < N * C * WIDE * WIDE; i++)
        first[i] = (uint16_t)((unsigned)i * 7919u % 65521);
    hid_t file = create(folder, "galaxy.h5");
    PUT(file, "group/images", H5T_STD_U16LE, true, first, N, C, WIDE, WIDE);
    PUT(file, "group/ans", H5T_STD_U8LE, false, labels, N);
    H5Fclose(file);
    px_dataset *d = pack_open(folder, "galaxy.h5");
    assert_int_equal(px_dataset_about(d)->channels, C);
    assert_int_equal(px_dataset_about(d)->bits, 16);
    for (int i = 0; i < N; i++) {
        for (int p = 0; p < WIDE * WIDE; p++)
            for (int c = 0; c < C; c++)
                last[p * C + c] = first[(i * C + c) * WIDE * WIDE + p];
        check_row(d, "train", i, last, sizeof last, i);
    }
    px_dataset_close(d);
    remove_folder(folder);
}

/* Somebody's results among images, whatever comes first in the walk. */
static void left_out_beside_images(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[N * SIDE * SIDE * 3] = {0};
    blob png = make_flat_png(SIDE, SIDE, 3, 7);
    static const char *const names[] = {"in/a.h5", "in/dog/b.h5", "in/z.h5"};
    free(write_file(folder, "in/cat/1.png", png.bytes, png.size));
    free(write_file(folder, "in/dog/1.png", png.bytes, png.size));
    for (int i = 0; i < 3; i++) {
        hid_t file = create(folder, names[i]);
        PUT(file, i == 1 ? "stuff" : "images", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
        H5Fclose(file);
    }
    px_dataset *d = pack_open(folder, "in");
    assert_int_equal(px_dataset_about(d)->count, 2);
    assert_int_equal(px_dataset_about(d)->classes, 2);
    px_dataset_close(d);
    free(png.bytes);
    remove_folder(folder);
}

/* The user named the file, so that it is not somebody's result among images. */
static void named_beside_images(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[N * SIDE * SIDE * 3] = {0}, labels[N] = {0};
    blob png = make_flat_png(SIDE, SIDE, 3, 7);
    free(write_file(folder, "photos/cat/1.png", png.bytes, png.size));
    hid_t file = create(folder, "a.h5");
    PUT(file, "images", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    H5Fclose(file);
    file = create(folder, "y.h5");
    PUT(file, "y", H5T_STD_U8LE, false, labels, N);
    H5Fclose(file);
    check_refused_with(folder, "a.h5", "photos", &plain, "but a.h5 is a file of HDF5; pack them separately");
    check_refused_with(folder, "photos", "a.h5", &plain, "a.h5: has the format HDF5, but the files before it");
    check_refused_with(folder, "y.h5", "photos", &plain, "but y.h5 is a file of HDF5; pack them separately");
    check_refused_with(folder, "photos", "y.h5", &plain, "y.h5: has the format HDF5, but the files before it");
    free(png.bytes);
    remove_folder(folder);
}

/* Numbers in names belong to the pairs: y_2 is not that of x_1. */
static void numbered_pairs(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[2 * N * SIDE * SIDE * 3];
    const uint8_t labels[N] = {0, 0, 0, 1, 1, 1};
    const size_t one = SIDE * SIDE * 3;
    fill_pattern(pixels, sizeof pixels, 5);
    for (int i = 0; i < 2; i++) {
        hid_t file = create(folder, i ? "in/x_2.h5" : "in/x_1.h5");
        PUT(file, "x", H5T_STD_U8LE, false, pixels + (size_t)i * N * one, N, SIDE, SIDE, 3);
        H5Fclose(file);
    }
    hid_t file = create(folder, "in/y_2.h5");
    PUT(file, "y", H5T_STD_U8LE, false, labels, N);
    H5Fclose(file);
    px_dataset *d = pack_open(folder, "in");
    for (int i = 0; i < 2 * N; i++)
        check_row(d, "train", i, pixels + (size_t)i * one, one, i < N ? -1 : labels[i - N]);
    px_dataset_close(d);
    remove_folder(folder);
}

/* Named like other bad files, unless there are images, beside which HDF5 files do not count. */
static void damaged_files(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[N * SIDE * SIDE * 3] = {0};
    blob png = make_flat_png(SIDE, SIDE, 3, 7);
    px_pack_options skip = plain;
    skip.bad = PX_BAD_SKIP;
    hid_t file = create(folder, "in/b.h5");
    PUT(file, "x", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    H5Fclose(file);
    free(write_file(folder, "in/a.h5", "\x89HDF\r\n\x1a\n and no more", 20));
    free(write_file(folder, "alone/a.h5", "\x89HDF\r\n\x1a\n and no more", 20));
    check_refused(folder, "in", "/in/a.h5: cannot be opened: ");
    check_refused(folder, "in", "; bad=skip leaves it out");
    check_refused(folder, "alone", "/alone/a.h5: cannot be opened: ");
    check_refused_with(folder, "alone", NULL, &skip, "/alone/a.h5: cannot be opened: ");
    px_dataset *d = pack_open_with(folder, "in", &skip);
    assert_int_equal(px_dataset_about(d)->count, N);
    px_dataset_close(d);
    free(write_file(folder, "in/c.png", png.bytes, png.size));
    d = pack_open(folder, "in");
    assert_int_equal(px_dataset_about(d)->count, 1);
    px_dataset_close(d);
    free(png.bytes);
    remove_folder(folder);
}

/* Values of 16 bits are stored as they are. */
static void bits_and_channels(void **state)
{
    (void)state;
    char *folder = make_folder();
    static uint16_t wide[N * SIDE * SIDE * 3];
    static uint8_t narrow[N * SIDE * SIDE * 3];
    px_pack_options rgb = plain;
    rgb.channels = 3;
    hid_t file = create(folder, "gray.h5");
    PUT(file, "x", H5T_STD_U16LE, false, wide, N, SIDE, SIDE);
    H5Fclose(file);
    file = create(folder, "bits.h5");
    PUT(file, "x_train", H5T_STD_U8LE, false, narrow, N, SIDE, SIDE);
    PUT(file, "x_test", H5T_STD_U16LE, false, wide, N, SIDE, SIDE);
    H5Fclose(file);
    file = create(folder, "channels.h5");
    PUT(file, "x_train", H5T_STD_U16LE, false, wide, N, SIDE, SIDE, 3);
    PUT(file, "x_test", H5T_STD_U16LE, false, wide, N, SIDE, SIDE);
    H5Fclose(file);
    check_refused_with(folder, "gray.h5", NULL, &rgb, "has 1 channels of 16 bits, which stay so");
    check_refused(folder, "bits.h5", "x_test has 16 bits per value, but ");
    check_refused(folder, "channels.h5", "has arrays of 16 bits of different numbers of channels (1 and 3)");
    remove_folder(folder);
}

/* The file was replaced after the first walk. */
static void other_extents(void **state)
{
    (void)state;
    char *folder = make_folder();
    static uint8_t pixels[N * SIDE * SIDE * 3], out[N * SIDE * SIDE];
    hid_t file = create(folder, "a.h5");
    PUT(file, "x", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    PUT(file, "deep", H5T_STD_U8LE, false, pixels, N, 1, 1, 1, 1, 1, 1);
    H5Fclose(file);
    char *path = px_format("%s/a.h5", folder);
    px_block b = {.file = path,
                  .array = "x",
                  .count = N,
                  .height = SIDE,
                  .width = SIDE,
                  .channels = 1,
                  .bits = 8,
                  .reader = px_h5_reader_create()};
    assert_int_equal(px_importer_h5.unpack(&b, NULL, 0, N, out), -1);
    assert_non_null(strstr(px_error(), "a.h5: x changed while it was being packed"));
    b.array = "deep";
    assert_int_equal(px_importer_h5.unpack(&b, NULL, 0, N, out), -1);
    assert_non_null(strstr(px_error(), "a.h5: deep changed while it was being packed"));
    px_h5_reader_destroy(b.reader);
    free(path);
    remove_folder(folder);
}

static void refusals(void **state)
{
    (void)state;
    char *folder = make_folder();
    uint8_t pixels[N * SIDE * SIDE * 3] = {0};
    const int32_t far[N] = {0, 1, 2, 3, 4, 1 << 24};
    hid_t file = create(folder, "two.h5");
    PUT(file, "images", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    PUT(file, "data", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    H5Fclose(file);
    file = create(folder, "unknown.h5");
    PUT(file, "stuff", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    H5Fclose(file);
    file = create(folder, "far.h5");
    PUT(file, "x", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    PUT(file, "y", H5T_NATIVE_INT32, false, far, N);
    H5Fclose(file);
    file = create(folder, "labels.h5");
    PUT(file, "x", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    PUT(file, "y", H5T_NATIVE_INT32, false, far, N);
    PUT(file, "target", H5T_NATIVE_INT32, false, far, N);
    H5Fclose(file);
    file = create(folder, "only_labels.h5");
    PUT(file, "y_test", H5T_NATIVE_INT32, false, far, 2);
    PUT(file, "y_train", H5T_NATIVE_INT32, false, far, N);
    H5Fclose(file);
    const int32_t last[N] = {0, 1, 2, 3, 4, 1 << 20};
    file = create(folder, "last.h5");
    PUT(file, "x", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    PUT(file, "y", H5T_NATIVE_INT32, false, last, N);
    H5Fclose(file);
    const hsize_t many[] = {1 << 20, 1 << 10, 1 << 10, 3}; /* never written, so that the file stays small */
    file = create(folder, "huge.h5");
    hid_t space = H5Screate_simple(4, many, NULL);
    H5Dclose(H5Dcreate2(file, "images", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Fclose(file);
    file = create(folder, "link.h5");
    PUT(file, "x", H5T_STD_U8LE, false, pixels, N, SIDE, SIDE, 3);
    H5Lcreate_external("far.h5", "/y", file, "y", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    check_refused(folder, "link.h5", "link.h5: y is a link to another file, which is not read");
    check_refused(folder, "last.h5", "label 1048576 of image 5 is not a class");
    check_refused(folder, "huge.h5", "huge.h5: images claims to be larger than the file can contain");
    free(write_file(folder, "damaged.h5", "\x89HDF\r\n\x1a\n and no more", 20));
    check_refused(folder, "two.h5", "both data and images are arrays of images");
    check_refused(folder, "unknown.h5", "has no array of images that is known by its name");
    check_refused(folder, "far.h5", "label 16777216 of image 5 is not a class");
    check_refused(folder, "labels.h5", "both target and y could be the labels of x");
    check_refused(folder, "only_labels.h5", "has no images, and several arrays of labels, y_test and y_train");
    check_refused(folder, "damaged.h5", "cannot be opened: ");
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(patch_camelyon),
                                       cmocka_unit_test(arrays_of_several_splits_in_one_file),
                                       cmocka_unit_test(channels_first_of_16_bits),
                                       cmocka_unit_test(left_out_beside_images),
                                       cmocka_unit_test(named_beside_images),
                                       cmocka_unit_test(numbered_pairs),
                                       cmocka_unit_test(damaged_files),
                                       cmocka_unit_test(bits_and_channels),
                                       cmocka_unit_test(other_extents),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
