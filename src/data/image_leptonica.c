/* image_leptonica.c - BMP and PNM, by Leptonica. */
#include "base/error.h"
#include "data/image_private.h"

#include <allheaders.h>
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- both formats ------------------------------------------------------------------------------------------------ */

static void say_nothing(const char *text)
{
    (void)text;
}

/* Leptonica 1.82 gives the bytes of 16-bit PGM, and red and blue of 32-bit BMP, in the other order. */
static bool swaps_gray, swaps_rgb;

/* Looks how this version does it. */
static void see_orders(void)
{
    static const uint8_t gray[] = "P5\n1 1\n65535\n\x01\x02";
    static const uint8_t rgb[58] = {
        'B', 'M', 58, [10] = 54, [14] = 40, [18] = 1, [22] = 1, [26] = 1, [28] = 32, [54] = 3, 2, 1, 255};
    PIX *one = pixReadMemPnm(gray, sizeof gray - 1), *other = pixReadMemBmp(rgb, sizeof rgb);
    l_int32 r = 1, g, b;
    swaps_gray = one && GET_DATA_TWO_BYTES(pixGetData(one), 0) == 0x0201;
    if (other)
        extractRGBValues(pixGetData(other)[0], &r, &g, &b);
    swaps_rgb = r == 3;
    pixDestroy(&one);
    pixDestroy(&other);
}

/* Leptonica's messages belong to the process. Nobody else uses it here. */
static void set_handlers(void)
{
    setMsgSeverity(L_SEVERITY_NONE);
    leptSetStderrHandler(say_nothing);
    see_orders();
}

static void start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_handlers);
}

/* Gray of up to 8 bits, with its lowest value black. */
static void copy_gray(PIX *pix, px_image *image, int bits)
{
    l_uint32 *data = pixGetData(pix);
    int words = pixGetWpl(pix);
    uint8_t *out = image->storage;
    for (int y = 0; y < image->height; y++) {
        l_uint32 *line = data + (size_t)y * (size_t)words;
        for (int x = 0; x < image->width; x++) {
            size_t i = (size_t)y * (size_t)image->width + (size_t)x;
            uint16_t wide = image->bits == 16 ? (uint16_t)GET_DATA_TWO_BYTES(line, x) : 0;
            if (image->bits == 16)
                ((uint16_t *)image->storage)[i] = swaps_gray ? (uint16_t)(wide << 8 | wide >> 8) : wide;
            else if (bits == 1) /* in Leptonica 1 is black */
                out[i] = GET_DATA_BIT(line, x) ? 0 : 255;
            else if (bits == 2)
                out[i] = (uint8_t)(GET_DATA_DIBIT(line, x) * 85);
            else if (bits == 4)
                out[i] = (uint8_t)(GET_DATA_QBIT(line, x) * 17);
            else
                out[i] = (uint8_t)GET_DATA_BYTE(line, x);
        }
    }
}

static void copy_rgb(PIX *pix, px_image *image, bool swapped)
{
    l_uint32 *data = pixGetData(pix);
    int words = pixGetWpl(pix);
    uint8_t *out = image->storage;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++, out += 3) {
            l_int32 r, g, b;
            extractRGBValues(data[(size_t)y * (size_t)words + (size_t)x], &r, &g, &b);
            out[0] = (uint8_t)(swapped ? b : r);
            out[1] = (uint8_t)g;
            out[2] = (uint8_t)(swapped ? r : b);
        }
}

/* Takes the picture over. */
static int take(const px_picture *p, PIX *pix, px_image *image, const px_image_about *a)
{
    if (pix && pixGetColormap(pix)) {
        PIX *plain = pixRemoveColormap(pix, REMOVE_CMAP_BASED_ON_SRC);
        pixDestroy(&pix);
        pix = plain;
    }
    if (!pix)
        return px_picture_bad(p, "it is damaged, ends too early, or is of a kind that is not read");
    int depth = pixGetDepth(pix);
    if (pixGetHeight(pix) != a->height || pixGetWidth(pix) != a->width || (depth == 24 || depth > 32)) {
        pixDestroy(&pix);
        return px_picture_bad(p, "its header contradicts itself");
    }
    px_image_reserve(image, a->height, a->width, depth == 32 ? 3 : 1, depth == 16 ? 16 : 8);
    if (depth == 32)
        copy_rgb(pix, image, a->kind == 32 && swaps_rgb);
    else
        copy_gray(pix, image, depth);
    pixDestroy(&pix);
    return 0;
}

/* A file that is not compressed has all of its pixels. */
static int check_uncompressed(const px_picture *p, int64_t height, int64_t width, int64_t bits)
{
    if (px_picture_check(p, height, width, PX_PICTURE_FREE, 8) != 0)
        return -1;
    if (bits > 0 && (uint64_t)height * (uint64_t)((width * bits + 7) / 8) > p->size)
        return px_picture_bad(p, "it ends too early");
    return 0;
}

/* ---- BMP --------------------------------------------------------------------------------------------------------- */

enum { BMP_HEAD = 54 };

static uint32_t little(const uint8_t *b, int bytes)
{
    uint32_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | b[i];
    return v;
}

static bool is_bmp(const uint8_t *bytes, size_t size)
{
    if (size < 26 || bytes[0] != 'B' || bytes[1] != 'M')
        return false;
    uint32_t header = little(bytes + 14, 4);
    return header == 12 || (header >= 16 && header <= 256);
}

/* A palette of grays makes a gray picture. */
static bool is_gray_palette(const px_picture *p, int bits)
{
    enum { FILE_HEADER = 14 };
    uint32_t header = little(p->bytes + FILE_HEADER, 4), used = p->size >= 50 ? little(p->bytes + 46, 4) : 0;
    size_t count = used > 0 && used <= 256 ? used : (size_t)1 << bits;
    size_t first = FILE_HEADER + (size_t)header;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *c = p->bytes + first + 4 * i;
        if (first + 4 * i + 4 > p->size || c[0] != c[1] || c[0] != c[2])
            return false;
    }
    return true;
}

static int about_bmp(const px_picture *p, px_image *scratch, px_image_about *a)
{
    (void)scratch;
    const uint8_t *b = p->bytes;
    if (little(b + 14, 4) < 40 || p->size < BMP_HEAD)
        return px_picture_bad(p, "it is an OS/2 bitmap, which is not read");
    int64_t width = (int32_t)little(b + 18, 4), height = (int32_t)little(b + 22, 4);
    int bits = (int)little(b + 28, 2);
    if (little(b + 30, 4) != 0)
        return px_picture_bad(p, "it is a compressed bitmap, or one with its own masks of bits; such are not read");
    if (bits != 1 && bits != 2 && bits != 4 && bits != 8 && bits != 24 && bits != 32)
        return px_picture_bad(p, "it has not 1, 2, 4, 8, 24 or 32 bits per pixel");
    height = height < 0 ? -height : height; /* its first row is the upper one */
    a->height = (int)height;
    a->width = (int)width;
    a->channels = bits <= 8 && is_gray_palette(p, bits) ? 1 : 3;
    a->kind = bits;
    return check_uncompressed(p, height, width, bits);
}

static int decode_bmp(const px_picture *p, px_image *image, const px_image_about *a, px_image_want want)
{
    (void)want;
    start();
    /* Leptonica refuses files with bytes behind the pixels, and odd values of fields that say nothing new: the size of the
     * pixels and the resolution. */
    uint64_t row = ((uint64_t)a->width * (uint64_t)a->kind + 31) / 32 * 4;
    uint64_t size = little(p->bytes + 10, 4) + row * (uint64_t)a->height;
    if (size > p->size || size < BMP_HEAD)
        return px_picture_bad(p, "it ends too early");
    uint8_t *copy = px_realloc(NULL, size);
    memcpy(copy, p->bytes, size);
    memset(copy + 34, 0, 12);
    int status = take(p, pixReadMemBmp(copy, size), image, a);
    free(copy);
    return status;
}

/* ---- PNM --------------------------------------------------------------------------------------------------------- */

static bool is_pnm(const uint8_t *bytes, size_t size)
{
    return size >= 8 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' && bytes[2] > 0 && bytes[2] <= ' ';
}

/* Leptonica reads numbers into 32 bits and does not look at those that do not fit; and it reads a comment character by
 * character. */
static bool is_long_header(const uint8_t *bytes, size_t file_size)
{
    enum { DIGITS = 9, LONGEST = 1 << 16 };
    size_t at = 2, size = file_size < LONGEST ? file_size : LONGEST;
    int numbers = size > 2 && (bytes[1] == '1' || bytes[1] == '4') ? 2 : 3;
    for (int k = 0; k < numbers; k++) {
        while (at < size && (isspace(bytes[at]) || bytes[at] == '#'))
            if (bytes[at++] == '#')
                while (at < size && bytes[at] != '\n')
                    at++;
        size_t begin = at;
        while (at < size && isdigit(bytes[at]))
            at++;
        if (at - begin > DIGITS || at == LONGEST)
            return true;
    }
    return false;
}

static int about_pnm(const px_picture *p, px_image *scratch, px_image_about *a)
{
    (void)scratch;
    l_int32 width = 0, height = 0, depth = 0, kind = 0, bits = 0, samples = 0;
    start();
    if (is_long_header(p->bytes, p->size) ||
        readHeaderMemPnm(p->bytes, p->size, &width, &height, &depth, &kind, &bits, &samples) != 0)
        return px_picture_bad(p, "its header is damaged, or its largest value is not 1, 3, 15, 255 or 65535");
    a->height = height;
    a->width = width;
    a->channels = samples >= 3 ? 3 : 1;
    a->bits = depth == 16 && samples == 1 ? 16 : 8;
    int64_t least = kind <= 3 ? 0 : (int64_t)bits * samples; /* 1 to 3 are text */
    return check_uncompressed(p, height, width, least);
}

static int decode_pnm(const px_picture *p, px_image *image, const px_image_about *a, px_image_want want)
{
    (void)want;
    start();
    return take(p, pixReadMemPnm(p->bytes, p->size), image, a);
}

const px_image_format px_format_bmp = {.name = "BMP", .is = is_bmp, .about = about_bmp, .decode = decode_bmp};
const px_image_format px_format_pnm = {.name = "PNM", .is = is_pnm, .about = about_pnm, .decode = decode_pnm};
