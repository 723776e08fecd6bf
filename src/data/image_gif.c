/* image_gif.c - the first frame of a GIF, by giflib. */
#include "base/error.h"
#include "data/image_private.h"

#include <gif_lib.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS_PER_BYTE = 4096 }; /* a code of at least two bits stands for at most 4096 pixels; most have twelve bits */

typedef struct reader {
    const px_picture *picture;
    size_t at;
} reader;

static bool is(const uint8_t *bytes, size_t size)
{
    return size >= 6 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0);
}

static int read_bytes(GifFileType *gif, GifByteType *out, int count)
{
    reader *r = gif->UserData;
    size_t left = r->picture->size - r->at, taken = (size_t)count < left ? (size_t)count : left;
    memcpy(out, r->picture->bytes + r->at, taken);
    r->at += taken;
    return (int)taken;
}

static int bad(const px_picture *p, int error)
{
    const char *why = GifErrorString(error);
    return px_picture_bad(p, why ? why : "it contains no picture");
}

/* Opens the file up to its first frame. NULL with a message. */
static GifFileType *open_file(reader *r)
{
    int error = 0;
    GifFileType *gif = DGifOpen(r, read_bytes, &error);
    while (gif) {
        GifRecordType type;
        GifByteType *extension;
        int code, status = DGifGetRecordType(gif, &type);
        if (status == GIF_OK && type == IMAGE_DESC_RECORD_TYPE && DGifGetImageDesc(gif) == GIF_OK)
            return gif;
        if (status == GIF_OK && type == EXTENSION_RECORD_TYPE) {
            status = DGifGetExtension(gif, &code, &extension);
            while (status == GIF_OK && extension)
                status = DGifGetExtensionNext(gif, &extension);
            if (status == GIF_OK)
                continue;
        }
        error = gif->Error ? gif->Error : D_GIF_ERR_NO_IMAG_DSCR;
        DGifCloseFile(gif, NULL);
        gif = NULL;
    }
    bad(r->picture, error);
    return NULL;
}

static const ColorMapObject *palette_of(const GifFileType *gif)
{
    return gif->Image.ColorMap ? gif->Image.ColorMap : gif->SColorMap;
}

static bool is_gray_colour(const GifColorType *c)
{
    return c->Red == c->Green && c->Red == c->Blue;
}

/* The background counts where a smaller frame shows it. */
static bool is_gray(const GifFileType *gif)
{
    const ColorMapObject *map = palette_of(gif), *canvas = gif->SColorMap;
    bool smaller = gif->Image.Width < gif->SWidth || gif->Image.Height < gif->SHeight;
    if (smaller && canvas && gif->SBackGroundColor < canvas->ColorCount &&
        !is_gray_colour(&canvas->Colors[gif->SBackGroundColor]))
        return false;
    for (int i = 0; map && i < map->ColorCount; i++)
        if (!is_gray_colour(&map->Colors[i]))
            return false;
    return map != NULL;
}

/* The frame may not lie outside of the canvas. */
static int check_frame(const px_picture *p, const GifFileType *gif)
{
    const GifImageDesc *d = &gif->Image;
    if (!palette_of(gif))
        return px_picture_bad(p, "its first frame has no palette");
    if (d->Width < 1 || d->Height < 1 || d->Left < 0 || d->Top < 0 || d->Left + d->Width > gif->SWidth ||
        d->Top + d->Height > gif->SHeight)
        return px_picture_bad(p, "its first frame does not lie within the picture");
    return px_picture_check(p, gif->SHeight, gif->SWidth, PX_PICTURE_FREE, PIXELS_PER_BYTE);
}

static int about(const px_picture *p, px_image *scratch, px_image_about *a)
{
    (void)scratch;
    reader r = {p, 0};
    GifFileType *gif = open_file(&r);
    if (!gif)
        return -1;
    int status = check_frame(p, gif);
    a->height = gif->SHeight;
    a->width = gif->SWidth;
    a->channels = is_gray(gif) ? 1 : 3;
    DGifCloseFile(gif, NULL);
    return status;
}

static void put_colour(const ColorMapObject *map, int index, uint8_t *pixel, int channels)
{
    const GifColorType black = {0}, *c = index < map->ColorCount ? &map->Colors[index] : &black;
    pixel[0] = c->Red;
    if (channels == 3) {
        pixel[1] = c->Green;
        pixel[2] = c->Blue;
    }
}

static int read_frame(const px_picture *p, GifFileType *gif, px_image *image, uint8_t *line)
{
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2}; /* of the four passes of an interlaced frame */
    const GifImageDesc *d = &gif->Image;
    int passes = d->Interlace ? 4 : 1;
    for (int pass = 0; pass < passes; pass++)
        for (int y = passes == 4 ? first[pass] : 0; y < d->Height; y += passes == 4 ? step[pass] : 1) {
            if (DGifGetLine(gif, line, d->Width) != GIF_OK)
                return bad(p, gif->Error);
            size_t row = (size_t)(d->Top + y) * (size_t)image->width + (size_t)d->Left;
            uint8_t *out = (uint8_t *)image->storage + row * (size_t)image->channels;
            for (int x = 0; x < d->Width; x++)
                put_colour(palette_of(gif), line[x], out + x * image->channels, image->channels);
        }
    return 0;
}

static int decode(const px_picture *p, px_image *image, const px_image_about *a, px_image_want want)
{
    (void)want;
    reader r = {p, 0};
    GifFileType *gif = open_file(&r);
    if (!gif)
        return -1;
    uint8_t *pixels = px_image_reserve(image, a->height, a->width, a->channels, 8);
    size_t count = (size_t)a->height * (size_t)a->width;
    memset(pixels, 0, count * (size_t)a->channels);
    for (size_t i = 0; i < count && gif->SColorMap; i++) /* around a smaller frame */
        put_colour(gif->SColorMap, gif->SBackGroundColor, pixels + i * (size_t)a->channels, a->channels);
    uint8_t *line = px_realloc(NULL, (size_t)gif->Image.Width + 1);
    int status = read_frame(p, gif, image, line);
    free(line);
    DGifCloseFile(gif, NULL);
    return status;
}

const px_image_format px_format_gif = {.name = "GIF", .is = is, .about = about, .decode = decode};
