/* hostile_weights.c - hostile safetensors files, and those of torch.save (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "hostile.h"

enum { LENGTH = 8, DATA = 16 /* bytes after the header */ };

static void put(const hostile *h, uint64_t length, const char *header)
{
    size_t size = strlen(header);
    uint8_t *file = px_calloc(LENGTH + size + DATA, 1);
    memcpy(file, &length, LENGTH);
    memcpy(file + LENGTH, header, size);
    hostile_put(h->name, file, LENGTH + size + DATA);
    free(file);
}

/* A file whose header is `text` and claims to be `size` bytes long (0: as long as it is). */
static void header(const hostile *h)
{
    put(h, h->size ? (uint64_t)h->size : strlen(h->text), h->text);
}

/* A header of `text`, `size` times. */
static void repeated(const hostile *h)
{
    size_t part = strlen(h->text);
    char *text = px_calloc(part * (size_t)h->size + 1, 1);
    for (size_t i = 0; i < (size_t)h->size; i++)
        memcpy(text + i * part, h->text, part);
    put(h, part * (size_t)h->size, text);
    free(text);
}

/* The bytes `text`, `size` of them. */
static void bytes(const hostile *h)
{
    hostile_put(h->name, h->text, (size_t)h->size);
}

/* The exported weights, changed as `kind` says. */
static void changed(const hostile *h)
{
    blob b = read_file("../../good/w.safetensors");
    uint64_t length;
    memcpy(&length, b.bytes, LENGTH);
    if (strcmp(h->kind, "cut") == 0)
        b.size -= 100;
    else if (strcmp(h->kind, "longer") == 0)
        b.bytes[b.size] = 0, b.size++;
    else if (strcmp(h->kind, "header") == 0)
        b.size = LENGTH + length / 2;
    else if (strcmp(h->kind, "bit") == 0)
        b.bytes[LENGTH + length / 2] ^= 0x80;
    else if (strcmp(h->kind, "nan") == 0) /* all numbers: with all bits set they are none */
        memset(b.bytes + LENGTH + length, 0xFF, b.size - LENGTH - (size_t)length);
    hostile_put(h->name, b.bytes, b.size);
    free(b.bytes);
}

/* `size` empty tensors. */
static void tensors(const hostile *h)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    for (int i = 0; i < (int)h->size; i++)
        fprintf(out, "%s\"%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", i > 0 ? "," : "{", i);
    fputs("}", out);
    fclose(out);
    put(h, length, text);
    free(text);
}

/* ---- files of torch.save ----------------------------------------------------------------------------------------- */

#define PUT(TEXT) fwrite(TEXT, 1, sizeof(TEXT) - 1, out)
#define OLDER "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}.\x80\2"
#define TENSOR_OF_ONE                                                                                                  \
    "ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                             \
    "0X\3\0\0\0cpuK\1tQK\0K\1\x85K\1\x85\x89}tR"
#define STORAGES                                                                                                       \
    "\x80\2]X\1\0\0\0"                                                                                                 \
    "0a.\1\0\0\0\0\0\0\0\0\0\0\0"

/* The format before PyTorch 1.6. Its pickle is `text`, of `at` bytes, `size` times. */
static void pickle(const hostile *h)
{
    FILE *out = fopen(h->name, "wb");
    assert_non_null(out);
    PUT(OLDER);
    for (int64_t i = 0; i < h->size; i++)
        fwrite(h->text, 1, (size_t)h->at, out);
    PUT("." STORAGES);
    fclose(out);
}

/* `size` dictionaries of long names lead to one of `at` entries, which are all the same tensor. */
static void named_often(const hostile *h)
{
    enum { LONG = 900 };
    char name[LONG];
    FILE *out = fopen(h->name, "wb");
    assert_non_null(out);
    PUT(OLDER "}(");
    for (int32_t i = 0; i < (int32_t)h->at; i++) {
        PUT("J");
        fwrite(&i, sizeof i, 1, out);
        if (i == 0)
            PUT(TENSOR_OF_ONE "q\0");
        else
            PUT("h\0");
    }
    PUT("uq\1}(");
    for (int i = 0; i < (int)h->size; i++) {
        memset(name, 'a' + i, LONG);
        PUT("X\x84\3\0\0");
        fwrite(name, 1, LONG, out);
        PUT("h\1");
    }
    PUT("u." STORAGES);
    fclose(out);
}

/* A zip of `size` small entries. */
static void entries(const hostile *h)
{
    struct archive *a = begin_archive(h->name, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE);
    for (int i = 0; i < (int)h->size; i++) {
        char name[32];
        snprintf(name, sizeof name, "a/data/%d", i);
        add_entry(a, name, "1234", 4);
    }
    end_archive(a);
}

#define NAMED(NAME) .name = NAME ".safetensors"
#define HEADER(NAME, SAYS, ...) /* the text, and more */                                                               \
    {                                                                                                                  \
        NAMED(NAME), .make = header, .status = 3, .says = SAYS, .text = __VA_ARGS__                                    \
    }
#define ONE(TYPE, SHAPE, OFFSETS) "\"a\":{\"dtype\":" TYPE ",\"shape\":" SHAPE ",\"data_offsets\":" OFFSETS "}"
#define TENSOR(NAME, SAYS, TYPE, SHAPE, OFFSETS) HEADER(NAME, SAYS, "{" ONE(TYPE, SHAPE, OFFSETS) "}")
#define F32 "\"F32\""

static const hostile weights[] = {
    {NAMED("zero"), .make = bytes, .status = 3, .says = "is not a safetensors file, it has 0 bytes", .text = ""},
    {NAMED("short"), .make = bytes, .status = 3, .says = "is not a safetensors file, it has 7 bytes",
     .text = "\2\0\0\0\0\0\0", .size = 7},
    {NAMED("text"), .make = bytes, .status = 3, .says = "is not a safetensors file, or is cut off",
     .text = "these are not weights", .size = 21},
    {NAMED("pickle"), .make = bytes, .status = 3,
     .says = "pickle.safetensors: ", .text = "PK\3\4\0\0\0\0archive/data.pkl", .size = 24},
    HEADER("header", "is cut off: a header of 1000 bytes in a file of 26", "{}", .size = 1000, .ranks = true),
    HEADER("largest", "is cut off: a header of 18446744073709551608 bytes in a", "{}", .size = -8),
    HEADER("overflow-header", "is cut off: a header of 9223372036854775807 bytes in a", "{}", .size = INT64_MAX),
    HEADER("no-header", "no-header.safetensors: ", "", .size = 0),
    HEADER("json", "its header is not JSON from byte 6 on", "{\"w\":}"),
    HEADER("list", "its header is not a JSON object", "[1]"),
    HEADER("number", "its header is not JSON from byte ", "1"),
    HEADER("nothing", "16 bytes after the last tensor belong to no tensor", "{}"),
    HEADER("text-entry", "text-entry.safetensors: ", "{\"w\":\"x\"}"),
    HEADER("behind", "its header is not JSON from byte ", "{} {}"),
    HEADER("metadata", "metadata.safetensors: ", "{\"__metadata__\":[1]}"),
    HEADER("deep", "tensor w has no dtype", "{\"w\":{\"dtype\":{\"dtype\":1}}}"),
    {NAMED("deeper"), .make = repeated, .status = 3, .says = "deeper.safetensors: ", .text = "{\"a\":", .size = 100000},
    {NAMED("lists"), .make = repeated, .status = 3, .says = "lists.safetensors: ", .text = "[", .size = 1000000},
    {NAMED("spaces"), .make = repeated, .status = 3, .says = "spaces.safetensors: ", .text = " ", .size = 1000000},
    {NAMED("many"), .make = tensors, .status = 3, .says = "holds more than 65536 tensors", .size = 70000},
    {NAMED("large-header"), .make = repeated, .status = 3,
     .says = "has a header of 17000000 bytes, more than weights need", .text = " ", .size = 17000000},
    {.name = "small.onnx",
     .make = bytes,
     .words = {"features", "%"},
     .status = 3,
     .says = "small.onnx: is ONNX or TensorFlow",
     .text = "\x08\x0E:\3\x12\1gB\2\x10\x1C",
     .size = 11},
    {.name = "export.onnx",
     .make = bytes,
     .words = {"export", "%"},
     .status = 3,
     .says = "export.onnx: is ONNX or TensorFlow",
     .text = "\x08\x0E\x42\2\x10\x1C",
     .size = 6},
    HEADER("overlap", "overlap.safetensors: tensors a and b overlap",
           "{" ONE(F32, "[2]", "[0,8]") ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
           .ranks = true),
    HEADER("twice", "its header is not JSON from byte ",
           "{" ONE(F32, "[2]", "[0,8]") "," ONE(F32, "[2]", "[8,16]") "}"),
    TENSOR("outside", "tensor a ends at byte 20 of the data, but the file has only", F32, "[5]", "[0,20]"),
    HEADER("overflow", "tensor a ends at byte 9223372036854775807 of the data",
           "{" ONE("\"U8\"", "[8]", "[9223372036854775800,9223372036854775807]") "}", .ranks = true),
    TENSOR("too-large", "its header is not JSON from byte ", "\"U8\"", "[8]",
           "[18446744073709551608,18446744073709551615]"),
    TENSOR("backward", "tensor a: its data_offsets are not [begin, end]", F32, "[2]", "[8,0]"),
    TENSOR("below", "tensor a: its data_offsets are not [begin, end]", F32, "[2]", "[-8,0]"),
    TENSOR("fractions", "fractions.safetensors: ", F32, "[2]", "[0.5,8.5]"),
    TENSOR("one-offset", "tensor a: its data_offsets are not [begin, end]", F32, "[2]", "[0]"),
    TENSOR("three-offsets", "tensor a: its data_offsets are not [begin, end]", F32, "[2]", "[0,8,16]"),
    TENSOR("text-offsets", "tensor a: its data_offsets are not [begin, end]", F32, "[2]", "[\"0\",\"8\"]"),
    TENSOR("no-offsets", "tensor a", F32, "[2]", "null"),
    HEADER("negative", "extent 1 of its shape is not a whole number >= 0", "{" ONE(F32, "[-1,-2]", "[0,8]") "}",
           .ranks = true),
    TENSOR("fraction", "extent 1 of its shape is not a whole number >= 0", F32, "[1.5]", "[0,8]"),
    TENSOR("text-shape", "extent 1 of its shape is not a whole number >= 0", F32, "[\"2\"]", "[0,8]"),
    TENSOR("no-shape", "tensor a", F32, "{}", "[0,8]"),
    TENSOR("axes", "tensor a", F32, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,8]"),
    TENSOR("product", "tensor a: its shape is larger than any file", F32, "[4294967296,4294967296,4]", "[0,8]"),
    TENSOR("wide", "tensor a, F32 (0, 1000000000000000000, ", F32,
           "[0,1000000000000000000,1000000000000000000,123,1000000000000000000]", "[0,8]"),
    TENSOR("size", "tensor a, F32 (3), takes 12 bytes, not 8", F32, "[3]", "[0,8]"),
    TENSOR("odd", "1 bytes before tensor a belong to no tensor", F32, "[1]", "[1,5]"),
    TENSOR("dtype", "8 bytes after the last tensor belong to no tensor", "\"F33\"", "[2]", "[0,8]"),
    TENSOR("dtype-number", "tensor a has no dtype", "32", "[2]", "[0,8]"),
    TENSOR("dtype-escape", "8 bytes after the last tensor belong to no tensor", "\"\\u001b[2J\"", "[2]", "[0,8]"),
    HEADER("type", "has no tensor bn1.weight, which resnet18 needs; it has 1 of the 100 that are needed",
           "{\"conv1.weight\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]}}"),
    HEADER("lines", "tensor a?b, F32 (3), takes 12 bytes, not 8",
           "{\"a\\u000ab\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}"),
    HEADER("escape", "tensor ?[2J, F32 (3), takes 12 bytes, not 8",
           "{\"\\u001b[2J\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}"),
    HEADER("zero-name",
           "zero-name.safetensors: ", "{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}"),
    HEADER("latin", "latin.safetensors: ", "{\"\xE9\xFF\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}"),
    HEADER("up", "tensor ../../x, F32 (3), takes 12 bytes, not 8",
           "{\"../../x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}"),
    {NAMED("changed-cut"), .make = changed, .status = 3, .says = "of the data, but the file has only", .kind = "cut"},
    {NAMED("changed-header"), .make = changed, .status = 3, .says = "is cut off: a header of ", .kind = "header"},
    {NAMED("changed-bit"), .make = changed, .status = 3, .says = "changed-bit.safetensors: ", .kind = "bit"},
    {NAMED("changed-longer"), .make = changed, .status = 3, .says = "1 bytes after the last tensor belong to no tensor",
     .kind = "longer"},
    {NAMED("features"), .make = header, .words = {"features", "%"}, .status = 3,
     .says = "tensor a, F32 (3), takes 12 bytes, not 8", .text = "{" ONE(F32, "[3]", "[0,8]") "}"},
    {NAMED("probe"), .make = header, .words = {"probe", "%", "out=x"}, .status = 3,
     .says = "tensor a, F32 (3), takes 12 bytes, not 8", .text = "{" ONE(F32, "[3]", "[0,8]") "}"},
    {NAMED("nan-init"), .make = changed, .status = 3, .says = "tensor conv1.weight is not finite: number 0 of ",
     .kind = "nan", .ranks = true},
    {NAMED("nan-features"), .make = changed, .words = {"features", "%", "data.path=../../good/d.h5", "out=x.h5"},
     .status = 3, .says = "tensor conv1.weight is not finite: number 0 of ", .kind = "nan"},
    {NAMED("nan-probe"), .make = changed, .words = {"probe", "%", "data.path=../../good/d.h5", "out=x"}, .status = 3,
     .says = "tensor conv1.weight is not finite: number 0 of ", .kind = "nan"},
    {.name = "items.pth",
     .make = pickle,
     .text = "}",
     .at = 1,
     .size = 8000000,
     .status = 3,
     .says = "its pickle takes more than 128 MiB of memory"},
    {.name = "tuples.pth",
     .make = pickle,
     .text = ")0",
     .at = 2,
     .size = 4000000,
     .status = 3,
     .says = "its pickle takes more than 128 MiB of memory"},
    {.name = "marks.pth", .make = pickle, .text = "(", .at = 1, .size = 8388000, .status = 3, .says = "marks.pth: "},
    {.name = "texts.pth",
     .make = pickle,
     .text = "U\1a0",
     .at = 4,
     .size = 2000000,
     .status = 3,
     .says = "its pickle takes more than 128 MiB of memory"},
    {.name = "lists.pth", .make = pickle, .text = "](]a", .at = 4, .size = 2000000, .status = 3, .says = "lists.pth: "},
    {.name = "memo.pth",
     .make = pickle,
     .text = "}r\0\0\x70\0",
     .at = 6,
     .size = 1200000,
     .status = 3,
     .says = "a number of the memo is larger than what came before"},
    {.name = "dicts.pth",
     .make = pickle,
     .text = "ccollections\nOrderedDict\n)R",
     .at = 27,
     .size = 300000,
     .status = 3,
     .says = "dicts.pth: "},
    {.name = "too-large.pth",
     .make = pickle,
     .text = "}0",
     .at = 2,
     .size = 6000000,
     .status = 3,
     .says = "too-large.pth: "},
    {.name = "names.pth",
     .make = named_often,
     .size = 20,
     .at = 1000,
     .status = 3,
     .says = "their names have more than 16 MiB"},
    {.name = "tensors.pth",
     .make = named_often,
     .size = 1,
     .at = 70000,
     .status = 3,
     .says = "holds more than 65536 tensors"},
    {.name = "entries.pth", .make = entries, .size = 20000, .status = 3, .says = "it has no data.pkl"},
    {NAMED("nowhere"), .status = 3, .says = "nowhere.safetensors: No such file or directory"},
};

void hostile_weights(void **state)
{
    (void)state;
    hostile_run(weights, sizeof weights / sizeof *weights, (const char *const[]){"pretrain", "init=%", NULL});
}
