/* image.c - decoding of JPEG (libturbojpeg) and PNG (libspng), and conversion of the number of channels. */
#include "data/image.h"

#include "base/error.h"

#include <spng.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

/* A header costs an attacker a few bytes, but us height*width*channels bytes of memory. Deflate expands one byte to at
 * most 1032, which in a PNG are 8256 pixels; JPEG stays far below. */
enum { SIDE_MAX = 65500, PIXELS_MAX = 256 << 20, PNG_CHUNK_MAX = 64 << 20, SMALL = 1 << 20, PIXELS_PER_BYTE = 8256 };

void px_image_finish(px_image *image)
{
    free(image->storage);
    if (image->decoder)
        tjDestroy(image->decoder);
    *image = (px_image){0};
}

uint8_t *px_image_reserve(px_image *image, int height, int width, int channels)
{
    size_t size = (size_t)height * (size_t)width * (size_t)channels;
    if (size > image->capacity) {
        free(image->storage); /* its content is not needed, so no realloc, which would copy it */
        image->storage = px_realloc(NULL, size);
        image->capacity = size;
    }
    image->pixels = image->storage;
    image->height = height;
    image->width = width;
    image->channels = channels;
    return image->storage;
}

/* ITU-R 601 in 16-bit fixed point, the same as Pillow's convert("L"); the weights add up to 65536, so gray does not
 * change. */
static inline uint8_t luma(unsigned r, unsigned g, unsigned b)
{
    return (uint8_t)((19595 * r + 38470 * g + 7471 * b + 32768) >> 16);
}

void px_pixels_convert(const uint8_t *in, int from, uint8_t *out, int to, size_t count)
{
    if (from == to) {
        if (in != out)
            memcpy(out, in, count * (size_t)to);
    } else if (from == 1) {
        for (size_t i = 0; i < count; i++)
            out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = in[i];
    } else {
        for (size_t i = 0; i < count; i++)
            out[i] = luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
    }
}

static int check_size(int64_t height, int64_t width, size_t size, const char *name)
{
    if (height < 1 || width < 1 || height > SIDE_MAX || width > SIDE_MAX || height * width > PIXELS_MAX)
        return px_fail(PX_DATA, "%s: is %lld x %lld pixels; at most %d per side and %d million in all are supported",
                       name, (long long)height, (long long)width, SIDE_MAX, PIXELS_MAX >> 20);
    if (height * width > SMALL && (size_t)(height * width) / PIXELS_PER_BYTE > size)
        return px_fail(PX_DATA, "%s: claims %lld x %lld pixels, which its %zu bytes cannot contain", name,
                       (long long)height, (long long)width, size);
    return 0;
}

static int undecodable(const char *name, const char *why)
{
    return px_fail(PX_DATA, "%s: cannot be decoded: %s", name, why);
}

/* ---- JPEG -------------------------------------------------------------------------------------------------------- */

static bool is_jpeg(const uint8_t *bytes, size_t size)
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

typedef struct jpeg_header {
    int height, width, space; /* space: TJCS_* */
} jpeg_header;

static int read_jpeg_header(tjhandle handle, const uint8_t *bytes, size_t size, jpeg_header *header, const char *name)
{
    int subsampling = -1;
    header->height = header->width = header->space = -1;
    int status =
        tjDecompressHeader3(handle, bytes, size, &header->width, &header->height, &subsampling, &header->space);
    /* If it has no name for the chroma subsampling, it fails after filling these, but the image can be decoded. It does
     * not fail on a file that ends before its picture begins. */
    if (header->width < 1 || header->height < 1 || header->space < 0)
        return undecodable(name, status ? tjGetErrorStr2(handle) : "it ends before the picture begins");
    return check_size(header->height, header->width, size, name);
}

/* CMYK as Adobe's programs store it, with 255 for no ink; other CMYK files do not occur in practice. `out` may be
 * `in`. */
static void cmyk_to_rgb(const uint8_t *in, uint8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned black = in[4 * i + 3];
        for (size_t c = 0; c < 3; c++)
            out[3 * i + c] = (uint8_t)((in[4 * i + c] * black + 127) / 255);
    }
}

static int decode_jpeg(px_image *image, const uint8_t *bytes, size_t size, int channels, const char *name)
{
    if (!image->decoder && !(image->decoder = tjInitDecompress()))
        return px_fail(PX_FAIL, "libturbojpeg does not start: %s", tjGetErrorStr2(NULL));
    tjhandle handle = image->decoder;
    jpeg_header header;
    if (read_jpeg_header(handle, bytes, size, &header, name) != 0)
        return -1;
    if (channels == 0)
        channels = header.space == TJCS_GRAY ? 1 : 3;
    bool cmyk = header.space == TJCS_CMYK || header.space == TJCS_YCCK;
    int format = cmyk ? TJPF_CMYK : channels == 1 ? TJPF_GRAY : TJPF_RGB;
    uint8_t *pixels = px_image_reserve(image, header.height, header.width, tjPixelSize[format]);
    if (tjDecompress2(handle, bytes, size, pixels, header.width, 0, header.height, format, TJFLAG_LIMITSCANS) != 0 &&
        !harmless(handle))
        return undecodable(name, tjGetErrorStr2(handle));
    if (cmyk) {
        size_t count = (size_t)header.height * (size_t)header.width;
        cmyk_to_rgb(pixels, pixels, count);
        px_pixels_convert(pixels, 3, pixels, channels, count);
    }
    image->channels = channels;
    return 0;
}

/* ---- PNG --------------------------------------------------------------------------------------------------------- */

static bool is_png(const uint8_t *bytes, size_t size)
{
    return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

/* Opens the file up to its header; the caller frees the context in any case. */
static int read_png_header(spng_ctx *png, const uint8_t *bytes, size_t size, struct spng_ihdr *header, const char *name)
{
    int status = spng_set_image_limits(png, SIDE_MAX, SIDE_MAX);
    if (status == 0)
        status = spng_set_chunk_limits(png, PNG_CHUNK_MAX, PNG_CHUNK_MAX);
    if (status == 0)
        status = spng_set_crc_action(png, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    if (status == 0)
        status = spng_set_png_buffer(png, bytes, size);
    if (status == 0)
        status = spng_get_ihdr(png, header);
    if (status != 0)
        return undecodable(name, spng_strerror(status));
    return check_size(header->height, header->width, size, name);
}

static int png_channels(const struct spng_ihdr *header)
{
    bool gray =
        header->color_type == SPNG_COLOR_TYPE_GRAYSCALE || header->color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
    return gray ? 1 : 3;
}

static int decode_opened_png(spng_ctx *png, const struct spng_ihdr *header, px_image *image, int channels,
                             const char *name)
{
    if (channels == 0)
        channels = png_channels(header);
    int height = (int)header->height, width = (int)header->width;
    /* libspng makes 8-bit gray only from gray without alpha of at most 8 bits; it makes RGB from everything. */
    bool plain = header->color_type == SPNG_COLOR_TYPE_GRAYSCALE && header->bit_depth <= 8;
    int from = plain && channels == 1 ? 1 : 3, format = from == 1 ? SPNG_FMT_G8 : SPNG_FMT_RGB8;
    size_t size = 0, count = (size_t)height * (size_t)width;
    uint8_t *pixels = px_image_reserve(image, height, width, from);
    int status = spng_decoded_image_size(png, format, &size);
    if (status == 0)
        PX_CHECK(size == count * (size_t)from);
    if (status == 0)
        status = spng_decode_image(png, pixels, size, format, 0);
    if (status != 0)
        return undecodable(name, spng_strerror(status));
    px_pixels_convert(pixels, from, pixels, channels, count);
    image->channels = channels;
    return 0;
}

static int decode_png(px_image *image, const uint8_t *bytes, size_t size, int channels, const char *name)
{
    struct spng_ihdr header = {0};
    spng_ctx *png = spng_ctx_new(0);
    if (!png)
        return px_fail(PX_FAIL, "libspng does not start");
    int status = read_png_header(png, bytes, size, &header, name);
    if (status == 0)
        status = decode_opened_png(png, &header, image, channels, name);
    spng_ctx_free(png);
    return status;
}

/* ---- both formats ------------------------------------------------------------------------------------------------ */

static int unknown_format(size_t size, const char *name)
{
    return size == 0 ? px_fail(PX_DATA, "%s: is empty", name) : undecodable(name, "it is neither JPEG nor PNG");
}

int px_image_decode(px_image *image, const uint8_t *bytes, size_t size, int channels, const char *name)
{
    PX_CHECK(channels == 0 || channels == 1 || channels == 3);
    if (is_jpeg(bytes, size))
        return decode_jpeg(image, bytes, size, channels, name);
    if (is_png(bytes, size))
        return decode_png(image, bytes, size, channels, name);
    return unknown_format(size, name);
}

static int probe_jpeg(const uint8_t *bytes, size_t size, int *height, int *width, int *channels, const char *name)
{
    jpeg_header header;
    tjhandle handle = tjInitDecompress();
    if (!handle)
        return px_fail(PX_FAIL, "libturbojpeg does not start: %s", tjGetErrorStr2(NULL));
    int status = read_jpeg_header(handle, bytes, size, &header, name);
    tjDestroy(handle);
    *height = header.height;
    *width = header.width;
    *channels = header.space == TJCS_GRAY ? 1 : 3;
    return status;
}

static int probe_png(const uint8_t *bytes, size_t size, int *height, int *width, int *channels, const char *name)
{
    struct spng_ihdr header = {0};
    spng_ctx *png = spng_ctx_new(0);
    if (!png)
        return px_fail(PX_FAIL, "libspng does not start");
    int status = read_png_header(png, bytes, size, &header, name);
    spng_ctx_free(png);
    *height = (int)header.height;
    *width = (int)header.width;
    *channels = png_channels(&header);
    return status;
}

int px_image_probe(const uint8_t *bytes, size_t size, int *height, int *width, int *channels, const char *name)
{
    if (is_jpeg(bytes, size))
        return probe_jpeg(bytes, size, height, width, channels, name);
    if (is_png(bytes, size))
        return probe_png(bytes, size, height, width, channels, name);
    return unknown_format(size, name);
}
