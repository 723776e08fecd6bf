/* hostile_sets.c - hostile data sets (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "hostile_h5.h"

#include <math.h>

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))
#define OTHER_TYPES "text real compound opaque list reference enum bits"

/* Damages of d.h5, 96 images of 16 px and 5 classes. */
static const h5_case raw[] = {
    {"/images", "none chunked", 0, NULL, 0, 0},
    {"/images", "remove", 3, "has neither /images nor /encoded", 0, 0},
    {"/images", "group", 3, "/images cannot be read: ", 0, 0},
    {"/images", "dangling loop", 3, "/images", 0, 0},
    {"/images", "external passwd storage virtual", 3, "/images", 0, 0},
    {"/images", OTHER_TYPES, 3, "/images has the wrong type; uint8 or uint16 expected", 0, 0},
    {"/images", "null scalar", 3, "/images has 0 axes, but 4 are expected", 0, 0},
    {"/images", "more-axes", 3, "/images has 5 axes, but 4 are expected", 0, 0},
    {"/images", "32-axes", 3, "/images has 32 axes, but 4 are expected", 0, 0},
    {"/images", "empty", 3, "contains no images", 0, 0},
    {"/images", "one shorter longer", 3, "/labels has 96 entries, but ", 0, 0},
    {"/images", "huge", 3, "/images claims to be larger than the file can contain", 0, 0},
    {"/images", "overflow", 3, "/images is (", 0, 0},
    {"/images /labels /split", "filter", 3, "which this HDF5 does not have; where it is, h5repack -f NONE unpacks it\n",
     0, 0},
    {"/images", "one-chunk", 3, "/images: it is stored in chunks of 288 MB, more than the 200 MB that are", 0, 0},
    {"/images", "broken", 3, "/images cannot be read: ", 0, 0},
    {"/labels /split", "none chunked", 0, NULL, 0, 0},
    {"/labels", "remove", 0, NULL, 0, 0},
    {"/split", "remove", 3, "/split and the attribute split_names belong together", 0, 0},
    {"/labels", "group dangling loop broken", 3, " cannot be read: ", 0, 0},
    {"/labels", "external passwd storage virtual", 3, ": /", 0, 0},
    {"/labels", "text compound opaque list reference enum bits", 3, " has the wrong type; integers expected", 0, 0},
    {"/labels", "real more-axes 32-axes", 0, NULL, 0, 0}, /* no classes: ignored, with a word */
    {"/split", "loop", 3, " cannot be read: ", 0, 0},
    {"/split", "passwd storage", 3, ": /", 0, 0},
    {"/split", "text compound", 3, " has the wrong type; integers expected", 0, 0},
    {"/labels /split", "integer", 0, NULL, 0, 0},
    {"/labels /split", "null scalar", 3, " has 0 axes, but 1 are expected", 0, 0},
    {"/split", "more-axes 32-axes", 3, " axes, but 1 are expected", 0, 0},
    {"/labels", "empty one shorter longer huge overflow", 3, " entries, but 96 are expected", 0, 0},
    {"/split", "shorter huge", 3, " entries, but 96 are expected", 0, 0},
    {"/labels", "value", 3, "label 5 of image 7 is not in 0..4", 7, 5},
    {"/labels", "value", 3, "label -2 of image 8 is not in 0..4", 8, -2},
    {"/labels", "value", 3, "has labels up to 2147483647, but at most ", 9, INT32_MAX},
    {"/split", "value", 3, "split 2 of image 9 is not in 0..1", 9, 2},
    {"/split", "ones", 3, "split 255 of image 0 is not in 0..1", 0, 0},
    {"/labels", "ones", 0, NULL, 0, 0},
    {"@class_names @split_names", "text", 0, NULL, 0, 0},
    {"@class_names @split_names", "integer real compound opaque list reference null", 3, "_names must be strings", 0,
     0},
    {"@class_names", "one scalar shorter", 3, "label ", 0, 0},
    {"@split_names", "one scalar", 3, "split 1 of image 72 is not in 0..0", 0, 0},
    {"@split_names", "remove", 3, "/split and the attribute split_names belong together", 0, 0},
    {"@class_names", "remove longer", 0, NULL, 0, 0},
    {"@mean @std", "remove", 3, "has no attribute ", 0, 0},
    {"@mean @std", "text compound opaque list reference null scalar one shorter longer", 3, " must be 3 numbers", 0, 0},
    {"@mean @std", "ones", 3, " of channel 0 cannot be used to normalise", 0, 0},
    {"@mean", "value", 3, " of channel 1 cannot be used to normalise", 1, NAN},
    {"@mean", "value", 3, " of channel 2 cannot be used to normalise", 2, INFINITY},
    {"@std", "value", 3, " of channel 2 cannot be used to normalise", 2, 0},
    {"@std", "value", 3, " of channel 0 cannot be used to normalise", 0, -1},
};

/* Damages of e.h5, the same images as JPEG. */
static const h5_case encoded[] = {
    {"/encoded /offsets", "none chunked", 0, NULL, 0, 0},
    {"/encoded", "remove", 3, "has neither /images nor /encoded", 0, 0},
    {"/offsets", "remove", 3, "has /encoded but no /offsets", 0, 0},
    {"/encoded", "group dangling loop broken", 3, "/encoded", 0, 0},
    {"/offsets", "group dangling loop broken", 3, "/offsets", 0, 0},
    {"/encoded /offsets", "external passwd storage virtual", 3, ": /", 0, 0},
    {"/encoded", OTHER_TYPES, 3, "/encoded has the wrong type; uint8 expected", 0, 0},
    {"/offsets", OTHER_TYPES, 3, "/offsets has the wrong type; integers expected", 0, 0},
    {"/encoded /offsets", "null scalar more-axes 32-axes", 3, " axes, but 1 are expected", 0, 0},
    {"/encoded", "empty one shorter", 3, "/offsets gives image ", 0, 0},
    {"/encoded /offsets", "filter", 3, ": it is packed by filter 32767", 0, 0},
    {"/encoded", "huge", 3, "/encoded claims to be larger than the file can contain", 0, 0},
    {"/offsets", "huge overflow", 3, "/offsets claims to be larger than the file can contain", 0, 0},
    {"/offsets", "empty", 3, "/offsets is empty; it needs one more entry", 0, 0},
    {"/offsets", "one", 3, "contains no images", 0, 0},
    {"/offsets", "shorter", 3, "/labels has 96 entries, but 95 are expected", 0, 0},
    {"/offsets", "longer ones integer", 3, "/offsets gives image ", 0, 0},
    {"/offsets", "value", 3, "/offsets gives image 95 the bytes ", 96, -1},
    {"/offsets", "value", 3, "/offsets gives image 2 the bytes ", 3, 0},
    {"/offsets", "value", 3, "image ", 0, 7},
    {"@channels", "remove", 3, "has no attribute channels (1 numbers)", 0, 0},
    {"@channels", "text compound null longer empty", 3, "attribute channels must be 1 number", 0, 0},
    {"@channels", "value", 3, "attribute channels is 65, but must be 1 to 64", 0, 65},
    {"@channels", "value", 3, "attribute channels is -1, but must be 1 to 64", 0, -1},
    {"/encoded", "value", 3, "image 0: cannot be decoded: ", 0, 0},
    {"/encoded", "ones", 3, ": cannot be decoded: ", 0, 0},
};

void hostile_sets(void **state)
{
    (void)state;
    hostile_rows rows = {0};
    hostile_h5_rows(&rows, "d.h5", hostile_h5_file, raw, COUNT(raw));
    hostile_h5_rows(&rows, "e.h5", hostile_h5_file, encoded, COUNT(encoded));
    hostile_run_made(&rows, (const char *const[]){"features", "@/ok", "data.path=%", NULL});
}

/* ---- whole files ------------------------------------------------------------------------------------------------- */

/* The bytes `text`, `size` of them. */
static void bytes(const hostile *h)
{
    hostile_put(h->name, h->text, (size_t)h->size);
}

/* d.h5: the first `size` per cent; from byte `at` on, `number` bytes are 255. */
static void damaged(const hostile *h)
{
    blob b = read_file("../../good/d.h5");
    memset(b.bytes + h->at, 0xFF, (size_t)h->number);
    hostile_put(h->name, b.bytes, b.size * (size_t)h->size / 100);
    free(b.bytes);
}

static void folder(const hostile *h)
{
    assert_int_equal(mkdir(h->name, 0777), 0);
}

static void fifo(const hostile *h)
{
    assert_int_equal(mkfifo(h->name, 0666), 0);
}

/* A link to `text`. */
static void symbolic(const hostile *h)
{
    assert_int_equal(symlink(h->text, h->name), 0);
}

#define PRETRAIN                                                                                                       \
    {                                                                                                                  \
        "pretrain", "data.path=%"                                                                                      \
    }

#define EMPTY_TEST(NAME, ...) /* all images are in split 0, train */                                                   \
    {                                                                                                                  \
        .name = NAME, .make = hostile_h5_file, .from = "d.h5", .object = "/split", .kind = "integer", .status = 2,     \
        .says = NAME ": split \"test\" has no images", .words = {                                                      \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

static const hostile files[] = {
    {.name = "cut.h5",
     .make = damaged,
     .size = 50,
     .status = 3,
     .says = "cut.h5: cannot be opened: truncated file",
     .words = PRETRAIN,
     .ranks = true},
    {.name = "start.h5",
     .make = damaged,
     .size = 1,
     .status = 3,
     .says = "start.h5: cannot be opened: ",
     .words = PRETRAIN},
    {.name = "head.h5",
     .make = damaged,
     .size = 100,
     .at = 8,
     .number = 80,
     .status = 3,
     .says = "head.h5: cannot be opened: ",
     .words = PRETRAIN,
     .ranks = true},
    {.name = "magic.h5",
     .make = bytes,
     .text = "\x89HDF\r\n\x1a\n",
     .size = 8,
     .status = 3,
     .says = "magic.h5: ",
     .words = PRETRAIN},
    {.name = "zero.h5",
     .make = bytes,
     .text = "",
     .status = 3,
     .says = "zero.h5: is not an HDF5 file",
     .words = PRETRAIN},
    {.name = "text.h5",
     .make = bytes,
     .text = "epochs = 3;",
     .size = 11,
     .status = 3,
     .says = "text.h5: is not an HDF5 file; `pretext pack SOURCE",
     .words = PRETRAIN},
    {.name = "folder.h5",
     .make = folder,
     .status = 3,
     .says = "folder.h5: is a folder; `pretext pack ",
     .words = PRETRAIN},
    {.name = "fifo.h5", .make = fifo, .status = 3, .says = "fifo.h5: is not a file", .words = PRETRAIN, .ranks = true},
    {.name = "link.h5",
     .make = symbolic,
     .text = "nowhere.h5",
     .status = 3,
     .says = "link.h5: cannot be opened: No such file",
     .words = PRETRAIN},
    {.name = "loop.h5",
     .make = symbolic,
     .text = "loop.h5",
     .status = 3,
     .says = "loop.h5: cannot be opened: Too many levels",
     .words = PRETRAIN},
    {.name = "memory.h5",
     .make = symbolic,
     .text = "/dev/zero",
     .status = 3,
     .says = "memory.h5: is not a file",
     .words = PRETRAIN},
    {.name = "/dev/null", .status = 3, .says = "/dev/null: is not a file", .words = PRETRAIN},
    {.name = "/proc/self/mem", .status = 3, .says = "/proc/self/mem: ", .words = PRETRAIN},
    {.name = "float.h5",
     .make = hostile_h5_file,
     .from = "d.h5",
     .object = "/images",
     .kind = "real",
     .status = 3,
     .says = "float.h5: /images has the wrong type",
     .words = PRETRAIN,
     .ranks = true},
    {.name = "huge.h5",
     .make = hostile_h5_file,
     .from = "d.h5",
     .object = "/images",
     .kind = "huge",
     .status = 3,
     .says = "huge.h5: /images claims to be larger",
     .words = PRETRAIN,
     .ranks = true},
    {.name = "packed.h5",
     .make = hostile_h5_file,
     .from = "d.h5",
     .object = "/images",
     .kind = "huge",
     .status = 3,
     .says = "packed.h5: is a data set already, which needs no packing",
     .words = {"pack", "%"}},
    {.name = "label.h5",
     .make = hostile_h5_file,
     .from = "d.h5",
     .object = "/labels",
     .kind = "value",
     .at = 7,
     .number = 5,
     .status = 3,
     .says = "label.h5: label 5 of image 7 is not in 0..4",
     .words = PRETRAIN,
     .ranks = true},
    {.name = "probed.h5",
     .make = hostile_h5_file,
     .from = "d.h5",
     .object = "/images",
     .kind = "real",
     .status = 3,
     .says = "probed.h5: /images has the wrong type",
     .words = {"probe", "@/ok", "data.path=%"}},
    EMPTY_TEST("trained", "pretrain", "data.path=%", "data.split=test"),
    EMPTY_TEST("viewed", "views", "data.path=%", "data.split=test"),
    EMPTY_TEST("measured", "bench", "data.path=%", "data.split=test"),
};

void hostile_set_files(void **state)
{
    (void)state;
    hostile_run(files, COUNT(files), NULL);
}
