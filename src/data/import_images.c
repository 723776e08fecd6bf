/* import_images.c - folders of image files (image.h); layout.c understands the folders. */
#include "base/error.h"
#include "data/catalog.h"
#include "data/image.h"
#include "data/labels.h"
#include "data/layout.h"
#include "data/names.h"

#include <stdlib.h>
#include <string.h>

static bool claims(const px_entry *entry)
{
    return px_name_is_picture(px_base_name(entry->path)) || px_image_is(entry->bytes, entry->size);
}

static int list(px_catalog *c, const px_entry *entry)
{
    char name[PX_ENTRY_NAME];
    px_image_about about = {0};
    px_block *b = px_catalog_block(c, entry, &px_importer_images, PX_SPLIT_TRAIN, 1);
    if (!b)
        return -1;
    px_entry_name(entry->source, entry->path, name);
    if (entry->bad)
        b->bad = true;
    else if (entry->size == 0)
        b->bad = px_fail(PX_DATA, "%s: is empty", name) != 0;
    else
        b->bad = px_image_probe(entry->bytes, entry->size, &about, name) != 0;
    if (b->bad) {
        px_catalog_bad(c, entry->bad ? entry->bad : px_error());
        return 0;
    }
    bool turned = about.orientation > 1 && px_pack_turns(c->options);
    bool lying = turned && about.orientation >= 5;
    b->height = lying ? about.width : about.height;
    b->width = lying ? about.height : about.width;
    b->channels = about.channels;
    b->bits = about.bits;
    b->oriented = about.orientation > 1;
    return 0;
}

/* Pictures in formats that are not read are bad files; in other data sets they are left out. */
static void take_other_pictures(px_catalog *c)
{
    char name[PX_ENTRY_NAME];
    size_t kept = 0;
    for (size_t k = 0; k < c->skipped_count; k++) {
        px_folder *file = &c->skipped[k];
        const char *kind = px_name_other_picture(px_base_name(file->path));
        if (!kind) {
            c->skipped[kept++] = *file;
            continue;
        }
        c->source = file->source;
        px_entry entry = {.source = c->sources[file->source], .path = file->path};
        px_block *b = px_catalog_block(c, &entry, &px_importer_images, PX_SPLIT_TRAIN, 1);
        b->bad = true;
        px_fail(PX_DATA, "%s: is a %s picture, which is not read; convert it to PNG, JPEG or TIFF",
                px_entry_name(entry.source, entry.path, name), kind);
        px_catalog_bad(c, px_error());
        free(file->path);
    }
    c->skipped_count = kept;
}

static int finish(px_catalog *c)
{
    take_other_pictures(c);
    bool labels;
    if (px_layout_understand(c) != 0 || px_labels_apply(c, &labels) != 0)
        return -1;
    px_layout_sort_classes(c, labels);
    return 0;
}

const px_importer px_importer_images = {.name = "image files", .claims = claims, .list = list, .finish = finish};
