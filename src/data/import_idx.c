/* import_idx.c - the IDX files of the MNIST family: 00 00 08 RANK, RANK big-endian sizes, then bytes.
 * Images have the axes (N, H, W) or (N, H, W, C), labels (N). */
#include "base/error.h"
#include "data/catalog.h"

#include <stdlib.h>
#include <string.h>

extern const px_importer px_importer_idx;

typedef struct header {
    int rank;
    int64_t dim[4], total; /* total: bytes of the whole file */
} header;

/* Reads the header. False if these are not the first bytes of an IDX file of unsigned bytes. */
static bool read_header(const px_entry *entry, header *h)
{
    const uint8_t *b = entry->bytes;
    if (entry->size < 8 || b[0] != 0 || b[1] != 0 || b[2] != 8 || (b[3] != 1 && b[3] != 3 && b[3] != 4))
        return false;
    h->rank = b[3];
    h->total = 1;
    for (int i = 0; i < 4; i++)
        h->dim[i] = 1;
    for (int i = 0; i < h->rank; i++) {
        const uint8_t *d = b + 4 + 4 * i;
        if ((size_t)(4 + 4 * i + 4) > entry->size)
            return false;
        h->dim[i] = (int64_t)d[0] << 24 | d[1] << 16 | d[2] << 8 | d[3];
        if (__builtin_mul_overflow(h->total, h->dim[i], &h->total))
            return false;
    }
    return !__builtin_add_overflow(h->total, 4 + 4 * h->rank, &h->total);
}

/* Recognizes the format by the file's name, or by a header that fits the file's size exactly. */
static bool claims(const px_entry *entry)
{
    header h;
    return strstr(px_base_name(entry->path), "-ubyte") != NULL ||
           (read_header(entry, &h) && (uint64_t)h.total == entry->size);
}

static int split_of(const char *path)
{
    const char *base = px_base_name(path);
    if (strstr(base, "t10k") || strstr(base, "test"))
        return PX_SPLIT_TEST;
    return strstr(base, "val") ? PX_SPLIT_VAL : PX_SPLIT_TRAIN;
}

static int list(px_catalog *c, const px_entry *entry)
{
    header h;
    char text[PX_ENTRY_NAME];
    const char *name = px_entry_name(entry->source, entry->path, text);
    if (!read_header(entry, &h)) {
        uint8_t b[4] = {0};
        memcpy(b, entry->bytes, entry->size < 4 ? entry->size : 4);
        return px_fail(
            PX_DATA,
            "%s: is not an IDX file: it begins with %02x%02x%02x%02x, not with 00000803 (images) or 00000801 "
            "(labels)",
            name, b[0], b[1], b[2], b[3]);
    }
    if ((uint64_t)h.total != entry->size)
        return px_fail(PX_DATA, "%s: %s: it has %zu bytes, but its header announces %lld", name,
                       (uint64_t)h.total > entry->size ? "is truncated" : "is too long", entry->size,
                       (long long)h.total);
    if (h.rank == 1) {
        px_catalog_side(c, entry, &px_importer_idx);
        return 0;
    }
    if (h.dim[0] < 1 || h.dim[1] < 1 || h.dim[2] < 1 || h.dim[1] > 65500 || h.dim[2] > 65500 ||
        (h.dim[3] != 1 && h.dim[3] != 3))
        return px_fail(PX_DATA, "%s: contains %lld images of %lld x %lld x %lld", name, (long long)h.dim[0],
                       (long long)h.dim[1], (long long)h.dim[2], (long long)h.dim[3]);
    px_block *b = px_catalog_block(c, entry, &px_importer_idx, split_of(entry->path), h.dim[0]);
    if (!b)
        return -1;
    b->height = (int)h.dim[1];
    b->width = (int)h.dim[2];
    b->channels = (int)h.dim[3];
    return 0;
}

/* The path without the part that distinguishes images from labels, so that it is the same for both files of a pair. A
 * new string. */
static char *pair_key(const char *path)
{
    static const char *const words[] = {"images", "labels", "idx1", "idx3", "idx4"};
    char *key = px_strdup(path), *base = key + (px_base_name(path) - path);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (char *at; (at = strstr(base, words[i]));)
            memmove(at, at + strlen(words[i]), strlen(at + strlen(words[i])) + 1);
    return key;
}

static bool is_pair(const px_block *b, const px_side *s)
{
    char *images = pair_key(b->path), *labels = pair_key(s->path);
    bool same = strcmp(images, labels) == 0;
    free(images);
    free(labels);
    return same;
}

static int take_labels(px_catalog *c, px_block *b, px_side *s)
{
    char images[PX_ENTRY_NAME], labels[PX_ENTRY_NAME];
    int64_t count = (int64_t)s->size - 8;
    if (s->used || b->labels)
        return px_fail(PX_DATA, "%s and %s: one of them occurs twice", px_block_name(c, b, images),
                       px_side_name(c, s, labels));
    if (count != b->count)
        return px_fail(PX_DATA, "%s: contains %lld labels for the %lld images of %s", px_side_name(c, s, labels),
                       (long long)count, (long long)b->count, px_block_name(c, b, images));
    b->labels = px_calloc((size_t)count, sizeof *b->labels);
    for (int64_t i = 0; i < count; i++)
        b->labels[i] = s->bytes[8 + i];
    s->used = true;
    return 0;
}

static int finish(px_catalog *c)
{
    char name[PX_ENTRY_NAME];
    int highest = -1;
    for (size_t k = 0; k < c->block_count; k++) {
        px_block *b = &c->blocks[k];
        for (size_t j = 0; j < c->side_count; j++)
            if (is_pair(b, &c->sides[j]) && take_labels(c, b, &c->sides[j]) != 0)
                return -1;
        if (!b->labels)
            px_log_warning(c->log, "%s: its label file is missing; the images get no labels",
                           px_block_name(c, b, name));
        for (int64_t i = 0; b->labels && i < b->count; i++)
            if (b->labels[i] > highest)
                highest = b->labels[i];
    }
    for (size_t j = 0; j < c->side_count; j++)
        if (!c->sides[j].used)
            return px_fail(PX_DATA, "%s: contains labels, but the images for them are missing (…images-idx3-ubyte)",
                           px_side_name(c, &c->sides[j], name));
    px_catalog_number_names(c, highest + 1);
    return 0;
}

static int unpack(const px_block *b, const uint8_t *bytes, int64_t first, int64_t count, uint8_t *pixels)
{
    size_t stride = (size_t)b->height * (size_t)b->width * (size_t)b->channels;
    size_t lead = (size_t)b->size - stride * (size_t)b->count;
    memcpy(pixels, bytes + lead + (size_t)first * stride, (size_t)count * stride);
    return 0;
}

const px_importer px_importer_idx = {.name = "IDX", .claims = claims, .list = list, .finish = finish, .unpack = unpack};
