/* hostile_bombs.c - compressed files that take memory or time by what they claim, or by their number (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "hostile.h"

enum { LARGE = 48 << 20, SIDE = 24, TEN = 10 };

/* One file that is compressed by `filter`. */
static void put_packed(const char *path, int filter, const void *bytes, size_t size)
{
    struct archive *a = begin_archive(path, ARCHIVE_FORMAT_RAW, filter);
    add_entry(a, "data", bytes, size);
    end_archive(a);
}

static int filter_of(const char *ending)
{
    return strcmp(ending, "gz") == 0    ? ARCHIVE_FILTER_GZIP
           : strcmp(ending, "bz2") == 0 ? ARCHIVE_FILTER_BZIP2
           : strcmp(ending, "xz") == 0  ? ARCHIVE_FILTER_XZ
           : strcmp(ending, "zst") == 0 ? ARCHIVE_FILTER_ZSTD
                                        : ARCHIVE_FILTER_LZ4;
}

/* A folder of `at` compressed files, which each unpack to `size` zeros; `kind`: their ending. */
static void several(const hostile *h)
{
    uint8_t *plain = px_calloc((size_t)h->size, 1);
    put_packed("packed", filter_of(h->kind), plain, (size_t)h->size);
    free(plain);
    blob b = read_file("packed");
    unlink("packed");
    for (int64_t i = 1; i <= h->at; i++) {
        char *path = px_format("%s/data_batch_%d.bin.%s", h->name, (int)i, h->kind);
        hostile_put(path, b.bytes, b.size);
        free(path);
    }
    free(b.bytes);
}

/* The same in one tar. */
static void several_in_tar(const hostile *h)
{
    uint8_t *plain = px_calloc((size_t)h->size, 1);
    put_packed("packed", filter_of(h->kind), plain, (size_t)h->size);
    free(plain);
    blob b = read_file("packed");
    unlink("packed");
    struct archive *a = begin_archive(h->name, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    for (int64_t i = 1; i <= h->at; i++) {
        char *path = px_format("a/data_batch_%d.bin.%s", (int)i, h->kind);
        add_entry(a, path, b.bytes, b.size);
        free(path);
    }
    end_archive(a);
    free(b.bytes);
}

/* Compressed twice. */
static void twice(const hostile *h)
{
    uint8_t *plain = px_calloc(LARGE, 1);
    put_packed("once", ARCHIVE_FILTER_GZIP, plain, LARGE);
    free(plain);
    blob b = read_file("once");
    unlink("once");
    put_packed(h->name, ARCHIVE_FILTER_GZIP, b.bytes, b.size);
    free(b.bytes);
}

/* `number` bytes `text`, then `size` times the byte `at`. */
static void head(const hostile *h)
{
    size_t before = (size_t)h->number;
    uint8_t *all = px_calloc(before + (size_t)h->size + 1, 1);
    memcpy(all, h->text, before);
    memset(all + before, (int)h->at, (size_t)h->size);
    hostile_put(h->name, all, before + (size_t)h->size);
    free(all);
}

/* The `number` bytes `text`, `size` times: members or frames that hold nothing. */
static void members(const hostile *h)
{
    size_t part = (size_t)h->number, size = part * (size_t)h->size;
    uint8_t *all = px_calloc(size, 1);
    for (size_t at = 0; at < size; at += part)
        memcpy(all + at, h->text, part);
    hostile_put(h->name, all, size);
    free(all);
}

/* A tar with a picture, compressed, whose header asks for a dictionary of 4 GB. */
static void dictionary(const hostile *h)
{
    uint8_t pixels[SIDE * SIDE * 3];
    fill_pattern(pixels, sizeof pixels, 3);
    blob png = make_png(SIDE, SIDE, 3, pixels);
    struct archive *a = begin_archive("plain", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_LZMA);
    add_entry(a, "a/1.png", png.bytes, png.size);
    end_archive(a);
    free(png.bytes);
    blob b = read_file("plain");
    unlink("plain");
    memset(b.bytes + 1, 0xFF, 4);
    hostile_put(h->name, b.bytes, b.size);
    free(b.bytes);
}

/* A zip in which `size` entries share one deflated picture. */
static void shared(const hostile *h)
{
    static const char name[] = "a/0.png";
    uint8_t pixels[SIDE * SIDE * 3];
    fill_pattern(pixels, sizeof pixels, 3);
    blob png = make_png(SIDE, SIDE, 3, pixels);
    struct archive *a = begin_archive("one.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE);
    add_entry(a, name, png.bytes, png.size);
    end_archive(a);
    free(png.bytes);
    blob b = read_file("one.zip");
    unlink("one.zip");
    uint8_t *entry = memmem(b.bytes, b.size, "PK\1\2", 4), *end = memmem(b.bytes, b.size, "PK\5\6", 4);
    size_t each = (size_t)(end - entry), before = (size_t)(entry - b.bytes), all = each * (size_t)h->size;
    uint8_t *zip = px_calloc(before + all + 22, 1), *last = zip + before + all;
    memcpy(zip, b.bytes, before);
    for (int64_t i = 0; i < h->size; i++)
        memcpy(zip + before + (size_t)i * each, entry, each);
    memcpy(last, end, 22);
    uint16_t count = (uint16_t)h->size;
    uint32_t length = (uint32_t)all;
    memcpy(last + 8, &count, 2);
    memcpy(last + 10, &count, 2);
    memcpy(last + 12, &length, 4);
    hostile_put(h->name, zip, before + all + 22);
    free(zip);
    free(b.bytes);
}

/* `size` empty entries; %d in their names, `text`, is a number. */
static void many(const hostile *h)
{
    int format = strstr(h->name, ".zip") ? ARCHIVE_FORMAT_ZIP : ARCHIVE_FORMAT_TAR_USTAR;
    struct archive *a = begin_archive(h->name, format, ARCHIVE_FILTER_NONE);
    for (int64_t i = 0; i < h->size; i++) {
        const char *number = strstr(h->text, "%d");
        char *path = px_format("%.*s%d%s", (int)(number - h->text), h->text, (int)i, number + 2);
        add_entry(a, path, "", 0);
        free(path);
    }
    end_archive(a);
}

#define BOMBED(NAME, MAKE, COUNT, SIZE, ENDING)                                                                        \
    {                                                                                                                  \
        .name = NAME, .make = MAKE, .status = 3, .says = "unpacks to more than 500 times its size", .at = COUNT,       \
        .size = SIZE, .kind = ENDING                                                                                   \
    }
#define MEMBERS(NAME, COUNT, LENGTH, TEXT)                                                                             \
    {                                                                                                                  \
        .name = NAME, .make = members, .status = 3, .says = NAME ": ", .size = COUNT, .number = LENGTH, .text = TEXT   \
    }
#define HEAD(NAME, LENGTH, TEXT, ...)                                                                                  \
    {                                                                                                                  \
        .name = NAME, .make = head, .status = 3, .says = NAME ": ", .number = LENGTH, .text = TEXT, __VA_ARGS__        \
    }
#define EMPTY_GZ "\x1F\x8B\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0"
#define SKIPPED "\x50\x2A\x4D\x18\0\0\0\0"

static const hostile bombs[] = {
    BOMBED("ten-gz", several, TEN, LARGE, "gz"),
    BOMBED("ten-bz2", several, TEN, LARGE, "bz2"),
    BOMBED("ten-xz", several, TEN, LARGE, "xz"),
    BOMBED("ten-zst", several, TEN, LARGE, "zst"),
    BOMBED("ten.tar", several_in_tar, TEN, LARGE, "gz"),
    BOMBED("ten-bz2.tar", several_in_tar, TEN, LARGE, "bz2"),
    {.name = "small-gz",
     .make = several,
     .status = 3,
     .says = "small-gz: contains no images",
     .at = TEN,
     .size = 15 << 20,
     .kind = "gz"},
    {.name = "twice-images-idx3-ubyte.gz",
     .make = twice,
     .status = 3,
     .says = "unpacks to more than 500 times its size"},
    MEMBERS("members.tar.gz", 500000, 20, EMPTY_GZ),
    MEMBERS("members-images-idx3-ubyte.gz", 500000, 20, EMPTY_GZ),
    MEMBERS("skipped.tar.zst", 1000000, 8, SKIPPED),
    MEMBERS("skipped.tar.lz4", 1000000, 8, SKIPPED),
    HEAD("name.tar.gz", 10, "\x1F\x8B\x08\x08\0\0\0\0\0\x03", .size = 10000000, .at = 'n'),
    HEAD("extra.tar.gz", 12, "\x1F\x8B\x08\x04\0\0\0\0\0\x03\xFF\xFF", .size = 100),
    HEAD("size.tar.lzma", 13, "\x5D\0\0\x80\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", .size = 100),
    HEAD("window.tar.zst", 9, "\x28\xB5\x2F\xFD\0\xF8\1\0\0", .size = 0),
    HEAD("size.tar.zst", 16, "\x28\xB5\x2F\xFD\xE0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1\0\0", .size = 0),
    HEAD("header.7z", 32, "7z\xBC\xAF\x27\x1C\0\4\x8D\x9B\xD5\x0F\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0",
         .size = 0),
    HEAD("comment.zip", 22, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xFF\xFF", .size = 65535, .at = 'P'),
    {.name = "dictionary.tar.lzma", .make = dictionary, .status = 3, .says = "dictionary.tar.lzma: "},
    {.name = "shared.zip", .make = shared, .size = 60000, .says = "1 image"},
    {.name = "folders.zip", .make = many, .size = 10000, .text = "d%d/x", .status = 3, .says = "contains nothing"},
    {.name = "folders.tar", .make = many, .size = 10000, .text = "d%d/x", .status = 3, .says = "contains nothing"},
    {.name = "deep.tar",
     .make = many,
     .size = 2000,
     .text = "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/%d",
     .status = 3,
     .says = "contains nothing"},
    {.name = "empty.zip",
     .make = many,
     .size = 3,
     .text = "a/%d.png",
     .status = 3,
     .says = "empty.zip: a/0.png: is empty"},
};

void hostile_bombs(void **state)
{
    (void)state;
    hostile_run(bombs, sizeof bombs / sizeof *bombs, (const char *const[]){"pack", "%", NULL});
}
