/* png_write.h - writes a picture as PNG.
 *
 *     if (px_png_write("views.png", pixels, height, width, 3) != 0) ...
 */
#ifndef PX_DATA_PNG_WRITE_H
#define PX_DATA_PNG_WRITE_H

#include <stddef.h>
#include <stdint.h>

/* pixels (height, width, channels) of 8 bits; channels: 1 or 3. An existing PNG is replaced when the new one is complete; another
 * file is not. 0 or -1. */
int px_png_write(const char *path, const uint8_t *pixels, int height, int width, int channels);

/* The same in memory: the file's content, freed with free; *size: its bytes. NULL with a message. */
void *px_png_encode(const uint8_t *pixels, int height, int width, int channels, size_t *size);

#endif
