/* image_jpeg.c - JPEG, by libturbojpeg. */
#include "base/error.h"
#include "data/image_private.h"

#include <string.h>
#include <turbojpeg.h>

enum { PIXELS_PER_BYTE = 8256 }; /* far more than any JPEG has */

static bool is(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

/* libjpeg warns where it found an error but could go on. After these warnings the picture is complete; after any other
 * one (a file that ends early, damaged entropy-coded data) part of it is invented. */
static bool harmless(tjhandle handle)
{
    static const char *const texts[] = {"extraneous bytes before marker", "unknown JFIF revision",
                                        "Unknown Adobe color", "Invalid SOS parameters for sequential"};
    if (tjGetErrorCode(handle) != TJERR_WARNING)
        return false;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strstr(tjGetErrorStr2(handle), texts[i]))
            return true;
    return false;
}

/* The content of the first segment `marker` that begins with `start`, among those before the picture. NULL: none. */
static const uint8_t *find_segment(const px_picture *p, uint8_t marker, const char *start, size_t length, size_t *size)
{
    enum { SOS = 0xDA, EOI = 0xD9 };
    for (size_t at = 2; at + 4 <= p->size && p->bytes[at] == 0xFF;) {
        uint8_t found = p->bytes[at + 1];
        if (found == 0xFF) { /* a byte of padding */
            at++;
            continue;
        }
        size_t content = (size_t)p->bytes[at + 2] << 8 | p->bytes[at + 3];
        if (found == SOS || found == EOI || content < 2 || content > p->size - at - 2)
            break;
        if (found == marker && content - 2 >= length && memcmp(p->bytes + at + 4, start, length) == 0) {
            *size = content - 2;
            return p->bytes + at + 4;
        }
        at += 2 + content;
    }
    return NULL;
}

static int start(px_image *image)
{
    if (!image->decoder && !(image->decoder = tjInitDecompress()))
        return px_fail(PX_FAIL, "libturbojpeg does not start: %s", tjGetErrorStr2(NULL));
    return 0;
}

static bool has_ink(int space)
{
    return space == TJCS_CMYK || space == TJCS_YCCK;
}

static int about(const px_picture *p, px_image *scratch, px_image_about *a)
{
    enum { APP1 = 0xE1 };
    int width = -1, height = -1, subsampling = -1, space = -1;
    size_t size;
    if (start(scratch) != 0)
        return -1;
    int status = tjDecompressHeader3(scratch->decoder, p->bytes, p->size, &width, &height, &subsampling, &space);
    /* If it has no name for the chroma subsampling, it fails after filling these, but the image can be decoded. It does
     * not fail on a file that ends before its picture begins. */
    if (width < 1 || height < 1 || space < 0)
        return px_picture_bad(p, status ? tjGetErrorStr2(scratch->decoder) : "it ends before the picture begins");
    a->height = height;
    a->width = width;
    a->channels = space == TJCS_GRAY ? 1 : 3;
    a->kind = space;
    const uint8_t *exif = find_segment(p, APP1, "Exif\0", 6, &size);
    if (exif)
        a->orientation = px_exif_orientation(exif, size);
    return px_picture_check(p, height, width, PX_PICTURE_FREE, PIXELS_PER_BYTE);
}

/* Ink to RGB. Adobe's programs, which leave a marker, store 255 for no ink; without it 255 is full ink (libjpeg's rule).
 * `out` may be `in`. */
static void ink_to_rgb(const uint8_t *in, uint8_t *out, size_t count, bool inverted)
{
    uint8_t flip = inverted ? 0 : 255;
    for (size_t i = 0; i < count; i++) {
        unsigned black = in[4 * i + 3] ^ flip;
        for (size_t c = 0; c < 3; c++)
            out[3 * i + c] = (uint8_t)(((in[4 * i + c] ^ flip) * black + 127) / 255);
    }
}

/* Every scan goes over the whole picture again. Progressive files have about ten; libjpeg's own limit is 500. Pixels hold no
 * such marker, since a byte 255 in them is followed by 0. */
static bool has_many_scans(const px_picture *p)
{
    enum { MOST = 64, SOS = 0xDA };
    int scans = 0;
    const uint8_t *end = p->bytes + p->size;
    for (const uint8_t *at = p->bytes; (at = memchr(at, 0xFF, (size_t)(end - at))) && at + 1 < end; at++)
        scans += at[1] == SOS;
    return scans > MOST;
}

static int decode(const px_picture *p, px_image *image, const px_image_about *a, px_image_want want)
{
    enum { APP14 = 0xEE };
    size_t size;
    bool ink = has_ink(a->kind);
    int format = ink ? TJPF_CMYK : a->channels == 1 || want.channels == 1 ? TJPF_GRAY : TJPF_RGB;
    if (has_many_scans(p))
        return px_picture_bad(p, "it has more than 64 scans, like a decompression bomb");
    uint8_t *pixels = px_image_reserve(image, a->height, a->width, tjPixelSize[format], 8);
    if (tjDecompress2(image->decoder, p->bytes, p->size, pixels, a->width, 0, a->height, format, TJFLAG_LIMITSCANS) !=
            0 &&
        !harmless(image->decoder))
        return px_picture_bad(p, tjGetErrorStr2(image->decoder));
    if (ink) {
        bool inverted = find_segment(p, APP14, "Adobe", 5, &size) != NULL;
        ink_to_rgb(pixels, pixels, (size_t)a->height * (size_t)a->width, inverted);
        image->channels = 3;
    }
    return 0;
}

const px_image_format px_format_jpeg = {.name = "JPEG", .is = is, .about = about, .decode = decode};
