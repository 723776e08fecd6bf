/* test_channels.c - a set of 13 channels of 16 bits, made like EuroSAT's, from TIFF files to a probe on two ranks; and files
 * of others whose statistics lack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_pictures.h"
#include "base/rng.h"
#include "run.h"
#include "run_files.h"

#include <hdf5.h>
#include <math.h>

enum { SIDE = 16, CHANNELS = 13, CLASSES = 4, EACH = 24 };

/* Reflectances up to a few thousand of 65535: a class has its own spectrum and texture. */
static void draw(uint16_t *pixels, int class, int number)
{
    px_rng rng = px_rng_make(3, PX_RNG_VIEWS, (uint64_t) class, (uint64_t)number);
    float light = px_rng_range(&rng, 0.8f, 1.2f), phase = px_rng_range(&rng, 0, 6.28f);
    for (int i = 0; i < SIDE * SIDE; i++) {
        double wave = sin((double)phase + 0.6 * (class % 2 ? i % SIDE : i / SIDE));
        for (int c = 0; c < CHANNELS; c++) {
            double level = 1200 + 800 * cos(0.5 * c * (1 + class)) + 200 * wave;
            pixels[i * CHANNELS + c] = (uint16_t)(level * (double)light + 100 * (double)px_rng_uniform(&rng));
        }
    }
}

static void write_tiffs(void)
{
    static const char *const names[] = {"crop", "forest", "river", "sea"};
    uint16_t pixels[SIDE * SIDE * CHANNELS];
    tiff_spec s = {SIDE,
                   SIDE,
                   .samples = CHANNELS,
                   .bits = 16,
                   .photometric = PHOTOMETRIC_MINISBLACK,
                   .rows = SIDE,
                   .compression = COMPRESSION_LZW};
    for (int class = 0; class < CLASSES; class ++)
        for (int k = 0; k < EACH; k++) {
            char *name = px_format("%s/%s/%d.tif", k < EACH * 3 / 4 ? "train" : "test", names[class], k);
            draw(pixels, class, k);
            s.separate = k % 2;
            blob file = make_tiff(&s, pixels);
            free(write_file("sat", name, file.bytes, file.size));
            free(file.bytes);
            free(name);
        }
}

static void check_run(run_result r, int status, const char *says)
{
    if (r.status != status || !strstr(status ? r.err : r.out, says))
        fail_msg("status %d instead of %d, or not '%s': %s%s", r.status, status, says, r.err, r.out);
    run_finish(&r);
}

static int setup(void **state)
{
    char *folder = run_folder_create();
    *state = folder;
    if (!folder || chdir(folder) != 0 || mkdir("sat", 0777) != 0)
        return -1;
    write_tiffs();
    check_run(RUN("pack", "sat", "out=sat.h5"), 0, "96 images, 16 x 16, 13 channels of 16 bits, 4 classes");
    return 0;
}

static int teardown(void **state)
{
    if (chdir("/") != 0)
        return -1;
    run_folder_remove(*state);
    return 0;
}

static void pixels_are_those_of_the_files(void **state)
{
    (void)state;
    static uint16_t all[CLASSES * EACH][SIDE * SIDE * CHANNELS], one[SIDE * SIDE * CHANNELS];
    hid_t file = H5Fopen("sat.h5", H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "/images", H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_UINT16, H5S_ALL, H5S_ALL, H5P_DEFAULT, all) >= 0);
    H5Dclose(set);
    float mean[CHANNELS];
    hid_t attribute = H5Aopen(file, "mean", H5P_DEFAULT);
    assert_true(H5Aread(attribute, H5T_NATIVE_FLOAT, mean) >= 0);
    H5Aclose(attribute);
    H5Fclose(file);
    draw(one, 0, 0);
    assert_memory_equal(all[0], one, sizeof one);
    double sum = 0;
    for (int class = 0; class < CLASSES; class ++)
        for (int k = 0; k < EACH * 3 / 4; k++) {
            draw(one, class, k);
            for (int i = 0; i < SIDE * SIDE; i++)
                sum += one[i * CHANNELS + 5];
        }
    assert_float_equal(mean[5], sum / (CLASSES * EACH * 3 / 4 * SIDE * SIDE) / 65535, 1e-6);
}

#define TINY "data.path=sat.h5", "batch=24", "epochs=2", "optim.warmup_epochs=0", "threads=1"

static void colours_are_refused_by_name(void **state)
{
    (void)state;
    check_run(RUN("pretrain", TINY, "out=no", "resnet.width=0.125"), 2,
              "simclr.jitter = 0.8 changes colours, which is for images of 1 or 3 channels, but these have 13; "
              "simclr.jitter=0 turns it off");
    check_run(RUN("pretrain", TINY, "out=no", "resnet.width=0.125", "simclr.jitter=0"), 2,
              "simclr.gray=0 turns it off");
    check_run(RUN("pretrain", TINY, "out=no", "method=mae", "backbone=vit_tiny_4", "data.shown=[1,2,13]"), 2,
              "data.shown: there is no channel 13; these images have 13, counted from 0");
}

static void simclr_is_trained_and_probed(void **state)
{
    (void)state;
    check_run(RUN_RANKS(2, "pretrain", TINY, "out=s", "resnet.width=0.125", "simclr.jitter=0", "simclr.gray=0",
                        "simclr.blur=0.5"),
              0, "");
    check_run(RUN_RANKS(2, "probe", "s", "protocol=linear", "linear.epochs=20", "threads=1"), 0, "");
    check_run(RUN("export", "s", "out=s.safetensors"), 0, "");
    check_run(RUN("features", "s.safetensors", "data.path=sat.h5", "out=f.h5", "threads=1"), 0, "");
}

/* /figures/reconstruction has three channels, which fill the range from black to white. */
static void mae_draws_the_channels_that_are_named(void **state)
{
    (void)state;
    hsize_t dims[3];
    check_run(RUN_RANKS(2, "pretrain", TINY, "out=m", "method=mae", "backbone=vit_tiny_4", "vit.depth=2",
                        "data.shown=[3,2,1]"),
              0, "");
    hid_t file = H5Fopen("m/run.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, "/figures/reconstruction", H5P_DEFAULT), space = H5Dget_space(set);
    assert_int_equal(H5Sget_simple_extent_dims(space, dims, NULL), 3);
    assert_int_equal(dims[2], 3);
    uint8_t *pixels = px_calloc(dims[0] * dims[1], 3);
    assert_true(H5Dread(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, pixels) >= 0);
    for (int c = 0; c < 3; c++) { /* the first picture, an original */
        int least = 255, most = 0;
        for (hsize_t y = 0; y < SIDE; y++)
            for (hsize_t x = 0; x < SIDE; x++) {
                int v = pixels[(y * dims[1] + x) * 3 + (hsize_t)c];
                least = v < least ? v : least;
                most = v > most ? v : most;
            }
        assert_int_equal(least, 0);
        assert_int_equal(most, 255);
    }
    free(pixels);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
}

/* Image files that are kept as they are, decoded while training. */
static void encoded_files_of_16_bits(void **state)
{
    (void)state;
    check_run(RUN("pack", "sat", "out=live.h5", "store=encoded"), 0, "16 x 16 image files, 13 channels of 16 bits");
    check_run(RUN("features", "s.safetensors", "data.path=live.h5", "out=g.h5", "threads=1"), 0, "");
    double *a[2];
    const char *const files[] = {"f.h5", "g.h5"};
    hsize_t dims[2];
    for (int k = 0; k < 2; k++) {
        hid_t file = H5Fopen(files[k], H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "/features", H5P_DEFAULT);
        hid_t space = H5Dget_space(set);
        H5Sget_simple_extent_dims(space, dims, NULL);
        a[k] = px_calloc(dims[0] * dims[1], sizeof *a[k]);
        assert_true(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, a[k]) >= 0);
        H5Sclose(space);
        H5Dclose(set);
        H5Fclose(file);
    }
    assert_memory_equal(a[0], a[1], dims[0] * dims[1] * sizeof *a[0]);
    free(a[0]);
    free(a[1]);
}

static void put_array(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dims, const void *values)
{
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static void what_lacks_is_measured(void **state)
{
    (void)state;
    enum { N = 24 };
    static uint8_t pixels[N * SIDE * SIDE * 3];
    double factors[N * 6] = {0};
    fill_pattern(pixels, sizeof pixels, 1);
    hid_t file = H5Fcreate("others.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    put_array(file, "images", H5T_NATIVE_UINT8, 4, (hsize_t[]){N, SIDE, SIDE, 3}, pixels);
    put_array(file, "labels", H5T_NATIVE_DOUBLE, 2, (hsize_t[]){N, 6}, factors);
    H5Fclose(file);
    run_result r = RUN("pretrain", "data.path=others.h5", "out=o", "resnet.width=0.125", "batch=8", "epochs=1",
                       "optim.warmup_epochs=0", "threads=1");
    if (r.status != 0 ||
        !strstr(r.err,
                "others.h5: /labels are not one whole number per image and are ignored; has no mean and std; they "
                "were measured on 24 images of the split train"))
        fail_msg("%d: %s", r.status, r.err);
    run_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_those_of_the_files), cmocka_unit_test(colours_are_refused_by_name),
        cmocka_unit_test(simclr_is_trained_and_probed),  cmocka_unit_test(mae_draws_the_channels_that_are_named),
        cmocka_unit_test(encoded_files_of_16_bits),      cmocka_unit_test(what_lacks_is_measured),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
