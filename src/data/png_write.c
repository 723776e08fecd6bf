/* png_write.c - see png_write.h. */
#include "data/png_write.h"
#include "base/error.h"
#include "base/save.h"

#include <spng.h>
#include <stdlib.h>

/* By libspng. */
void *px_png_encode(const uint8_t *pixels, int height, int width, int channels, size_t *size)
{
    struct spng_ihdr header = {.width = (uint32_t)width,
                               .height = (uint32_t)height,
                               .bit_depth = 8,
                               .color_type = channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR};
    size_t bytes = (size_t)height * (size_t)width * (size_t)channels;
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    int status = png ? spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1) : SPNG_EMEM;
    if (status == 0)
        status = spng_set_ihdr(png, &header);
    if (status == 0)
        status = spng_encode_image(png, pixels, bytes, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    void *file = status == 0 ? spng_get_png_buffer(png, size, &status) : NULL;
    spng_ctx_free(png);
    return file ? file : px_fail_null(PX_FAIL, "a picture of %d x %d px: %s", width, height, spng_strerror(status));
}

int px_png_write(const char *path, const uint8_t *pixels, int height, int width, int channels)
{
    static const char signature[8] = "\x89PNG\r\n\x1a\n";
    size_t size = 0;
    if (px_save_replaceable(path, signature, sizeof signature, "a picture (PNG)") != 0)
        return -1;
    void *content = px_png_encode(pixels, height, width, channels, &size);
    int status = content ? px_save(path, content, size) : -1;
    free(content);
    return status;
}
