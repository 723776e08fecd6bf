/* png_write.c - see png_write.h. */
#include "data/png_write.h"
#include "base/error.h"

#include <errno.h>
#include <spng.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What stands at `path` is a PNG, empty, or nothing. */
static int check_replaceable(const char *path)
{
    static const char signature[8] = "\x89PNG\r\n\x1a\n";
    char first[8];
    if (px_replaceable(path) != 0)
        return -1;
    FILE *f = fopen(path, "rb");
    size_t got = f ? fread(first, 1, sizeof first, f) : 0;
    if (f)
        fclose(f);
    if (got == 0 || (got == sizeof first && memcmp(first, signature, sizeof first) == 0))
        return 0;
    return px_fail(PX_USAGE, "%s: is not a picture (PNG), so it is not replaced; give out= another name", path);
}

/* The file's content, by libspng; freed with free. NULL with a message. */
static void *encode(const uint8_t *pixels, int height, int width, int channels, size_t *size)
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

/* To `partial`; messages name `path`. */
static int write_file(const char *partial, const char *path, const void *content, size_t size)
{
    FILE *f = fopen(partial, "wb");
    bool good = f && fwrite(content, 1, size, f) == size;
    int why = errno;
    if (f && fclose(f) != 0 && good) {
        good = false;
        why = errno;
    }
    if (good && rename(partial, path) == 0)
        return 0;
    int status = px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(good ? errno : why));
    if (f)
        unlink(partial);
    return status;
}

int px_png_write(const char *path, const uint8_t *pixels, int height, int width, int channels)
{
    size_t size = 0;
    if (check_replaceable(path) != 0)
        return -1;
    void *content = encode(pixels, height, width, channels, &size);
    if (!content)
        return -1;
    char *partial = px_partial_name(path);
    int status = px_plain_file(partial, PX_FAIL) == 0 ? write_file(partial, path, content, size) : -1;
    free(partial);
    free(content);
    return status;
}
