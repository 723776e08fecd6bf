/* image_webp.c - WebP, by libwebp: of an animation the first frame. */
#include "base/error.h"
#include "data/image_private.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

/* A lossless file holds a large picture of one colour in a few bytes, so that sizes alone show nothing. */
enum { FREE_PIXELS = 64 << 20, PIXELS_PER_BYTE = 65536 };

static bool is(const uint8_t *bytes, size_t size)
{
    return size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

static const char *why(VP8StatusCode status)
{
    static const char *const texts[] = {"",
                                        "out of memory",
                                        "a parameter is invalid",
                                        "its data are damaged",
                                        "it uses a feature that is not supported",
                                        "it was suspended",
                                        "it was ended",
                                        "it ends too early"};
    return (size_t)status < sizeof texts / sizeof *texts ? texts[status] : "unknown error";
}

static int orientation(const px_picture *p)
{
    int found = 1;
    WebPData data = {p->bytes, p->size};
    WebPChunkIterator chunk;
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (demuxer && WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
        found = px_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demuxer);
    return found;
}

static int about(const px_picture *p, px_image *scratch, px_image_about *a)
{
    (void)scratch;
    WebPBitstreamFeatures features;
    VP8StatusCode status = WebPGetFeatures(p->bytes, p->size, &features);
    if (status != VP8_STATUS_OK)
        return px_picture_bad(p, why(status));
    a->height = features.height;
    a->width = features.width;
    a->channels = 3;
    a->kind = features.has_animation;
    if (px_picture_check(p, a->height, a->width, FREE_PIXELS, PIXELS_PER_BYTE) != 0)
        return -1;
    a->orientation = orientation(p);
    return 0;
}

/* The first frame on its canvas. */
static int decode_animation(const px_picture *p, px_image *image)
{
    WebPData data = {p->bytes, p->size};
    WebPAnimDecoderOptions options;
    WebPAnimDecoderOptionsInit(&options);
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    uint8_t *frame = NULL;
    int time, status = 0;
    if (!decoder || !WebPAnimDecoderGetNext(decoder, &frame, &time)) {
        status = px_picture_bad(p, "its first frame is damaged");
    } else {
        uint8_t *out = image->storage;
        for (size_t i = 0; i < (size_t)image->height * (size_t)image->width; i++)
            memcpy(out + 3 * i, frame + 4 * i, 3);
    }
    WebPAnimDecoderDelete(decoder);
    return status;
}

static int decode(const px_picture *p, px_image *image, const px_image_about *a, px_image_want want)
{
    (void)want;
    size_t size = (size_t)a->height * (size_t)a->width * 3;
    uint8_t *pixels = px_image_reserve(image, a->height, a->width, 3, 8);
    if (a->kind)
        return decode_animation(p, image);
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return px_fail(PX_FAIL, "libwebp is of another version than its headers");
    config.output = (WebPDecBuffer){.colorspace = MODE_RGB, .is_external_memory = 1};
    config.output.u.RGBA = (WebPRGBABuffer){.rgba = pixels, .stride = 3 * a->width, .size = size};
    VP8StatusCode status = WebPDecode(p->bytes, p->size, &config);
    WebPFreeDecBuffer(&config.output);
    return status == VP8_STATUS_OK ? 0 : px_picture_bad(p, why(status));
}

const px_image_format px_format_webp = {.name = "WebP", .is = is, .about = about, .decode = decode};
