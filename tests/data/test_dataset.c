/* test_dataset.c - data sets written with plain HDF5 calls, as another program would: all layouts read the same, each
 * fault is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "make_data.h"

#include <hdf5.h>
#include <math.h>

enum { N = 6, SIDE = 5, C = 3, STRIDE = SIDE * SIDE * C };

typedef enum layout { CONTIGUOUS, CHUNKED, COMPRESSED, USER_BLOCK } layout;

/* What is wrong with a file. */
typedef enum fault {
    NONE,
    NO_IMAGES,
    FLOAT_IMAGES,
    THREE_AXES,
    MANY_CHANNELS,
    EMPTY,
    SHORT_LABELS,
    HIGH_LABEL,
    LOW_LABEL,
    FLOAT_LABELS,
    HIGH_SPLIT,
    NO_SPLIT_NAMES,
    NUMBER_NAMES,
    NO_MEAN,
    SHORT_MEAN,
    NAN_MEAN,
    ZERO_STD,
    /* encoded ones: */
    NO_OFFSETS,
    OFFSETS_FALL,
    OFFSETS_OUTSIDE,
    EMPTY_IMAGE,
    NO_CHANNELS,
    NOT_AN_IMAGE,
} fault;

static uint8_t pixels[N * STRIDE];

static void put_array(hid_t file, const char *name, hid_t type, int rank, const hsize_t dims[], layout l,
                      const void *data)
{
    hid_t space = H5Screate_simple(rank, dims, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[4] = {2, SIDE, SIDE, C};
    if (l == CHUNKED || l == COMPRESSED)
        H5Pset_chunk(how, rank, chunk);
    if (l == COMPRESSED)
        H5Pset_deflate(how, 5);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    PX_CHECK(set >= 0 && (dims[0] == 0 || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0));
    H5Dclose(set);
    H5Pclose(how);
    H5Sclose(space);
}

static void put_attribute(hid_t file, const char *name, hid_t type, hsize_t count, const void *data)
{
    hid_t space = H5Screate_simple(1, &count, NULL);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    PX_CHECK(attribute >= 0 && H5Awrite(attribute, type, data) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

static void put_labels_and_splits(hid_t file, fault f)
{
    int32_t labels[N] = {0, 1, -1, 1, 0, 1};
    uint8_t split[N] = {0, 1, 0, 0, 1, 0};
    float reals[N] = {0};
    const char *split_names[] = {"train", "test"};
    hid_t text = H5Tcopy(H5T_C_S1), fixed = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    H5Tset_size(fixed, 4);
    labels[3] = f == HIGH_LABEL ? 2 : f == LOW_LABEL ? -2 : 1;
    split[5] = f == HIGH_SPLIT ? 2 : 0;
    if (f == FLOAT_LABELS)
        put_array(file, "/labels", H5T_NATIVE_FLOAT, 1, (hsize_t[]){N}, CONTIGUOUS, reals);
    else
        put_array(file, "/labels", H5T_NATIVE_INT32, 1, (hsize_t[]){f == SHORT_LABELS ? N - 1 : N}, CONTIGUOUS, labels);
    put_array(file, "/split", H5T_NATIVE_UINT8, 1, (hsize_t[]){N}, CONTIGUOUS, split);
    if (f == NUMBER_NAMES)
        put_attribute(file, "class_names", H5T_NATIVE_INT32, 2, labels);
    else
        put_attribute(file, "class_names", fixed, 2, "cat\0dogs"); /* the second fills its cell: no final zero */
    if (f != NO_SPLIT_NAMES)
        put_attribute(file, "split_names", text, 2, split_names);
    H5Tclose(text);
    H5Tclose(fixed);
}

static void put_statistics(hid_t file, fault f)
{
    float mean[C] = {0.5f, 0.25f, 0.125f}, std[C] = {0.5f, 0.5f, 0.25f};
    mean[1] = f == NAN_MEAN ? NAN : 0.25f;
    std[2] = f == ZERO_STD ? 0 : 0.25f;
    if (f != NO_MEAN)
        put_attribute(file, "mean", H5T_NATIVE_FLOAT, f == SHORT_MEAN ? 2 : C, mean);
    put_attribute(file, "std", H5T_NATIVE_FLOAT, C, std);
}

static char *make_raw(const char *folder, layout l, fault f)
{
    char *path = px_format("%s/raw.h5", folder);
    hid_t how = H5Pcreate(H5P_FILE_CREATE);
    if (l == USER_BLOCK)
        H5Pset_userblock(how, 1024);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, how, H5P_DEFAULT);
    fill_pattern(pixels, sizeof pixels, 9);
    hsize_t dims[4] = {f == EMPTY ? 0 : N, SIDE, SIDE, f == MANY_CHANNELS ? 65 : C};
    float reals[N * STRIDE] = {0};
    static const uint8_t many[N * SIDE * SIDE * 65];
    if (f == MANY_CHANNELS)
        put_array(file, "/images", H5T_NATIVE_UINT8, 4, dims, l, many);
    else if (f == FLOAT_IMAGES)
        put_array(file, "/images", H5T_NATIVE_FLOAT, 4, dims, l, reals);
    else if (f != NO_IMAGES)
        put_array(file, "/images", H5T_NATIVE_UINT8, f == THREE_AXES ? 3 : 4, dims, l, pixels);
    put_labels_and_splits(file, f);
    put_statistics(file, f);
    H5Fclose(file);
    H5Pclose(how);
    return path;
}

static char *make_encoded(const char *folder, fault f)
{
    char *path = px_format("%s/encoded.h5", folder);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    uint64_t offsets[N + 1] = {0};
    uint8_t *bytes = NULL;
    fill_pattern(pixels, sizeof pixels, 9);
    for (int i = 0; i < N; i++) {
        blob png = make_png(SIDE, SIDE, C, pixels + i * STRIDE);
        if (f == NOT_AN_IMAGE && i == 2)
            memset(png.bytes, 'x', png.size);
        offsets[i + 1] = offsets[i] + png.size;
        bytes = px_realloc(bytes, offsets[i + 1]);
        memcpy(bytes + offsets[i], png.bytes, png.size);
        free(png.bytes);
    }
    put_array(file, "/encoded", H5T_NATIVE_UINT8, 1, (hsize_t[]){offsets[N]}, CONTIGUOUS, bytes);
    if (f == OFFSETS_FALL)
        offsets[2] = 0;
    if (f == EMPTY_IMAGE)
        offsets[2] = offsets[1];
    if (f == OFFSETS_OUTSIDE)
        offsets[N]++;
    if (f != NO_OFFSETS)
        put_array(file, "/offsets", H5T_NATIVE_UINT64, 1, (hsize_t[]){N + 1}, CONTIGUOUS, offsets);
    int channels = C;
    if (f != NO_CHANNELS)
        put_attribute(file, "channels", H5T_NATIVE_INT, 1, &channels);
    put_labels_and_splits(file, f);
    put_statistics(file, f);
    H5Fclose(file);
    free(bytes);
    return path;
}

static void check_content(const char *path, int side)
{
    px_dataset *d;
    px_image image = {0};
    assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
    const px_dataset_info *info = px_dataset_about(d);
    assert_int_equal(info->count, N);
    assert_int_equal(info->height, side);
    assert_int_equal(info->width, side);
    assert_int_equal(info->channels, C);
    assert_int_equal(info->classes, 2);
    assert_string_equal(info->class_names[0], "cat");
    assert_string_equal(info->class_names[1], "dogs");
    assert_float_equal(info->mean[2], 0.125f, 0);
    assert_float_equal(info->std[2], 0.25f, 0);
    const px_split *test = px_dataset_split(d, "test"), *train = px_dataset_split(d, "train");
    assert_int_equal(train->count, 4);
    assert_int_equal(test->count, 2);
    assert_int_equal(test->index[0], 1);
    assert_int_equal(test->index[1], 4);
    assert_int_equal(train->index[3], 5);
    for (int i = N - 1; i >= 0; i--) {
        assert_int_equal(px_dataset_read(d, i, &image), 0);
        assert_int_equal(image.index, i);
        assert_int_equal(image.label, px_dataset_label(d, i));
        assert_int_equal(image.height * image.width * image.channels, STRIDE);
        assert_memory_equal(image.pixels, pixels + i * STRIDE, STRIDE);
    }
    px_split some = *train;
    assert_null(px_split_limit(&some, 0));
    assert_null(px_split_limit(&some, 4));
    assert_int_equal(some.count, 4);
    int64_t *index = px_split_limit(&some, 2);
    assert_ptr_equal(some.index, index);
    assert_int_equal(some.count, 2);
    assert_int_equal(index[0], train->index[0]);
    assert_int_equal(index[1], train->index[2]);
    free(index);
    assert_int_equal(px_dataset_label(d, 2), -1);
    assert_null(px_dataset_split(d, "validate"));
    assert_non_null(strstr(px_error(), "it has: train, test"));
    px_image_finish(&image);
    px_dataset_close(d);
}

static void layouts(void **state)
{
    char *folder = *state;
    for (layout l = CONTIGUOUS; l <= USER_BLOCK; l++) {
        char *path = make_raw(folder, l, NONE);
        check_content(path, SIDE);
        free(path);
    }
    char *path = make_encoded(folder, NONE);
    check_content(path, 0);
    free(path);
}

/* Raw images of a mapped file are not copied. */
static void raw_is_not_copied(void **state)
{
    char *path = make_raw(*state, CONTIGUOUS, NONE);
    px_dataset *d;
    px_image a = {0}, b = {0};
    assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
    assert_int_equal(px_dataset_read(d, 1, &a), 0);
    assert_int_equal(px_dataset_read(d, 3, &b), 0);
    assert_ptr_equal(a.pixels + 2 * STRIDE, b.pixels);
    assert_null(a.storage);
    px_dataset_close(d);
    free(path);
}

/* The least that h5py must write. */
static void minimal(void **state)
{
    char *path = px_format("%s/minimal.h5", (char *)*state);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    int64_t labels[N] = {0, 1, 2, 3, 4, 5};
    put_array(file, "/images", H5T_NATIVE_UINT8, 4, (hsize_t[]){N, SIDE, SIDE, C}, CONTIGUOUS, pixels);
    put_array(file, "/labels", H5T_NATIVE_INT64, 1, (hsize_t[]){N}, CONTIGUOUS, labels);
    put_statistics(file, NONE);
    H5Fclose(file);
    px_dataset *d;
    assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
    assert_int_equal(px_dataset_about(d)->classes, 6);
    assert_string_equal(px_dataset_about(d)->class_names[5], "5");
    assert_int_equal(px_dataset_split(d, "train")->count, N);
    px_dataset_close(d);
    free(path);
}

/* Labels that are no classes are ignored, statistics that lack are measured; a note says so. */
static void files_of_others(void **state)
{
    char *path = make_raw(*state, CONTIGUOUS, FLOAT_LABELS);
    px_dataset *d;
    assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
    assert_non_null(strstr(px_dataset_about(d)->note, "/labels are not one whole number per image and are ignored"));
    assert_int_equal(px_dataset_label(d, 3), -1);
    px_dataset_close(d);
    free(path);
    enum { CHANNELS = 5 };
    uint16_t wide[N * SIDE * SIDE * CHANNELS];
    double sum[CHANNELS] = {0}, square[CHANNELS] = {0};
    for (int i = 0; i < N * SIDE * SIDE * CHANNELS; i++) {
        wide[i] = (uint16_t)(i * 40503u % 5000 + 1000 * (unsigned)(i % CHANNELS));
        sum[i % CHANNELS] += wide[i] / 65535.0;
        square[i % CHANNELS] += wide[i] / 65535.0 * (wide[i] / 65535.0);
    }
    for (int swapped = 0; swapped < 2; swapped++) { /* a file in the other byte order is converted */
        path = px_format("%s/wide.h5", (const char *)*state);
        hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
        hid_t space = H5Screate_simple(4, (hsize_t[]){N, SIDE, SIDE, CHANNELS}, NULL);
        hid_t set = H5Dcreate2(file, "/images", swapped ? H5T_STD_U16BE : H5T_STD_U16LE, space, H5P_DEFAULT,
                               H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Dwrite(set, H5T_NATIVE_UINT16, H5S_ALL, H5S_ALL, H5P_DEFAULT, wide) >= 0);
        H5Dclose(set);
        H5Sclose(space);
        H5Fclose(file);
        px_image image = {0};
        assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
        const px_dataset_info *info = px_dataset_about(d);
        assert_int_equal(info->channels, CHANNELS);
        assert_int_equal(info->bits, 16);
        assert_non_null(strstr(info->note, "has no mean and std; they were measured on 6 images"));
        for (int c = 0; c < CHANNELS; c++) {
            double mean = sum[c] / (N * SIDE * SIDE), variance = square[c] / (N * SIDE * SIDE) - mean * mean;
            assert_float_equal(info->mean[c], mean, 1e-6);
            assert_float_equal(info->std[c], sqrt(variance), 1e-6);
        }
        assert_int_equal(px_dataset_read(d, 4, &image), 0);
        assert_memory_equal(image.pixels, wide + 4 * SIDE * SIDE * CHANNELS, SIDE * SIDE * CHANNELS * 2);
        px_dataset_close(d);
        free(path);
    }
}

static void check_refused(const char *path, const char *why)
{
    px_dataset *d;
    int status = px_dataset_open(&d, path, PX_LINKS_REFUSED);
    if (status == 0)
        fail_msg("%s was opened; '%s' is expected", path, why);
    assert_null(d);
    assert_int_equal(px_error_status(), PX_DATA);
    assert_non_null(strstr(px_error(), path));
    if (!strstr(px_error(), why))
        fail_msg("'%s' does not say '%s'", px_error(), why);
}

static void faults(void **state)
{
    static const struct {
        fault fault;
        const char *why;
    } cases[] = {{NO_IMAGES, "neither /images nor /encoded"},
                 {FLOAT_IMAGES, "uint8 or uint16 expected"},
                 {THREE_AXES, "3 axes, but 4 are expected"},
                 {MANY_CHANNELS, "(6, 5, 5, 65)"},
                 {EMPTY, "contains no images"},
                 {SHORT_LABELS, "/labels has 5 entries, but 6 are expected"},
                 {HIGH_LABEL, "label 2 of image 3 is not in 0..1"},
                 {LOW_LABEL, "label -2 of image 3"},
                 {HIGH_SPLIT, "split 2 of image 5"},
                 {NO_SPLIT_NAMES, "split_names belong together"},
                 {NUMBER_NAMES, "class_names must be strings"},
                 {NO_MEAN, "no attribute mean"},
                 {SHORT_MEAN, "mean must be 3 numbers"},
                 {NAN_MEAN, "of channel 1"},
                 {ZERO_STD, "of channel 2"},
                 {NO_OFFSETS, "/encoded but no /offsets"},
                 {OFFSETS_FALL, "/offsets gives image 1"},
                 {EMPTY_IMAGE, "/offsets gives image 1"},
                 {OFFSETS_OUTSIDE, "/offsets gives image 5"},
                 {NO_CHANNELS, "no attribute channels"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool encoded = cases[i].fault >= NO_OFFSETS;
        char *path = encoded ? make_encoded(*state, cases[i].fault) : make_raw(*state, CONTIGUOUS, cases[i].fault);
        check_refused(path, cases[i].why);
        free(path);
    }
}

static void image_that_does_not_decode(void **state)
{
    char *path = make_encoded(*state, NOT_AN_IMAGE);
    px_dataset *d;
    px_image image = {0};
    assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), 0);
    assert_int_equal(px_dataset_read(d, 1, &image), 0);
    assert_int_equal(px_dataset_read(d, 2, &image), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    assert_non_null(strstr(px_error(), "encoded.h5: image 2: cannot be decoded"));
    px_image_finish(&image);
    px_dataset_close(d);
    free(path);
}

static void files_that_are_no_data_sets(void **state)
{
    char *folder = *state, *missing = px_format("%s/missing.h5", folder);
    char *text = write_file(folder, "text.h5", "some text, not HDF5\n", 20),
         *empty = write_file(folder, "empty.h5", "", 0);
    check_refused(missing, "No such file");
    check_refused(folder, "is a folder");
    check_refused(text, "not an HDF5 file");
    check_refused(empty, "not an HDF5 file");
    char *path = make_raw(folder, CONTIGUOUS, NONE);
    assert_int_equal(truncate(path, 2500), 0);
    check_refused(path, "truncated");
    free(path);
    free(missing);
    free(text);
    free(empty);
}

static int set_up(void **state)
{
    *state = make_folder();
    return 0;
}

static int tear_down(void **state)
{
    remove_folder(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts),
        cmocka_unit_test(raw_is_not_copied),
        cmocka_unit_test(minimal),
        cmocka_unit_test(files_of_others),
        cmocka_unit_test(faults),
        cmocka_unit_test(image_that_does_not_decode),
        cmocka_unit_test(files_that_are_no_data_sets),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
