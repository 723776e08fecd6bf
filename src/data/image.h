/* image.h - one picture in memory, as decoded.
 *
 *     px_image image = {0};                                       // one per thread, reused for every picture
 *     if (px_image_decode(&image, bytes, size, 3, "cat.jpg") != 0) ...
 *     px_image_finish(&image);
 */
#ifndef PX_DATA_IMAGE_H
#define PX_DATA_IMAGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct px_image {
    const uint8_t *pixels;       /* (height, width, channels), rows without padding; borrowed unless it is `storage` */
    int height, width, channels; /* channels: 1 (gray) or 3 (RGB) */
    int label;                   /* class number, -1: none */
    int64_t index;               /* row in the data set */
    uint8_t *storage;            /* grows as needed, reused for every image; px_image_finish frees it */
    size_t capacity;
    void *decoder; /* libjpeg's state, created on first use and reused; px_image_finish frees it */
} px_image;

void px_image_finish(px_image *);

/* Makes room for height*width*channels bytes in storage and points pixels at it; returns storage. */
uint8_t *px_image_reserve(px_image *, int height, int width, int channels);

/* Decodes JPEG or PNG (recognized by their first bytes) into `image`: as gray if `channels` is 1, as RGB if it is 3, as
 * in the file if it is 0. CMYK, palette and 16-bit become 8-bit; alpha is dropped, as Pillow's convert("RGB") does. A
 * file that ends too early is refused. `name` is for messages. 0, or -1 with PX_DATA. Thread-safe. */
int px_image_decode(px_image *image, const uint8_t *bytes, size_t size, int channels, const char *name);

/* Height, width and channels from the header alone. 0 or -1 with PX_DATA. */
int px_image_probe(const uint8_t *bytes, size_t size, int *height, int *width, int *channels, const char *name);

/* Converts `count` pixels of `from` channels to `to` channels (1 or 3 each): gray is repeated, RGB becomes ITU-R 601
 * luma. `out` may be `in` unless it grows. */
void px_pixels_convert(const uint8_t *in, int from, uint8_t *out, int to, size_t count);

#endif
