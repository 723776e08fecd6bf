/* import_stl10.c - the binary version of STL-10: X.bin contains 96 x 96 images, planar and column by column; y.bin one
 * byte per image, 1 to 10. The unlabeled split has no y. */
#include "base/error.h"
#include "data/catalog.h"

#include <string.h>

extern const px_importer px_importer_stl10;

enum { SIDE = 96, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE, CLASSES = 10 };

static const struct part {
    const char *images, *labels;
    int split;
} parts[] = {{"train_X.bin", "train_y.bin", PX_SPLIT_TRAIN},
             {"test_X.bin", "test_y.bin", PX_SPLIT_TEST},
             {"unlabeled_X.bin", NULL, PX_SPLIT_UNLABELED}};
enum { PARTS = sizeof parts / sizeof *parts };

static const struct part *part_of(const char *path)
{
    const char *base = px_base_name(path);
    for (int i = 0; i < PARTS; i++)
        if (strcmp(base, parts[i].images) == 0 || (parts[i].labels && strcmp(base, parts[i].labels) == 0))
            return &parts[i];
    return NULL;
}

static bool is_names(const char *path)
{
    return strcmp(px_base_name(path), "class_names.txt") == 0;
}

static bool claims(const px_entry *entry)
{
    return part_of(entry->path) != NULL || is_names(entry->path);
}

static int list(px_catalog *c, const px_entry *entry)
{
    char name[PX_ENTRY_NAME];
    const struct part *part = part_of(entry->path);
    if (!part || strcmp(px_base_name(entry->path), part->images) != 0) {
        px_catalog_side(c, entry, &px_importer_stl10);
        return 0;
    }
    if (entry->size % PIXELS != 0)
        return px_fail(
            PX_DATA,
            "%s: is truncated or does not have the format STL-10: %zu bytes are not a multiple of an image's %d",
            px_entry_name(entry->source, entry->path, name), entry->size, PIXELS);
    px_block *b = px_catalog_block(c, entry, &px_importer_stl10, part->split, (int64_t)(entry->size / PIXELS));
    if (!b)
        return -1;
    b->height = b->width = SIDE;
    b->channels = 3;
    return 0;
}

static int take_labels(px_catalog *c, px_block *b, px_side *s)
{
    char images[PX_ENTRY_NAME], labels[PX_ENTRY_NAME];
    if (s->used || b->labels)
        return px_fail(PX_DATA, "%s and %s: one of them occurs twice", px_block_name(c, b, images),
                       px_side_name(c, s, labels));
    if ((int64_t)s->size != b->count)
        return px_fail(PX_DATA, "%s: contains %zu labels for the %lld images of %s", px_side_name(c, s, labels),
                       s->size, (long long)b->count, px_block_name(c, b, images));
    b->labels = px_calloc(s->size, sizeof *b->labels);
    for (size_t i = 0; i < s->size; i++) {
        b->labels[i] = s->bytes[i] - 1;
        if (b->labels[i] < 0 || b->labels[i] >= CLASSES)
            return px_fail(PX_DATA, "%s: label %d of image %zu is not in 1..%d", px_side_name(c, s, labels),
                           s->bytes[i], i, CLASSES);
    }
    s->used = true;
    return 0;
}

static int finish(px_catalog *c)
{
    char name[PX_ENTRY_NAME];
    bool labels = false;
    for (size_t k = 0; k < c->block_count; k++)
        labels = labels || part_of(c->blocks[k].path)->labels;
    if (labels) /* unlabeled_X.bin alone has no classes */
        px_catalog_number_names(c, CLASSES);
    for (size_t k = 0; k < c->block_count; k++) {
        px_block *b = &c->blocks[k];
        const struct part *part = part_of(b->path);
        for (size_t j = 0; j < c->side_count; j++)
            if (part_of(c->sides[j].path) == part && take_labels(c, b, &c->sides[j]) != 0)
                return -1;
        if (part->labels && !b->labels)
            return px_fail(PX_DATA, "%s: its labels are missing (%s)", px_block_name(c, b, name), part->labels);
    }
    for (size_t j = 0; j < c->side_count; j++) {
        px_side *s = &c->sides[j];
        if (is_names(s->path) && px_catalog_names(c, s, CLASSES) != 0)
            return -1;
        if (!s->used)
            return px_fail(PX_DATA, "%s: contains labels, but the images for them are missing (%s)",
                           px_side_name(c, s, name), part_of(s->path)->images);
    }
    return 0;
}

static int unpack(const px_block *b, const uint8_t *bytes, int64_t first, int64_t count, uint8_t *pixels)
{
    (void)b;
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *in = bytes + (size_t)(first + i) * PIXELS;
        uint8_t *out = pixels + (size_t)i * PIXELS;
        for (size_t y = 0; y < SIDE; y++)
            for (size_t x = 0; x < SIDE; x++)
                for (size_t ch = 0; ch < 3; ch++)
                    out[(y * SIDE + x) * 3 + ch] = in[ch * PLANE + x * SIDE + y];
    }
    return 0;
}

const px_importer px_importer_stl10 = {
    .name = "STL-10", .claims = claims, .list = list, .finish = finish, .unpack = unpack};
