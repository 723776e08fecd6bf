/* test_h5.c - a file that is read leads to no other: external links (also behind soft ones, and to a pipe), external
 * storage and virtual data sets are refused by name, in data sets and in other files. A data set may lead out if its user
 * says so; its elements are then right. Nor does a file take memory or time that its content does not need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "base/error.h"
#include "data/dataset.h"
#include "results/h5.h"
#include "results/results.h"

#include <hdf5.h>

enum { COUNT = 3, SIDE = 4, BYTES = COUNT * SIDE * SIDE };

typedef enum way { INSIDE, SOFT, EXTERNAL_LINK, SOFT_TO_EXTERNAL, PIPE, STORAGE, VIRTUAL, WAYS } way;

static const hsize_t shape[] = {COUNT, SIDE, SIDE, 1};

/* Image i is full of 10 i + 1. */
static void fill(uint8_t bytes[BYTES])
{
    for (int i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i / (SIDE * SIDE) * 10 + 1);
}

static void put_images(hid_t file, const char *name, hid_t dcpl, bool write)
{
    uint8_t bytes[BYTES];
    fill(bytes);
    hid_t space = H5Screate_simple(4, shape, NULL);
    hid_t set = H5Dcreate2(file, name, H5T_STD_U8LE, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
    assert_true(set >= 0);
    if (write)
        assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static void put_numbers(hid_t file)
{
    const float one = 1;
    hid_t space = H5Screate(H5S_SCALAR);
    for (int i = 0; i < 2; i++) {
        hid_t attribute = H5Acreate2(file, i ? "std" : "mean", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(H5Awrite(attribute, H5T_NATIVE_FLOAT, &one) >= 0);
        H5Aclose(attribute);
    }
    H5Sclose(space);
}

/* A data set whose /images lies where `how` says; what it leads to is beside it. */
static char *make(const char *folder, way how)
{
    uint8_t bytes[BYTES];
    fill(bytes);
    char *other = px_format("%s/other.h5", folder), *raw = write_file(folder, "raw.bin", bytes, sizeof bytes),
         *path = px_format("%s/main%d.h5", folder, (int)how), *pipe = px_format("%s/pipe%d", folder, (int)how);
    hid_t target = H5Fcreate(other, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    put_images(target, "theirs", H5P_DEFAULT, true);
    H5Fclose(target);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), dcpl = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(4, shape, NULL);
    put_numbers(file);
    switch (how) {
    case INSIDE:
        put_images(file, "images", H5P_DEFAULT, true);
        break;
    case SOFT:
        put_images(file, "here", H5P_DEFAULT, true);
        H5Lcreate_soft("/here", file, "images", H5P_DEFAULT, H5P_DEFAULT);
        break;
    case SOFT_TO_EXTERNAL:
        H5Lcreate_external("other.h5", "/", file, "out", H5P_DEFAULT, H5P_DEFAULT);
        H5Lcreate_soft("/out/theirs", file, "images", H5P_DEFAULT, H5P_DEFAULT);
        break;
    case PIPE:
        assert_int_equal(mkfifo(pipe, 0600), 0);
        H5Lcreate_external(pipe, "/theirs", file, "images", H5P_DEFAULT, H5P_DEFAULT);
        break;
    case STORAGE:
        H5Pset_external(dcpl, raw, 0, BYTES);
        put_images(file, "images", dcpl, false);
        break;
    case VIRTUAL:
        H5Pset_virtual(dcpl, space, "other.h5", "theirs", space);
        put_images(file, "images", dcpl, false);
        break;
    default:
        H5Lcreate_external("other.h5", "/theirs", file, "images", H5P_DEFAULT, H5P_DEFAULT);
    }
    H5Sclose(space);
    H5Pclose(dcpl);
    H5Fclose(file);
    free(other);
    free(raw);
    free(pipe);
    return path;
}

static const char *const says[WAYS] = {
    [EXTERNAL_LINK] = "main2.h5: /images leads to another file, '",
    [SOFT_TO_EXTERNAL] = "main3.h5: /images leads to another file, '",
    [PIPE] = "pipe4', which is not read; data.links=true allows it",
    [STORAGE] = "main5.h5: /images: it is in external storage, of '",
    [VIRTUAL] =
        "main6.h5: /images: it is a virtual data set, of 'other.h5', which is not read; data.links=true allows it",
};

static void check_images(const char *path, px_links links)
{
    px_dataset *d;
    px_image image = {0};
    if (px_dataset_open(&d, path, links) != 0)
        fail_msg("%s", px_error());
    assert_int_equal(px_dataset_about(d)->count, COUNT);
    assert_int_equal(px_dataset_read(d, 2, &image), 0);
    assert_int_equal(image.pixels[0], 21);
    assert_int_equal(image.pixels[SIDE * SIDE - 1], 21);
    px_image_finish(&image);
    px_dataset_close(d);
}

static void data_sets_stay_inside(void **state)
{
    for (way how = 0; how < WAYS; how++) {
        px_dataset *d;
        char *path = make(*state, how);
        if (!says[how]) {
            check_images(path, PX_LINKS_REFUSED);
        } else {
            assert_int_equal(px_dataset_open(&d, path, PX_LINKS_REFUSED), -1);
            assert_int_equal(px_error_status(), PX_DATA);
            if (!strstr(px_error(), says[how]))
                fail_msg("'%s' does not say '%s'", px_error(), says[how]);
        }
        free(path);
    }
}

static void users_may_lead_out(void **state)
{
    for (way how = 0; how < WAYS; how++) {
        char *path = make(*state, how);
        px_dataset *d;
        if (how != PIPE) {
            check_images(path, PX_LINKS_FOLLOWED);
        } else { /* refused, not waited for */
            assert_int_equal(px_dataset_open(&d, path, PX_LINKS_FOLLOWED), -1);
            assert_non_null(strstr(px_error(), "main4.h5: /images cannot be read: "));
        }
        free(path);
    }
}

static void other_files_stay_inside(void **state)
{
    for (way how = 0; how < WAYS; how++) {
        char *path = make(*state, how);
        px_results *r;
        double *data = NULL;
        int rank;
        int64_t dim[4];
        assert_int_equal(px_results_open(&r, path, PX_RESULTS_READ), 0);
        assert_int_equal(px_results_get(r, "/images", &data, &rank, dim), says[how] ? -1 : 0);
        if (!says[how])
            assert_true(data[BYTES - 1] == 21);
        free(data);
        px_results_close(r);
        free(path);
    }
}

/* A growing data set of four numbers, in one chunk of 800 MB when it is read. */
static void chunks_may_be_as_large_as_what_they_hold(void **state)
{
    char *path = px_format("%s/chunks.h5", (char *)*state);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    for (int giant = 0; giant < 2; giant++) {
        const hsize_t count = 4, most = H5S_UNLIMITED, chunk = giant ? 200000000 : 1000;
        hid_t space = H5Screate_simple(1, &count, &most), how = H5Pcreate(H5P_DATASET_CREATE);
        H5Pset_chunk(how, 1, &chunk);
        hid_t set = H5Dcreate2(file, giant ? "giant" : "usual", H5T_STD_I32LE, space, H5P_DEFAULT, how, H5P_DEFAULT);
        assert_true(set >= 0);
        assert_int_equal(px_h5_plausible(set, 1, &count, 4), !giant);
        H5Dclose(set);
        H5Pclose(how);
        H5Sclose(space);
    }
    H5Fclose(file);
    free(path);
}

/* Thousands of groups within each other, through which HDF5 would walk for minutes. */
static void deep_groups_are_refused(void **state)
{
    char *path = px_format("%s/deep.h5", (char *)*state);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), group[4000];
    for (int i = 0; i < 4000; i++)
        group[i] = H5Gcreate2(i ? group[i - 1] : file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    for (int i = 0; i < 4000; i++)
        H5Gclose(group[i]);
    H5Fclose(file);
    px_results *r;
    px_results_objects all;
    assert_int_equal(px_results_open(&r, path, PX_RESULTS_READ), 0);
    assert_int_equal(px_results_all(r, 0, &all), -1);
    assert_int_equal(px_error_status(), PX_DATA);
    assert_non_null(strstr(px_error(), "deep.h5: has groups within each other, more than 64 deep"));
    px_results_close(r);
    free(path);
}

static int setup(void **state)
{
    px_h5_quiet();
    *state = make_folder();
    return 0;
}

static int teardown(void **state)
{
    remove_folder(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(data_sets_stay_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(users_may_lead_out, setup, teardown),
        cmocka_unit_test_setup_teardown(other_files_stay_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(chunks_may_be_as_large_as_what_they_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(deep_groups_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
