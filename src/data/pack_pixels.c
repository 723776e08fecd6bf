/* pack_pixels.c - from entries to rows. Image files are gathered into batches, which OpenMP threads decode. A batch is
 * then written in as few pieces as its order allows (one if the source is sorted). */
#include "data/pack_pixels.h"

#include "base/error.h"
#include "data/image.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 512, BATCH_BYTES = 64 << 20, PART_BYTES = 16 << 20 };

typedef struct packer {
    px_catalog *catalog;
    px_pack_file *file;  /* NULL: images are only decoded */
    px_pack_shape shape; /* the file's */
    px_image_want want;
    bool found_bad; /* from then on nothing is written */
    int sums_split;
    px_pack_sums *sums;
    size_t next;     /* the block that the walk meets next */
    int64_t written; /* images */
    double start;
    /* The batch of image files: */
    px_block *block[BATCH];
    char *why[BATCH];     /* the message of an image that cannot be decoded, else NULL */
    size_t at[BATCH + 1]; /* image i is bytes[at[i] : at[i+1]] */
    int count;
    uint8_t *bytes;
    size_t capacity;
    uint8_t *pixels;  /* raw: (BATCH, height, width, channels) */
    px_image *images; /* one per thread */
    int threads;
} packer;

static void add_channel_sums(px_pack_sums *s, const uint8_t *pixels, int channels, size_t count)
{
    for (int c = 0; c < channels; c++) {
        uint32_t sum = 0, square = 0; /* 65536 squares of a byte fit */
        for (size_t i = 0; i < count; i++) {
            uint32_t v = pixels[i * (size_t)channels + (size_t)c];
            sum += v;
            square += v * v;
        }
        s->sum[c] += sum;
        s->square[c] += square;
    }
}

static void add_wide_sums(px_pack_sums *s, const uint16_t *pixels, int channels, size_t count)
{
    for (int c = 0; c < channels; c++) {
        uint64_t sum = 0, square = 0;
        for (size_t i = 0; i < count; i++) {
            uint64_t v = pixels[i * (size_t)channels + (size_t)c];
            sum += v;
            square += v * v;
        }
        s->sum[c] += sum;
        s->square[c] += square;
    }
}

static void add_sums(px_pack_sums *s, const px_pack_shape *shape, const void *pixels, size_t count)
{
    const size_t part = 1 << 16, channels = (size_t)shape->channels;
    for (size_t first = 0; first < count; first += part) {
        size_t some = count - first < part ? count - first : part;
        if (shape->bits == 16)
            add_wide_sums(s, (const uint16_t *)pixels + first * channels, shape->channels, some);
        else
            add_channel_sums(s, (const uint8_t *)pixels + first * channels, shape->channels, some);
    }
    s->pixels += count;
}

/* Bytes of an image in the file. */
static size_t stride_of(const px_pack_shape *s)
{
    return (size_t)s->height * (size_t)s->width * (size_t)s->channels * px_value_bytes(s->bits);
}

/* Whether image `i` of the block counts in the statistics. */
static bool counts(const packer *p, const px_block *b, int64_t i)
{
    const uint8_t *of = p->catalog->split_of_row;
    return p->sums_split < 0 || (of ? of[b->row + i] : b->split) == p->sums_split;
}

static void show_progress(packer *p, int64_t images)
{
    char left[32];
    p->written += images;
    double seconds = px_now() - p->start, rate = (double)p->written / seconds;
    if (seconds < PX_PACK_QUIET_SECONDS)
        return;
    px_catalog_tell(p->catalog);
    px_log_progress(p->catalog->log, "packed %lld of %lld images  %.0f images/s  %s left", (long long)p->written,
                    (long long)p->catalog->count, rate,
                    px_duration((double)(p->catalog->count - p->written) / rate, left));
}

/* ---- files of many images ---------------------------------------------------------------------------------------- */

static int write_unpacked(packer *p, const px_block *b, const uint8_t *bytes)
{
    int channels = p->shape.channels, most = b->channels > channels ? b->channels : channels;
    size_t area = (size_t)b->height * (size_t)b->width, value = px_value_bytes(b->bits), stride = stride_of(&p->shape);
    int64_t part = PART_BYTES / (int64_t)(area * (size_t)most * value);
    part = part < 1 ? 1 : part > b->count ? b->count : part;
    uint8_t *own = px_realloc(NULL, (size_t)part * area * (size_t)b->channels * value);
    uint8_t *wanted = px_realloc(NULL, (size_t)part * stride);
    int status = 0;
    for (int64_t first = 0; first < b->count && status == 0; first += part) {
        int64_t count = b->count - first < part ? b->count - first : part;
        status = p->catalog->format->unpack(b, bytes, first, count, own);
        if (status == 0 && b->channels == channels)
            memcpy(wanted, own, (size_t)count * stride);
        else if (status == 0)
            px_pixels_convert(own, b->channels, wanted, channels, (size_t)count * area);
        for (int64_t i = 0; i < count && status == 0; i++)
            if (counts(p, b, first + i))
                add_sums(p->sums, &p->shape, wanted + (size_t)i * stride, area);
        if (status == 0)
            status = px_pack_file_write(p->file, b->row + first, count, wanted);
        show_progress(p, count);
    }
    free(own);
    free(wanted);
    return status;
}

/* ---- image files ------------------------------------------------------------------------------------------------- */

/* Decodes image i of the batch into this thread's image and, for raw storage, to its place in the batch. */
static int decode_one(packer *p, int i, px_image *image, px_pack_sums *sums)
{
    const px_pack_shape *shape = &p->shape;
    const px_block *b = p->block[i];
    char name[PX_ENTRY_NAME];
    if (px_image_decode(image, p->bytes + p->at[i], p->at[i + 1] - p->at[i], p->want,
                        px_block_name(p->catalog, b, name)) != 0)
        return -1;
    size_t area = (size_t)image->height * (size_t)image->width, size = stride_of(shape);
    if (image->height != b->height || image->width != b->width)
        return px_fail(PX_DATA, "%s: changed while it was being packed", name);
    if (p->pixels)
        memcpy(p->pixels + (size_t)i * size, image->pixels, size);
    if (p->file && counts(p, b, 0))
        add_sums(sums, shape, image->pixels, area);
    return 0;
}

/* Decodes all images of the batch; why[i] becomes the message of one that cannot be. */
static void decode_all(packer *p)
{
#pragma omp parallel num_threads(p->threads)
    {
        px_pack_sums sums = {0};
#pragma omp for schedule(dynamic, 4)
        for (int i = 0; i < p->count; i++)
            p->why[i] = decode_one(p, i, &p->images[omp_get_thread_num()], &sums) == 0 ? NULL : px_strdup(px_error());
#pragma omp critical
        {
            p->sums->pixels += sums.pixels;
            for (int c = 0; c < p->shape.channels; c++) {
                p->sums->sum[c] += sums.sum[c];
                p->sums->square[c] += sums.square[c];
            }
        }
    }
}

static void decode_batch(packer *p)
{
    decode_all(p);
    for (int i = 0; i < p->count; i++) {
        if (!p->why[i])
            continue;
        px_catalog_bad(p->catalog, p->why[i]);
        free(p->why[i]);
        p->block[i]->bad = p->found_bad = true;
    }
}

/* Writes images first..last-1 of the batch, which are also neighbours in the data set. */
static int write_run(packer *p, int first, int last)
{
    const px_pack_shape *s = &p->shape;
    const px_block *b = p->block[first];
    if (s->height == 0)
        return px_pack_file_write(p->file, (int64_t)b->offset, (int64_t)(p->at[last] - p->at[first]),
                                  p->bytes + p->at[first]);
    return px_pack_file_write(p->file, b->row, last - first, p->pixels + (size_t)first * stride_of(s));
}

static int flush(packer *p)
{
    if (p->count == 0)
        return 0;
    decode_batch(p);
    for (int first = 0, last; first < p->count && p->file && !p->found_bad; first = last) {
        for (last = first + 1; last < p->count && p->block[last]->row == p->block[last - 1]->row + 1; last++)
            ;
        if (write_run(p, first, last) != 0)
            return -1;
    }
    show_progress(p, p->count);
    p->count = 0;
    return 0;
}

static int gather(packer *p, px_block *b, const px_entry *entry)
{
    if (p->count == BATCH || (p->count > 0 && p->at[p->count] + entry->size > BATCH_BYTES))
        if (flush(p) != 0)
            return -1;
    size_t start = p->at[p->count], end = start + entry->size;
    if (end > p->capacity) {
        p->capacity = end > BATCH_BYTES ? end : 2 * end;
        p->bytes = px_realloc(p->bytes, p->capacity);
    }
    memcpy(p->bytes + start, entry->bytes, entry->size);
    p->block[p->count++] = b;
    p->at[p->count] = end;
    return 0;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

typedef struct visitor {
    packer *packer;
    int source;
} visitor;

static int visit(void *context, const px_entry *entry)
{
    visitor *v = context;
    packer *p = v->packer;
    px_catalog *c = p->catalog;
    px_block *b = p->next < c->block_count ? &c->blocks[p->next] : NULL;
    if (entry->folder || entry->junk || entry->nowhere || entry->bad || !b || b->source != v->source ||
        strcmp(b->path, entry->path) != 0)
        return 0; /* the first walk did not list it */
    char name[PX_ENTRY_NAME];
    int status = 0;
    if (b->size != entry->size)
        return px_fail(PX_DATA, "%s: changed while it was being packed", px_block_name(c, b, name));
    do /* an HDF5 file can have several arrays of images */
        status = c->format->unpack ? write_unpacked(p, b, entry->bytes) : gather(p, b, entry);
    while (++p->next < c->block_count && status == 0 && c->format->unpack && strcmp((++b)->path, entry->path) == 0 &&
           b->source == v->source);
    return status;
}

static int walk(packer *p)
{
    const px_catalog *c = p->catalog;
    char name[PX_ENTRY_NAME];
    for (int s = 0; s < c->source_count; s++) {
        visitor v = {p, s};
        if (px_source_walk(c->sources[s], visit, &v) != 0)
            return -1;
    }
    if (p->next < c->block_count)
        return px_fail(PX_DATA, "%s: vanished while it was being packed", px_block_name(c, &c->blocks[p->next], name));
    return flush(p);
}

static int pack_pixels(packer *p)
{
    const px_pack_shape *s = &p->shape;
    p->start = px_now();
    p->threads = omp_get_max_threads();
    p->images = px_calloc((size_t)p->threads, sizeof *p->images);
    if (p->file && s->height && !p->catalog->format->unpack)
        p->pixels = px_realloc(NULL, (size_t)BATCH * stride_of(s));
    *p->sums = (px_pack_sums){0};
    int status = walk(p);
    px_log_progress_end(p->catalog->log);
    for (int i = 0; i < p->threads; i++)
        px_image_finish(&p->images[i]);
    free(p->images);
    free(p->pixels);
    free(p->bytes);
    return status;
}

int px_pack_pixels(px_catalog *catalog, px_pack_file *file, int sums_split, px_pack_sums *sums)
{
    packer *p = px_calloc(1, sizeof *p);
    *p = (packer){.catalog = catalog,
                  .file = file,
                  .shape = file->shape,
                  .want = {.channels = file->shape.channels,
                           .bits = file->shape.bits,
                           .unturned = !px_pack_turns(catalog->options)},
                  .sums_split = sums_split,
                  .sums = sums};
    int status = pack_pixels(p);
    free(p);
    return status;
}

int px_pack_check(px_catalog *catalog)
{
    px_pack_sums sums;
    packer *p = px_calloc(1, sizeof *p);
    *p = (packer){.catalog = catalog,
                  .shape = {.channels = 1, .bits = 8},
                  .want = {.unturned = !px_pack_turns(catalog->options)},
                  .sums_split = -1,
                  .sums = &sums};
    int status = catalog->format->unpack ? 0 : pack_pixels(p);
    free(p);
    return status;
}
