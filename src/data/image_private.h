/* image_private.h - what the decoders of image_*.c share. */
#ifndef PX_DATA_IMAGE_PRIVATE_H
#define PX_DATA_IMAGE_PRIVATE_H

#include "data/image.h"

/* A file that is being read. */
typedef struct px_picture {
    const uint8_t *bytes;
    size_t size;
    const char *name; /* for messages */
} px_picture;

typedef struct px_image_format {
    const char *name;
    bool (*is)(const uint8_t *bytes, size_t size); /* by its first bytes */
    /* Reads the header, and checks that the file may have so many pixels (px_picture_check). `scratch` lends its decoder. */
    int (*about)(const px_picture *, px_image *scratch, px_image_about *);
    /* Decodes into the image's storage, as the file has it or already as wanted, not turned. */
    int (*decode)(const px_picture *, px_image *, const px_image_about *, px_image_want);
} px_image_format;

extern const px_image_format px_format_jpeg, px_format_png, px_format_webp, px_format_tiff, px_format_bmp,
    px_format_pnm, px_format_gif;

/* "NAME: cannot be decoded: WHY"; -1. */
int px_picture_bad(const px_picture *, const char *why);

/* A header costs an attacker a few bytes, but us the memory of all pixels. So a file of `size` bytes may announce
 * PX_PICTURE_FREE pixels without further ado, and more only if its bytes can hold them: at most `per_byte` in each. */
enum { PX_PICTURE_FREE = 1 << 20 };
int px_picture_check(const px_picture *, int64_t height, int64_t width, int64_t free_pixels, double per_byte);

/* EXIF's orientation, 1 to 8, from an EXIF block with or without the prefix "Exif\0\0"; 1 if it tells none. */
int px_exif_orientation(const uint8_t *exif, size_t size);

/* Turns the image upright. */
void px_image_turn(px_image *, int orientation);

#endif
