/* test_pack.c - packing: every format, plain, in a folder and in archives, is read back pixel by pixel in the
 * documented order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "data/pack.h"
#include "make_pictures.h"

#include <math.h>

static const px_pack_options plain = {.split = "", .class_names = ""};

/* Packs one to four sources to folder/out.h5 and opens the result. */
static px_dataset *pack_open(const char *folder, const px_pack_options *options, px_pack_summary *summary, int count,
                             const char *const sources[])
{
    px_log log = px_log_make(stderr, true);
    px_pack_summary own;
    px_dataset *d = NULL;
    char *out = px_format("%s/out.h5", folder);
    if (px_pack(sources, count, out, options, &log, &own) != 0 || px_dataset_open(&d, out, PX_LINKS_REFUSED) != 0)
        fail_msg("%s", px_error());
    assert_int_equal(own.count, px_dataset_about(d)->count);
    assert_non_null(strstr(own.text, "images"));
    free(own.text);
    own.text = NULL;
    if (summary)
        *summary = own;
    free(out);
    return d;
}

static void check_row(const px_dataset *d, int64_t row, const char *split, int label, const uint8_t *pixels,
                      size_t size)
{
    px_image image = {0};
    bool there = false;
    assert_int_equal(px_dataset_read(d, row, &image), 0);
    assert_int_equal((size_t)image.height * image.width * image.channels, size);
    assert_memory_equal(image.pixels, pixels, size);
    assert_int_equal(image.label, label);
    const px_split *s = px_dataset_split(d, split);
    assert_non_null(s);
    for (int64_t i = 0; i < s->count; i++)
        there = there || s->index[i] == row;
    assert_true(there);
    px_image_finish(&image);
}

/* ---- IDX --------------------------------------------------------------------------------------------------------- */

enum { IDX_H = 3, IDX_W = 4, IDX_AREA = IDX_H * IDX_W };

static blob idx_images(int count, unsigned seed)
{
    blob b = {px_calloc((size_t)(16 + count * IDX_AREA), 1), (size_t)(16 + count * IDX_AREA)};
    memcpy(b.bytes, (uint8_t[]){0, 0, 8, 3, 0, 0, 0, (uint8_t)count, 0, 0, 0, IDX_H, 0, 0, 0, IDX_W}, 16);
    fill_pattern(b.bytes + 16, b.size - 16, seed);
    return b;
}

static blob idx_labels(int count)
{
    blob b = {px_calloc((size_t)(8 + count), 1), (size_t)(8 + count)};
    memcpy(b.bytes, (uint8_t[]){0, 0, 8, 1, 0, 0, 0, (uint8_t)count}, 8);
    for (int i = 0; i < count; i++)
        b.bytes[8 + i] = (uint8_t)((i + 1) % 3);
    return b;
}

static void check_idx(px_dataset *d, const blob *train, const blob *test)
{
    const px_dataset_info *info = px_dataset_about(d);
    assert_int_equal(info->count, 8);
    assert_int_equal(info->height, IDX_H);
    assert_int_equal(info->width, IDX_W);
    assert_int_equal(info->channels, 1);
    assert_int_equal(info->classes, 3);
    for (int i = 0; i < 5; i++)
        check_row(d, i, "train", (i + 1) % 3, train->bytes + 16 + i * IDX_AREA, IDX_AREA);
    for (int i = 0; i < 3; i++)
        check_row(d, 5 + i, "test", (i + 1) % 3, test->bytes + 16 + i * IDX_AREA, IDX_AREA);
    double sum = 0, square = 0; /* of the train split only */
    for (int i = 0; i < 5 * IDX_AREA; i++) {
        sum += train->bytes[16 + i] / 255.0;
        square += train->bytes[16 + i] / 255.0 * train->bytes[16 + i] / 255.0;
    }
    double mean = sum / (5 * IDX_AREA);
    assert_float_equal(info->mean[0], mean, 1e-6);
    assert_float_equal(info->std[0], sqrt(square / (5 * IDX_AREA) - mean * mean), 1e-6);
    px_dataset_close(d);
}

static void idx(void **state)
{
    char *folder = *state;
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                        "t10k-labels-idx1-ubyte"};
    blob content[] = {idx_images(5, 1), idx_labels(5), idx_images(3, 2), idx_labels(3)};
    char *files[4], *packed[4], *tar = px_format("%s/idx.tar.xz", folder), *outer = px_format("%s/outer.zip", folder);
    struct archive *a = begin_archive(tar, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ);
    for (int i = 3; i >= 0; i--) { /* labels before images */
        char *zipped_name = px_format("%s.gz", names[i]), *plain_name = px_format("plain/%s", names[i]);
        files[i] = write_file(folder, plain_name, content[i].bytes, content[i].size);
        packed[i] = write_compressed(folder, zipped_name, ARCHIVE_FILTER_GZIP, content[i].bytes, content[i].size);
        blob zipped = read_file(packed[i]);
        add_entry(a, zipped_name, zipped.bytes, zipped.size);
        free(zipped.bytes);
        free(zipped_name);
        free(plain_name);
    }
    end_archive(a);
    blob inner = read_file(tar);
    a = begin_archive(outer, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE);
    add_entry(a, "deep/idx.tar.xz", inner.bytes, inner.size);
    add_entry(a, "README.txt", "hello", 5);
    end_archive(a);
    free(inner.bytes);
    char *plain_folder = px_format("%s/plain", folder);
    check_idx(pack_open(folder, &plain, NULL, 4, (const char *const *)files), &content[0], &content[2]);
    check_idx(pack_open(folder, &plain, NULL, 4, (const char *const *)packed), &content[0], &content[2]);
    check_idx(pack_open(folder, &plain, NULL, 1, (const char *[]){plain_folder}), &content[0], &content[2]);
    check_idx(pack_open(folder, &plain, NULL, 1, (const char *[]){tar}), &content[0], &content[2]);
    check_idx(pack_open(folder, &plain, NULL, 1, (const char *[]){outer}), &content[0], &content[2]);
    px_pack_options named = plain;
    named.class_names = "top, bag ,boot";
    named.split = "mine";
    named.channels = 3;
    px_dataset *d = pack_open(folder, &named, NULL, 4, (const char *const *)files);
    assert_string_equal(px_dataset_about(d)->class_names[1], "bag");
    assert_int_equal(px_dataset_split(d, "mine")->count, 8);
    assert_int_equal(px_dataset_about(d)->channels, 3);
    px_dataset_close(d);
    for (int i = 0; i < 4; i++) {
        free(content[i].bytes);
        free(files[i]);
        free(packed[i]);
    }
    free(plain_folder);
    free(tar);
    free(outer);
}

/* ---- CIFAR and STL-10 -------------------------------------------------------------------------------------------- */

enum { CIFAR_AREA = 32 * 32, STL_SIDE = 96, STL_AREA = STL_SIDE * STL_SIDE };

/* `count` records with `lead` label bytes; their pixels, interleaved, in *pixels. */
static blob cifar_records(int count, int lead, unsigned seed, uint8_t **pixels)
{
    int record = lead + 3 * CIFAR_AREA;
    blob b = {px_calloc((size_t)(count * record), 1), (size_t)(count * record)};
    *pixels = px_realloc(NULL, (size_t)(count * 3 * CIFAR_AREA));
    fill_pattern(*pixels, (size_t)(count * 3 * CIFAR_AREA), seed);
    for (int i = 0; i < count; i++) {
        uint8_t *out = b.bytes + i * record;
        out[0] = 7; /* CIFAR-100: the coarse label, which is not used */
        out[lead - 1] = (uint8_t)(lead == 2 ? 60 + i : i % 10);
        for (int k = 0; k < CIFAR_AREA; k++)
            for (int c = 0; c < 3; c++)
                out[lead + c * CIFAR_AREA + k] = (*pixels)[(i * CIFAR_AREA + k) * 3 + c];
    }
    return b;
}

static void cifar10(void **state)
{
    char *folder = *state, *tar = px_format("%s/cifar.tgz", folder);
    uint8_t *one, *two, *test;
    blob files[] = {cifar_records(12, 1, 1, &one), cifar_records(11, 1, 2, &two), cifar_records(10, 1, 3, &test)};
    const char names[] = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    struct archive *a = begin_archive(tar, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_GZIP);
    add_entry(a, "cifar-10-batches-bin/", NULL, 0);
    add_entry(a, "cifar-10-batches-bin/test_batch.bin", files[2].bytes, files[2].size);
    add_entry(a, "cifar-10-batches-bin/data_batch_2.bin", files[1].bytes, files[1].size);
    add_entry(a, "cifar-10-batches-bin/batches.meta.txt", names, sizeof names - 1);
    add_entry(a, "cifar-10-batches-bin/data_batch_1.bin", files[0].bytes, files[0].size);
    add_entry(a, "cifar-10-batches-bin/readme.html", "<html>", 6);
    end_archive(a);
    px_pack_summary summary;
    px_dataset *d = pack_open(folder, &plain, &summary, 1, (const char *[]){tar});
    assert_int_equal(summary.count, 33);
    assert_int_equal(summary.classes, 10);
    assert_int_equal(summary.height, 32);
    assert_int_equal(summary.splits, 2);
    assert_string_equal(px_dataset_about(d)->class_names[9], "truck");
    for (int i = 0; i < 12; i++)
        check_row(d, i, "train", i % 10, one + i * 3 * CIFAR_AREA, 3 * CIFAR_AREA);
    for (int i = 0; i < 11; i++)
        check_row(d, 12 + i, "train", i % 10, two + i * 3 * CIFAR_AREA, 3 * CIFAR_AREA);
    for (int i = 0; i < 10; i++)
        check_row(d, 23 + i, "test", i % 10, test + i * 3 * CIFAR_AREA, 3 * CIFAR_AREA);
    px_dataset_close(d);
    for (int i = 0; i < 3; i++)
        free(files[i].bytes);
    free(one);
    free(two);
    free(test);
    free(tar);
}

static void cifar100(void **state)
{
    char *folder = *state;
    uint8_t *train, *test;
    blob files[] = {cifar_records(4, 2, 1, &train), cifar_records(3, 2, 2, &test)};
    char *paths[] = {write_file(folder, "train.bin", files[0].bytes, files[0].size),
                     write_file(folder, "test.bin", files[1].bytes, files[1].size)};
    px_dataset *d = pack_open(folder, &plain, NULL, 2, (const char *const *)paths);
    assert_int_equal(px_dataset_about(d)->classes, 100);
    for (int i = 0; i < 4; i++)
        check_row(d, i, "train", 60 + i, train + i * 3 * CIFAR_AREA, 3 * CIFAR_AREA);
    for (int i = 0; i < 3; i++)
        check_row(d, 4 + i, "test", 60 + i, test + i * 3 * CIFAR_AREA, 3 * CIFAR_AREA);
    px_dataset_close(d);
    for (int i = 0; i < 2; i++) {
        free(files[i].bytes);
        free(paths[i]);
    }
    free(train);
    free(test);
}

/* Column by column within a channel, as MATLAB does. */
static blob stl_images(int count, unsigned seed, uint8_t **pixels)
{
    size_t size = (size_t)count * 3 * STL_AREA;
    blob b = {px_calloc(size, 1), size};
    *pixels = px_realloc(NULL, size);
    fill_pattern(*pixels, size, seed);
    for (int i = 0; i < count; i++)
        for (int y = 0; y < STL_SIDE; y++)
            for (int x = 0; x < STL_SIDE; x++)
                for (int c = 0; c < 3; c++)
                    b.bytes[i * 3 * STL_AREA + c * STL_AREA + x * STL_SIDE + y] =
                        (*pixels)[(i * STL_AREA + y * STL_SIDE + x) * 3 + c];
    return b;
}

static void stl10(void **state)
{
    char *folder = *state, *source = px_format("%s/stl10_binary", folder);
    uint8_t *pixels[3];
    blob files[] = {stl_images(10, 1, &pixels[0]), stl_images(2, 2, &pixels[1]), stl_images(3, 3, &pixels[2])};
    static const char *const names[] = {"train_X.bin", "test_X.bin", "unlabeled_X.bin"};
    for (int i = 0; i < 3; i++) {
        char *name = px_format("stl10_binary/%s", names[i]);
        free(write_file(folder, name, files[i].bytes, files[i].size));
        free(name);
    }
    free(write_file(folder, "stl10_binary/train_y.bin", "\x0A\x09\x08\x07\x06\x05\x04\x03\x02\x01", 10));
    free(write_file(folder, "stl10_binary/test_y.bin", "\x01\x0A", 2));
    free(write_file(folder, "stl10_binary/class_names.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nmonkey", 24));
    px_dataset *d = pack_open(folder, &plain, NULL, 1, (const char *[]){source});
    assert_int_equal(px_dataset_about(d)->count, 15);
    assert_string_equal(px_dataset_about(d)->class_names[9], "monkey");
    for (int i = 0; i < 10; i++)
        check_row(d, i, "train", 9 - i, pixels[0] + i * 3 * STL_AREA, 3 * STL_AREA);
    check_row(d, 10, "test", 0, pixels[1], 3 * STL_AREA);
    check_row(d, 11, "test", 9, pixels[1] + 3 * STL_AREA, 3 * STL_AREA);
    for (int i = 0; i < 3; i++) {
        check_row(d, 12 + i, "unlabeled", -1, pixels[2] + i * 3 * STL_AREA, 3 * STL_AREA);
        free(files[i].bytes);
    }
    for (int i = 0; i < 3; i++)
        free(pixels[i]);
    px_dataset_close(d);
    free(source);
}

/* ---- image files ------------------------------------------------------------------------------------------------- */

/* An image of one value: enough to tell images apart. */
static void add_image(struct archive *a, const char *path, int height, int channels, uint8_t value)
{
    blob png = make_flat_png(height, 6, channels, value);
    add_entry(a, path, png.bytes, png.size);
    free(png.bytes);
}

static void check_flat(const px_dataset *d, int64_t row, const char *split, int label, int height, uint8_t value)
{
    uint8_t pixels[20 * 6 * 3];
    memset(pixels, value, sizeof pixels);
    check_row(d, row, split, label, pixels, (size_t)(height * 6 * px_dataset_about(d)->channels));
}

/* An unsorted archive of RGB and gray images; the rows come sorted by split, class, name. */
static void image_archive(void **state)
{
    char *folder = *state, *tar = px_format("%s/images.tar.zst", folder);
    struct archive *a = begin_archive(tar, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_ZSTD);
    add_image(a, "./set/test/dog/1.png", 4, 3, 70);
    add_image(a, "./set/train/dog/2.PNG", 4, 1, 60);
    add_image(a, "./set/valid/cat/1.png", 4, 3, 65);
    add_image(a, "./set/train/cat/b.png", 4, 3, 50);
    add_image(a, "./set/train/dog/10.png", 4, 3, 55);
    add_image(a, "./set/unlabeled/7.png", 4, 3, 80);
    add_image(a, "./set/train/cat/a.without_extension", 4, 3, 40);
    add_entry(a, "./set/class_names.txt", "not STL-10's", 12);
    add_entry(a, "./set/train/cat/.hidden.png", "junk", 4);
    add_entry(a, "__MACOSX/set/train/cat/._b.png", "junk", 4);
    add_entry(a, "set/empty_notes/", NULL, 0);
    end_archive(a);
    for (int encoded = 0; encoded < 2; encoded++) {
        px_pack_options o = plain;
        o.store = encoded ? PX_STORE_ENCODED : PX_STORE_AUTO;
        px_pack_summary summary;
        px_dataset *d = pack_open(folder, &o, &summary, 1, (const char *[]){tar});
        assert_int_equal(px_dataset_about(d)->height, encoded ? 0 : 4);
        assert_int_equal(summary.height, 4);
        assert_int_equal(px_dataset_about(d)->channels, 3);
        assert_int_equal(px_dataset_about(d)->classes, 2);
        assert_string_equal(px_dataset_about(d)->class_names[0], "cat");
        assert_int_equal(px_dataset_about(d)->splits, 4);
        check_flat(d, 0, "train", 0, 4, 40);
        check_flat(d, 1, "train", 0, 4, 50);
        check_flat(d, 2, "train", 1, 4, 55);
        check_flat(d, 3, "train", 1, 4, 60);
        check_flat(d, 4, "val", 0, 4, 65);
        check_flat(d, 5, "test", 1, 4, 70);
        check_flat(d, 6, "unlabeled", -1, 4, 80);
        assert_float_equal(px_dataset_about(d)->mean[2], (40 + 50 + 55 + 60) / 4.0 / 255, 1e-6);
        px_dataset_close(d);
    }
    free(tar);
}

/* Images of varying size are stored encoded, byte for byte; gray ones stay gray if all are. */
static void varying_sizes(void **state)
{
    char *folder = *state, *zip = px_format("%s/images.zip", folder);
    struct archive *a = begin_archive(zip, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE);
    add_image(a, "x/1.png", 3, 1, 10);
    add_image(a, "x/2.png", 20, 1, 20);
    add_image(a, "y/1.png", 5, 1, 30);
    end_archive(a);
    px_pack_summary summary;
    px_dataset *d = pack_open(folder, &plain, &summary, 1, (const char *[]){zip});
    assert_int_equal(summary.height, 0);
    assert_int_equal(px_dataset_about(d)->channels, 1);
    check_flat(d, 0, "train", 0, 3, 10);
    check_flat(d, 1, "train", 0, 20, 20);
    check_flat(d, 2, "train", 1, 5, 30);
    px_dataset_close(d);
    free(zip);
}

/* Two sources whose names are splits; archives of classes inside a folder, like ImageNet. */
static void split_sources(void **state)
{
    char *folder = *state, *train = px_format("%s/two/train", folder), *val = px_format("%s/two/val/", folder);
    blob png[] = {make_flat_png(4, 6, 3, 11), make_flat_png(4, 6, 3, 22), make_flat_png(4, 6, 3, 33)};
    free(write_file(folder, "two/train/n02/a.png", png[0].bytes, png[0].size));
    free(write_file(folder, "two/val/n01/a.png", png[1].bytes, png[1].size));
    char *tar = px_format("%s/n01.tar", train);
    struct archive *a = begin_archive(tar, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    add_entry(a, "b.png", png[2].bytes, png[2].size);
    end_archive(a);
    px_dataset *d = pack_open(folder, &plain, NULL, 2, (const char *[]){train, val});
    assert_string_equal(px_dataset_about(d)->class_names[0], "n01");
    check_flat(d, 0, "train", 0, 4, 33);
    check_flat(d, 1, "train", 1, 4, 11);
    check_flat(d, 2, "val", 0, 4, 22);
    px_dataset_close(d);
    for (int i = 0; i < 3; i++)
        free(png[i].bytes);
    free(tar);
    free(train);
    free(val);
}

/* More classes than an old HDF5 attribute holds names, more images than a batch. */
static void many_classes(void **state)
{
    enum { CLASSES = 4200 };
    char *folder = *state, *tar = px_format("%s/many.tar", folder);
    struct archive *a = begin_archive(tar, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    for (int k = 0; k < CLASSES; k++) {
        char path[40];
        int number = k * 11 % CLASSES; /* every number once, out of order */
        snprintf(path, sizeof path, "n%08d/x.png", number);
        add_image(a, path, 2, 1, (uint8_t)number);
    }
    end_archive(a);
    px_dataset *d = pack_open(folder, &plain, NULL, 1, (const char *[]){tar});
    assert_int_equal(px_dataset_about(d)->classes, CLASSES);
    assert_string_equal(px_dataset_about(d)->class_names[CLASSES - 1], "n00004199");
    for (int k = 0; k < CLASSES; k += 499)
        check_flat(d, k, "train", k, 2, (uint8_t)k);
    px_dataset_close(d);
    free(tar);
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

/* A photo that tells that it lies on its side is turned, in both stores, unless exif=ignore. */
static void orientation_of_photos(void **state)
{
    (void)state;
    enum { H = 6, W = 9 };
    char *folder = make_folder();
    uint8_t pixels[H * W * 3], exif[EXIF_SIZE];
    fill_pattern(pixels, sizeof pixels, 1);
    make_exif(exif, 6);
    blob file = make_webp(H, W, pixels, exif, sizeof exif);
    free(write_file(folder, "in/cat/1.webp", file.bytes, file.size));
    char *source = px_format("%s/in", folder);
    for (int i = 0; i < 4; i++) {
        px_pack_options o = plain;
        px_image image = {0};
        bool turned = i / 2 == 0;
        o.store = i % 2 ? PX_STORE_ENCODED : PX_STORE_RAW;
        o.exif = turned ? PX_EXIF_APPLY : PX_EXIF_IGNORE;
        px_dataset *d = pack_open(folder, &o, NULL, 1, (const char *const[]){source});
        assert_int_equal(px_dataset_read(d, 0, &image), 0);
        assert_int_equal(image.height, turned ? W : H);
        assert_int_equal(image.width, turned ? H : W);
        /* the upright picture's upper right corner is the stored one's first pixel */
        assert_memory_equal(image.pixels + (turned ? (H - 1) * 3 : 0), pixels, 3);
        px_image_finish(&image);
        px_dataset_close(d);
    }
    free(file.bytes);
    free(source);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(idx, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cifar10, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cifar100, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stl10, set_up, tear_down),
        cmocka_unit_test_setup_teardown(image_archive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(varying_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(split_sources, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_classes, set_up, tear_down),
        cmocka_unit_test(orientation_of_photos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
