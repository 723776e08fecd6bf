/* image_leptonica.c - BMP and PNM, by Leptonica. */
#include "base/error.h"
#include "data/image_private.h"

#include <allheaders.h>
#include <pthread.h>
#include <string.h>

/* ---- both formats ------------------------------------------------------------------------------------------------ */

static void say_nothing(const char *text)
{
    (void)text;
}

/* Leptonica's messages belong to the process. Nobody else uses it here. */
static void set_handlers(void)
{
    setMsgSeverity(L_SEVERITY_NONE);
    leptSetStderrHandler(say_nothing);
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
            if (image->bits == 16)
                ((uint16_t *)image->storage)[i] = (uint16_t)GET_DATA_TWO_BYTES(line, x);
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

static void copy_rgb(PIX *pix, px_image *image)
{
    l_uint32 *data = pixGetData(pix);
    int words = pixGetWpl(pix);
    uint8_t *out = image->storage;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++, out += 3) {
            l_int32 r, g, b;
            extractRGBValues(data[(size_t)y * (size_t)words + (size_t)x], &r, &g, &b);
            out[0] = (uint8_t)r;
            out[1] = (uint8_t)g;
            out[2] = (uint8_t)b;
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
        copy_rgb(pix, image);
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
    if (little(b + 14, 4) < 40 || p->size < 54)
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
    return check_uncompressed(p, height, width, bits);
}

static int decode_bmp(const px_picture *p, px_image *image, const px_image_about *a, px_image_want want)
{
    (void)want;
    start();
    if (take(p, pixReadMemBmp(p->bytes, p->size), image, a) != 0)
        return -1;
    return 0;
}

/* ---- PNM --------------------------------------------------------------------------------------------------------- */

static bool is_pnm(const uint8_t *bytes, size_t size)
{
    return size >= 8 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' && bytes[2] > 0 && bytes[2] <= ' ';
}

static int about_pnm(const px_picture *p, px_image *scratch, px_image_about *a)
{
    (void)scratch;
    l_int32 width = 0, height = 0, depth = 0, kind = 0, bits = 0, samples = 0;
    start();
    if (readHeaderMemPnm(p->bytes, p->size, &width, &height, &depth, &kind, &bits, &samples) != 0)
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
