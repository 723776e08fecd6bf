/* test_pack_bad.c - bad sources: one clear line each; no incomplete file is left behind, and an old one is not
 * changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "data/pack.h"
#include "data/pack_file.h"
#include "make_data.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

static const px_pack_options plain = {.split = "", .class_names = ""};
static const char old[] = "\x89HDF\r\n\x1a\nan older data set";

/* The output still has its old content and is alone in its folder. */
static void check_output_untouched(const char *out_folder)
{
    char *path = px_format("%s/data.h5", out_folder);
    blob b = read_file(path);
    assert_int_equal(b.size, strlen(old));
    assert_memory_equal(b.bytes, old, b.size);
    free(b.bytes);
    free(path);
    DIR *folder = opendir(out_folder);
    int entries = 0;
    while (readdir(folder))
        entries++;
    closedir(folder);
    assert_int_equal(entries, 3); /* with . and .. */
}

/* Packs the folder folder/in (or the source in it) to folder/out/data.h5. */
static void check_refused(const char *folder, const char *source, const px_pack_options *o, px_status status,
                          const char *why)
{
    px_log log = px_log_make(stderr, true);
    px_pack_summary summary;
    char *in = px_format("%s/in%s%s", folder, *source ? "/" : "", source), *out_folder = px_format("%s/out", folder);
    char *out = write_file(folder, "out/data.h5", old, strlen(old));
    if (px_pack((const char *[]){in}, 1, out, o, &log, &summary) == 0)
        fail_msg("%s was packed; '%s' is expected", source, why);
    if (!strstr(px_error(), why))
        fail_msg("'%s' does not say '%s'", px_error(), why);
    if (px_error_status() != status)
        fail_msg("'%s' has the status %d, not %d", px_error(), px_error_status(), status);
    check_output_untouched(out_folder);
    free(in);
    free(out_folder);
    free(out);
}

static void put(const char *folder, const char *name, const void *bytes, size_t size)
{
    char *path = px_format("in/%s", name);
    free(write_file(folder, path, bytes, size));
    free(path);
}

static void put_image(const char *folder, const char *name, int height)
{
    blob png = make_flat_png(height, 4, 3, 9);
    put(folder, name, png.bytes, png.size);
    free(png.bytes);
}

/* Fills the file with zeros. */
static void put_zeros(const char *folder, const char *name, size_t size)
{
    void *zeros = px_calloc(size, 1);
    put(folder, name, zeros, size);
    free(zeros);
}

static const uint8_t idx_two_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40};
static const uint8_t idx_two_labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};

static void bad_idx(void **state)
{
    const char *f = *state, *images = "train-images-idx3-ubyte", *labels = "train-labels-idx1-ubyte";
    put(f, images, idx_two_images, sizeof idx_two_images - 1);
    check_refused(f, images, &plain, PX_DATA, "is truncated: it has 19 bytes, but its header announces 20");
    put(f, images, idx_two_images, 11);
    check_refused(f, "", &plain, PX_DATA, "train-images-idx3-ubyte: is not an IDX file");
    put(f, images, "<html>404</html>", 16);
    check_refused(f, "", &plain, PX_DATA, "it begins with 3c68746d");
    put(f, images, idx_two_images, sizeof idx_two_images);
    uint8_t three[] = {0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 0};
    put(f, labels, three, sizeof three);
    check_refused(f, "", &plain, PX_DATA, "contains 3 labels for the 2 images of");
    put(f, labels, idx_two_labels, sizeof idx_two_labels);
    px_pack_options named = plain;
    named.class_names = "a,b,c";
    check_refused(f, "", &named, PX_USAGE, "class_names gives 3 names, but the sources have 2 classes");
    px_pack_options encoded = plain;
    encoded.store = PX_STORE_ENCODED;
    check_refused(f, "", &encoded, PX_USAGE, "store=encoded is for image files");
    put(f, "t10k-labels-idx1-ubyte", idx_two_labels, sizeof idx_two_labels);
    check_refused(f, "", &plain, PX_DATA,
                  "t10k-labels-idx1-ubyte: contains labels, but the images for them are missing");
    put(f, "t10k-images-idx3-ubyte", idx_two_images, sizeof idx_two_images);
    uint8_t new_class[] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 2};
    put(f, "t10k-labels-idx1-ubyte", new_class, sizeof new_class);
    check_refused(f, "", &plain, PX_DATA, "class 2 has images in split test but none in split train");
    put(f, images, "", 0);
    check_refused(f, images, &plain, PX_DATA, "train-images-idx3-ubyte: is empty");
}

static void bad_cifar_and_stl(void **state)
{
    const char *f = *state;
    uint8_t *records = px_calloc(2, 3073);
    put(f, "data_batch_1.bin", records, 2 * 3073 - 5);
    check_refused(f, "", &plain, PX_DATA,
                  "data_batch_1.bin: is truncated or does not have the format CIFAR-10: 6141 bytes");
    records[3073] = 10;
    put(f, "data_batch_1.bin", records, 2 * 3073);
    check_refused(f, "", &plain, PX_DATA, "label 10 of image 1 is not in 0..9");
    records[3073] = 9;
    put(f, "data_batch_1.bin", records, 2 * 3073);
    put(f, "batches.meta.txt", "cat\ndog\n", 8);
    check_refused(f, "", &plain, PX_DATA, "batches.meta.txt: names 2 classes, but CIFAR-10 has 10");
    put_zeros(f, "train.bin", 3074);
    check_refused(f, "", &plain, PX_DATA, "train.bin: has the format CIFAR-100, but the files before it have CIFAR-10");
    free(records);
    put_zeros(f, "stl/train_X.bin", 27648 * 2);
    check_refused(f, "stl", &plain, PX_DATA, "train_X.bin: its labels are missing (train_y.bin)");
    put(f, "stl/train_y.bin", "\x01\x02\x03", 3);
    check_refused(f, "stl", &plain, PX_DATA, "train_y.bin: contains 3 labels for the 2 images of");
    put(f, "stl/train_y.bin", "\x01\x0B", 2);
    check_refused(f, "stl", &plain, PX_DATA, "label 11 of image 1 is not in 1..10");
    put_zeros(f, "stl/train_X.bin", 27648 + 1);
    check_refused(f, "stl/train_X.bin", &plain, PX_DATA, "train_X.bin: is truncated");
}

static void bad_images(void **state)
{
    const char *f = *state;
    put_image(f, "train/cat/1.png", 4);
    put_image(f, "train/dog/1.png", 4);
    put_image(f, "test/cow/1.png", 4);
    check_refused(f, "", &plain, PX_DATA, "class cow has images in split test but none in split train");
    put_image(f, "train/cow/1.png", 4);
    char *empty = px_format("%s/in/train/eel", f);
    assert_int_equal(mkdir(empty, 0777), 0);
    check_refused(f, "", &plain, PX_DATA, "the class folder train/eel contains no images");
    check_refused(f, "train", &plain, PX_DATA, "the class folder eel contains no images");
    put(f, "train/eel/1.png", "", 0);
    check_refused(f, "", &plain, PX_DATA, "train/eel/1.png: is empty");
    put(f, "train/eel/1.png", "no picture", 10);
    check_refused(f, "", &plain, PX_DATA, "train/eel/1.png: cannot be decoded: it is neither JPEG nor PNG");
    put_image(f, "train/eel/1.png", 5);
    px_pack_options raw = plain;
    raw.store = PX_STORE_RAW;
    check_refused(f, "", &raw, PX_DATA, "raw storage needs one size");
    blob png = make_flat_png(4, 4, 3, 9);
    put(f, "train/eel/1.png", png.bytes, png.size - 20); /* the header is intact, so it is found in the second pass */
    check_refused(f, "", &plain, PX_DATA, "train/eel/1.png: cannot be decoded");
    free(png.bytes);
    free(empty);
}

/* Bad heads, bad pixels, empty files, links to nowhere: all are named in one go, and bad=skip leaves the others, their order
 * and their labels. */
static void skipped(void **state)
{
    char *folder = *state, *in = px_format("%s/in", folder), *out = px_format("%s/good.h5", folder);
    for (int encoded = 0; encoded < 2; encoded++) {
        for (int k = 0; k < 6; k++) {
            char name[20];
            blob png = make_flat_png(4, 4, 3, (uint8_t)(10 * k));
            snprintf(name, sizeof name, "%c/%d.png", k % 2 ? 'b' : 'a', k);
            put(folder, name, png.bytes, k == 3 ? png.size - 20 : png.size);
            free(png.bytes);
        }
        put(folder, "a/3.jpg", "text", 4);
        put(folder, "aa/1.png", "", 0); /* a class without a good image keeps its number */
        check_refused(folder, "", &plain, PX_DATA, "; bad=skip leaves these 3 files out");
        assert_non_null(strstr(
            px_error(), "in: a/3.jpg: cannot be decoded: it is neither JPEG nor PNG, WebP, TIFF, BMP, PNM or GIF; "));
        assert_non_null(strstr(px_error(), "in: aa/1.png: is empty; "));
        assert_non_null(strstr(px_error(), "in: b/3.png: cannot be decoded: "));
        px_pack_options o = plain;
        o.bad = PX_BAD_SKIP;
        o.store = encoded ? PX_STORE_ENCODED : PX_STORE_RAW;
        px_log log = px_log_make(stderr, true);
        px_pack_summary summary;
        px_dataset *d;
        assert_int_equal(px_pack((const char *[]){in}, 1, out, &o, &log, &summary), 0);
        assert_int_equal(summary.count, 5);
        assert_int_equal(summary.skipped, 3);
        assert_non_null(strstr(summary.text, "3 bad files were left out"));
        free(summary.text);
        assert_int_equal(px_dataset_open(&d, out, PX_LINKS_REFUSED), 0);
        assert_int_equal(px_dataset_about(d)->classes, 3);
        static const int value[] = {0, 20, 40, 10, 50}, label[] = {0, 0, 0, 2, 2};
        px_image image = {0};
        for (int i = 0; i < 5; i++) {
            assert_int_equal(px_dataset_read(d, i, &image), 0);
            assert_int_equal(image.pixels[0], value[i]);
            assert_int_equal(image.label, label[i]);
        }
        px_image_finish(&image);
        px_dataset_close(d);
    }
    put(folder, "b/7.png", "text", 4);
    check_refused(folder, "", &plain, PX_DATA, "in: 4 files cannot be read (named above); bad=skip leaves them out");
    free(in);
    free(out);
}

/* Where nothing is good, all are named all the same. */
static void all_are_bad(void **state)
{
    char *folder = *state;
    px_pack_options skip = plain;
    skip.bad = PX_BAD_SKIP;
    put(folder, "a/1.png", "text", 4);
    check_refused(folder, "", &plain, PX_DATA, "in: a/1.png: cannot be decoded: ");
    check_refused(folder, "", &skip, PX_DATA, "in: a/1.png: cannot be decoded: ");
    put(folder, "a/2.png", "", 0);
    for (int k = 0; k < 2; k++) {
        check_refused(folder, "", k ? &skip : &plain, PX_DATA, "; nothing else is left to pack");
        assert_true(k || strstr(px_error(), "in: a/1.png: cannot be decoded: "));
        assert_true(k || strstr(px_error(), "in: a/2.png: is empty"));
    }
    put(folder, "a/3.png", "", 0);
    put(folder, "b/4.png", "", 0);
    check_refused(folder, "", &plain, PX_DATA,
                  "in: 4 files cannot be read (named above); nothing else is left to pack");
}

/* The reasons are in the file. */
static void listed(void **state)
{
    char *folder = *state, *in = px_format("%s/in", folder), *out = px_format("%s/good.h5", folder), **why;
    put_image(folder, "a/1.png", 4);
    put(folder, "a/2.png", "text", 4);
    px_pack_options o = plain;
    o.bad = PX_BAD_SKIP;
    px_log log = px_log_make(stderr, true);
    px_pack_summary summary;
    assert_int_equal(px_pack((const char *[]){in}, 1, out, &o, &log, &summary), 0);
    free(summary.text);
    hid_t file = H5Fopen(out, H5F_ACC_RDONLY, H5P_DEFAULT), attribute = H5Aopen(file, "skipped", H5P_DEFAULT);
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    assert_int_equal(H5Sget_simple_extent_npoints(space), 1);
    why = px_calloc(1, sizeof *why);
    assert_true(H5Aread(attribute, type, why) >= 0);
    assert_non_null(strstr(why[0], "a/2.png: cannot be decoded: it is neither JPEG nor PNG"));
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, why);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attribute);
    H5Fclose(file);
    free(why);
    free(in);
    free(out);
}

static void bad_archives(void **state)
{
    char *folder = *state;
    uint8_t noise[3000];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * i * 31 + i / 7 * 13);
    put_image(folder, "x", 4); /* makes the folder in/ */
    char *tar = px_format("%s/in/a.tar", folder), *gz = px_format("%s/in/b.tar.gz", folder);
    struct archive *a = begin_archive(tar, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    add_entry(a, "cat/../../1.png", "x", 1);
    end_archive(a);
    check_refused(folder, "a.tar", &plain, PX_DATA, "entry cat/../../1.png leads out of the archive");
    a = begin_archive(gz, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP);
    add_entry(a, "cat/notes.bin", noise, sizeof noise);
    end_archive(a);
    check_refused(folder, "b.tar.gz", &plain, PX_DATA, "contains nothing to pack");
    assert_int_equal(truncate(gz, 900), 0);
    check_refused(folder, "b.tar.gz", &plain, PX_DATA, "b.tar.gz: the archive is damaged or cut off");
    a = begin_archive(tar, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    for (int twice = 0; twice < 2; twice++) {
        blob png = make_flat_png(4, 4, 3, 9);
        add_entry(a, "cat/1.png", png.bytes, png.size);
        free(png.bytes);
    }
    end_archive(a);
    check_refused(folder, "a.tar", &plain, PX_DATA, "cat/1.png: occurs twice");
    assert_int_equal(truncate(tar, 520), 0);
    check_refused(folder, "a.tar", &plain, PX_DATA, "the archive is damaged or cut off");
    char *idx = write_compressed(folder, "in/train-images-idx3-ubyte.gz", ARCHIVE_FILTER_GZIP, noise, sizeof noise);
    assert_int_equal(truncate(idx, 500), 0);
    check_refused(folder, "train-images-idx3-ubyte.gz", &plain, PX_DATA, "the archive is damaged or cut off");
    free(idx);
    free(tar);
    free(gz);
}

static void nothing_to_pack(void **state)
{
    char *folder = *state, *in = px_format("%s/in", folder);
    check_refused(folder, "", &plain, PX_DATA, "in: cannot be opened: No such file");
    assert_int_equal(mkdir(in, 0777), 0);
    check_refused(folder, "", &plain, PX_DATA, "in: contains no images");
    put(folder, "notes.txt", "text", 4);
    check_refused(folder, "", &plain, PX_DATA, "in: contains nothing to pack");
    check_refused(folder, "notes.txt", &plain, PX_DATA, "notes.txt: contains nothing to pack");
    put(folder, "empty", "", 0);
    check_refused(folder, "empty", &plain, PX_DATA, "empty: is empty");
    put_image(folder, "cat/1.png", 4);
    char *link = px_format("%s/in/cat/2.png", folder);
    assert_int_equal(symlink("missing", link), 0);
    check_refused(folder, "", &plain, PX_DATA, "is a link to a file that does not exist");
    assert_int_equal(remove(link), 0);
    px_pack_options two = plain;
    two.channels = 2;
    check_refused(folder, "", &two, PX_USAGE, "channels=2");
    free(link);
    free(in);
}

static void bad_output(void **state)
{
    char *folder = *state, *in = px_format("%s/in", folder), *image = px_format("%s/in/cat/1.png", folder);
    char *missing = px_format("%s/missing/data.h5", folder);
    px_log log = px_log_make(stderr, true);
    px_pack_summary summary;
    put_image(folder, "cat/1.png", 4);
    assert_int_equal(px_pack((const char *[]){in}, 1, missing, &plain, &log, &summary), -1);
    assert_non_null(strstr(px_error(), "missing/data.h5: cannot be written: No such file"));
    assert_int_equal(px_error_status(), PX_FAIL);
    assert_int_equal(px_pack((const char *[]){in}, 1, folder, &plain, &log, &summary), -1);
    assert_int_equal(px_error_status(), PX_USAGE);
    assert_int_equal(px_pack((const char *[]){image}, 1, image, &plain, &log, &summary), -1);
    assert_non_null(strstr(px_error(), "is a source"));
    free(missing);
    free(image);
    free(in);
}

/* A limit on the size of files acts as a full disk. */
static void limit_files(rlim_t size)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void full_disk(void **state)
{
    char *folder = *state;
    put_zeros(folder, "data_batch_1.bin", 3073 * 200);
    limit_files(100000);
    check_refused(folder, "", &plain, PX_FAIL, "data.h5: cannot be written: File too large");
    limit_files(RLIM_INFINITY);
}

/* If space cannot be reserved in advance, the disk becomes full while writing. HDF5 must survive that, too. */
static void disk_that_fills_up(void **state)
{
    char *out = px_format("%s/data.h5", (char *)*state), *partial;
    uint8_t *pixels = px_calloc(100, 3072);
    px_pack_file f;
    px_pack_shape shape = {.count = 200, .height = 32, .width = 32, .channels = 3};
    assert_int_equal(px_pack_file_create(&f, &shape, out), 0);
    partial = px_strdup(f.partial);
    assert_int_equal(access(partial, F_OK), 0);
    assert_int_equal(px_pack_file_write(&f, 0, 100, pixels), 0);
    limit_files(350000);
    assert_int_equal(px_pack_file_write(&f, 100, 100, pixels), -1);
    assert_int_equal(px_error_status(), PX_FAIL);
    assert_non_null(strstr(px_error(), "data.h5: cannot be written: "));
    assert_non_null(strstr(px_error(), "File too large"));
    limit_files(RLIM_INFINITY);
    px_pack_file_abandon(&f);
    assert_int_equal(access(partial, F_OK), -1);
    assert_int_equal(access(out, F_OK), -1);
    free(partial);
    free(pixels);
    free(out);
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
        cmocka_unit_test_setup_teardown(bad_idx, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_cifar_and_stl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_images, set_up, tear_down),
        cmocka_unit_test_setup_teardown(skipped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_are_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_archives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_to_pack, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_that_fills_up, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
