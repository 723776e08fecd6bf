/* image.h - one picture in memory, as decoded. Formats: JPEG, PNG, WebP, TIFF, BMP, PNM, GIF (docs/files.md).
 *
 *     px_image image = {0};                                       // one per thread, reused for every picture
 *     if (px_image_decode(&image, bytes, size, (px_image_want){.channels = 3}, "cat.jpg") != 0) ...
 *     px_image_finish(&image);
 */
#ifndef PX_DATA_IMAGE_H
#define PX_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PX_CHANNELS_MAX = 64 };

/* Bytes of a value of 8 or 16 bits. */
static inline size_t px_value_bytes(int bits)
{
    return bits == 16 ? 2 : 1;
}

typedef struct px_image {
    const uint8_t *pixels; /* (height, width, channels), rows without padding; borrowed unless it is `storage` */
    int height, width;
    int channels;  /* 1 (gray), 3 (RGB), or any other number up to PX_CHANNELS_MAX */
    int bits;      /* of a value: 16 (then pixels point to uint16_t, in the machine's byte order), else 8 */
    int label;     /* class number, -1: none */
    int64_t index; /* row in the data set */
    void *storage; /* grows as needed, reused for every image; px_image_finish frees it */
    size_t capacity;
    void *decoder; /* libjpeg's state, created on first use and reused; px_image_finish frees it */
} px_image;

void px_image_finish(px_image *);

/* Makes room for height * width * channels values of `bits` in storage and points pixels at it; returns storage. */
void *px_image_reserve(px_image *, int height, int width, int channels, int bits);

/* What a decoded image should be. */
typedef struct px_image_want {
    int channels;  /* 0: as in the file; 1 from RGB: luma; RGB or more from gray: repeated */
    int bits;      /* 16; else 8. The low byte is dropped, or the byte repeated */
    bool unturned; /* the orientation that the file tells (EXIF) is not applied */
} px_image_want;

/* What a file's header tells. */
typedef struct px_image_about {
    int height, width; /* as stored, which is not yet turned upright */
    int channels, bits;
    int orientation; /* EXIF's: 1 upright; from 5 on height and width change places */
    int kind;        /* the decoder's own */
} px_image_about;

/* Decodes a file, recognized by its first bytes, into `image`. CMYK and palettes become RGB; alpha is dropped, as Pillow's
 * convert("RGB") does. A file that ends too early is refused, and so are other numbers of channels than those wanted, if
 * they are not gray or RGB. `name` is for messages. 0, or -1 with PX_DATA. Thread-safe. */
int px_image_decode(px_image *image, const uint8_t *bytes, size_t size, px_image_want, const char *name);

/* What the header alone tells. 0 or -1 with PX_DATA. */
int px_image_probe(const uint8_t *bytes, size_t size, px_image_about *, const char *name);

/* Whether these are the first bytes of a picture in a format that is read. PNM's two letters could begin any text, so
 * its files are known by their names. */
bool px_image_is(const uint8_t *bytes, size_t size);

/* Converts `count` pixels of `from` channels to `to` channels: gray is repeated, RGB becomes ITU-R 601 luma; other
 * numbers stay as they are. `out` may be `in` unless it grows. */
void px_pixels_convert(const uint8_t *in, int from, uint8_t *out, int to, size_t count);

#endif
