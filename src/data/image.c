/* image.c - which decoder reads a picture, and the conversion of what it gives: channels, bits, orientation. */
#include "data/image.h"

#include "base/error.h"
#include "data/image_private.h"

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

enum { SIDE_MAX = 65500, PIXELS_MAX = 256 << 20 };

static const px_image_format *const formats[] = {&px_format_jpeg, &px_format_png, &px_format_webp, &px_format_tiff,
                                                 &px_format_bmp,  &px_format_pnm, &px_format_gif};

void px_image_finish(px_image *image)
{
    free(image->storage);
    if (image->decoder)
        tjDestroy(image->decoder);
    *image = (px_image){0};
}

void *px_image_reserve(px_image *image, int height, int width, int channels, int bits)
{
    size_t size = (size_t)height * (size_t)width * (size_t)channels * px_value_bytes(bits);
    if (size > image->capacity) {
        free(image->storage); /* its content is not needed, so no realloc, which would copy it */
        image->storage = px_realloc(NULL, size);
        image->capacity = size;
    }
    image->pixels = image->storage;
    image->height = height;
    image->width = width;
    image->channels = channels;
    image->bits = bits;
    return image->storage;
}

/* ---- conversions ------------------------------------------------------------------------------------------------- */

/* ITU-R 601 in 16-bit fixed point, the same as Pillow's convert("L"); the weights add up to 65536, so gray does not
 * change. */
static inline uint32_t luma(uint32_t r, uint32_t g, uint32_t b)
{
    return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
}

void px_pixels_convert(const uint8_t *in, int from, uint8_t *out, int to, size_t count)
{
    if (from == to) {
        if (in != out)
            memcpy(out, in, count * (size_t)to);
    } else if (from == 1) {
        for (size_t i = 0; i < count; i++)
            for (int c = 0; c < to; c++)
                out[i * (size_t)to + (size_t)c] = in[i];
    } else {
        PX_CHECK(from == 3 && to == 1);
        for (size_t i = 0; i < count; i++)
            out[i] = (uint8_t)luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
    }
}

static void convert_wide(const uint16_t *in, int from, uint16_t *out, int to, size_t count)
{
    for (size_t i = 0; i < count && from == 1; i++)
        for (int c = 0; c < to; c++)
            out[i * (size_t)to + (size_t)c] = in[i];
    for (size_t i = 0; i < count && from == 3; i++) /* 65535 * 65536 fits */
        out[i] = (uint16_t)luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]);
}

/* Gives the image another storage for what it becomes. The old one is returned, for the caller to free. */
static void *exchange_storage(px_image *image, int channels, int bits)
{
    void *old = image->storage;
    image->storage = NULL;
    image->capacity = 0;
    px_image_reserve(image, image->height, image->width, channels, bits);
    PX_CHECK(image->storage);
    return old;
}

static void convert_bits(px_image *image, int bits)
{
    size_t count = (size_t)image->height * (size_t)image->width * (size_t)image->channels;
    if (image->bits == bits)
        return;
    if (bits == 8) {
        const uint16_t *in = image->storage;
        uint8_t *out = image->storage;
        for (size_t i = 0; i < count; i++)
            out[i] = (uint8_t)(in[i] >> 8);
        image->bits = 8;
        return;
    }
    uint8_t *in = exchange_storage(image, image->channels, 16);
    uint16_t *out = image->storage;
    for (size_t i = 0; i < count; i++)
        out[i] = (uint16_t)(in[i] * 257); /* 255 becomes 65535 */
    free(in);
}

static int convert_channels(const px_picture *p, px_image *image, int channels)
{
    int from = image->channels, bits = image->bits;
    size_t count = (size_t)image->height * (size_t)image->width;
    if (from == channels)
        return 0;
    if (from != 1 && !(from == 3 && channels == 1))
        return px_fail(PX_DATA, "%s: has %d channels, but %d are wanted", p->name, from, channels);
    void *in = exchange_storage(image, channels, bits);
    if (bits == 16)
        convert_wide(in, from, image->storage, channels, count);
    else
        px_pixels_convert(in, from, image->storage, channels, count);
    free(in);
    return 0;
}

void px_image_turn(px_image *image, int orientation)
{
    if (orientation <= 1 || orientation > 8)
        return;
    /* In 6 the first row is the right side, in 8 the left one (JEITA CP-3451, tag 0x112). */
    bool swapped = orientation >= 5;
    bool upside_down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    bool mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    int H = image->height, W = image->width;
    size_t cell = (size_t)image->channels * px_value_bytes(image->bits);
    uint8_t *in = exchange_storage(image, image->channels, image->bits), *out = image->storage;
    image->height = swapped ? W : H;
    image->width = swapped ? H : W;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            int sy = swapped ? x : y, sx = swapped ? y : x;
            sy = upside_down ? H - 1 - sy : sy;
            sx = mirrored ? W - 1 - sx : sx;
            memcpy(out + ((size_t)y * (size_t)image->width + (size_t)x) * cell,
                   in + ((size_t)sy * (size_t)W + (size_t)sx) * cell, cell);
        }
    free(in);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

int px_picture_bad(const px_picture *p, const char *why)
{
    return px_fail(PX_DATA, "%s: cannot be decoded: %s", p->name, why);
}

int px_picture_check(const px_picture *p, int64_t height, int64_t width, int64_t free_pixels, double per_byte)
{
    if (height < 1 || width < 1 || height > SIDE_MAX || width > SIDE_MAX || height * width > PIXELS_MAX)
        return px_fail(PX_DATA, "%s: is %lld x %lld pixels; at most %d per side and %d million in all are supported",
                       p->name, (long long)height, (long long)width, SIDE_MAX, PIXELS_MAX >> 20);
    if (height * width > free_pixels && (double)(height * width) / per_byte > (double)p->size)
        return px_fail(PX_DATA, "%s: claims %lld x %lld pixels, which its %zu bytes cannot contain", p->name,
                       (long long)height, (long long)width, p->size);
    return 0;
}

/* A picture of one colour is a small file in every format. One that would take the memory of a large picture is not one.
 * The ratio is that of archives (source.c). */
static int check_bomb(const px_picture *p, const px_image_about *a)
{
    enum { ALWAYS = 64 << 20, RATIO = 500 };
    double bytes = (double)a->height * a->width * a->channels * (double)px_value_bytes(a->bits);
    if (bytes <= ALWAYS || bytes <= RATIO * (double)p->size)
        return 0;
    return px_fail(
        PX_DATA,
        "%s: is %d x %d pixels, %.0f MB, in a file of %.3g MB: more than %d times its size, like a decompression bomb",
        p->name, a->height, a->width, bytes / 1e6, (double)p->size / 1e6, RATIO);
}

static const px_image_format *format_of(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i]->is(bytes, size))
            return formats[i];
    return NULL;
}

bool px_image_is(const uint8_t *bytes, size_t size)
{
    const px_image_format *format = format_of(bytes, size);
    return format && format != &px_format_pnm;
}

/* The format of the file, with its header; NULL with a message. */
static const px_image_format *read_header(const px_picture *p, px_image *scratch, px_image_about *about)
{
    const px_image_format *format = format_of(p->bytes, p->size);
    *about = (px_image_about){.orientation = 1, .bits = 8};
    if (p->size == 0)
        return px_fail_null(PX_DATA, "%s: is empty", p->name);
    if (!format)
        return px_fail_null(PX_DATA, "%s: cannot be decoded: it is neither JPEG nor PNG, WebP, TIFF, BMP, PNM or GIF",
                            p->name);
    if (format->about(p, scratch, about) != 0 || check_bomb(p, about) != 0)
        return NULL;
    if (about->channels > PX_CHANNELS_MAX)
        return px_fail_null(PX_DATA, "%s: has %d channels, but at most %d are supported", p->name, about->channels,
                            PX_CHANNELS_MAX);
    return format;
}

int px_image_decode(px_image *image, const uint8_t *bytes, size_t size, px_image_want want, const char *name)
{
    px_picture p = {bytes, size, name};
    px_image_about about;
    PX_CHECK(want.channels >= 0 && want.channels <= PX_CHANNELS_MAX);
    want.bits = want.bits == 16 ? 16 : 8;
    const px_image_format *format = read_header(&p, image, &about);
    if (!format || format->decode(&p, image, &about, want) != 0)
        return -1;
    convert_bits(image, want.bits);
    if (convert_channels(&p, image, want.channels ? want.channels : about.channels) != 0)
        return -1;
    if (!want.unturned)
        px_image_turn(image, about.orientation);
    return 0;
}

int px_image_probe(const uint8_t *bytes, size_t size, px_image_about *about, const char *name)
{
    px_picture p = {bytes, size, name};
    px_image scratch = {0};
    const px_image_format *format = read_header(&p, &scratch, about);
    px_image_finish(&scratch);
    return format ? 0 : -1;
}
