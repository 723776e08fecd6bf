/* make_corpus.c - makes the inputs that fuzzing began with, under tests/fuzz/corpus: make_corpus FOLDER. It needs no
 * other files; what fuzzing found was added by hand. */
#include "../data/make_npy.h"
#include "../data/make_pictures.h"
#include "results/h5.h"

#include <stdio.h>

static void put(const char *folder, const char *name, const void *bytes, size_t size)
{
    free(write_file(folder, name, bytes, size));
}

static void put_text(const char *folder, const char *name, const char *text)
{
    put(folder, name, text, strlen(text));
}

/* The target's byte before the file. */
static void put_image(const char *folder, const char *name, uint8_t channels, blob image)
{
    uint8_t *whole = px_calloc(image.size + 1, 1);
    whole[0] = channels;
    memcpy(whole + 1, image.bytes, image.size);
    put(folder, name, whole, image.size + 1);
    free(whole);
    free(image.bytes);
}

static void png_files(const char *f)
{
    enum { SIDE = 9 };
    uint8_t pixels[SIDE * SIDE * 8];
    struct spng_plte palette = {.n_entries = 2, .entries = {{1, 2, 3, 0}, {200, 100, 50, 0}}};
    fill_pattern(pixels, sizeof pixels, 1);
    put_image(f, "image/rgb.png", 2, make_png(SIDE, SIDE, 3, pixels));
    put_image(f, "image/gray.png", 1, make_png(SIDE, SIDE, 1, pixels));
    put_image(f, "image/rgb16.png", 2, make_png_of(SIDE, SIDE, SPNG_COLOR_TYPE_TRUECOLOR, 16, pixels, 486, NULL));
    put_image(f, "image/rgba.png", 1, make_png_of(SIDE, SIDE, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 8, pixels, 324, NULL));
    put_image(f, "image/gray16a.png", 0,
              make_png_of(SIDE, SIDE, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 16, pixels, 324, NULL));
    put_image(f, "image/gray1.png", 0, make_png_of(SIDE, SIDE, SPNG_COLOR_TYPE_GRAYSCALE, 1, pixels, 18, NULL));
    memset(pixels, 0x55, sizeof pixels);
    put_image(f, "image/palette.png", 2, make_png_of(SIDE, SIDE, SPNG_COLOR_TYPE_INDEXED, 1, pixels, 18, &palette));
}

static void jpeg_files(const char *f)
{
    enum { SIDE = 17 };
    uint8_t pixels[SIDE * SIDE * 4];
    fill_pattern(pixels, sizeof pixels, 2);
    put_image(f, "image/444.jpg", 2, make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_444, pixels));
    put_image(f, "image/420.jpg", 1, make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_420, pixels));
    put_image(f, "image/gray.jpg", 0, make_jpeg(SIDE, SIDE, TJPF_GRAY, TJSAMP_GRAY, pixels));
    put_image(f, "image/cmyk.jpg", 2, make_jpeg(SIDE, SIDE, TJPF_CMYK, TJSAMP_444, pixels));
    setenv("TJ_PROGRESSIVE", "1", 1);
    put_image(f, "image/progressive.jpg", 2, make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_420, pixels));
    unsetenv("TJ_PROGRESSIVE");
    setenv("TJ_ARITHMETIC", "1", 1);
    put_image(f, "image/arithmetic.jpg", 2, make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_422, pixels));
    unsetenv("TJ_ARITHMETIC");
    setenv("TJ_RESTART", "1", 1);
    put_image(f, "image/restart.jpg", 2, make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_444, pixels));
    unsetenv("TJ_RESTART");
}

static void other_pictures(const char *f)
{
    enum { SIDE = 9 };
    uint8_t pixels[SIDE * SIDE * 10], exif[EXIF_SIZE], prefixed[EXIF_SIZE + 6] = "Exif\0";
    static const tiff_spec tiffs[] = {
        {SIDE, SIDE, .samples = 3, .bits = 8, .photometric = PHOTOMETRIC_RGB, .rows = 4, .orientation = 6},
        {SIDE, SIDE, .samples = 5, .bits = 16, .photometric = PHOTOMETRIC_MINISBLACK, .tile = 16,
         .compression = COMPRESSION_LZW},
        {SIDE, SIDE, .samples = 4, .bits = 8, .photometric = PHOTOMETRIC_SEPARATED, .rows = 9, .separate = true},
        {SIDE, SIDE, .samples = 1, .bits = 1, .photometric = PHOTOMETRIC_MINISWHITE, .rows = 9,
         .compression = COMPRESSION_CCITTFAX4}};
    GifColorType colours[256] = {{0, 0, 0}};
    fill_pattern(pixels, sizeof pixels, 3);
    make_exif(exif, 8);
    memcpy(prefixed + 6, exif, EXIF_SIZE);
    for (int i = 0; i < 4; i++) {
        char *name = px_format("image/%d.tif", i);
        put_image(f, name, (uint8_t)(i == 1 ? 64 : 3), make_tiff(&tiffs[i], pixels));
        free(name);
    }
    put_image(f, "image/lossless.webp", 2, make_webp(SIDE, SIDE, pixels, exif, sizeof exif));
    put_image(f, "image/24.bmp", 2, make_bmp(SIDE, SIDE, 24, pixels, false));
    put_image(f, "image/8.bmp", 0, make_bmp(SIDE, SIDE, 8, pixels, true));
    put_image(f, "image/rgb.ppm", 0, make_pnm(SIDE, SIDE, 6, 255, pixels, SIDE * SIDE * 3));
    put_image(f, "image/gray16.pgm", 64, make_pnm(SIDE, SIDE, 5, 65535, pixels, SIDE * SIDE * 2));
    put_image(f, "image/bits.pbm", 2, make_pnm(SIDE, SIDE, 4, 1, pixels, SIDE * 2));
    put_image(f, "image/interlaced.gif", 0, make_gif(SIDE, SIDE, 1, 1, 8, 8, pixels, colours, true));
    blob jpeg = make_jpeg(SIDE, SIDE, TJPF_RGB, TJSAMP_420, pixels);
    put_image(f, "image/exif.jpg", 2, insert_segment(jpeg, 0xE1, prefixed, sizeof prefixed));
    free(jpeg.bytes);
}

static void configurations(const char *f)
{
    put_text(f, "config/all",
             "# all types\nwhole = 4; big = 5000000000L; real = 1.5e-3; flag = false;\ntext = \"a\\n\" \"b\";\n"
             "choice = \"two\"; list = [1, 2.5, 3];\noptim = { real : 2; inner = { list = (1); }; };\n");
    static const char both[] =
        "whole = 4;\n\0whole=7\noptim.inner.text=\"q\\\"\"\noptim.list=[1,2]\nflag=TRUE\nbig=0x1F\n";
    put(f, "config/overrides", both, sizeof both - 1);
    put_text(f, "config/wrong_key", "optim = { inner = { txet = 1; }; };");
    put_text(f, "config/wrong_type", "whole = \"many\";");
    put_text(f, "config/out_of_range", "whole = 99999999999999999999;");
    put_text(f, "config/not_a_group", "optim = 3; inner = ( { a = 1; }, [ ] );");
    put_text(f, "config/include", "@include \"nowhere.cfg\"\n");
    put_text(f, "config/include_folder", "@include \".\"\n");
}

/* The file of images inside an archive, without labels. */
static void put_archive(const char *f, const char *name, int format, int filter, const void *bytes, size_t size)
{
    char *path = px_format("%s/%s", f, name);
    struct archive *a = begin_archive(path, format, filter);
    add_entry(a, "train-images-idx3-ubyte", bytes, size);
    end_archive(a);
    blob b = read_file(path);
    uint8_t *whole = px_calloc(b.size + 2, 1);
    whole[0] = whole[1] = 255;
    memcpy(whole + 2, b.bytes, b.size);
    put(f, name, whole, b.size + 2);
    free(whole);
    free(b.bytes);
    free(path);
}

/* Labels and images, with the size of the former before them; without labels if they have no bytes. */
static void put_arrays(const char *f, const char *name, blob labels, blob images)
{
    size_t lead = labels.bytes ? labels.size : 65535;
    uint8_t *whole = px_calloc(2 + labels.size + images.size, 1);
    whole[0] = (uint8_t)lead;
    whole[1] = (uint8_t)(lead >> 8);
    if (labels.bytes)
        memcpy(whole + 2, labels.bytes, labels.size);
    memcpy(whole + 2 + labels.size, images.bytes, images.size);
    put(f, name, whole, 2 + labels.size + images.size);
    free(whole);
    free(labels.bytes);
    free(images.bytes);
}

static void arrays(const char *f)
{
    static const uint8_t pixels[24] = {1, 2, 3};
    static const int64_t wide[] = {1, 0};
    blob none = {0};
    put_arrays(f, "npy/gray", make_npy(1, "<i8", false, "(2,)", wide, 16),
               make_npy(1, "|u1", false, "(2, 3, 4)", pixels, 24));
    put_arrays(f, "npy/rgb", make_npy(2, "|u1", false, "(2, 1)", "\1", 2),
               make_npy(3, "|u1", false, "(2, 2, 2, 3)", pixels, 24));
    put_arrays(f, "npy/first", none, make_npy(1, "|u1", false, "(1, 3, 2, 4)", pixels, 24));
    put_arrays(f, "npy/wide", make_npy(1, ">i4", false, "(2,)", wide, 8),
               make_npy(1, ">u2", false, "(2, 2, 3, 1)", pixels, 24));
    put_arrays(f, "npy/columns", none, make_npy(1, "|u1", true, "(2, 3, 4)", pixels, 24));
    put_arrays(f, "npy/no_bytes", none, make_npy(1, "|u0", false, "(2, 3, 4)", pixels, 24));
    put_arrays(f, "npy/objects", none, make_npy(1, "|O", false, "(3,)", pixels, 24));
}

static void sources(const char *f)
{
    static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40};
    uint8_t idx[2 + 10 + sizeof images] = {10, 0, 0, 0, 8, 1, 0, 0, 0, 2, 0, 1}, alone[2 + sizeof images] = {255, 255};
    memcpy(idx + 12, images, sizeof images);
    memcpy(alone + 2, images, sizeof images);
    put(f, "idx/pair", idx, sizeof idx);
    put(f, "idx/alone", alone, sizeof alone);
    put_archive(f, "idx/gz", ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_GZIP, images, sizeof images);
    put_archive(f, "idx/zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, images, sizeof images);
    put_archive(f, "idx/7z", ARCHIVE_FORMAT_7ZIP, ARCHIVE_FILTER_NONE, images, sizeof images);
    put_archive(f, "idx/tar_xz", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ, images, sizeof images);
    idx[15] = 4;
    put(f, "idx/rank4", idx, sizeof idx);
    put(f, "cifar/ten",
        "\x00\x0F\x02\x80\x01\x09\x01\x80\x03\x01\x80\x02"
        "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n",
        32);
    put(f, "cifar/hundred", "\x01\x03\x02\x80\x01\x09\x01\x63\x01\x80\x03\x04", 12);
    put(f, "cifar/stl", "\x02\x03\x02\x80\x02\x80\x01\x0A", 8);
}

static void labels(const char *f)
{
    put_text(f, "labels/table", "path,label,split\na/1.png,cat,train\r\nb.png,\"dog, \"\"old\"\"\",val\n");
    put_text(f, "labels/tabs", "val_0.JPEG\tn03444034\t0\t32\t44\t62\nval_1.JPEG\tn04067472\t52\t55\t57\t59\n");
    put_text(f, "labels/blanks", "n01/a b.png 65\nn01/c.png 970\n");
    put_text(f, "labels/list", "490\n361\n171\n");
    put_text(f, "labels/semicolons", "\xEF\xBB\xBFimage;is_train;class\r\n1;1;4\r\n2;0;5\r\n");
    put_text(f, "labels/short", "a.png,1\nb.png\n\"open,2\n");
}

static void weights(const char *f)
{
    static const char two[] =
        "\x01{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":"
        "[0,8]},\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[8,10]}}\0\0\0\0\0\0\0\0\0\0";
    static const char half[] =
        "\x01{\"a\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[0,6]},\"i\":{\"dtype\":\"I64\","
        "\"shape\":[0,9223372036854775807],\"data_offsets\":[6,6]}}\0\1\2\3\4\5";
    put(f, "safetensors/two", two, sizeof two);
    put(f, "safetensors/half", half, sizeof half);
    put_text(
        f, "safetensors/wide",
        "\x01{\"a\":{\"dtype\":\"F32\",\"shape\":[0,1000000000000000000,1000000000000000000,123,1000000000000000000],"
        "\"data_offsets\":[0,8]}}");
    put(f, "safetensors/empty", "\0\2\0\0\0\0\0\0\0{}", 11);
    put(f, "safetensors/long_header", "\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F{}", 11);
}

/* Name, type (4: text, and its length), axes, storage, extents, content. */
static void checkpoints(const char *f)
{
#define HEAD                                                                                                           \
    "\x07\x01\x00\x00\x01"                                                                                             \
    "\x08\x01\x00\x00\x05"                                                                                             \
    "\x00\x04\x08\x00\x01\x20"
    static const char positions[] = HEAD "\x01\x00\x03\x00\x01\x01\x02\x07"
                                         "\x02\x00\x03\x03\x01\x04\x02\x07";
    static const char plain[] = HEAD "\x04\x00\x02\x03\x03\x05\x01"
                                     "\x02\x00\x03\x02\x01\x03\x02\x07";
    static const char huge[] = HEAD "\x04\x00\x02\x02\x09\x09\x01";
    static const char many_steps[] = "\x07\x01\x00\x00\x01"
                                     "\x08\x01\x01\x00\x0F\x05"
                                     "\x00\x04\x08\x00\x01\x20";
    static const char many_texts[] = "\x07\x01\x00\x00\x01"
                                     "\x08\x01\x00\x00\x05"
                                     "\x00\x04\x08\x01\x00\x10\x20";
    put(f, "checkpoint/positions", positions, sizeof positions - 1);
    put(f, "checkpoint/plain", plain, sizeof plain - 1);
    put(f, "checkpoint/huge", huge, sizeof huge - 1);
    put(f, "checkpoint/many_steps", many_steps, sizeof many_steps - 1);
    put(f, "checkpoint/many_texts", many_texts, sizeof many_texts - 1);
#undef HEAD
}

/* A property list of this class that gives the same bytes each time. */
static hid_t timeless(hid_t class)
{
    hid_t plist = H5Pcreate(class);
    H5Pset_obj_track_times(plist, 0);
    return plist;
}

/* Like those of train/checkpoint.c, with one small parameter. */
static void whole_checkpoint(const char *f)
{
    char *path = px_format("%s/checkpoint/whole.h5", f);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), root = timeless(H5P_FILE_CREATE), how = timeless(H5P_DATASET_CREATE);
    hid_t folder = timeless(H5P_GROUP_CREATE), text = H5Tcopy(H5T_C_S1);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, root, access);
    hid_t group = H5Gcreate2(file, "parameters", H5P_DEFAULT, folder, H5P_DEFAULT);
    hid_t scalar = H5Screate(H5S_SCALAR), vector = H5Screate_simple(1, (hsize_t[]){3}, NULL);
    PX_CHECK(px_h5_put_attribute_number(file, "format", 1) == 0 && px_h5_put_attribute_number(file, "step", 5) == 0);
    H5Tset_size(text, 8);
    H5Pset_layout(how, H5D_COMPACT);
    hid_t config = H5Dcreate2(file, "config", text, scalar, H5P_DEFAULT, how, H5P_DEFAULT);
    H5Pset_chunk(how, 1, (hsize_t[]){3});
    H5Pset_fletcher32(how);
    hid_t bias = H5Dcreate2(group, "bias", H5T_IEEE_F32LE, vector, H5P_DEFAULT, how, H5P_DEFAULT);
    PX_CHECK(H5Dwrite(config, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, "a = 1;\n") >= 0);
    PX_CHECK(H5Dwrite(bias, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, (float[]){1, 2, 3}) >= 0);
    PX_CHECK(H5Dclose(bias) >= 0 && H5Dclose(config) >= 0 && H5Gclose(group) >= 0 && H5Fclose(file) >= 0);
    H5close(); /* closes everything else */
    free(path);
}

#define PUT(f, name, text) put(f, name, text, sizeof text - 1)

/* Recipes of fuzz_h5.h: name, kind, axes, storage, extents; then 2, first number and step, or 3, length and bytes; for texts
 * each length and text. Kinds: 0 float32, 1 float64, 2 uint8, 3 int32, 4 int64, 6 texts, 9 a group. */
static void sets(const char *f)
{
#define REST                                                                                                           \
    "\x03\x03\x01\x00\x02\x02\x00\x01"                                                                                 \
    "\x04\x02\x01\x00\x02\x02\x00\x01"                                                                                 \
    "\x05\x06\x01\x00\x02\x03"                                                                                         \
    "cat\x03"                                                                                                          \
    "dog"                                                                                                              \
    "\x06\x06\x01\x00\x02\x05train\x04test"
    static const char raw[] = "\x00\x02\x04\x00\x02\x03\x02\x01\x02\x01\x05" REST "\x07\x00\x01\x00\x01\x02\x00\x00"
                              "\x08\x00\x01\x00\x01\x02\x01\x00";
    static const char chunked[] = "\x00\x02\x04\x03\x02\x03\x02\x03\x02\x01\x05\x07\x01\x01\x00\x03\x02\x00\x00"
                                  "\x08\x01\x01\x00\x03\x02\x01\x00";
    static const char huge[] = "\x00\x02\x04\x02\x88\x88\x88\x03\x00";
    static const char linked[] = "\x00\x0B\x03\x0A";
    static const char others[] = "\x00\x02\x04\x03\x06\x03\x02\x03\x02\x01\x05\x03\x03\x01\x00\x06\x02\x00\x01";
    static const char channels_first[] = "\x00\x02\x04\x00\x06\x03\x05\x07\x02\x01\x05";
    PUT(f, "dataset/raw", raw);
    PUT(f, "dataset/chunked", chunked);
    PUT(f, "dataset/huge", huge);
    PUT(f, "dataset/others", others);
    PUT(f, "dataset/channels_first", channels_first);
    PUT(f, "dataset/linked", linked);
    static const char rest[] =
        REST "\x07\x00\x01\x00\x03\x02\x00\x00\x08\x00\x01\x00\x03\x02\x01\x00\x09\x03\x00\x00\x02\x03\x00";
    blob png = make_flat_png(8, 8, 3, 7);
    uint8_t *all = px_calloc(2 * png.size + 64 + sizeof rest, 1), *at = all;
    PX_CHECK(png.size < 128);
    memcpy(at, "\x01\x02\x01\x00\x81\x03", 6); /* 256 bytes */
    at[6] = (uint8_t)(2 * png.size);
    at[7] = (uint8_t)(2 * png.size >> 8);
    memcpy(at + 8, png.bytes, png.size);
    memcpy(at + 8 + png.size, png.bytes, png.size);
    at += 8 + 2 * png.size;
    memcpy(at, "\x02\x04\x01\x00\x03\x02\x00", 7);
    at[7] = (uint8_t)png.size;
    memcpy(at + 8, rest, sizeof rest - 1);
    put(f, "dataset/encoded", all, (size_t)(at - all) + 8 + sizeof rest - 1);
    free(all);
    free(png.bytes);
#undef REST
}

static void results(const char *f)
{
    static const char run[] =
        "\x00\x04\x01\x02\x05\x02\x00\x03\x01\x01\x01\x02\x05\x02\x07\xFF\x02\x01\x01\x02\x05\x02\x01\x01"
        "\x03\x06\x00\x00\x07"
        "batch=4\x05\x09\x04\x06\x00\x00\x05host1";
    static const char probe[] =
        "\x08\x06\x01\x00\x02\x03"
        "cat\x03"
        "dog\x09\x00\x00\x00\x02\x01\x00\x0A\x00\x01\x00\x02\x02\x00\x01"
        "\x0B\x00\x02\x00\x02\x02\x02\x01\x02\x0C\x00\x01\x00\x04\x02\x00\x01\x0D\x06\x01\x00\x02\x05"
        "conv1\x06layer1"
        "\x0E\x00\x01\x00\x02\x02\x00\x01\x0F\x00\x02\x00\x04\x02\x02\x00\x01\x10\x03\x01\x00\x04\x02\x00\x00"
        "\x11\x06\x01\x00\x02\x03"
        "cat\x03"
        "dog";
    static const char bench[] = "\x12\x06\x01\x00\x02\x03"
                                "abc\x02xy\x13\x01\x01\x00\x02\x02\x01\x01\x14\x01\x01\x00\x02\x02\x01\x01"
                                "\x15\x01\x00\x00\x02\x05\x00\x16\x06\x00\x00\x04host\x05\x09";
    static const char figure[] = "\x17\x02\x03\x00\x04\x04\x03\x02\x00\x03\x18\x06\x00\x00\x04"
                                 "a\033[1";
    static const char set[] = "\x19\x02\x04\x00\x02\x04\x04\x03\x02\x00\x01\x1A\x03\x01\x00\x02\x02\x00\x01"
                              "\x1B\x02\x01\x00\x02\x02\x00\x01\x1C\x06\x01\x00\x02\x03"
                              "cat\x03"
                              "dog\x1D\x06\x01\x00\x02\x05train\x04test";
    static const char steps[] = "\x00\x01\x02\x00\x0A\x00\x02\x00\x03\x01\x01\x01\x02\x05\x02\x07\xFF";
    PUT(f, "results/run", run);
    PUT(f, "results/probe", probe);
    PUT(f, "results/bench", bench);
    PUT(f, "results/figure", figure);
    PUT(f, "results/set", set);
    PUT(f, "results/empty_steps", steps);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus FOLDER\n");
        return 2;
    }
    png_files(argv[1]);
    other_pictures(argv[1]);
    jpeg_files(argv[1]);
    configurations(argv[1]);
    sources(argv[1]);
    arrays(argv[1]);
    labels(argv[1]);
    weights(argv[1]);
    checkpoints(argv[1]);
    whole_checkpoint(argv[1]);
    sets(argv[1]);
    results(argv[1]);
    return 0;
}
