/* hostile_pictures.c - hostile pictures in TIFF, GIF, BMP, PNM and WebP, and PNG files that unpack to too much (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "hostile.h"

#include <math.h>
#include <zlib.h>

enum { SIDE = 24, TAIL = 4000 };

static void put(const hostile *h, const uint8_t *bytes, size_t size)
{
    char *path = px_format("%s/a/%s", h->name, h->from);
    hostile_put(path, bytes, size);
    free(path);
}

static void put_stream(const hostile *h, char *text, size_t size)
{
    put(h, (uint8_t *)text, size);
    free(text);
}

static void little(FILE *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        fputc((int)(value >> (8 * i) & 0xFF), out);
}

static void big(FILE *out, uint32_t value)
{
    for (int i = 3; i >= 0; i--)
        fputc((int)(value >> (8 * i) & 0xFF), out);
}

static void zeros(FILE *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fputc(0, out);
}

/* `count` zeros, deflated. */
static blob deflated(size_t count)
{
    uint8_t *plain = px_calloc(count, 1);
    uLongf size = compressBound((uLong)count);
    blob b = {px_calloc(size, 1), 0};
    PX_CHECK(compress2(b.bytes, &size, plain, (uLong)count, 9) == Z_OK);
    free(plain);
    b.size = size;
    return b;
}

/* ---- TIFF -------------------------------------------------------------------------------------------------------- */

enum { TIFF_STRIP = 273, TIFF_ROWS = 278, TIFF_BYTES = 279, TIFF_TILE = 322, STRIP_AT = 200 };

static void tiff_entry(FILE *out, uint32_t tag, uint32_t count, uint32_t value)
{
    little(out, tag, 2);
    little(out, 4, 2);
    little(out, count, 4);
    little(out, value, 4);
}

/* A gray picture of `side` pixels, in one strip that begins at byte 200; of its directory, the entry `at` says `number` (of
 * these, if it is negative, so many are announced); TIFF_TILE: the strip is a tile of this side. `kind` "bit": of one bit
 * per pixel. */
static void tiff_of(const hostile *h, uint32_t side, uint32_t compression, const uint8_t *strip, size_t size)
{
    bool tile = h->at == TIFF_TILE;
    uint32_t bits = strcmp(h->kind, "bit") == 0 ? 1 : 8, number = (uint32_t)fabs(h->number), bytes = (uint32_t)size;
    uint32_t strips[][2] = {{256, side},        {257, side},       {258, bits},
                            {259, compression}, {262, 1},          {TIFF_STRIP, STRIP_AT},
                            {277, 1},           {TIFF_ROWS, side}, {TIFF_BYTES, bytes}};
    uint32_t tiles[][2] = {{256, side}, {257, side},         {258, bits},   {259, compression}, {262, 1},
                           {277, 1},    {TIFF_TILE, number}, {323, number}, {324, STRIP_AT},    {325, bytes}};
    size_t count = tile ? sizeof tiles / sizeof *tiles : sizeof strips / sizeof *strips;
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    fwrite("II*\0\x08\0\0\0", 1, 8, out);
    little(out, count, 2);
    for (size_t i = 0; i < count; i++) {
        uint32_t *entry = tile ? tiles[i] : strips[i];
        bool this = !tile && entry[0] == h->at, several = this && h->number < 0;
        tiff_entry(out, entry[0], several ? number : 1, this && !several ? number : entry[1]);
    }
    little(out, h->at == 0 ? number : 0, 4); /* where the next directory is */
    fflush(out);
    zeros(out, STRIP_AT - length);
    fwrite(strip, 1, size, out);
    fclose(out);
    put_stream(h, text, length);
}

static void tiff(const hostile *h)
{
    uint8_t strip[SIDE * SIDE] = {0};
    tiff_of(h, SIDE, 1, strip, sizeof strip);
}

/* `size` pixels a side in a strip that is deflated. */
static void tiff_bomb(const hostile *h)
{
    blob b = deflated((size_t)h->size * (size_t)h->size);
    tiff_of(h, (uint32_t)h->size, 8, b.bytes, b.size);
    free(b.bytes);
}

/* ---- GIF and BMP ------------------------------------------------------------------------------------------------- */

/* A screen of `at` pixels a side, and `size` frames of `number` pixels a side. */
static void gif(const hostile *h)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    fputs("GIF89a", out);
    little(out, (uint64_t)h->at, 2);
    little(out, (uint64_t)h->at, 2);
    fwrite("\x80\0\0\0\0\0\xFF\xFF\xFF", 1, 9, out);
    for (int64_t i = 0; i < h->size; i++) {
        fwrite(",\0\0\0\0", 1, 5, out);
        little(out, (uint64_t)h->number, 2);
        little(out, (uint64_t)h->number, 2);
        fwrite("\0\2\2\x4C\1\0", 1, 6, out);
    }
    fputc(';', out);
    fclose(out);
    put_stream(h, text, length);
}

/* 24 x 24 pixels of 24 bits; from byte `at` on, four bytes are `number`. */
static void bmp(const hostile *h)
{
    uint8_t file[54 + TAIL] = "BM";
    const uint32_t fields[] = {sizeof file, 0, 54, 40, SIDE, SIDE, 24 << 16 | 1};
    int32_t value = (int32_t)(int64_t)h->number;
    memcpy(file + 2, fields, sizeof fields);
    memcpy(file + h->at, &value, sizeof value);
    put(h, file, sizeof file);
}

/* ---- PNM, WebP and others ---------------------------------------------------------------------------------------- */

/* `text`, then `size` zeros. */
static void head(const hostile *h)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    fputs(h->text, out);
    zeros(out, (size_t)h->size);
    fclose(out);
    put_stream(h, text, length);
}

/* `size` times "text" between the head and the end of a picture. */
static void comments(const hostile *h)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    fputs("P4\n", out);
    for (int64_t i = 0; i < h->size; i++)
        fputs(h->text, out);
    fputs("24 24\n", out);
    zeros(out, 3 * SIDE);
    fclose(out);
    put_stream(h, text, length);
}

/* ---- PNG --------------------------------------------------------------------------------------------------------- */

static void png_chunk(FILE *out, const char *name, const uint8_t *bytes, size_t size)
{
    uint32_t sum = (uint32_t)crc32(crc32(0, (const uint8_t *)name, 4), bytes, (uInt)size);
    big(out, (uint32_t)size);
    fwrite(name, 1, 4, out);
    fwrite(bytes, 1, size, out);
    big(out, sum);
}

/* A gray picture of `size` pixels a side, all zero; before it, `at` chunks `kind` with the `number` bytes `text`. */
static void png(const hostile *h)
{
    uint8_t header[13] = {
        0, 0, (uint8_t)(h->size >> 8), (uint8_t)h->size, 0, 0, (uint8_t)(h->size >> 8), (uint8_t)h->size, 8};
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    blob rows = deflated((size_t)h->size * (size_t)(h->size + 1));
    fwrite("\x89PNG\r\n\x1a\n", 1, 8, out);
    png_chunk(out, "IHDR", header, sizeof header);
    for (int64_t i = 0; i < h->at; i++)
        png_chunk(out, h->kind, (const uint8_t *)h->text, (size_t)h->number);
    png_chunk(out, "IDAT", rows.bytes, rows.size);
    png_chunk(out, "IEND", rows.bytes, 0);
    fclose(out);
    free(rows.bytes);
    put_stream(h, text, length);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

#define PICTURE(NAME, MAKE, FILE, SAYS, ...)                                                                           \
    {                                                                                                                  \
        .name = NAME, .make = MAKE, .from = FILE, .status = 3, .says = FILE ": " SAYS, __VA_ARGS__                     \
    }
#define ACCEPTED(NAME, MAKE, FILE, ...)                                                                                \
    {                                                                                                                  \
        .name = NAME, .make = MAKE, .from = FILE, .says = "1 image", __VA_ARGS__                                       \
    }
#define TIFF(NAME, SAYS, TAG, VALUE) PICTURE("tiff-" NAME, tiff, "1.tif", SAYS, .at = TAG, .number = VALUE)
#define GIF(NAME, SAYS, SCREEN, FRAME, COUNT)                                                                          \
    PICTURE("gif-" NAME, gif, "1.gif", SAYS, .at = SCREEN, .number = FRAME, .size = COUNT)
#define BMP(NAME, SAYS, AT, VALUE) PICTURE("bmp-" NAME, bmp, "1.bmp", SAYS, .at = AT, .number = VALUE)
#define PNM(NAME, FILE, SAYS, TEXT, SIZE) PICTURE("pnm-" NAME, head, FILE, SAYS, .text = TEXT, .size = SIZE)
#define BAD "cannot be decoded: "
#define TOO_LARGE "pixels; at most 65500 per side and 256 million in all"

static const hostile pictures[] = {
    PICTURE("tiff-bomb", tiff_bomb, "1.tif", "is 9000 x 9000 pixels, 81 MB, in a file of ", .size = 9000),
    TIFF("wide", "is 24 x 4294967295 " TOO_LARGE, 256, 4294967295.0),
    TIFF("hollow", BAD, 256, 60000),
    TIFF("tall", BAD, 257, 4294967295.0),
    TIFF("bits", BAD, 258, 64),
    TIFF("no-bits", BAD, 258, 0),
    TIFF("compression", BAD, 259, 50000),
    TIFF("fax", BAD, 259, 4),
    TIFF("old-jpeg", BAD, 259, 6),
    TIFF("beyond", BAD, 273, 4294967280.0),
    TIFF("channels", BAD, 277, 65535),
    TIFF("no-channels", BAD, 277, 0),
    TIFF("no-rows", BAD, 278, 0),
    TIFF("tiles", BAD, 322, 2147483632),
    TIFF("large-tiles", BAD, 322, 32000),
    PICTURE("tiff-tiles-of-bits", tiff, "1.tif", BAD "its tiles are larger than 256 MB", .at = 322, .number = 46336,
            .kind = "bit"),
    ACCEPTED("tiff-loop", tiff, "1.tif", .at = 0, .number = 8),
    ACCEPTED("tiff-itself", tiff, "1.tif", .at = 273, .number = 8),
    ACCEPTED("tiff-strips", tiff, "1.tif", .at = 273, .number = -1073741823),
    PICTURE("tiff-big", head, "1.tif", BAD, .text = "II+", .size = 100),
    GIF("screen", "is 65535 x 65535 " TOO_LARGE, 65535, 1, 1),
    GIF("hollow", "claims 16000 x 16000 pixels, which its ", 16000, 1, 1),
    GIF("frame", BAD "its first frame does not lie within the picture", 1, 65535, 1),
    GIF("no-frame", BAD, 24, 1, 0),
    ACCEPTED("gif-frames", gif, "1.gif", .at = 24, .number = 1, .size = 300000),
    BMP("wide", "is 24 x 2147483647 " TOO_LARGE, 18, 2147483647),
    BMP("negative", "is 24 x -24 " TOO_LARGE, 18, -24),
    BMP("tall", "is 2147483648 x 24 " TOO_LARGE, 22, -2147483648.0),
    BMP("hollow", "", 18, 15000),
    BMP("bits", BAD, 28, 77),
    BMP("offset", BAD, 10, -16),
    BMP("head", BAD, 14, 2147483647),
    PNM("hollow", "1.pbm", "claims 16000 x 16000 pixels, which its ", "P4\n16000 16000\n", 100),
    PNM("largest", "1.pgm", BAD, "P5\n24 24\n99999999999\n", 600),
    PNM("no-largest", "1.pgm", BAD, "P5\n24 24\n0\n", 600),
    PNM("negative", "1.ppm", BAD, "P6\n-24 -24\n255\n", 2000),
    PNM("cut", "1.ppm", "", "P3\n2000 2000\n255\n9 9 9", 0),
    {.name = "pnm-deep",
     .make = head,
     .from = "1.pam",
     .status = 3,
     .says = "contains nothing to pack",
     .text = "P7\nWIDTH 24\nHEIGHT 24\nDEPTH 4000000000\nMAXVAL 255\nTUPLTYPE X\nENDHDR\n",
     .size = 2000},
    PICTURE("pnm-comments", comments, "1.pbm", BAD, .text = "# x\n", .size = 20000),
    PICTURE("webp-sizes", head, "1.webp", BAD, .text = "RIFF\xFF\xFF\xFF\xFFWEBPVP8L\xFF\xFF\xFF\xFF/\xFF\xFF\xFF\xFF"),
    PICTURE("png-bomb", png, "1.png", "is 9000 x 9000 pixels, 81 MB, in a file of ", .size = 9000),
    PICTURE("png-texts", png, "1.png", BAD "reached chunk/cache limits", .size = 24, .at = 100000, .kind = "tEXt",
            .text = "x\0y", .number = 3),
};

void hostile_pictures(void **state)
{
    (void)state;
    hostile_run(pictures, sizeof pictures / sizeof *pictures, (const char *const[]){"pack", "%", NULL});
}
