/* make_pictures.h - small files in the formats beside JPEG and PNG, made by the libraries that read them (BMP and PNM, whose
 * pixels lie open: by hand). */
#ifndef PX_TEST_MAKE_PICTURES_H
#define PX_TEST_MAKE_PICTURES_H

#include "make_data.h"

#include <gif_lib.h>
#include <tiffio.h>
#include <webp/encode.h>
#include <webp/mux.h>

typedef struct tiff_spec {
    int height, width, samples, bits;
    int photometric, compression; /* libtiff's; compression 0: none */
    int tile;                     /* side of tiles; 0: strips of `rows` rows */
    int rows;
    bool separate; /* one plane per sample */
    int alphas;    /* of the last samples; the rest beyond the photometric's own are unspecified */
    int orientation, format;
} tiff_spec;

/* The samples of one tile or strip, in the order of the file. */
static inline void cut_piece(const tiff_spec *s, const uint8_t *pixels, int y0, int x0, int height, int width,
                             int plane, uint8_t *out)
{
    int value = s->bits / 8, per = s->separate ? 1 : s->samples;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int sy = y0 + y < s->height ? y0 + y : s->height - 1, sx = x0 + x < s->width ? x0 + x : s->width - 1;
            const uint8_t *from = pixels + ((sy * s->width + sx) * s->samples + plane) * value;
            memcpy(out + (y * width + x) * per * value, from, (size_t)(per * value));
        }
}

static inline void write_pieces(TIFF *tiff, const tiff_spec *s, const uint8_t *pixels)
{
    int height = s->tile ? s->tile : s->rows, width = s->tile ? s->tile : s->width;
    uint8_t *piece = px_calloc((size_t)(height * width * s->samples), (size_t)(s->bits / 8));
    for (int plane = 0; plane < (s->separate ? s->samples : 1); plane++)
        for (int y = 0; y < s->height; y += height)
            for (int x = 0; x < s->width; x += width) {
                int rows = s->tile || y + height <= s->height ? height : s->height - y;
                tmsize_t size = (tmsize_t)(rows * width * (s->separate ? 1 : s->samples) * s->bits / 8);
                cut_piece(s, pixels, y, x, rows, width, plane, piece);
                uint32_t yy = (uint32_t)y, xx = (uint32_t)x;
                if (s->tile)
                    PX_CHECK(TIFFWriteEncodedTile(tiff, TIFFComputeTile(tiff, xx, yy, 0, (uint16_t)plane), piece,
                                                  size) == size);
                else
                    PX_CHECK(TIFFWriteEncodedStrip(tiff, TIFFComputeStrip(tiff, yy, (uint16_t)plane), piece, size) ==
                             size);
            }
    free(piece);
}

/* `pixels`: (height, width, samples); of fewer than 8 bits, packed rows. */
static inline blob make_tiff(const tiff_spec *s, const void *pixels)
{
    char path[] = "/tmp/pretext-tiff-XXXXXX";
    int fd = mkstemp(path);
    PX_CHECK(fd >= 0 && close(fd) == 0);
    TIFF *tiff = TIFFOpen(path, "w");
    PX_CHECK(tiff != NULL);
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, s->width);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, s->height);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, s->samples);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, s->bits);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, s->photometric);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, s->compression ? s->compression : COMPRESSION_NONE);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, s->separate ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, s->format ? s->format : SAMPLEFORMAT_UINT);
    if (s->orientation)
        TIFFSetField(tiff, TIFFTAG_ORIENTATION, s->orientation);
    int extra = s->samples - (s->photometric == PHOTOMETRIC_RGB ? 3 : 1);
    uint16_t kinds[64] = {0};
    for (int i = extra - s->alphas; i < extra; i++)
        kinds[i] = EXTRASAMPLE_UNASSALPHA;
    if (extra > 0)
        TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, extra, kinds);
    if (s->tile) {
        TIFFSetField(tiff, TIFFTAG_TILEWIDTH, s->tile);
        TIFFSetField(tiff, TIFFTAG_TILELENGTH, s->tile);
    } else {
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, s->rows);
    }
    if (s->bits >= 8)
        write_pieces(tiff, s, pixels);
    else
        for (int y = 0; y < s->height; y++)
            PX_CHECK(TIFFWriteScanline(tiff, (uint8_t *)pixels + y * ((s->width * s->bits + 7) / 8), (uint32_t)y, 0) ==
                     1);
    TIFFClose(tiff);
    blob b = read_file(path);
    unlink(path);
    return b;
}

/* Lossless, with EXIF if there is some. */
static inline blob make_webp(int height, int width, const uint8_t *rgb, const void *exif, size_t exif_size)
{
    uint8_t *out = NULL;
    size_t size = WebPEncodeLosslessRGB(rgb, width, height, 3 * width, &out);
    PX_CHECK(size > 0);
    WebPData picture = {out, size}, chunk = {exif, exif_size}, whole;
    WebPMux *mux = WebPMuxNew();
    PX_CHECK(WebPMuxSetImage(mux, &picture, 1) == WEBP_MUX_OK);
    if (exif)
        PX_CHECK(WebPMuxSetChunk(mux, "EXIF", &chunk, 1) == WEBP_MUX_OK);
    PX_CHECK(WebPMuxAssemble(mux, &whole) == WEBP_MUX_OK);
    blob b = {px_realloc(NULL, whole.size), whole.size};
    memcpy(b.bytes, whole.bytes, whole.size);
    WebPDataClear(&whole);
    WebPMuxDelete(mux);
    WebPFree(out);
    return b;
}

static inline int append_gif(GifFileType *gif, const GifByteType *bytes, int count)
{
    blob *b = gif->UserData;
    b->bytes = px_realloc(b->bytes, b->size + (size_t)count);
    memcpy(b->bytes + b->size, bytes, (size_t)count);
    b->size += (size_t)count;
    return count;
}

/* A frame of indices at (top, left) of the canvas, in a palette of 256; a second frame of zeros follows. */
static inline blob make_gif(int height, int width, int top, int left, int h, int w, const uint8_t *index,
                            const GifColorType palette[256], bool interlaced)
{
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    blob b = {0};
    int error;
    GifFileType *gif = EGifOpen(&b, append_gif, &error);
    ColorMapObject *map = GifMakeMapObject(256, palette);
    PX_CHECK(gif && map && EGifPutScreenDesc(gif, width, height, 8, 1, map) == GIF_OK);
    PX_CHECK(EGifPutComment(gif, "a test") == GIF_OK);
    PX_CHECK(EGifPutImageDesc(gif, left, top, w, h, interlaced, NULL) == GIF_OK);
    for (int pass = 0; pass < (interlaced ? 4 : 1); pass++)
        for (int y = interlaced ? first[pass] : 0; y < h; y += interlaced ? step[pass] : 1)
            PX_CHECK(EGifPutLine(gif, (GifPixelType *)index + y * w, w) == GIF_OK);
    PX_CHECK(EGifPutImageDesc(gif, 0, 0, 1, 1, false, NULL) == GIF_OK);
    PX_CHECK(EGifPutLine(gif, (GifPixelType[]){0}, 1) == GIF_OK);
    GifFreeMapObject(map);
    PX_CHECK(EGifCloseFile(gif, &error) == GIF_OK);
    return b;
}

/* 8 (gray palette), 24 or 32 bits; rows from the lowest up unless `top_down`. */
static inline blob make_bmp(int height, int width, int bits, const uint8_t *pixels, bool top_down)
{
    int channels = bits / 8, pitch = (width * channels + 3) / 4 * 4, lead = 54 + (bits == 8 ? 1024 : 0);
    blob b = {px_calloc((size_t)(lead + pitch * height), 1), (size_t)(lead + pitch * height)};
    uint32_t words[] = {
        (uint32_t)b.size,         0, (uint32_t)lead, 40, (uint32_t)width, (uint32_t)(top_down ? -height : height),
        1u | (uint32_t)bits << 16};
    memcpy(b.bytes, "BM", 2);
    memcpy(b.bytes + 2, words, sizeof words);
    for (int i = 0; i < 256 && bits == 8; i++)
        memset(b.bytes + 54 + 4 * i, i, 3);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++) { /* blue, green, red */
                int from = channels == 1 ? 0 : c == 3 ? 3 : 2 - c;
                b.bytes[lead + (top_down ? y : height - 1 - y) * pitch + x * channels + c] =
                    pixels[(y * width + x) * channels + from];
            }
    return b;
}

/* `kind`: 4 (1 bit), 5 (gray) or 6 (RGB); `bytes` are the file's pixels. */
static inline blob make_pnm(int height, int width, int kind, int most, const void *bytes, size_t size)
{
    char head[64];
    int length = kind == 4 ? snprintf(head, sizeof head, "P4\n%d %d\n", width, height)
                           : snprintf(head, sizeof head, "P%d\n%d %d\n%d\n", kind, width, height, most);
    blob b = {px_realloc(NULL, (size_t)length + size), (size_t)length + size};
    memcpy(b.bytes, head, (size_t)length);
    memcpy(b.bytes + length, bytes, size);
    return b;
}

/* An EXIF block (big-endian) that tells only the orientation, without the prefix. */
enum { EXIF_SIZE = 26 };
static inline void make_exif(uint8_t out[EXIF_SIZE], int orientation)
{
    static const uint8_t block[EXIF_SIZE] = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0";
    memcpy(out, block, EXIF_SIZE);
    out[19] = (uint8_t)orientation;
}

static inline blob make_png_exif(int height, int width, const uint8_t *rgb, uint8_t *exif, size_t size)
{
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr header = {(uint32_t)width, (uint32_t)height, 8, SPNG_COLOR_TYPE_TRUECOLOR, 0, 0, 0};
    struct spng_exif chunk = {size, (char *)exif};
    int error = 0;
    blob b;
    spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    PX_CHECK(spng_set_ihdr(png, &header) == 0 && spng_set_exif(png, &chunk) == 0);
    PX_CHECK(spng_encode_image(png, rgb, (size_t)(height * width * 3), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) == 0);
    b.bytes = spng_get_png_buffer(png, &b.size, &error);
    PX_CHECK(b.bytes && error == 0);
    spng_ctx_free(png);
    return b;
}

/* Inserts a segment behind a JPEG's first marker. */
static inline blob insert_segment(blob jpeg, uint8_t marker, const void *bytes, size_t size)
{
    blob b = {px_realloc(NULL, jpeg.size + size + 4), jpeg.size + size + 4};
    uint8_t head[] = {0xFF, marker, (uint8_t)((size + 2) >> 8), (uint8_t)(size + 2)};
    memcpy(b.bytes, jpeg.bytes, 2);
    memcpy(b.bytes + 2, head, 4);
    memcpy(b.bytes + 6, bytes, size);
    memcpy(b.bytes + 6 + size, jpeg.bytes + 2, jpeg.size - 2);
    return b;
}

#endif
