/* hostile_images.c - hostile images, and folders of images with links and odd names (hostile.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../data/make_data.h"
#include "hostile.h"

#include <zlib.h>

enum { SIDE = 24, PIXELS = SIDE * SIDE * 6 };

static uint8_t *pixels(void)
{
    static uint8_t all[PIXELS];
    fill_pattern(all, sizeof all, 3);
    return all;
}

static void put_in(const hostile *h, const char *file, blob b)
{
    char *path = px_format("%s/%s", h->name, file);
    hostile_put(path, b.bytes, b.size);
    free(path);
    free(b.bytes);
}

/* How many of the bytes are kept: `size` per cent; 0: all. */
static blob cut(const hostile *h, blob b)
{
    return h->size ? (blob){b.bytes, b.size * (size_t)h->size / 100} : b;
}

/* ---- PNG --------------------------------------------------------------------------------------------------------- */

enum { CHUNK = 12, HEADER_END = 8 + CHUNK + 13 }; /* length, name and checksum of a chunk */

static uint32_t big(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_big(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void sign_chunk(uint8_t *chunk)
{
    uint32_t length = big(chunk);
    put_big(chunk + 8 + length, (uint32_t)crc32(0, chunk + 4, length + 4));
}

static blob good_png(void)
{
    return make_png(SIDE, SIDE, 3, pixels());
}

/* From byte `at` of the header's content on: the `number` bytes `text`. */
static void png_header(const hostile *h)
{
    blob b = good_png();
    memcpy(b.bytes + 8 + 8 + h->at, h->text, (size_t)h->number);
    sign_chunk(b.bytes + 8);
    put_in(h, "a/1.png", cut(h, b));
}

/* After the header, a chunk: its name and content are `text` of `number` bytes, followed by `at` zeros. */
static void png_chunk(const hostile *h)
{
    blob b = good_png();
    size_t length = (size_t)h->number + (size_t)h->at, more = length + 8;
    uint8_t *all = px_calloc(b.size + more, 1), *chunk = all + HEADER_END;
    memcpy(all, b.bytes, HEADER_END);
    memcpy(chunk + 4, h->text, (size_t)h->number);
    put_big(chunk, (uint32_t)length - 4);
    sign_chunk(chunk);
    memcpy(chunk + more, b.bytes + HEADER_END, b.size - HEADER_END);
    free(b.bytes);
    put_in(h, "a/1.png", (blob){all, b.size + more});
}

/* The byte that is `at` after the name of the pixels' chunk (negative: before it) is changed by the bits `number`. */
static void png_pixels(const hostile *h)
{
    blob b = good_png();
    uint8_t *name = memmem(b.bytes, b.size, "IDAT", 4);
    name[h->at] ^= (uint8_t)h->number;
    if (h->text)
        sign_chunk(name - 4);
    put_in(h, "a/1.png", cut(h, b));
}

/* A picture of 16 bits, cut. */
static void png_deep(const hostile *h)
{
    put_in(h, "a/1.png", cut(h, make_png_of(SIDE, SIDE, SPNG_COLOR_TYPE_TRUECOLOR, 16, pixels(), PIXELS, NULL)));
}

/* ---- JPEG -------------------------------------------------------------------------------------------------------- */

/* `number`: TJPF_CMYK, or 0 for RGB. In the segment with the marker `at`, the bytes `text`, hexadecimal, from byte `from`
 * on, decimal; "-": without this segment. */
static void jpeg(const hostile *h)
{
    int format = h->number > 0 ? (int)h->number : TJPF_RGB;
    blob b = make_jpeg(SIDE, SIDE, format, TJSAMP_444, pixels());
    uint8_t *segment = h->at ? memmem(b.bytes, b.size, (uint8_t[]){0xFF, (uint8_t)h->at}, 2) : NULL;
    if (segment && strcmp(h->from, "-") == 0) {
        size_t length = 2 + ((size_t)segment[2] << 8 | segment[3]);
        memmove(segment, segment + length, b.size - (size_t)(segment - b.bytes) - length);
        b.size -= length;
    } else if (segment) {
        uint8_t *at = segment + 4 + atoi(h->from);
        for (const char *digit = h->text; *digit; digit += 2)
            *at++ = (uint8_t)strtol((char[]){digit[0], digit[1], '\0'}, NULL, 16);
    }
    put_in(h, "a/1.jpg", cut(h, b));
}

/* ---- the tables -------------------------------------------------------------------------------------------------- */

/* The file `from`: the text `text`, or `size` bytes of it. */
static void text(const hostile *h)
{
    char *path = px_format("%s/%s", h->name, h->from);
    hostile_put(path, h->text, h->size ? (size_t)h->size : strlen(h->text));
    free(path);
}

#define DECODED(NAME, MAKE, SAYS, ...)                                                                                 \
    {                                                                                                                  \
        .name = NAME, .make = MAKE, .status = 3, .says = SAYS, __VA_ARGS__                                             \
    }
#define UNDECODABLE(NAME, MAKE, ...) DECODED(NAME, MAKE, ": cannot be decoded: ", __VA_ARGS__)
#define UNKNOWN(NAME, TEXT, SIZE)                                                                                      \
    DECODED(NAME, text, "a/1.jpg: cannot be decoded: it is neither JPEG nor PNG", .from = "a/1.jpg", .text = TEXT,     \
            .size = SIZE)

static const hostile images[] = {
    UNDECODABLE("png-no-width", png_header, .at = 0, .text = "\0\0\0\0", .number = 4),
    UNDECODABLE("png-negative", png_header, .at = 4, .text = "\xFF\xFF\xFF\xFF", .number = 4),
    DECODED("png-hollow", png_header, "a/1.png: claims 12000 x 12000 pixels, which its ", .at = 0,
            .text = "\0\0\x2E\xE0\0\0\x2E\xE0", .number = 8),
    DECODED("png-vast", png_header, "a/1.png: is 65000 x 65000 pixels", .at = 0, .text = "\0\0\xFD\xE8\0\0\xFD\xE8",
            .number = 8),
    UNDECODABLE("png-long", png_header, .at = 0, .text = "\0\1\0\0\0\0\0\1", .number = 8),
    UNDECODABLE("png-taller", png_header, .at = 7, .text = "\x19", .number = 1),
    UNDECODABLE("png-wider", png_header, .at = 3, .text = "\x30", .number = 1),
    UNDECODABLE("png-depth", png_header, .at = 8, .text = "\3", .number = 1),
    UNDECODABLE("png-depth-of-colour", png_header, .at = 8, .text = "\4", .number = 1),
    UNDECODABLE("png-colour", png_header, .at = 9, .text = "\5", .number = 1),
    UNDECODABLE("png-palette", png_header, .at = 9, .text = "\3", .number = 1),
    UNDECODABLE("png-compression", png_header, .at = 10, .text = "\1", .number = 1),
    UNDECODABLE("png-filter", png_header, .at = 11, .text = "\1", .number = 1),
    UNDECODABLE("png-interlace", png_header, .at = 12, .text = "\2", .number = 1),
    UNDECODABLE("png-interlaced", png_header, .at = 12, .text = "\1", .number = 1),
    UNDECODABLE("png-head", png_header, .at = 0, .text = "", .number = 0, .size = 1),
    UNDECODABLE("png-cut", png_header, .at = 0, .text = "", .number = 0, .size = 50),
    UNDECODABLE("png-two-headers", png_chunk, .text = "IHDR\0\0\0\x18\0\0\0\x18\x08\2\0\0\0", .number = 17),
    UNDECODABLE("png-long-palette", png_chunk, .text = "PLTE", .number = 4, .at = 1000),
    UNDECODABLE("png-odd-palette", png_chunk, .text = "PLTE", .number = 4, .at = 4),
    UNDECODABLE("png-critical", png_chunk, .text = "ABCD", .number = 4, .at = 10),
    UNDECODABLE("png-early-end", png_chunk, .text = "IEND", .number = 4),
    UNDECODABLE("png-bit", png_pixels, .at = 500, .number = 1),
    UNDECODABLE("png-signed-bit", png_pixels, .at = 500, .number = 1, .text = "signed"),
    UNDECODABLE("png-zlib", png_pixels, .at = 4, .number = 0xFF, .text = "signed"),
    UNDECODABLE("png-chunk-name", png_pixels, .at = 1, .number = 2),
    UNDECODABLE("png-chunk-length", png_pixels, .at = -4, .number = 0x7F),
    UNDECODABLE("png-negative-length", png_pixels, .at = -4, .number = 0xFF),
    UNDECODABLE("png-deep", png_deep, .size = 60),
    DECODED("jpeg-cut", jpeg, "a/1.jpg: cannot be decoded: Premature end of JPEG file", .size = 60),
    DECODED("jpeg-cmyk", jpeg, "a/1.jpg: cannot be decoded: Premature end of JPEG file", .number = TJPF_CMYK,
            .size = 60),
    UNDECODABLE("jpeg-head", jpeg, .size = 5),
    UNDECODABLE("jpeg-start", jpeg, .size = 1),
    DECODED("jpeg-wide", jpeg, "a/1.jpg: is 65500 x 65500 pixels; at most 65500 per side and 256 million in all",
            .at = 0xC0, .from = "1", .text = "FFDCFFDC"),
    DECODED("jpeg-claims", jpeg, "a/1.jpg: claims 16383 x 16383 pixels, which its ", .at = 0xC0, .from = "1",
            .text = "3FFF3FFF"),
    UNDECODABLE("jpeg-no-height", jpeg, .at = 0xC0, .from = "1", .text = "0000"),
    UNDECODABLE("jpeg-no-width", jpeg, .at = 0xC0, .from = "3", .text = "0000"),
    UNDECODABLE("jpeg-taller", jpeg, .at = 0xC0, .from = "1", .text = "0100"),
    UNDECODABLE("jpeg-precision", jpeg, .at = 0xC0, .from = "0", .text = "0C"),
    UNDECODABLE("jpeg-parts", jpeg, .at = 0xC0, .from = "5", .text = "05"),
    UNDECODABLE("jpeg-no-parts", jpeg, .at = 0xC0, .from = "5", .text = "00"),
    UNDECODABLE("jpeg-sampling", jpeg, .at = 0xC0, .from = "7", .text = "FF"),
    UNDECODABLE("jpeg-no-sampling", jpeg, .at = 0xC0, .from = "7", .text = "00"),
    UNDECODABLE("jpeg-table", jpeg, .at = 0xC0, .from = "8", .text = "07"),
    UNDECODABLE("jpeg-no-frame", jpeg, .at = 0xC0, .from = "-"),
    UNDECODABLE("jpeg-no-tables", jpeg, .at = 0xDB, .from = "-"),
    UNDECODABLE("jpeg-no-scan", jpeg, .at = 0xDA, .from = "-"),
    UNDECODABLE("jpeg-codes", jpeg, .at = 0xC4, .from = "1", .text = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"),
    UNDECODABLE("jpeg-code-class", jpeg, .at = 0xC4, .from = "0", .text = "FF"),
    UNDECODABLE("jpeg-scan-parts", jpeg, .at = 0xDA, .from = "0", .text = "05"),
    UNDECODABLE("jpeg-scan-part", jpeg, .at = 0xDA, .from = "1", .text = "77"),
    UNDECODABLE("jpeg-segment", jpeg, .at = 0xDB, .from = "-2", .text = "0001"),
    UNDECODABLE("jpeg-long-segment", jpeg, .at = 0xDB, .from = "-2", .text = "FFFF"),
    UNDECODABLE("jpeg-kind", jpeg, .at = 0xC0, .from = "-3", .text = "C3"),
    UNKNOWN("text", "<html>404</html>", 0),
    UNKNOWN("svg", "<?xml version=\"1.0\"?><svg><image href=\"/etc/passwd\"/></svg>", 0),
    UNDECODABLE("gif", text, .from = "a/1.jpg", .text = "GIF89a\1\0\1\0\0\0\0;", .size = 14),
    UNKNOWN("bmp", "BM\x3A\0\0\0\0\0\0\0\x36\0\0\0", 14),
    UNDECODABLE("tiff", text, .from = "a/1.jpg", .text = "II*\0\x08\0\0\0", .size = 8),
    UNDECODABLE("webp", text, .from = "a/1.jpg", .text = "RIFF\x24\0\0\0WEBPVP8 ", .size = 16),
    UNKNOWN("zeros", "\0\0\0\0\0\0\0\0", 8),
    UNKNOWN("byte", "\xFF", 1),
    DECODED("empty", text, "a/1.jpg: is empty", .from = "a/1.jpg", .text = ""),
};

void hostile_images(void **state)
{
    (void)state;
    hostile_run(images, sizeof images / sizeof *images, (const char *const[]){"pack", "%", NULL});
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static void put_png(const hostile *h, const char *path, int height)
{
    put_in(h, path, make_png(height, SIDE, 3, pixels()));
}

/* Pictures at the paths `text`, separated by spaces; `from`: a link, "TARGET PATH". Paths that end in 2 have another
 * size. */
static void pictures(const hostile *h)
{
    char word[HOSTILE_KIND], to[HOSTILE_KIND];
    for (const char *rest = h->text; hostile_next(&rest, word);)
        put_png(h, word, strstr(word, "2.png") ? SIDE - 1 : SIDE);
    const char *link = h->from;
    while (link && hostile_next(&link, to) && hostile_next(&link, word)) {
        char *path = px_format("%s/%s", h->name, word);
        assert_int_equal(symlink(to, path), 0);
        free(path);
    }
}

/* A class called `text`, with one picture. */
static void class_name(const hostile *h)
{
    char *path = px_format("%s/1.png", h->text);
    put_png(h, path, SIDE);
    free(path);
}

/* A pipe instead of the picture, or a socket's place: devices and pipes in a folder are left out. */
static void pipe_in_folder(const hostile *h)
{
    char *path = px_format("%s/a/2.png", h->name);
    put_png(h, "a/1.png", SIDE);
    assert_int_equal(mkfifo(path, 0666), 0);
    free(path);
}

/* Two pictures, a/1.png and b/1.png, and l.csv with the text `text`, of `size` bytes if that is set. */
static void labels(const hostile *h)
{
    put_png(h, "a/1.png", SIDE);
    put_png(h, "b/1.png", SIDE);
    char *path = px_format("%s/l.csv", h->name);
    hostile_put(path, h->text, h->size ? (size_t)h->size : strlen(h->text));
    free(path);
}

/* The same with `at` times `text` before the rest of the row, `from`. */
static void long_labels(const hostile *h)
{
    size_t part = strlen(h->text), rest = strlen(h->from), size = part * (size_t)h->at + rest;
    char *text = px_calloc(size + 1, 1);
    for (int64_t i = 0; i < h->at; i++)
        memcpy(text + (size_t)i * part, h->text, part);
    memcpy(text + size - rest, h->from, rest);
    labels(&(hostile){.name = "labels", .text = text});
    assert_int_equal(rename("labels", h->name), 0);
    free(text);
}

/* 2^32 + 24 pixels wide, of which 24 are there. */
static void wide_ppm(const hostile *h)
{
    static const char head[] = "P6\n4294967320 24\n255\n";
    blob b = {px_calloc(1, sizeof head + 24 * 24 * 3), sizeof head + 24 * 24 * 3};
    memcpy(b.bytes, head, sizeof head);
    put_in(h, "a/1.ppm", b);
}

/* Two pictures, and a pipe in the current folder. */
static void labels_pipe(const hostile *h)
{
    put_png(h, "a/1.png", SIDE);
    assert_int_equal(mkfifo("pipe", 0666), 0);
}

/* Folders at the paths `text`, with a picture each, separated by bars: names may have blanks and control characters. */
static void odd_names(const hostile *h)
{
    char *text = px_strdup(h->text), *rest = text, *name;
    while ((name = strsep(&rest, "|"))) {
        char *path = px_format("%s/1.png", name);
        put_png(h, path, SIDE);
        free(path);
    }
    free(text);
}

static void folder(const hostile *h)
{
    assert_int_equal(mkdir(h->name, 0777), 0);
}

/* CMYK and 16-bit pictures are read. */
static void odd_pictures(const hostile *h)
{
    put_in(h, "a/1.jpg", make_jpeg(SIDE, SIDE, TJPF_CMYK, TJSAMP_444, pixels()));
    put_in(h, "a/2.png", make_png_of(SIDE, SIDE, SPNG_COLOR_TYPE_TRUECOLOR, 16, pixels(), PIXELS, NULL));
}

#define PICTURES(NAME, SAYS, TEXT, LINK)                                                                               \
    {                                                                                                                  \
        .name = NAME, .make = pictures, .status = 3, .says = SAYS, .text = TEXT, .from = LINK                          \
    }
#define LABELLED                                                                                                       \
    {                                                                                                                  \
        "pack", "%", "labels=l.csv"                                                                                    \
    }
#define LABELS(NAME, STATUS, SAYS, ...)                                                                                \
    {                                                                                                                  \
        .name = "labels-" NAME, .make = labels, .words = LABELLED, .status = STATUS, .says = SAYS, .text = __VA_ARGS__ \
    }
#define NAMES(NAME, SAYS, TEXT)                                                                                        \
    {                                                                                                                  \
        .name = "names-" NAME, .make = odd_names, .status = 3, .says = SAYS, .text = TEXT                              \
    }
#define CLASS(NAME, TEXT, SAYS)                                                                                        \
    {                                                                                                                  \
        .name = NAME, .make = class_name, .text = TEXT, .says = SAYS                                                   \
    }

static const hostile folders[] = {
    {.name = "sizes",
     .make = pictures,
     .words = {"pack", "%", "store=raw"},
     .status = 3,
     .says = "raw storage needs one size",
     .text = "a/1.png a/2.png"},
    PICTURES("class", "class b has images in split test but none in split train", "train/a/1.png test/b/1.png", NULL),
    PICTURES("loop", "loop/a/up: is a link to a folder that contains it", "a/1.png", ".. a/up"),
    PICTURES("itself", "itself/a/2.png: is a link to a file that does not exist", "a/1.png", "2.png a/2.png"),
    PICTURES("link", "link/a/2.png: is a link to a file that does not exist", "a/1.png", "nowhere.png a/2.png"),
    PICTURES("passwd", "passwd: a/2.png: cannot be decoded: it is neither JPEG nor PNG", "a/1.png",
             "/etc/passwd a/2.png"),
    PICTURES("up", ": is a link to a folder that contains it", "a/1.png", "../.. a/up"),
    {.name = "empty", .make = folder, .status = 3, .says = "empty: contains no images"},
    {.name = "pipe", .make = pipe_in_folder, .says = "1 image"},
    {.name = "pipe-alone",
     .make = folder,
     .words = {"pack", "/dev/stdin"},
     .status = 3,
     .says = "/dev/stdin: is neither a file nor a folder"},
    {.name = "odd", .make = odd_pictures, .says = "2 images"},
    LABELS("open", 3, "l.csv: row 2 has a quote that does not end", "a/1.png,x\n\"b/1.png,y\n"),
    LABELS("lines", 3, "l.csv: row 1 goes on over several lines", "a/1.png,\"x\nb/1.png,y\"\n"),
    LABELS("zero", 3, "l.csv: is not a text file", "a/1.png,x\0\n", .size = 11),
    LABELS("utf16", 3, "l.csv: is not a text file",
           "\xFF\xFE"
           "a\0,\0x\0\n\0",
           .size = 10),
    LABELS("commas", 3, "l.csv: row 1 has 5 columns, but column 1 is the image", ",,,,\n"),
    LABELS("heads", 3, "l.csv: contains no labels", "path,label\n"),
    LABELS("escape", 0, "?[2J", "a/1.png,\033[2J\nb/1.png,\2332J\n"),
    LABELS("path", 3, "none of its 1 rows names an image; the first names ?[2J", "\033[2J,x\n"),
    LABELS("split", 3, "has images in split ?[2J but none in split train",
           "path,label,split\na/1.png,x,\033[2J\nb/1.png,y,train\n"),
    LABELS("twice", 3, "l.csv: row 1 calls columns 2 and 3 'label'; rename the one that is not meant",
           "path,label,Label\na/1.png,x,y\nb/1.png,y,x\n"),
    LABELS("two-paths", 3, "l.csv: row 1 calls columns 1 and 3 'path'", "path,label,path\na/1.png,x,b/1.png\n"),
    LABELS("none", 3, "l.csv: contains no labels", ""),
    LABELS("escaped-split", 0, "?[2J", "path,label,split\na/1.png,x,train\nb/1.png,x,\033[2J\n"),
    {.name = "class-names-zero",
     .make = labels,
     .words = {"pack", "%", "class_names=l.csv"},
     .status = 3,
     .says = "l.csv: is not a text file",
     .text = "x\0\ny\n",
     .size = 5},
    {.name = "labels-output",
     .make = labels,
     .words = {"pack", "%", "labels=l.csv", "out=%/l.csv"},
     .status = 2,
     .says = "l.csv: is not an HDF5 file, so it is not replaced",
     .text = "a/1.png,x\nb/1.png,y\n"},
    {.name = "picture-output",
     .make = pictures,
     .words = {"pack", "%", "out=%/a/1.png"},
     .status = 2,
     .says = "1.png: is not an HDF5 file, so it is not replaced",
     .text = "a/1.png"},
    {.name = "long-class",
     .make = long_labels,
     .words = {"pack", "%", "labels=l.csv"},
     .status = 3,
     .says = "class 0 has a name of 20000 characters; at most 4096",
     .text = "n",
     .at = 20000,
     .from = "\ny\n"},
    {.name = "labels-deep",
     .make = long_labels,
     .words = LABELLED,
     .says = "2 images",
     .text = "x/",
     .at = 20000,
     .from = "a/1.png,x\n"},
    {.name = "labels-slashes",
     .make = long_labels,
     .words = LABELLED,
     .says = "2 images",
     .text = "/",
     .at = 100000,
     .from = "a/1.png,x\n"},
    {.name = "labels-long",
     .make = long_labels,
     .words = LABELLED,
     .status = 3,
     .says = "l.csv: row 1 has a quote that does not end",
     .text = "\"a",
     .at = 500001,
     .from = "a/1.png,x\n"},
    {.name = "labels-columns",
     .make = long_labels,
     .words = LABELLED,
     .status = 3,
     .says = "none of its 1 rows names an image",
     .text = "x,",
     .at = 500000,
     .from = "x\n"},
    {.name = "labels-pipe",
     .make = labels_pipe,
     .words = {"pack", "%", "labels=pipe"},
     .status = 3,
     .says = "pipe: is a pipe, not a file"},
    {.name = "class-names-pipe",
     .make = labels_pipe,
     .words = {"pack", "%", "class_names=pipe"},
     .status = 3,
     .says = "pipe: is a pipe, not a file"},
    {.name = "wide-ppm", .make = wide_ppm, .status = 3, .says = "a/1.ppm: cannot be decoded: its header is damaged"},
    {.name = "labels-device",
     .make = labels_pipe,
     .words = {"pack", "%", "labels=/dev/zero"},
     .status = 3,
     .says = "/dev/zero: is a device, not a file"},
    {.name = "labels-folder",
     .make = labels_pipe,
     .words = {"pack", "%", "labels=%"},
     .status = 3,
     .says = "labels-folder: is a folder, not a file"},
    NAMES("mixed", "the folder train? is called like a split, x?[2J beside it is not", "train\a|test|x\033[2J/y"),
    NAMES("elsewhere", "class ?[2J has images in split test but none in split train", "train/a|test/\033[2J"),
    NAMES("folds", "the folders fold1?, fold2?, ... are called like the parts of a cross-validation",
          "fold1\a|fold2\a"),
    NAMES("splits", "split=x?_train:train,y?_test:test makes them splits", "x\a_train|y\a_test"),
    NAMES("cyclegan", "split=testA:test,testB:test,trainA:train,trainB:train makes them splits",
          "trainA|trainB|testA|testB"),
    {.name = "/dev/null", .status = 3, .says = "/dev/null: is neither a file nor a folder"},
    {.name = "/dev/zero", .status = 3, .says = "/dev/zero: is neither a file nor a folder"},
    {.name = "/proc/self/mem", .status = 3, .says = "/proc/self/mem: is empty"},
    {.name = "nowhere", .status = 3, .says = "nowhere: cannot be opened: No such file or directory"},
    {.name = "long", .words = {"pack", "~"}, .status = 3, .says = "cannot be opened: File name too long"},
    {.name = "long-part", .words = {"pack", "&"}, .status = 3, .says = "cannot be opened: File name too long"},
    CLASS("escape", "\033[2J\033]0;x\a", "?[2J?]0;x?"),
    CLASS("eight-bits", "\302\2332J", "??2J"),
    CLASS("latin", "caf\xE9", "caf?"),
    CLASS("lines", "two\nlines", "two?lines"),
    CLASS("percent", "100%s%n", "100%s%n"),
    CLASS("quotes", "'\"`$(x)\\", "'\"`$(x)\\"),
    CLASS("dash", "--help", "--help"),
    CLASS("utf8", "Gr\303\274n", "Gr\303\274n"),
    CLASS("reversed", "\342\200\256gnp", NULL), /* NOLINT(misc-misleading-bidirectional): it is one on purpose */
};

void hostile_folders(void **state)
{
    (void)state;
    hostile_run(folders, sizeof folders / sizeof *folders, (const char *const[]){"pack", "%", NULL});
}
