/* catalog.c - the first walk of `pretext pack`: lists the images and decides each one's row and label. */
#include "data/catalog.h"

#include "base/error.h"
#include "data/labels.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* ---- splits and names -------------------------------------------------------------------------------------------- */

const char *px_split_name(const px_catalog *c, int split)
{
    return c->splits.name[split];
}

const char *px_block_name(const px_catalog *c, const px_block *b, char name[PX_ENTRY_NAME])
{
    return px_entry_name(c->sources[b->source], b->path, name);
}

const char *px_side_name(const px_catalog *c, const px_side *s, char name[PX_ENTRY_NAME])
{
    return px_entry_name(c->sources[s->source], s->path, name);
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

/* Makes room for one more element: arrays grow at every power of two. */
static void *grown(void *array, size_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? px_realloc(array, (count ? 2 * count : 1) * size) : array;
}

void px_catalog_leave_out(px_catalog *c, const char *path, int source)
{
    c->skipped = grown(c->skipped, c->skipped_count, sizeof *c->skipped);
    c->skipped[c->skipped_count++] = (px_folder){.path = px_strdup(path), .source = source};
}

bool px_entry_is_source(const char *source, const char *path)
{
    return strcmp(px_base_name(source), path) == 0;
}

/* Refuses an entry of another format where a file of a format that yields is itself a source. 0: there is none; or -1. */
static int refuse_named(const px_catalog *c, const px_entry *entry, const px_importer *format)
{
    char name[PX_ENTRY_NAME];
    const px_importer *of = c->format;
    const char *named = NULL;
    for (size_t k = 0; k < c->block_count && !named; k++)
        named = px_entry_is_source(c->sources[c->blocks[k].source], c->blocks[k].path) ? c->blocks[k].path : NULL;
    for (size_t k = 0; k < c->side_count && !named; k++) {
        const px_side *s = &c->sides[k];
        of = s->format;
        named = of->yields && px_entry_is_source(c->sources[s->source], s->path) ? s->path : NULL;
    }
    return named && of ? px_fail(PX_DATA, "%s: has the format %s, but %s is a file of %s; pack them separately",
                                 px_entry_name(entry->source, entry->path, name), format->name, named, of->name)
                       : 0;
}

/* Leaves the blocks out, which are of a format that yields. */
static void drop_yielding(px_catalog *c)
{
    for (size_t k = 0; k < c->block_count; k++) {
        px_block *b = &c->blocks[k];
        bool again =
            k + 1 < c->block_count && strcmp(b->path, c->blocks[k + 1].path) == 0; /* one file's second array */
        if (!again)
            px_catalog_leave_out(c, b->path, b->source);
        px_block_finish(b);
    }
    c->block_count = 0;
    c->format = NULL;
}

int px_catalog_yields(px_catalog *c, const px_entry *entry, const px_importer *format)
{
    char name[PX_ENTRY_NAME];
    if (!c->format || c->format == format)
        return 0;
    if (px_entry_is_source(entry->source, entry->path))
        return px_fail(PX_DATA, "%s: has the format %s, but the files before it have %s; pack them separately",
                       px_entry_name(entry->source, entry->path, name), format->name, c->format->name);
    px_catalog_leave_out(c, entry->path, c->source);
    return 1;
}

px_block *px_catalog_block(px_catalog *c, const px_entry *entry, const px_importer *format, int split, int64_t count)
{
    char name[PX_ENTRY_NAME];
    bool begins = !format->yields && (!c->format || c->format->yields);
    if (begins && refuse_named(c, entry, format) != 0)
        return NULL;
    if (c->format && c->format->yields && format != c->format)
        drop_yielding(c);
    if (c->format && c->format != format)
        return px_fail_null(PX_DATA, "%s: has the format %s, but the files before it have %s; pack them separately",
                            px_entry_name(entry->source, entry->path, name), format->name, c->format->name);
    c->format = format;
    c->blocks = grown(c->blocks, c->block_count, sizeof *c->blocks);
    px_block *b = &c->blocks[c->block_count++];
    *b = (px_block){
        .path = px_strdup(entry->path), .source = c->source, .split = c->splits.whole >= 0 ? c->splits.whole : split};
    b->label = -1;
    b->count = count;
    b->size = entry->size;
    return b;
}

void px_catalog_side(px_catalog *c, const px_entry *entry, const px_importer *format)
{
    c->sides = grown(c->sides, c->side_count, sizeof *c->sides);
    px_side *s = &c->sides[c->side_count++];
    *s = (px_side){.path = px_strdup(entry->path), .source = c->source, .format = format, .size = entry->size};
    s->bytes = px_calloc(entry->size + 1, 1); /* ends with a zero, since names are read as text */
    memcpy(s->bytes, entry->bytes, entry->size);
}

/* A class_names.txt among image files is not STL-10's: it is left out as other files are. */
static void drop_foreign_sides(px_catalog *c)
{
    size_t kept = 0;
    for (size_t k = 0; k < c->side_count; k++) {
        px_side *s = &c->sides[k];
        if (s->format == c->format) {
            c->sides[kept++] = *s;
            continue;
        }
        px_catalog_leave_out(c, s->path, s->source);
        free(s->path);
        free(s->bytes);
    }
    c->side_count = kept;
}

static px_folder *add_path(px_catalog *c, px_folder *list, size_t *count, const px_entry *entry)
{
    list = grown(list, *count, sizeof *list);
    list[(*count)++] = (px_folder){.path = px_strdup(entry->path), .source = c->source};
    return list;
}

/* Counts an entry that is left out, and keeps the name of the first. */
static void add_left_out(const px_entry *entry, int64_t *count, char **first)
{
    char name[PX_ENTRY_NAME];
    if ((*count)++ == 0)
        *first = px_strdup(px_entry_name(entry->source, entry->path, name));
}

static void say_bad(px_catalog *c, int which)
{
    px_log_progress_end(c->log);
    px_log_warning(c->log, "%s", c->bad[which]);
}

bool px_catalog_skips(const px_catalog *c)
{
    return c->options->bad == PX_BAD_SKIP;
}

void px_catalog_bad(px_catalog *c, const char *message)
{
    bool skips = px_catalog_skips(c);
    c->bad = px_grow(c->bad, c->bad_count, sizeof *c->bad);
    c->bad[c->bad_count++] = px_strdup(message);
    int first = skips || c->bad_count > PX_BAD_IN_ERROR + 1 ? c->bad_count - 1 : 0;
    for (int k = first; k < c->bad_count && (skips || c->bad_count > PX_BAD_IN_ERROR); k++)
        say_bad(c, k);
}

int px_catalog_refuse_bad(const px_catalog *c, int first)
{
    int count = c->bad_count - first;
    bool others = c->block_count > 0; /* that can be read, so that bad=skip helps */
    const char *source = c->sources[c->source < c->source_count ? c->source : 0];
    if (count == 1)
        return px_fail(PX_DATA, others ? "%s; bad=skip leaves it out" : "%s", c->bad[first]);
    if (px_catalog_skips(c) || c->bad_count > PX_BAD_IN_ERROR)
        return px_fail(PX_DATA, "%s: %d files cannot be read (named above)%s", source, count,
                       others ? "; bad=skip leaves them out" : "; nothing else is left to pack");
    char *all = px_strdup(c->bad[first]);
    for (int k = first + 1; k < c->bad_count; k++) {
        char *longer = px_format("%s; %s", all, c->bad[k]);
        free(all);
        all = longer;
    }
    if (others)
        px_fail(PX_DATA, "%s; bad=skip leaves these %d files out", all, count);
    else
        px_fail(PX_DATA, "%s; nothing else is left to pack", all);
    free(all);
    return -1;
}

static int visit(void *context, const px_entry *entry)
{
    px_catalog *c = context;
    if (entry->folder)
        c->folders = add_path(c, c->folders, &c->folder_count, entry);
    else if (entry->junk)
        add_left_out(entry, &c->junk, &c->first_junk);
    else if (entry->nowhere)
        add_left_out(entry, &c->lost, &c->first_lost);
    if (entry->folder || entry->junk || entry->nowhere)
        return 0;
    for (int f = 0; px_importers[f]; f++) {
        if (!px_importers[f]->claims(entry))
            continue;
        char name[PX_ENTRY_NAME];
        if (px_importers[f] != &px_importer_images && !entry->bad && px_labels_offer(c, entry))
            return 0; /* an option names it: class_names.txt is not only STL-10's */
        if (entry->bad && px_importers[f] != &px_importer_images)
            return px_fail(PX_DATA, "%s", entry->bad);
        if (entry->size == 0 && px_importers[f] != &px_importer_images)
            return px_fail(PX_DATA, "%s: is empty", px_entry_name(entry->source, entry->path, name));
        if (c->block_count % 100 == 99 && px_now() - c->start > PX_PACK_QUIET_SECONDS)
            px_log_progress(c->log, "looking through %s: %zu files", entry->source, c->block_count + 1);
        return px_importers[f]->list(c, entry);
    }
    if (entry->bad)
        px_catalog_bad(c, entry->bad);
    else if (!px_labels_offer(c, entry))
        c->skipped = add_path(c, c->skipped, &c->skipped_count, entry);
    return 0;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

static int by_row(const void *left, const void *right)
{
    const px_block *a = *(px_block *const *)left, *b = *(px_block *const *)right;
    if (a->split != b->split)
        return a->split - b->split;
    if (a->label != b->label)
        return a->label - b->label;
    if (a->source != b->source)
        return a->source - b->source;
    int order = strcmp(a->path, b->path);
    return order || !a->array || !b->array ? order : strcmp(a->array, b->array);
}

void px_block_finish(px_block *b)
{
    free(b->path);
    free(b->labels);
    free(b->file);
    free(b->array);
    free(b->why);
    px_h5_reader_destroy(b->reader);
    *b = (px_block){0};
}

/* Leaves the others in the order of the walk. */
static void drop_blocks(px_catalog *c)
{
    size_t kept = 0;
    for (size_t k = 0; k < c->block_count; k++) {
        px_block *b = &c->blocks[k];
        if (!b->bad && b->split != PX_SPLIT_LEFT_OUT) {
            c->blocks[kept++] = *b;
            continue;
        }
        px_block_finish(b);
    }
    c->block_count = kept;
}

static int divide(px_catalog *c)
{
    const px_splits *s = &c->splits;
    if (c->in_split[s->part[0]] == 0)
        return px_fail(PX_USAGE, "split: no image is in %s, which is to be divided", s->name[s->part[0]]);
    for (int p = 1; p < s->parts; p++)
        if (c->in_split[s->part[p]] > 0)
            return px_fail(PX_USAGE, "split: there is a split %s already, so %s cannot be divided into it",
                           s->name[s->part[p]], s->name[s->part[0]]);
    int32_t *labels = px_calloc((size_t)c->count, sizeof *labels);
    free(c->split_of_row);
    c->split_of_row = px_calloc((size_t)c->count, 1);
    for (size_t k = 0; k < c->block_count; k++) {
        const px_block *b = &c->blocks[k];
        for (int64_t i = 0; i < b->count; i++) {
            labels[b->row + i] = px_block_label(b, i);
            c->split_of_row[b->row + i] = (uint8_t)b->split;
        }
    }
    px_splits_divide(s, c->options->seed, c->count, c->classes, labels, c->split_of_row);
    memset(c->in_split, 0, sizeof c->in_split);
    for (int64_t i = 0; i < c->count; i++)
        c->in_split[c->split_of_row[i]]++;
    free(labels);
    return 0;
}

int px_catalog_number(px_catalog *c)
{
    drop_blocks(c);
    c->count = 0;
    c->encoded_size = 0;
    memset(c->in_split, 0, sizeof c->in_split);
    if (c->block_count == 0 && c->bad_count > 0)
        return px_catalog_refuse_bad(c, 0);
    if (c->block_count == 0)
        return px_fail(PX_DATA, "%s: all images are left out", c->sources[0]);

    char name[PX_ENTRY_NAME];
    px_block **sorted = px_calloc(c->block_count + 1, sizeof *sorted);
    for (size_t k = 0; k < c->block_count; k++)
        sorted[k] = &c->blocks[k];
    qsort(sorted, c->block_count, sizeof *sorted, by_row);
    int status = 0;
    for (size_t k = 0; k < c->block_count && status == 0; k++) {
        px_block *b = sorted[k];
        if (k > 0 && by_row(&sorted[k - 1], &sorted[k]) == 0)
            status = px_fail(PX_DATA, "%s: occurs twice", px_block_name(c, b, name));
        b->row = c->count;
        b->offset = c->encoded_size;
        c->count += b->count;
        c->encoded_size += b->size;
        c->in_split[b->split] += b->count;
    }
    free(sorted);
    if (status == 0 && c->splits.parts > 0)
        status = divide(c);
    return status;
}

static int walk_sources(px_catalog *c)
{
    for (c->source = 0; c->source < c->source_count; c->source++) {
        size_t before = c->block_count + c->side_count;
        size_t skipped = c->skipped_count;
        int bad = c->bad_count;
        const char *source = c->sources[c->source];
        if (px_source_walk(source, visit, c) != 0)
            return -1;
        if (c->block_count + c->side_count > before)
            continue;
        if (c->bad_count > bad)
            return px_catalog_refuse_bad(c, bad);
        const char *kind = c->skipped_count > skipped ? px_name_other_picture(c->skipped[skipped].path) : NULL;
        if (kind)
            return px_fail(PX_DATA, "%s: %s is a %s picture, which is not read; convert it to PNG or JPEG", source,
                           c->skipped[skipped].path, kind);
        if (c->skipped_count > skipped)
            return px_fail(PX_DATA,
                           "%s: contains nothing to pack; image files, IDX, CIFAR and STL-10 binary files, NumPy's "
                           "arrays, and HDF5 (not in archives) are supported",
                           source);
        if (c->lost > 0)
            return px_fail(PX_DATA,
                           "%s: contains no images, but %lld links that lead out of it, to nothing or in a circle; "
                           "the first one is %s",
                           source, (long long)c->lost, c->first_lost);
        return px_fail(PX_DATA, "%s: contains no images", source);
    }
    return 0;
}

static void say_skipped(const px_catalog *c)
{
    char name[PX_ENTRY_NAME];
    if (c->lost > 0)
        px_log_warning(c->log,
                       "%lld links that lead out of their archive, to nothing or in a circle are left out; the first "
                       "one is %s",
                       (long long)c->lost, c->first_lost);
    if (c->skipped_count > 0)
        px_log_warning(c->log, "%zu other files are left out; the first one is %s", c->skipped_count,
                       px_entry_name(c->sources[c->skipped[0].source], c->skipped[0].path, name));
}

int px_catalog_make(px_catalog *c, const char *const *sources, int count, const px_pack_options *options, px_log *log)
{
    c->sources = sources;
    c->source_count = count;
    c->options = options;
    c->log = log;
    c->start = px_now();
    if (px_splits_read(&c->splits, options->split) != 0 || walk_sources(c) != 0)
        return -1;
    if (c->block_count == 0)
        return px_fail(PX_DATA, "%s: contains no images", sources[0]);
    drop_foreign_sides(c);
    if (c->splits.maps > 0 && c->format != &px_importer_images)
        return px_fail(PX_USAGE, "split: %s has the format %s, which has no folder %s", sources[0], c->format->name,
                       c->splits.map[0].folder);
    if (options->labels && options->labels[0] && c->format != &px_importer_images)
        return px_fail(PX_USAGE, "labels: %s has the format %s, which has its own labels", sources[0], c->format->name);
    if (c->format->finish(c) != 0 || px_catalog_rename_classes(c) != 0)
        return -1;
    say_skipped(c);
    int status = px_catalog_number(c);
    bool refused = c->bad_count > 0 && !px_catalog_skips(c); /* with a message about bad files */
    return status == 0 && !refused ? px_catalog_check_classes(c) : status;
}

static void free_paths(px_folder *list, size_t count)
{
    for (size_t k = 0; k < count; k++)
        free(list[k].path);
    free(list);
}

void px_catalog_free(px_catalog *c)
{
    tdestroy(c->class_index, free);
    px_catalog_drop_names(c);
    for (size_t k = 0; k < c->block_count; k++)
        px_block_finish(&c->blocks[k]);
    for (size_t k = 0; k < c->side_count; k++) {
        free(c->sides[k].path);
        free(c->sides[k].bytes);
    }
    for (int k = 0; k < c->text_count; k++) {
        free(c->texts[k].path);
        free(c->texts[k].bytes);
    }
    free(c->texts);
    free_paths(c->folders, c->folder_count);
    free_paths(c->skipped, c->skipped_count);
    for (int k = 0; k < c->bad_count; k++)
        free(c->bad[k]);
    for (int k = 0; k < PX_SPLITS; k++)
        free(c->found[k].first);
    px_splits_finish(&c->splits);
    free(c->split_of_row);
    free(c->blocks);
    free(c->sides);
    free(c->bad);
    free(c->first_junk);
    free(c->first_lost);
    *c = (px_catalog){0};
}
