/* bad_files.c - see bad_files.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "bad_files.h"

#include <hdf5.h>
#include <math.h>

static void put(const char *name, const void *bytes, size_t size)
{
    free(write_file(".", name, bytes, size));
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

/* Writes the bytes and frees them. */
static void put_blob(const char *name, blob b)
{
    put(name, b.bytes, b.size);
    free(b.bytes);
}

static void put_zeros(const char *name, size_t size)
{
    put_blob(name, (blob){px_calloc(size, 1), size});
}

/* ---- configurations ---------------------------------------------------------------------------------------------- */

void bad_files_configurations(void)
{
    put_text("syntax.cfg", "epochs = 3;\nbatch = = 4;\n");
    put_text("text.cfg", "epochs = 3;\nout = \"no end;\n");
    put_text("twice.cfg", "epochs = 3;\nepochs = 4;\n");
    put_text("type.cfg", "optim = { lr = [1, 2]; };\n");
    put_text("large.cfg", "\n\nbatch = 99999999999999999999999;\n");
    put_text("group.cfg", "optim = 3;\n");
    put_text("value.cfg", "epochs = { lr = 3; };\n");
    put_text("folder.cfg", "epochs = 3;\n@include \"images-empty\"\n");
    put_text("itself.cfg", "@include \"itself.cfg\"\n");
    put_text("nothing.cfg", "@include \"nowhere.cfg\"\n");
    put_text("range.cfg", "optim = { lr = -1.0; };\n");
    put("binary.cfg", "\x89HDF\r\n\x1a\n\0\0", 10);
}

/* ---- sources of pack --------------------------------------------------------------------------------------------- */

static const uint8_t idx_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40};

static void idx_sources(void)
{
    static const char *const images = "train-images-idx3-ubyte";
    char *path = NULL;
    static const struct {
        const char *folder;
        int at;
        const char *bytes;
        int count, size;
    } changes[] = {{"idx-type", 2, "\x0D", 1, 20},
                   {"idx-axes", 3, "\x02", 1, 20},
                   {"idx-cut", 0, "", 0, 17},
                   {"idx-header", 0, "", 0, 9},
                   {"idx-huge", 4, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12, 20},
                   {"idx-claims", 4, "\x7F\xFF\xFF\xFF\x00\x00\x00\x1C\x00\x00\x00\x1C", 12, 20},
                   {"idx-none", 4, "\0\0\0\0", 4, 16},
                   {"idx-long", 0, "", 0, 23}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t bytes[32] = {0};
        memcpy(bytes, idx_images, sizeof idx_images);
        memcpy(bytes + changes[i].at, changes[i].bytes, (size_t)changes[i].count);
        path = px_format("%s/%s", changes[i].folder, images);
        put(path, bytes, (size_t)changes[i].size);
        free(path);
    }
    put("idx-labels/train-images-idx3-ubyte", idx_images, sizeof idx_images);
    put("idx-labels/train-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\x03\0\1\2", 11);
    put("idx-empty/train-images-idx3-ubyte", idx_images, sizeof idx_images);
    put("idx-empty/train-labels-idx1-ubyte", "", 0);
    put("idx-names/train-images-idx3-ubyte", idx_images, sizeof idx_images);
    put("idx-names/train-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\x02\0\1", 10);
}

static void cifar_sources(void)
{
    enum { TEN = 3073, HUNDRED = 3074, STL = 27648 };
    static const char ten_names[] = "cat\ndog\ncat\nd\ne\nf\ng\nh\ni\nj\n";
    uint8_t *records = px_calloc(2, HUNDRED);
    put_zeros("cifar-cut/data_batch_1.bin", 2 * TEN - 1);
    put_zeros("cifar-empty/data_batch_1.bin", 0);
    records[TEN] = 10;
    put("cifar-label/data_batch_1.bin", records, 2 * TEN);
    records[TEN] = 0;
    records[1] = 100;
    put("cifar-fine/train.bin", records, 2 * HUNDRED);
    put_zeros("cifar-twice/data_batch_1.bin", TEN);
    put_text("cifar-twice/batches.meta.txt", ten_names);
    put_zeros("cifar-names/data_batch_1.bin", TEN);
    put_text("cifar-names/batches.meta.txt", "cat\ndog\n");
    put_zeros("cifar-both/data_batch_1.bin", TEN);
    put_zeros("cifar-both/train.bin", HUNDRED);
    put_zeros("stl-cut/train_X.bin", STL - 1);
    put_zeros("stl-alone/train_X.bin", STL);
    put_zeros("stl-zero/train_X.bin", STL);
    put("stl-zero/train_y.bin", "\0", 1);
    put_zeros("stl-high/train_X.bin", STL);
    put("stl-high/train_y.bin", "\x0B", 1);
    free(records);
}

/* A PNG whose header claims this size. */
static blob hollow_png(uint32_t side)
{
    blob b = make_flat_png(8, 8, 3, 7);
    claim_png_size(b, side);
    return b;
}

/* A baseline JPEG whose header says `high` and `low` for both sides. */
static blob lying_jpeg(blob whole, uint8_t high, uint8_t low)
{
    for (size_t i = 0; i + 9 < whole.size; i++)
        if (whole.bytes[i] == 0xFF && whole.bytes[i + 1] == 0xC0)
            memcpy(whole.bytes + i + 5, (uint8_t[]){high, low, high, low}, 4);
    return whole;
}

/* The first `part` per cent of the bytes. */
static blob cut(blob whole, size_t part)
{
    return (blob){whole.bytes, whole.size * part / 100};
}

static void image_sources(void)
{
    enum { SIDE = 24 };
    uint8_t pixels[SIDE * SIDE * 6];
    fill_pattern(pixels, sizeof pixels, 3);
    put_blob("images-cut/a/1.jpg", cut(make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_420, pixels), 60));
    put_blob("images-cmyk/a/1.jpg", cut(make_jpeg(SIDE, SIDE, TJPF_CMYK, TJSAMP_444, pixels), 60));
    put_blob("images-head/a/1.jpg", cut(make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_420, pixels), 5));
    put_blob("images-wide/a/1.jpg", lying_jpeg(make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_444, pixels), 0xFF, 0xDC));
    put_blob("images-claims/a/1.jpg", lying_jpeg(make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_444, pixels), 0x3F, 0xFF));
    put_blob("images-deep/a/1.png",
             cut(make_png_of(SIDE, SIDE, SPNG_COLOR_TYPE_TRUECOLOR, 16, pixels, sizeof pixels, NULL), 60));
    put_blob("images-hollow/a/1.png", hollow_png(12000));
    put_blob("images-vast/a/1.png", hollow_png(65000));
    blob png = make_png(SIDE, SIDE, 3, pixels);
    png.bytes[png.size / 2] ^= 1;
    put_blob("images-bit/a/1.png", png);
    put_text("images-text/a/1.jpg", "<html>404</html>");
    put_blob("images-zero/a/1.jpg", make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_444, pixels));
    put_text("images-zero/a/2.jpg", "");
    put_blob("images-sizes/a/1.png", make_png(SIDE, SIDE, 3, pixels));
    put_blob("images-sizes/a/2.png", make_png(SIDE, SIDE - 1, 3, pixels));
    put_blob("images-class/train/a/1.png", make_png(SIDE, SIDE, 3, pixels));
    put_blob("images-class/test/b/1.png", make_png(SIDE, SIDE, 3, pixels));
    put_blob("images-loop/a/1.png", make_png(SIDE, SIDE, 3, pixels));
    assert_int_equal(symlink("..", "images-loop/a/up"), 0);
    put_blob("images-link/a/1.png", make_png(SIDE, SIDE, 3, pixels));
    assert_int_equal(symlink("nowhere.png", "images-link/a/2.png"), 0);
    assert_int_equal(mkdir("images-empty", 0777), 0);
    put_blob("images-odd/a/1.jpg", make_jpeg(SIDE, SIDE, TJPF_CMYK, TJSAMP_444, pixels));
    put_blob("images-odd/a/2.png", make_png_of(SIDE, SIDE, SPNG_COLOR_TYPE_TRUECOLOR, 16, pixels, sizeof pixels, NULL));
}

/* An archive of one entry. */
static void put_archive(const char *name, int format, int filter, const char *entry, const void *bytes, size_t size)
{
    struct archive *a = begin_archive(name, format, filter);
    add_entry(a, entry, bytes, size);
    end_archive(a);
}

static void put_tar(const char *name, const char *entry, blob content)
{
    put_archive(name, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, entry, content.bytes, content.size);
}

/* An archive of a link: AE_IFLNK, or a hard link. */
static void put_link(const char *name, bool hard, const char *to)
{
    struct archive *a = begin_archive(name, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, "a/1.png");
    archive_entry_set_filetype(entry, hard ? AE_IFREG : AE_IFLNK);
    archive_entry_set_perm(entry, 0755);
    if (hard)
        archive_entry_set_hardlink(entry, to);
    else
        archive_entry_set_symlink(entry, to);
    PX_CHECK(archive_write_header(a, entry) == ARCHIVE_OK);
    archive_entry_free(entry);
    end_archive(a);
}

/* Each archive contains the one before. */
static void nested_archive(const char *name, blob inner, int depth)
{
    put_tar(name, "a/1.png", inner);
    for (int i = 0; i < depth; i++) {
        blob last = read_file(name);
        put_tar(name, "inner.tar", last);
        free(last.bytes);
    }
}

static void archive_sources(void)
{
    enum { BOMB = 64 << 20 };
    blob png = make_flat_png(8, 8, 3, 7);
    put_tar("up.tar", "a/../../escaped.png", png);
    put_tar("up-first.tar", "../escaped.png", png);
    char *absolute = px_format("%s/escaped/a/1.png", getcwd((char[4096]){0}, 4096));
    put_tar("absolute.tar", absolute, png);
    put_archive("up.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, "../../escaped.png", png.bytes, png.size);
    put_tar("lines.tar", "a/two\nlines.png", (blob){(uint8_t *)"no picture", 10});
    put_link("symlink.tar", false, "/etc/passwd");
    put_link("hardlink.tar", true, "/etc/passwd");
    put_tar("cut.tar", "a/1.png", png);
    assert_int_equal(truncate("cut.tar", 530), 0);
    put_archive("cut.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, "a/1.png", png.bytes, png.size);
    assert_int_equal(truncate("cut.zip", 60), 0);
    put_archive("cut.tar.xz", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ, "a/1.png", png.bytes, png.size);
    assert_int_equal(truncate("cut.tar.xz", 100), 0);
    nested_archive("nested.tar", png, 5);
    uint8_t *zeros = px_calloc(BOMB, 1);
    memcpy(zeros, idx_images, 4); /* zeros alone would be an empty tar */
    free(write_compressed(".", "bomb-images-idx3-ubyte.gz", ARCHIVE_FILTER_GZIP, zeros, BOMB));
    put_archive("bomb.tar.bz2", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_BZIP2, "data_batch_1.bin", zeros, BOMB);
    put_archive("bomb.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, "data_batch_1.bin", zeros, BOMB);
    free(zeros);
    free(absolute);
    free(png.bytes);
}

void bad_files_sources(void)
{
    idx_sources();
    cifar_sources();
    image_sources();
    archive_sources();
    put("nothing.h5x", "", 0);
}

/* ---- HDF5 -------------------------------------------------------------------------------------------------------- */

/* A copy, open for changes. */
static hid_t changed_copy(const char *from, const char *to)
{
    put_blob(to, read_file(from));
    hid_t file = H5Fopen(to, H5F_ACC_RDWR, H5P_DEFAULT);
    PX_CHECK(file >= 0);
    return file;
}

static void remove_set(hid_t file, const char *name)
{
    PX_CHECK(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
}

/* Replaces a data set. Without data, only its extents are stored. */
static void replace_set(hid_t file, const char *name, hid_t type, int rank, const hsize_t dim[], const void *data)
{
    hid_t space = rank ? H5Screate_simple(rank, dim, NULL) : H5Screate(H5S_SCALAR), how = H5Pcreate(H5P_DATASET_CREATE);
    if (!data)
        H5Pset_chunk(how, rank, (hsize_t[]){1, 1, 1, 1});
    remove_set(file, name);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    PX_CHECK(set >= 0 && (!data || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0));
    H5Dclose(set);
    H5Pclose(how);
    H5Sclose(space);
}

static void replace_attribute(hid_t file, const char *name, hid_t type, hsize_t count, const void *data)
{
    hid_t space = H5Screate_simple(1, &count, NULL);
    PX_CHECK(H5Adelete(file, name) >= 0);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    PX_CHECK(attribute >= 0 && H5Awrite(attribute, type, data) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

/* A type of 8-byte text. */
static hid_t short_text(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 8);
    return type;
}

enum { ROWS = 96, SIDE = 16, STRIDE = SIDE * SIDE * 3 };

static void sets_of_other_images(void)
{
    static const char zeros[ROWS * STRIDE * sizeof(float)];
    const hsize_t dim[] = {ROWS, SIDE, SIDE, 3}, flat[] = {ROWS, SIDE, SIDE}, pair[] = {ROWS, SIDE, SIDE, 2};
    hid_t f = changed_copy("d.h5", "set-float.h5"), text = short_text();
    replace_set(f, "/images", H5T_IEEE_F32LE, 4, dim, zeros);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-axes.h5");
    replace_set(f, "/images", H5T_STD_U8LE, 3, flat, zeros);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-channels.h5");
    replace_set(f, "/images", H5T_STD_U8LE, 4, pair, zeros);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-huge.h5");
    replace_set(f, "/images", H5T_STD_U8LE, 4, (hsize_t[]){1ull << 40, 1024, 1024, 3}, NULL);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-overflow.h5");
    replace_set(f, "/images", H5T_STD_U8LE, 4, (hsize_t[]){1ull << 50, 65000, 65000, 3}, NULL);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-none.h5");
    remove_set(f, "/images");
    H5Fclose(f);
    f = changed_copy("d.h5", "set-group.h5");
    remove_set(f, "/images");
    H5Gclose(H5Gcreate2(f, "/images", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Fclose(f);
    f = changed_copy("d.h5", "set-text.h5");
    replace_set(f, "/images", text, 4, (hsize_t[]){ROWS, 1, 1, 3}, zeros);
    H5Fclose(f);
    H5Tclose(text);
}

static void sets_of_other_labels(void)
{
    int32_t labels[ROWS] = {0};
    float reals[ROWS] = {0};
    uint8_t split[ROWS] = {0};
    const hsize_t rows[] = {ROWS};
    hid_t f = changed_copy("d.h5", "set-label-type.h5");
    replace_set(f, "/labels", H5T_IEEE_F32LE, 1, rows, reals);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-label-count.h5");
    replace_set(f, "/labels", H5T_NATIVE_INT32, 1, (hsize_t[]){ROWS - 1}, labels);
    H5Fclose(f);
    labels[7] = 5;
    f = changed_copy("d.h5", "set-label.h5");
    replace_set(f, "/labels", H5T_NATIVE_INT32, 1, rows, labels);
    H5Fclose(f);
    labels[7] = INT32_MAX;
    f = changed_copy("d.h5", "set-classes.h5");
    replace_set(f, "/labels", H5T_NATIVE_INT32, 1, rows, labels);
    H5Adelete(f, "class_names");
    H5Fclose(f);
    split[9] = 2;
    f = changed_copy("d.h5", "set-split.h5");
    replace_set(f, "/split", H5T_NATIVE_UINT8, 1, rows, split);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-no-split.h5");
    remove_set(f, "/split");
    H5Fclose(f);
}

static void sets_of_other_attributes(void)
{
    float mean[] = {0.5f, NAN, 0.5f}, std[] = {0.5f, 0.5f, 0};
    int32_t numbers[] = {1, 2, 3, 4, 5};
    hid_t f = changed_copy("d.h5", "set-names.h5");
    replace_attribute(f, "class_names", H5T_NATIVE_INT32, 5, numbers);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-mean.h5");
    replace_attribute(f, "mean", H5T_NATIVE_FLOAT, 3, mean);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-std.h5");
    replace_attribute(f, "std", H5T_NATIVE_FLOAT, 3, std);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-two-means.h5");
    replace_attribute(f, "mean", H5T_NATIVE_FLOAT, 2, std);
    H5Fclose(f);
    f = changed_copy("d.h5", "set-no-std.h5");
    H5Adelete(f, "std");
    H5Fclose(f);
}

/* From e.h5, the same images as JPEG. */
static void sets_of_other_offsets(void)
{
    uint64_t offsets[ROWS + 1];
    const hsize_t count[] = {ROWS + 1};
    for (uint64_t i = 0; i <= ROWS; i++)
        offsets[i] = 100 * i;
    hid_t f = changed_copy("e.h5", "set-outside.h5");
    offsets[ROWS] = UINT64_MAX;
    replace_set(f, "/offsets", H5T_NATIVE_UINT64, 1, count, offsets);
    H5Fclose(f);
    f = changed_copy("e.h5", "set-falling.h5");
    offsets[3] = 0;
    replace_set(f, "/offsets", H5T_NATIVE_UINT64, 1, count, offsets);
    H5Fclose(f);
    f = changed_copy("e.h5", "set-no-offsets.h5");
    remove_set(f, "/offsets");
    H5Fclose(f);
    f = changed_copy("e.h5", "set-many.h5");
    replace_set(f, "/offsets", H5T_NATIVE_UINT64, 1, (hsize_t[]){1ull << 45}, NULL);
    H5Fclose(f);
}

void bad_files_sets(void)
{
    sets_of_other_images();
    sets_of_other_labels();
    sets_of_other_attributes();
    sets_of_other_offsets();
    blob whole = read_file("d.h5");
    put("set-cut.h5", whole.bytes, whole.size / 2);
    memset(whole.bytes + 8, 0xFF, 80);
    put("set-head.h5", whole.bytes, whole.size);
    free(whole.bytes);
    put("set-zero.h5", "", 0);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* `length`: what the file claims; 0: the true length. */
static void put_weights(const char *name, uint64_t length, const char *header)
{
    size_t size = strlen(header);
    uint8_t *file = px_calloc(size + 8 + 16, 1);
    length = length ? length : size;
    memcpy(file, &length, 8);
    memcpy(file + 8, header, size);
    put(name, file, size + 8 + 16);
    free(file);
}

#define TENSOR(name, type, shape, offsets)                                                                             \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

void bad_files_weights(void)
{
    put("w-zero.safetensors", "", 0);
    put_weights("w-header.safetensors", 1000, "{}");
    put_weights("w-largest.safetensors", UINT64_MAX - 7, "{}");
    put_weights("w-json.safetensors", 0, "{\"w\":}");
    put_weights("w-list.safetensors", 0, "[1]");
    put_weights("w-deep.safetensors", 0, "{\"w\":{\"dtype\":{\"dtype\":1}}}");
    put_weights("w-overlap.safetensors", 0,
                "{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("b", "F32", "[2]", "[4,12]") "}");
    put_weights("w-outside.safetensors", 0, "{" TENSOR("a", "F32", "[5]", "[0,20]") "}");
    put_weights("w-overflow.safetensors", 0,
                "{" TENSOR("a", "U8", "[8]", "[9223372036854775800,9223372036854775807]") "}");
    put_weights("w-too-large.safetensors", 0,
                "{" TENSOR("a", "U8", "[8]", "[18446744073709551608,18446744073709551615]") "}");
    put_weights("w-backward.safetensors", 0, "{" TENSOR("a", "F32", "[2]", "[8,0]") "}");
    put_weights("w-negative.safetensors", 0, "{" TENSOR("a", "F32", "[-1,-2]", "[0,8]") "}");
    put_weights("w-product.safetensors", 0, "{" TENSOR("a", "F32", "[4294967296,4294967296,4]", "[0,8]") "}");
    put_weights("w-size.safetensors", 0, "{" TENSOR("a", "F32", "[3]", "[0,8]") "}");
    put_weights("w-twice.safetensors", 0,
                "{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("a", "F32", "[2]", "[8,16]") "}");
    put_weights("w-type.safetensors", 0, "{" TENSOR("conv1.weight", "I64", "[2]", "[0,16]") "}");
    put_weights("w-lines.safetensors", 0, "{" TENSOR("a\\u000ab", "F32", "[3]", "[0,8]") "}");
    put_weights(
        "w-wide.safetensors", 0,
        "{" TENSOR("a", "F32", "[0,1000000000000000000,1000000000000000000,123,1000000000000000000]", "[0,8]") "}");
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

/* The file c-NAME.h5 is also the checkpoint of the run r-NAME. */
static void close_checkpoint(hid_t file, const char *name)
{
    H5Fclose(file);
    char *path = px_format("c-%s.h5", name), *run = px_format("r-%s/checkpoint.h5", name);
    put_blob(run, read_file(path));
    free(path);
    free(run);
}

static hid_t open_checkpoint(const char *name)
{
    char *path = px_format("c-%s.h5", name);
    hid_t file = changed_copy("ok/checkpoint.h5", path);
    free(path);
    return file;
}

static const char conv[] = "/parameters/conv1.weight";

static void checkpoints_without_members(void)
{
    hid_t f = open_checkpoint("no-config");
    remove_set(f, "/config");
    close_checkpoint(f, "no-config");
    f = open_checkpoint("no-step");
    H5Adelete(f, "step");
    close_checkpoint(f, "no-step");
    f = open_checkpoint("no-parameters");
    remove_set(f, "/parameters");
    close_checkpoint(f, "no-parameters");
    f = open_checkpoint("no-weight");
    remove_set(f, conv);
    close_checkpoint(f, "no-weight");
    f = open_checkpoint("no-optimizer");
    remove_set(f, "/optimizer");
    close_checkpoint(f, "no-optimizer");
}

static void checkpoints_of_other_types(void)
{
    static const float zeros[8 * 27];
    int64_t many[40] = {1, 2, 3};
    const hsize_t right[] = {8, 3, 3, 3};
    hid_t text = short_text(), f = open_checkpoint("text");
    replace_set(f, conv, text, 4, (hsize_t[]){8, 3, 3, 3}, (char[8 * 27 * 8]){0});
    close_checkpoint(f, "text");
    f = open_checkpoint("shape");
    replace_set(f, conv, H5T_IEEE_F32LE, 4, (hsize_t[]){8, 3, 3, 2}, zeros);
    close_checkpoint(f, "shape");
    f = open_checkpoint("six-axes");
    replace_set(f, conv, H5T_IEEE_F32LE, 6, (hsize_t[]){1, 1, 8, 3, 3, 3}, zeros);
    close_checkpoint(f, "six-axes");
    f = open_checkpoint("group");
    remove_set(f, conv);
    H5Gclose(H5Gcreate2(f, conv, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    close_checkpoint(f, "group");
    f = open_checkpoint("huge");
    replace_set(f, conv, H5T_IEEE_F32LE, 4, (hsize_t[]){1ull << 40, 1ull << 20, 3, 3}, NULL);
    close_checkpoint(f, "huge");
    f = open_checkpoint("configs");
    replace_set(f, "/config", text, 1, (hsize_t[]){27}, zeros);
    close_checkpoint(f, "configs");
    f = open_checkpoint("config-type");
    replace_set(f, "/config", H5T_IEEE_F32LE, 4, right, zeros);
    close_checkpoint(f, "config-type");
    f = open_checkpoint("config");
    replace_set(f, "/config", text, 0, NULL, "a = = 1");
    close_checkpoint(f, "config");
    f = open_checkpoint("steps");
    replace_attribute(f, "step", H5T_NATIVE_INT64, 40, many);
    close_checkpoint(f, "steps");
    f = open_checkpoint("format");
    replace_attribute(f, "format", H5T_NATIVE_INT64, 1, &many[1]);
    close_checkpoint(f, "format");
    f = open_checkpoint("step-type");
    replace_attribute(f, "step", text, 1, "8 steps");
    close_checkpoint(f, "step-type");
    H5Tclose(text);
}

void bad_files_checkpoints(void)
{
    checkpoints_without_members();
    checkpoints_of_other_types();
    blob whole = read_file("ok/checkpoint.h5");
    put("c-cut.h5", whole.bytes, whole.size * 2 / 3);
    put("r-cut/checkpoint.h5", whole.bytes, whole.size * 2 / 3);
    whole.bytes[9] ^= 4;
    put("c-head.h5", whole.bytes, whole.size);
    put_blob("c-old.h5", whole);
    hid_t file = H5Fcreate("c-old.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT); /* HDF5's oldest format */
    PX_CHECK(file >= 0);
    H5Fclose(file);
    put("c-zero.h5", "", 0);
    put("r-zero/checkpoint.h5", "", 0);
}
