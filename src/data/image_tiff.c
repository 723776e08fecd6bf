/* image_tiff.c - the first picture of a TIFF file, by libtiff. Gray, RGB and any number of channels of 8 or 16 bits are
 * read as they are, in strips or tiles, channel by channel or together; what else there is (palettes, fewer bits, YCbCr,
 * CMYK) becomes RGB by libtiff's own conversion. */
#include "base/error.h"
#include "data/image_private.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

/* Scans compressed as faxes hold many blank pixels in a byte. */
enum { FREE_PIXELS = 64 << 20, PIXELS_PER_BYTE = 8256, WHY = 200, SAMPLES_MAX = 1024 };
#define PIECE_MAX ((tmsize_t)256 << 20)

/* An open file: libtiff's client data. */
typedef struct source {
    const px_picture *picture;
    toff_t at;
    char why[WHY]; /* libtiff's first complaint */
} source;

typedef enum layout { DIRECT, CONVERTED } layout;

/* How the values lie. */
typedef struct shape {
    uint32_t height, width;
    uint16_t bits, samples, photometric, planar, kind;
    int channels; /* the samples without alpha */
    layout layout;
} shape;

static bool is(const uint8_t *bytes, size_t size)
{
    return size >= 8 && (memcmp(bytes, "II*\0", 4) == 0 || memcmp(bytes, "MM\0*", 4) == 0 ||
                         memcmp(bytes, "II+\0", 4) == 0 || memcmp(bytes, "MM\0+", 4) == 0);
}

/* ---- libtiff on memory ------------------------------------------------------------------------------------------- */

static void take_error(thandle_t handle, const char *module, const char *format, va_list values)
{
    (void)module;
    source *s = handle;
    if (s && !s->why[0])
        vsnprintf(s->why, sizeof s->why, format, values);
}

/* libtiff's handlers belong to the process. Nobody else uses it here. */
static void set_handlers(void)
{
    TIFFSetErrorHandler(NULL);
    TIFFSetErrorHandlerExt(take_error);
    TIFFSetWarningHandler(NULL);
}

static tmsize_t read_bytes(thandle_t handle, void *out, tmsize_t size)
{
    source *s = handle;
    toff_t left = s->at < s->picture->size ? s->picture->size - s->at : 0;
    tmsize_t taken = (toff_t)size < left ? size : (tmsize_t)left;
    memcpy(out, s->picture->bytes + (left ? s->at : 0), (size_t)taken);
    s->at += (toff_t)taken;
    return taken;
}

static tmsize_t write_nothing(thandle_t handle, void *bytes, tmsize_t size)
{
    (void)handle, (void)bytes, (void)size;
    return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence)
{
    source *s = handle;
    s->at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? s->at + offset : s->picture->size + offset;
    return s->at;
}

static int close_nothing(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle)
{
    const source *s = handle;
    return s->picture->size;
}

static int bad(const source *s)
{
    return px_picture_bad(s->picture, s->why[0] ? s->why : "it is damaged");
}

static TIFF *open_file(source *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_handlers);
    TIFF *tiff =
        TIFFClientOpen(s->picture->name, "rm", s, read_bytes, write_nothing, seek, close_nothing, size_of, NULL, NULL);
    if (!tiff)
        bad(s);
    return tiff;
}

/* ---- the header -------------------------------------------------------------------------------------------------- */

/* The number of samples that are alpha, which come last. */
static int alphas(TIFF *tiff, const shape *s)
{
    uint16_t count = 0, *kinds = NULL;
    int alpha = 0;
    if (!TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) || count >= s->samples)
        return 0;
    for (int i = 0; i < count; i++)
        alpha += kinds[i] == EXTRASAMPLE_ASSOCALPHA || kinds[i] == EXTRASAMPLE_UNASSALPHA;
    return alpha == count ? alpha : 0;
}

static int check_kind(const px_picture *p, const shape *s)
{
    char why[WHY];
    if (s->kind == SAMPLEFORMAT_UINT || s->kind == SAMPLEFORMAT_VOID)
        return 0;
    snprintf(why, sizeof why, "its values are %s; whole numbers of 8 or 16 bits without sign are read",
             s->kind == SAMPLEFORMAT_IEEEFP ? "floating point"
             : s->kind == SAMPLEFORMAT_INT  ? "signed"
                                            : "complex numbers");
    return px_picture_bad(p, why);
}

static int read_shape(const px_picture *p, TIFF *tiff, shape *s)
{
    char why[1024];
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &s->height);
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &s->width);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &s->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &s->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &s->planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &s->kind);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &s->photometric))
        s->photometric = s->samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
    bool plain = s->photometric == PHOTOMETRIC_MINISBLACK || s->photometric == PHOTOMETRIC_MINISWHITE ||
                 s->photometric == PHOTOMETRIC_RGB;
    if (px_picture_check(p, s->height, s->width, FREE_PIXELS, PIXELS_PER_BYTE) != 0 || check_kind(p, s) != 0)
        return -1;
    if (plain && (s->bits == 8 || s->bits == 16)) {
        s->layout = DIRECT;
        s->channels = s->samples - alphas(tiff, s);
        if (s->samples < 1 || s->samples > SAMPLES_MAX)
            return px_picture_bad(p, "it has no channels, or too many");
        return px_picture_check(p, s->height, s->width, FREE_PIXELS / s->samples, PIXELS_PER_BYTE);
    }
    s->layout = CONVERTED;
    bool gray = s->photometric == PHOTOMETRIC_MINISBLACK || s->photometric == PHOTOMETRIC_MINISWHITE;
    s->channels = gray ? 1 : 3;
    if (TIFFIsTiled(tiff) && TIFFTileSize64(tiff) > (uint64_t)PIECE_MAX)
        return px_picture_bad(p, "its tiles are larger than 256 MB");
    return TIFFRGBAImageOK(tiff, why) ? 0 : px_picture_bad(p, why);
}

static int about(const px_picture *p, px_image *scratch, px_image_about *a)
{
    (void)scratch;
    source src = {.picture = p};
    shape s = {0};
    TIFF *tiff = open_file(&src);
    if (!tiff)
        return -1;
    int status = read_shape(p, tiff, &s);
    uint16_t orientation = 1;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
    a->height = (int)s.height;
    a->width = (int)s.width;
    a->channels = s.channels;
    a->bits = s.layout == DIRECT && s.bits == 16 ? 16 : 8;
    a->orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
    TIFFClose(tiff);
    return status;
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

/* A tile, or a strip, which is as wide as the picture. */
typedef struct piece {
    bool tiled;
    uint32_t height, width, y, x;
    tmsize_t size;
} piece;

/* Copies what lies in the picture: `count` samples of each pixel in the piece, from channel `first` on. */
static void copy_piece(px_image *image, const shape *s, const piece *t, const uint8_t *from, int first, int count)
{
    size_t value = s->bits / 8;
    uint32_t rows = s->height - t->y < t->height ? s->height - t->y : t->height;
    uint32_t columns = s->width - t->x < t->width ? s->width - t->x : t->width;
    int kept = s->channels - first < count ? s->channels - first : count;
    for (uint32_t y = 0; y < rows && kept > 0; y++) {
        size_t row = (size_t)(t->y + y) * s->width + t->x;
        uint8_t *out = (uint8_t *)image->storage + (row * (size_t)s->channels + (size_t)first) * value;
        const uint8_t *in = from + (size_t)y * t->width * (size_t)count * value;
        for (uint32_t x = 0; x < columns; x++)
            memcpy(out + x * (size_t)s->channels * value, in + x * (size_t)count * value, (size_t)kept * value);
    }
}

/* Reads the piece; a shorter one is damaged. */
static bool read_piece(TIFF *tiff, const shape *s, const piece *t, int plane, uint8_t *out)
{
    if (t->tiled)
        return TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, t->x, t->y, 0, (uint16_t)plane), out, t->size) ==
               t->size;
    uint32_t rows = s->height - t->y < t->height ? s->height - t->y : t->height;
    tmsize_t size = t->size / (tmsize_t)t->height * (tmsize_t)rows;
    return TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, t->y, (uint16_t)plane), out, size) == size;
}

static void shape_pieces(TIFF *tiff, const shape *s, piece *t)
{
    t->tiled = TIFFIsTiled(tiff);
    if (t->tiled) {
        TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &t->width);
        TIFFGetField(tiff, TIFFTAG_TILELENGTH, &t->height);
    } else {
        TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &t->height);
        t->height = t->height > s->height ? s->height : t->height;
        t->width = s->width;
    }
}

/* The shape and size of all pieces. 0, or -1 with a message. */
static int measure_pieces(const source *src, TIFF *tiff, const shape *s, piece *t)
{
    shape_pieces(tiff, s, t);
    t->size = t->tiled ? TIFFTileSize(tiff) : TIFFVStripSize(tiff, t->height);
    int together = s->planar == PLANARCONFIG_SEPARATE ? 1 : s->samples;
    uint64_t row = (uint64_t)t->width * (uint64_t)together * (s->bits / 8);
    if (t->height < 1 || t->width < 1 || t->size < 1 || t->size > PIECE_MAX)
        return px_picture_bad(src->picture, "its strips or tiles are empty, or larger than 256 MB");
    if ((uint64_t)t->size != row * t->height)
        return px_picture_bad(src->picture, "its strips or tiles have another size than their pixels take");
    return 0;
}

static int read_pieces(const source *src, TIFF *tiff, px_image *image, const shape *s, piece t, uint8_t *buffer)
{
    bool separate = s->planar == PLANARCONFIG_SEPARATE;
    for (int plane = 0; plane < (separate ? s->channels : 1); plane++)
        for (t.y = 0; t.y < s->height; t.y += t.height)
            for (t.x = 0; t.x < s->width; t.x += t.width) {
                if (!read_piece(tiff, s, &t, plane, buffer))
                    return bad(src);
                copy_piece(image, s, &t, buffer, plane, separate ? 1 : s->samples);
            }
    return 0;
}

static void invert(px_image *image)
{
    size_t bytes = (size_t)image->height * (size_t)image->width * (size_t)image->channels * (size_t)image->bits / 8;
    uint8_t *v = image->storage;
    for (size_t i = 0; i < bytes; i++)
        v[i] = (uint8_t)~v[i];
}

static int read_direct(const source *src, TIFF *tiff, px_image *image, const shape *s)
{
    piece t = {0};
    if (measure_pieces(src, tiff, s, &t) != 0)
        return -1;
    px_image_reserve(image, (int)s->height, (int)s->width, s->channels, s->bits);
    uint8_t *buffer = px_calloc((size_t)t.size, 1);
    int status = read_pieces(src, tiff, image, s, t, buffer);
    free(buffer);
    if (status == 0 && s->photometric == PHOTOMETRIC_MINISWHITE)
        invert(image);
    return status;
}

/* The colours of a palette's entries; with 1, 2 or 4 bits, or 8, those of the values of a gray picture. False: there is no
 * palette. */
static bool make_palette(TIFF *tiff, const shape *s, uint8_t rgb[256][3])
{
    uint16_t *of[3] = {0};
    int most = (1 << s->bits) - 1;
    bool palette = s->photometric == PHOTOMETRIC_PALETTE, inverted = s->photometric == PHOTOMETRIC_MINISWHITE,
         eight = true;
    if (most < 1 || (palette && !TIFFGetField(tiff, TIFFTAG_COLORMAP, &of[0], &of[1], &of[2])))
        return false;
    for (int i = 0; palette && i <= most; i++)
        for (int c = 0; c < 3; c++)
            eight = eight && of[c][i] < 256; /* some programs write palettes of 8 bits */
    for (int i = 0; i <= most; i++)
        for (int c = 0; c < 3; c++) {
            int gray = i * 255 / most;
            int value = !palette ? (inverted ? 255 - gray : gray) : eight ? of[c][i] : of[c][i] * 255 / 65535;
            rgb[i][c] = (uint8_t)value;
        }
    return true;
}

/* Values of one sample in strips, row by row: a scan of a large page takes no more memory than its own pixels. */
static int read_indexed(const source *src, TIFF *tiff, px_image *image, const shape *s)
{
    uint8_t rgb[256][3];
    if (!make_palette(tiff, s, rgb))
        return px_picture_bad(src->picture, "its palette is missing");
    size_t width = s->width, channels = (size_t)s->channels;
    uint8_t *out = px_image_reserve(image, (int)s->height, (int)s->width, s->channels, 8);
    uint8_t *row = px_calloc((size_t)TIFFScanlineSize(tiff) + 1, 1);
    int status = (uint64_t)TIFFScanlineSize(tiff) < ((uint64_t)width * s->bits + 7) / 8
                     ? px_picture_bad(src->picture, "its rows have another size than their pixels take")
                     : 0;
    for (uint32_t y = 0; y < s->height && status == 0; y++) {
        status = TIFFReadScanline(tiff, row, y, 0) == 1 ? 0 : bad(src);
        for (size_t x = 0; x < width && status == 0; x++, out += channels) {
            size_t bit = x * s->bits;
            unsigned value = row[bit / 8] >> (8 - s->bits - bit % 8) & ((1u << s->bits) - 1);
            memcpy(out, rgb[value], channels);
        }
    }
    free(row);
    return status;
}

/* One strip or tile; libtiff gives its rows from the lowest one to the highest. */
static bool convert_piece(TIFF *tiff, px_image *image, const shape *s, const piece *t, uint32_t *raster)
{
    uint32_t rows = s->height - t->y < t->height ? s->height - t->y : t->height;
    uint32_t columns = s->width - t->x < t->width ? s->width - t->x : t->width;
    uint32_t given = t->tiled ? t->height : rows;
    if (!(t->tiled ? TIFFReadRGBATileExt(tiff, t->x, t->y, raster, 1) : TIFFReadRGBAStripExt(tiff, t->y, raster, 1)))
        return false;
    for (uint32_t y = 0; y < rows; y++) {
        const uint32_t *in = raster + (size_t)(given - 1 - y) * t->width;
        uint8_t *out = (uint8_t *)image->storage + ((size_t)(t->y + y) * s->width + t->x) * (size_t)s->channels;
        for (uint32_t x = 0; x < columns; x++, out += s->channels) {
            uint8_t rgb[] = {TIFFGetR(in[x]), TIFFGetG(in[x]), TIFFGetB(in[x])};
            memcpy(out, rgb, (size_t)s->channels);
        }
    }
    return true;
}

static int read_converted(const source *src, TIFF *tiff, px_image *image, const shape *s)
{
    piece t = {0};
    shape_pieces(tiff, s, &t);
    if (!t.tiled && s->samples == 1 && s->bits <= 8 && (s->channels == 1 || s->photometric == PHOTOMETRIC_PALETTE))
        return read_indexed(src, tiff, image, s);
    if (t.height < 1 || t.width < 1)
        return px_picture_bad(src->picture, "its strips or tiles are empty");
    if (t.tiled && (uint64_t)t.height * t.width > (uint64_t)PIECE_MAX / sizeof(uint32_t))
        return px_picture_bad(src->picture, "its tiles are larger than 256 MB"); /* as libtiff converts them */
    px_image_reserve(image, (int)s->height, (int)s->width, s->channels, 8);
    uint32_t *raster = px_realloc(NULL, (size_t)t.height * t.width * sizeof *raster);
    TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT); /* we turn it ourselves */
    int status = 0;
    for (t.y = 0; t.y < s->height && status == 0; t.y += t.height)
        for (t.x = 0; t.x < s->width && status == 0; t.x += t.width)
            status = convert_piece(tiff, image, s, &t, raster) ? 0 : bad(src);
    free(raster);
    return status;
}

static int decode(const px_picture *p, px_image *image, const px_image_about *a, px_image_want want)
{
    (void)a, (void)want;
    source src = {.picture = p};
    shape s = {0};
    TIFF *tiff = open_file(&src);
    if (!tiff)
        return -1;
    int status = read_shape(p, tiff, &s);
    if (status == 0)
        status = s.layout == DIRECT ? read_direct(&src, tiff, image, &s) : read_converted(&src, tiff, image, &s);
    TIFFClose(tiff);
    return status;
}

const px_image_format px_format_tiff = {.name = "TIFF", .is = is, .about = about, .decode = decode};
