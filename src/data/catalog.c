/* catalog.c - the first walk of `pretext pack`: lists the images and decides each one's row and label. */
#include "data/catalog.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static const px_importer *const formats[] = {&px_importer_idx, &px_importer_cifar10, &px_importer_cifar100,
                                             &px_importer_stl10, &px_importer_images};

/* ---- splits and names -------------------------------------------------------------------------------------------- */

static const char *const split_names[] = {"train", "val", "test", "unlabeled"};

const char *px_split_name(const px_pack_options *options, int split)
{
    return split == PX_SPLIT_NAMED ? options->split : split_names[split];
}

int px_split_of_name(const char *name, size_t length)
{
    static const struct {
        const char *name;
        int split;
    } words[] = {{"train", PX_SPLIT_TRAIN},    {"val", PX_SPLIT_VAL},   {"valid", PX_SPLIT_VAL},
                 {"validation", PX_SPLIT_VAL}, {"test", PX_SPLIT_TEST}, {"unlabeled", PX_SPLIT_UNLABELED}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].name) == length && memcmp(words[i].name, name, length) == 0)
            return words[i].split;
    return -1;
}

/* The split that a name stands for, or the option `split` if it is set. */
static int chosen_split(const px_pack_options *options, int split)
{
    if (!options->split[0])
        return split;
    for (int s = 0; s < PX_SPLIT_NAMED; s++)
        if (strcmp(options->split, split_names[s]) == 0)
            return s;
    return PX_SPLIT_NAMED;
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

px_block *px_catalog_block(px_catalog *c, const px_entry *entry, const px_importer *format, int split, int64_t count)
{
    char name[PX_ENTRY_NAME];
    if (c->format && c->format != format)
        return px_fail_null(PX_DATA, "%s: has the format %s, but the files before it have %s; pack them separately",
                            px_entry_name(entry->source, entry->path, name), format->name, c->format->name);
    c->format = format;
    c->blocks = grown(c->blocks, c->block_count, sizeof *c->blocks);
    px_block *b = &c->blocks[c->block_count++];
    *b = (px_block){.path = px_strdup(entry->path), .source = c->source, .split = chosen_split(c->options, split)};
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

/* A class_names.txt among image files is not STL-10's. */
static void drop_foreign_sides(px_catalog *c)
{
    size_t kept = 0;
    for (size_t k = 0; k < c->side_count; k++) {
        if (c->sides[k].format == c->format) {
            c->sides[kept++] = c->sides[k];
        } else {
            free(c->sides[k].path);
            free(c->sides[k].bytes);
        }
    }
    c->side_count = kept;
}

static void add_folder(px_catalog *c, const px_entry *entry)
{
    c->folders = grown(c->folders, c->folder_count, sizeof *c->folders);
    c->folders[c->folder_count++] = (px_folder){.path = px_strdup(entry->path)};
}

static void skip(px_catalog *c, const px_entry *entry)
{
    char name[PX_ENTRY_NAME];
    if (c->skipped++ == 0)
        c->first_skipped = px_strdup(px_entry_name(entry->source, entry->path, name));
}

static int visit(void *context, const px_entry *entry)
{
    px_catalog *c = context;
    if (entry->folder) {
        add_folder(c, entry);
        return 0;
    }
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        if (!formats[f]->claims(entry))
            continue;
        char name[PX_ENTRY_NAME];
        if (entry->size == 0)
            return px_fail(PX_DATA, "%s: is empty", px_entry_name(entry->source, entry->path, name));
        if (c->block_count % 100 == 99 && px_now() - c->start > PX_PACK_QUIET_SECONDS)
            px_log_progress(c->log, "looking through %s: %zu files", entry->source, c->block_count + 1);
        return formats[f]->list(c, entry);
    }
    skip(c, entry);
    return 0;
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

static void free_names(px_catalog *c)
{
    for (int i = 0; i < c->classes; i++)
        free(c->class_names[i]);
    free(c->class_names);
    c->class_names = NULL;
    c->classes = 0;
}

/* Splits text at any of `separators` into the catalog's class names, without surrounding blanks and empty pieces. */
static void take_names(px_catalog *c, const char *text, const char *separators)
{
    char *copy = px_strdup(text), *rest = NULL;
    free_names(c);
    for (char *word = strtok_r(copy, separators, &rest); word; word = strtok_r(NULL, separators, &rest)) {
        word += strspn(word, " \t\r");
        size_t length = strlen(word);
        while (length > 0 && strchr(" \t\r", word[length - 1]))
            length--;
        if (length == 0)
            continue;
        c->class_names = grown(c->class_names, (size_t)c->classes, sizeof *c->class_names);
        c->class_names[c->classes++] = px_format("%.*s", (int)length, word);
    }
    free(copy);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A class name that occurs twice, or NULL. Borrowed. */
static const char *name_twice(const px_catalog *c)
{
    const char *twice = NULL, **sorted = px_calloc((size_t)c->classes + 1, sizeof *sorted);
    for (int i = 0; i < c->classes; i++)
        sorted[i] = c->class_names[i];
    qsort(sorted, (size_t)c->classes, sizeof *sorted, by_text);
    for (int i = 1; i < c->classes && !twice; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            twice = sorted[i];
    free(sorted);
    return twice;
}

int px_catalog_names(px_catalog *c, px_side *side, int classes)
{
    char name[PX_ENTRY_NAME];
    take_names(c, (const char *)side->bytes, "\n");
    side->used = true;
    if (c->classes != classes)
        return px_fail(PX_DATA, "%s: names %d classes, but %s has %d", px_side_name(c, side, name), c->classes,
                       c->format->name, classes);
    if (name_twice(c))
        return px_fail(PX_DATA, "%s: gives two classes the name %s", px_side_name(c, side, name), name_twice(c));
    return 0;
}

void px_catalog_number_names(px_catalog *c, int classes)
{
    free_names(c);
    c->class_names = px_calloc((size_t)classes, sizeof *c->class_names);
    c->classes = classes;
    for (int i = 0; i < classes; i++)
        c->class_names[i] = px_format("%d", i);
}

static int rename_classes(px_catalog *c)
{
    int classes = c->classes;
    if (!c->options->class_names[0])
        return 0;
    take_names(c, c->options->class_names, ",");
    if (c->classes != classes)
        return px_fail(PX_USAGE, "class_names gives %d names, but the sources have %d classes", c->classes, classes);
    if (name_twice(c))
        return px_fail(PX_USAGE, "class_names gives two classes the name %s", name_twice(c));
    return 0;
}

static int label_of(const px_block *b, int64_t i)
{
    return b->labels ? b->labels[i] : b->label;
}

/* Refuses a class that has test images but no training images; warns of classes without images. */
static int check_classes(px_catalog *c)
{
    char name[PX_ENTRY_NAME];
    int64_t *in_train = px_calloc((size_t)c->classes + 1, sizeof *in_train), train = 0;
    const px_block **elsewhere = px_calloc((size_t)c->classes + 1, sizeof *elsewhere);
    for (size_t k = 0; k < c->block_count; k++) {
        const px_block *b = &c->blocks[k];
        for (int64_t i = 0; i < b->count; i++) {
            int label = label_of(b, i);
            if (label >= 0 && b->split == PX_SPLIT_TRAIN) {
                in_train[label]++;
                train++;
            } else if (label >= 0 && !elsewhere[label]) {
                elsewhere[label] = b;
            }
        }
    }
    int status = 0;
    for (int k = 0; k < c->classes && status == 0; k++) {
        if (in_train[k] > 0)
            continue;
        if (!elsewhere[k])
            px_log_warning(c->log, "class %s has no images", c->class_names[k]);
        else if (train > 0)
            status = px_fail(PX_DATA, "%s: class %s has images in split %s but none in split train",
                             px_block_name(c, elsewhere[k], name), c->class_names[k],
                             px_split_name(c->options, elsewhere[k]->split));
    }
    free(elsewhere);
    free(in_train);
    return status;
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
    return strcmp(a->path, b->path);
}

static int number_rows(px_catalog *c)
{
    char name[PX_ENTRY_NAME];
    px_block **sorted = px_calloc(c->block_count, sizeof *sorted);
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
    return status;
}

static int walk_sources(px_catalog *c)
{
    for (c->source = 0; c->source < c->source_count; c->source++) {
        size_t before = c->block_count + c->side_count;
        int64_t skipped = c->skipped;
        const char *source = c->sources[c->source];
        if (px_source_walk(source, visit, c) != 0)
            return -1;
        if (c->block_count + c->side_count > before)
            continue;
        if (c->skipped > skipped)
            return px_fail(PX_DATA,
                           "%s: contains nothing to pack; JPEG, PNG, IDX, CIFAR and STL-10 binary files are supported",
                           source);
        return px_fail(PX_DATA, "%s: contains no images", source);
    }
    return 0;
}

int px_catalog_make(px_catalog *c, const char *const *sources, int count, const px_pack_options *options, px_log *log)
{
    c->sources = sources;
    c->source_count = count;
    c->options = options;
    c->log = log;
    c->start = px_now();
    if (walk_sources(c) != 0)
        return -1;
    if (c->skipped > 0)
        px_log_warning(c->log, "%lld other files are left out; the first one is %s", (long long)c->skipped,
                       c->first_skipped);
    if (c->block_count == 0)
        return px_fail(PX_DATA, "%s: contains no images", sources[0]);
    drop_foreign_sides(c);
    if (c->format->finish(c) != 0 || rename_classes(c) != 0 || check_classes(c) != 0)
        return -1;
    return number_rows(c);
}

void px_catalog_free(px_catalog *c)
{
    free_names(c);
    for (size_t k = 0; k < c->block_count; k++) {
        free(c->blocks[k].path);
        free(c->blocks[k].labels);
    }
    for (size_t k = 0; k < c->side_count; k++) {
        free(c->sides[k].path);
        free(c->sides[k].bytes);
    }
    for (size_t k = 0; k < c->folder_count; k++)
        free(c->folders[k].path);
    free(c->blocks);
    free(c->sides);
    free(c->folders);
    free(c->first_skipped);
    *c = (px_catalog){0};
}
