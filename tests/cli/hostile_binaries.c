/* hostile_binaries.c - hostile IDX, CIFAR and STL-10 files, and NumPy's arrays (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_npy.h"
#include "hostile.h"

enum { TEN = 3073, HUNDRED = 3074, STL = 27648 };

static const uint8_t idx_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40};

static void put_in(const hostile *h, const char *file, const void *bytes, size_t size)
{
    char *path = px_format("%s/%s", h->name, file);
    hostile_put(path, bytes, size);
    free(path);
}

/* Two images of 1 x 2. From byte `at` on the file gets the bytes of `text`, whose number is `number`; `size`: its
 * length. */
static void idx(const hostile *h)
{
    uint8_t bytes[32] = {0};
    memcpy(bytes, idx_images, sizeof idx_images);
    if (h->text)
        memcpy(bytes + h->at, h->text, (size_t)h->number);
    put_in(h, "train-images-idx3-ubyte", bytes, h->size ? (size_t)h->size : sizeof idx_images);
}

/* The same images, and the labels `text` of `size` bytes. */
static void idx_labels(const hostile *h)
{
    put_in(h, "train-images-idx3-ubyte", idx_images, sizeof idx_images);
    put_in(h, "train-labels-idx1-ubyte", h->text, (size_t)h->size);
}

/* `from`: a file of `size` zeros, in which byte `at` is `number`. `text`: the names of the classes. */
static void records(const hostile *h)
{
    uint8_t *bytes = px_calloc((size_t)h->size + 1, 1);
    bytes[h->at] = (uint8_t)h->number;
    put_in(h, h->from, bytes, (size_t)h->size);
    if (h->text)
        put_in(h, "batches.meta.txt", h->text, strlen(h->text));
    free(bytes);
}

/* The same with a file of `at` zeros beside it, called `text`. */
static void two_files(const hostile *h)
{
    uint8_t *bytes = px_calloc((size_t)(h->size + h->at), 1);
    bytes[0] = (uint8_t)h->number;
    put_in(h, h->from, bytes + 1, (size_t)h->size);
    put_in(h, h->text, bytes, (size_t)h->at);
    free(bytes);
}

/* x.npy with the type `kind`, the shape `text` and `size` zeros; y.npy with the label `number`, if that is not 0. `at`: the
 * format's version, 0 for 1; `from`: what stands in place of the header. */
static void arrays(const hostile *h)
{
    uint8_t *zeros = px_calloc((size_t)h->size + 1, 1);
    int64_t label = (int64_t)h->number;
    blob x = make_npy(1, h->kind, false, h->text, zeros, (size_t)h->size),
         y = make_npy(1, "<i8", false, "(1,)", &label, sizeof label);
    if (h->at)
        x.bytes[6] = (uint8_t)h->at;
    if (h->from)
        memcpy(x.bytes + 8, h->from, strlen(h->from));
    put_in(h, "x.npy", x.bytes, x.size);
    if (label)
        put_in(h, "y.npy", y.bytes, y.size);
    free(x.bytes);
    free(y.bytes);
    free(zeros);
}

#define NPY(NAME, SAYS, TYPE, SHAPE, ...) /* the size, and more */                                                     \
    {                                                                                                                  \
        .name = "npy-" NAME, .make = arrays, .status = 3, .says = SAYS, .kind = TYPE, .text = SHAPE,                   \
        .size = __VA_ARGS__                                                                                            \
    }
#define IDX(NAME, SAYS, ...)                                                                                           \
    {                                                                                                                  \
        .name = "idx-" NAME, .make = idx, .status = 3, .says = SAYS, __VA_ARGS__                                       \
    }
#define LABELS(NAME, SAYS, TEXT, SIZE)                                                                                 \
    {                                                                                                                  \
        .name = "labels-" NAME, .make = idx_labels, .status = 3, .says = SAYS, .text = TEXT, .size = SIZE              \
    }
#define RECORDS(NAME, SAYS, FILE, ...) /* the size, and more */                                                        \
    {                                                                                                                  \
        .name = NAME, .make = records, .status = 3, .says = SAYS, .from = FILE, .size = __VA_ARGS__                    \
    }
#define TWO(NAME, SAYS, FILE, SIZE, OTHER, ...) /* the other size, and more */                                         \
    {                                                                                                                  \
        .name = NAME, .make = two_files, .status = 3, .says = SAYS, .from = FILE, .size = SIZE, .text = OTHER,         \
        .at = __VA_ARGS__                                                                                              \
    }

static const char three_labels[] = "\0\0\x08\x01\0\0\0\x03\0\1\2", two_labels[] = "\0\0\x08\x01\0\0\0\x02\0\1",
                  ten_names[] = "cat\ndog\ncat\nd\ne\nf\ng\nh\ni\nj\n";

static const hostile binaries[] = {
    IDX("type", "train-images-idx3-ubyte: is not an IDX file", .at = 2, .text = "\x0D", .number = 1),
    IDX("axes", "train-images-idx3-ubyte: is not an IDX file", .at = 3, .text = "\x02", .number = 1),
    IDX("axes-255", "train-images-idx3-ubyte: is not an IDX file", .at = 3, .text = "\xFF", .number = 1),
    IDX("no-axes", "train-images-idx3-ubyte: is not an IDX file", .at = 3, .text = "\0", .number = 1),
    IDX("magic", "train-images-idx3-ubyte: is not an IDX file", .text = "MZ", .number = 2),
    IDX("header", "train-images-idx3-ubyte: is not an IDX file", .size = 9),
    IDX("byte", "train-images-idx3-ubyte: is not an IDX file", .size = 1),
    IDX("huge", "train-images-idx3-ubyte: is not an IDX file", .at = 4,
        .text = "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", .number = 12),
    IDX("cut", "is truncated: it has 17 bytes, but its header announces 20", .size = 17),
    IDX("claims", "is truncated: it has 20 bytes, but its header announces 1683627179264", .at = 4,
        .text = "\x7F\xFF\xFF\xFF\x00\x00\x00\x1C\x00\x00\x00\x1C", .number = 12),
    IDX("long", "it has 23 bytes, but its header announces 20", .size = 23),
    IDX("none", "train-images-idx3-ubyte: contains 0 images of 1 x 2 x 1", .at = 4, .text = "\0\0\0\0", .number = 4,
        .size = 16),
    IDX("flat", "train-images-idx3-ubyte: contains 2 images of 0 x 2 x 1", .at = 8, .text = "\0\0\0\0", .number = 4,
        .size = 16),
    IDX("wide", "train-images-idx3-ubyte: ", .at = 4, .text = "\0\0\0\1\0\1\0\0\0\1\0\0", .number = 12),
    LABELS("more", "train-labels-idx1-ubyte: contains 3 labels for the 2 images of", three_labels, 11),
    LABELS("empty", "train-labels-idx1-ubyte: is empty", "", 0),
    LABELS("cut", "train-labels-idx1-ubyte: is truncated", two_labels, 9),
    {.name = "labels-axes",
     .make = idx_labels,
     .says = "train-labels-idx1-ubyte: its label file is missing; the images get no labels",
     .text = (const char *)idx_images,
     .size = 20},
    {.name = "names",
     .make = idx_labels,
     .words = {"pack", "%", "class_names=a,a"},
     .status = 2,
     .says = "class_names gives two classes the name a",
     .text = two_labels,
     .size = 10},
    {.name = "one-name",
     .make = idx_labels,
     .words = {"pack", "%", "class_names=a"},
     .status = 2,
     .says = "class_names gives 1 names, but the sources have 2 classes",
     .text = two_labels,
     .size = 10},
    NPY("no-bytes", "contains nothing to pack", "|u0", "(1, 2, 2)", 4),
    NPY("no-size", "contains nothing to pack", "|u", "(1, 2, 2)", 4),
    NPY("objects", "contains nothing to pack", "|O", "(1, 2, 2)", 32),
    NPY("reals", "contains nothing to pack", "<f4", "(1, 2, 2)", 16),
    NPY("huge", "contains nothing to pack", "|u1", "(9223372036854775807, 65000, 65000, 64)", 4),
    NPY("claims", "x.npy: is truncated or too long", "|u1", "(1000000000, 64, 64)", 4),
    NPY("overflow", "contains nothing to pack", "|u1", "(99999999999999999999, 2, 2)", 4),
    NPY("negative", "contains nothing to pack", "|u1", "(-1, 2, 2)", 4),
    NPY("axes", "contains nothing to pack", "|u1", "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2)", 2),
    NPY("no-axes", "contains nothing to pack", "|u1", "()", 1),
    NPY("no-images", "contains nothing to pack", "|u1", "(0, 2, 2)", 0),
    NPY("cut", "x.npy: is truncated or too long", "|u1", "(1, 2, 2)", 3),
    NPY("long", "x.npy: is truncated or too long", "|u1", "(1, 2, 2)", 5),
    NPY("version", "contains nothing to pack", "|u1", "(1, 2, 2)", 4, .at = 9),
    NPY("header", "contains nothing to pack", "|u1", "(1, 2, 2)", 4, .from = "\xFF\xFF"),
    NPY("no-header", "contains nothing to pack", "|u1", "(1, 2, 2)", 4, .from = "\x01"),
    NPY("quotes", "contains nothing to pack", "|u1", "('1', 2, 2)", 4),
    NPY("escape", "contains nothing to pack", "\x1b[2J", "(1, 2, 2)", 4),
    NPY("label", "x.npy: label -7 of image 0 is not a class", "|u1", "(1, 2, 2)", 4, .number = -7),
    NPY("classes", "x.npy: label 2147483647 of image 0 is not a class", "|u1", "(1, 2, 2)", 4, .number = 1e15),
    RECORDS("cifar-cut", "data_batch_1.bin: is truncated or does not have the format CIFAR-10: 6145 bytes",
            "data_batch_1.bin", 2 * TEN - 1),
    RECORDS("cifar-byte", "data_batch_1.bin: is truncated or does not have the format CIFAR-10: 1 byte",
            "data_batch_1.bin", 1),
    RECORDS("cifar-empty", "data_batch_1.bin: is empty", "data_batch_1.bin", 0),
    RECORDS("cifar-label", "data_batch_1.bin: label 10 of image 1 is not in 0..9", "data_batch_1.bin", 2 * TEN,
            .at = TEN, .number = 10),
    RECORDS("cifar-fine", "train.bin: label 100 of image 0 is not in 0..99", "train.bin", 2 * HUNDRED, .at = 1,
            .number = 100),
    RECORDS("cifar-coarse", "train.bin: label 255 of image 1 is not in 0..99", "train.bin", 2 * HUNDRED,
            .at = HUNDRED + 1, .number = 255),
    RECORDS("cifar-twice", "batches.meta.txt: gives two classes the name cat", "data_batch_1.bin", TEN,
            .text = ten_names),
    RECORDS("cifar-names", "batches.meta.txt: names 2 classes, but CIFAR-10 has 10", "data_batch_1.bin", TEN,
            .text = "cat\ndog\n"),
    RECORDS("cifar-no-names", "batches.meta.txt: ", "data_batch_1.bin", TEN, .text = ""),
    TWO("cifar-both", "train.bin: has the format CIFAR-100, but the files before it have CIFAR-10", "train.bin",
        HUNDRED, "data_batch_1.bin", TEN),
    RECORDS("stl-cut", "train_X.bin: is truncated or does not have the format STL-10", "train_X.bin", STL - 1),
    RECORDS("stl-alone", "train_X.bin: its labels are missing (train_y.bin)", "train_X.bin", STL),
    TWO("stl-zero", "train_y.bin: label 0 of image 0 is not in 1..10", "train_X.bin", STL, "train_y.bin", 1),
    TWO("stl-high", "train_y.bin: label 11 of image 0 is not in 1..10", "train_X.bin", STL, "train_y.bin", 1,
        .number = 11),
    TWO("stl-labels", "train_y.bin: ", "train_X.bin", STL, "train_y.bin", 2, .number = 1),
};

void hostile_binaries(void **state)
{
    (void)state;
    hostile_run(binaries, sizeof binaries / sizeof *binaries, (const char *const[]){"pack", "%", NULL});
}
