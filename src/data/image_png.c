/* image_png.c - PNG, by libspng. */
#include "base/error.h"
#include "data/image_private.h"

#include <spng.h>
#include <string.h>

/* Deflate expands one byte to at most 1032, which in a PNG are 8256 pixels. */
enum { SIDE_MAX = 65500, CHUNK_MAX = 64 << 20, PIXELS_PER_BYTE = 8256 };

static bool is(const uint8_t *bytes, size_t size)
{
    return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

/* Opens the file up to its header. NULL with a message. */
static spng_ctx *open_file(const px_picture *p, struct spng_ihdr *header)
{
    spng_ctx *png = spng_ctx_new(0);
    if (!png)
        return px_fail_null(PX_FAIL, "libspng does not start");
    int status = spng_set_image_limits(png, SIDE_MAX, SIDE_MAX);
    if (status == 0)
        status = spng_set_chunk_limits(png, CHUNK_MAX, CHUNK_MAX);
    if (status == 0)
        status = spng_set_crc_action(png, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    if (status == 0)
        status = spng_set_png_buffer(png, p->bytes, p->size);
    if (status == 0)
        status = spng_get_ihdr(png, header);
    if (status == 0)
        return png;
    px_picture_bad(p, spng_strerror(status));
    spng_ctx_free(png);
    return NULL;
}

static bool is_gray(const struct spng_ihdr *header)
{
    return header->color_type == SPNG_COLOR_TYPE_GRAYSCALE || header->color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
}

static int about(const px_picture *p, px_image *scratch, px_image_about *a)
{
    (void)scratch;
    struct spng_ihdr header = {0};
    struct spng_exif exif;
    spng_ctx *png = open_file(p, &header);
    if (!png)
        return -1;
    a->height = (int)header.height;
    a->width = (int)header.width;
    a->channels = is_gray(&header) ? 1 : 3;
    a->bits = header.bit_depth == 16 ? 16 : 8;
    int status = px_picture_check(p, header.height, header.width, PX_PICTURE_FREE, PIXELS_PER_BYTE);
    if (status == 0 && spng_get_exif(png, &exif) == 0)
        a->orientation = px_exif_orientation((const uint8_t *)exif.data, exif.length);
    spng_ctx_free(png);
    return status;
}

/* libspng makes 8-bit gray only from gray without alpha of at most 8 bits, and 16 bits only with alpha. */
static int read_pixels(spng_ctx *png, const struct spng_ihdr *header, px_image *image, bool wide)
{
    bool plain = header->color_type == SPNG_COLOR_TYPE_GRAYSCALE && header->bit_depth <= 8;
    int channels = wide ? 4 : plain ? 1 : 3;
    int format = wide ? SPNG_FMT_RGBA16 : plain ? SPNG_FMT_G8 : SPNG_FMT_RGB8;
    int height = (int)header->height, width = (int)header->width;
    size_t size = 0, count = (size_t)height * (size_t)width;
    void *pixels = px_image_reserve(image, height, width, channels, wide ? 16 : 8);
    int status = spng_decoded_image_size(png, format, &size);
    if (status == 0)
        PX_CHECK(size == count * (size_t)channels * (wide ? 2 : 1));
    if (status == 0)
        status = spng_decode_image(png, pixels, size, format, 0);
    if (status != 0)
        return status;
    int kept = is_gray(header) ? 1 : 3;
    uint16_t *v = pixels;
    for (size_t i = 0; i < count && wide; i++)
        for (int c = 0; c < kept; c++)
            v[i * (size_t)kept + (size_t)c] = v[4 * i + (size_t)c];
    if (!wide)
        px_pixels_convert(pixels, channels, pixels, kept, count);
    image->channels = kept;
    return 0;
}

static int decode(const px_picture *p, px_image *image, const px_image_about *a, px_image_want want)
{
    struct spng_ihdr header = {0};
    spng_ctx *png = open_file(p, &header);
    if (!png)
        return -1;
    int status = read_pixels(png, &header, image, want.bits == 16 && a->bits == 16);
    if (status != 0)
        px_picture_bad(p, spng_strerror(status));
    spng_ctx_free(png);
    return status ? -1 : 0;
}

const px_image_format px_format_png = {.name = "PNG", .is = is, .about = about, .decode = decode};
