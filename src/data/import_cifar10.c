/* import_cifar10.c - the binary version of CIFAR-10 and CIFAR-100. A record is one label (10), or a coarse and a fine one
 * (100), and then 32 x 32 pixels, planar: all red, all green, all blue. */
#include "base/error.h"
#include "data/catalog.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

extern const px_importer px_importer_cifar10, px_importer_cifar100;

enum { SIDE = 32, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE };

/* data_batch_1.bin to data_batch_5.bin; people who cut it up make more. */
static bool is_batch(const char *base)
{
    return fnmatch("data_batch_[0-9].bin", base, 0) == 0 || fnmatch("data_batch_[0-9][0-9].bin", base, 0) == 0;
}

static bool claims10(const px_entry *entry)
{
    const char *base = px_base_name(entry->path);
    return is_batch(base) || strcmp(base, "test_batch.bin") == 0 || strcmp(base, "batches.meta.txt") == 0;
}

static bool claims100(const px_entry *entry)
{
    const char *base = px_base_name(entry->path);
    return strcmp(base, "train.bin") == 0 || strcmp(base, "test.bin") == 0 || strcmp(base, "fine_label_names.txt") == 0;
}

/* Adds a file of records, each of which begins with `lead` label bytes; the last of these is used. */
static int list_records(px_catalog *c, const px_entry *entry, const px_importer *format, size_t lead, int classes)
{
    char text[PX_ENTRY_NAME];
    const char *name = px_entry_name(entry->source, entry->path, text);
    size_t record = lead + PIXELS, count = entry->size / record;
    if (entry->size % record != 0)
        return px_fail(
            PX_DATA, "%s: is truncated or does not have the format %s: %zu bytes are not a multiple of a record's %zu",
            name, format->name, entry->size, record);
    bool test = strncmp(px_base_name(entry->path), "test", 4) == 0;
    px_block *b = px_catalog_block(c, entry, format, test ? PX_SPLIT_TEST : PX_SPLIT_TRAIN, (int64_t)count);
    if (!b)
        return -1;
    b->height = b->width = SIDE;
    b->channels = 3;
    b->labels = px_calloc(count, sizeof *b->labels);
    for (size_t i = 0; i < count; i++) {
        b->labels[i] = entry->bytes[i * record + lead - 1];
        if (b->labels[i] >= classes)
            return px_fail(PX_DATA, "%s: label %d of image %zu is not in 0..%d; does the file have the format %s?",
                           name, b->labels[i], i, classes - 1, format->name);
    }
    return 0;
}

static bool is_text(const px_entry *entry)
{
    return strstr(px_base_name(entry->path), ".txt") != NULL;
}

static int list10(px_catalog *c, const px_entry *entry)
{
    if (is_text(entry)) {
        px_catalog_side(c, entry, &px_importer_cifar10);
        return 0;
    }
    return list_records(c, entry, &px_importer_cifar10, 1, 10);
}

static int list100(px_catalog *c, const px_entry *entry)
{
    if (is_text(entry)) {
        px_catalog_side(c, entry, &px_importer_cifar100);
        return 0;
    }
    return list_records(c, entry, &px_importer_cifar100, 2, 100);
}

static int finish_names(px_catalog *c, int classes)
{
    px_catalog_number_names(c, classes);
    return c->side_count > 0 ? px_catalog_names(c, &c->sides[0], classes) : 0;
}

static int finish10(px_catalog *c)
{
    return finish_names(c, 10);
}

static int finish100(px_catalog *c)
{
    return finish_names(c, 100);
}

static int unpack(const px_block *b, const uint8_t *bytes, int64_t first, int64_t count, uint8_t *pixels)
{
    size_t record = (size_t)(b->size / (uint64_t)b->count), lead = record - PIXELS;
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *planes = bytes + (size_t)(first + i) * record + lead;
        uint8_t *out = pixels + (size_t)i * PIXELS;
        for (size_t k = 0; k < PLANE; k++)
            for (size_t ch = 0; ch < 3; ch++)
                out[3 * k + ch] = planes[ch * PLANE + k];
    }
    return 0;
}

const px_importer px_importer_cifar10 = {
    .name = "CIFAR-10", .claims = claims10, .list = list10, .finish = finish10, .unpack = unpack};
const px_importer px_importer_cifar100 = {
    .name = "CIFAR-100", .claims = claims100, .list = list100, .finish = finish100, .unpack = unpack};
