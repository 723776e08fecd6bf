/* catalog_classes.c - the names of classes, and whether each class has images to learn from: see catalog.h. */
#include "base/error.h"
#include "data/catalog.h"
#include "data/labels.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void px_catalog_drop_names(px_catalog *c)
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
    px_catalog_drop_names(c);
    for (char *word = strtok_r(copy, separators, &rest); word; word = strtok_r(NULL, separators, &rest)) {
        word += strspn(word, " \t\r");
        size_t length = strlen(word);
        while (length > 0 && strchr(" \t\r", word[length - 1]))
            length--;
        if (length == 0)
            continue;
        c->class_names = px_grow(c->class_names, c->classes, sizeof *c->class_names);
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
    px_catalog_drop_names(c);
    c->class_names = px_calloc((size_t)classes, sizeof *c->class_names);
    c->classes = classes;
    for (int i = 0; i < classes; i++)
        c->class_names[i] = px_format("%d", i);
}

static void free_list(char **names)
{
    for (int k = 0; names[k]; k++)
        free(names[k]);
    free(names);
}

static void take_list(px_catalog *c, char **names)
{
    px_catalog_drop_names(c);
    c->class_names = names;
    while (names[c->classes])
        c->classes++;
}

static int check_lengths(const px_catalog *c)
{
    for (int k = 0; k < c->classes; k++)
        if (strlen(c->class_names[k]) > PX_NAME_LONGEST)
            return px_fail(PX_DATA, "class %d has a name of %zu characters; at most %d are supported", k,
                           strlen(c->class_names[k]), PX_NAME_LONGEST);
    return 0;
}

int px_catalog_rename_classes(px_catalog *c)
{
    int classes = c->classes;
    char **names = NULL;
    if (!c->options->class_names[0])
        return check_lengths(c);
    if (px_labels_class_names(c, &names) != 0)
        return -1;
    if (names && c->options->labels && c->options->labels[0]) { /* labels.c has used them */
        free_list(names);
        return check_lengths(c);
    }
    if (names)
        take_list(c, names);
    else
        take_names(c, c->options->class_names, ",");
    if (c->classes != classes)
        return px_fail(PX_USAGE, "class_names gives %d names, but the sources have %d classes", c->classes, classes);
    if (name_twice(c))
        return px_fail(PX_USAGE, "class_names gives two classes the name %s", name_twice(c));
    return check_lengths(c);
}

static int only_elsewhere(const px_catalog *c, const px_block *b, int class, const int64_t *in_train)
{
    char name[PX_ENTRY_NAME];
    const char *other = NULL;
    for (int k = 0; k < c->classes && !other; k++)
        if (k != class && in_train[k] > 0 && strcasecmp(c->class_names[k], c->class_names[class]) == 0)
            other = c->class_names[k];
    if (other)
        return px_fail(PX_DATA, "%s: class %s has images in split %s but none in split train, which has a class %s",
                       px_block_name(c, b, name), c->class_names[class], px_split_name(c, b->split), other);
    const char *base = px_base_name(b->path);
    char *way = c->format == &px_importer_images && base > b->path
                    ? px_format("; split=%.*s:none leaves it out, split=all puts all images into one split",
                                (int)(base - b->path - 1), b->path)
                    : px_strdup("");
    px_fail(PX_DATA, "%s: class %s has images in split %s but none in split train%s", px_block_name(c, b, name),
            c->class_names[class], px_split_name(c, b->split), way);
    free(way);
    return -1;
}

int px_catalog_check_classes(px_catalog *c)
{
    int64_t *in_train = px_calloc((size_t)c->classes + 1, sizeof *in_train), train = 0;
    const px_block **elsewhere = px_calloc((size_t)c->classes + 1, sizeof *elsewhere);
    for (size_t k = 0; k < c->block_count; k++) {
        const px_block *b = &c->blocks[k];
        for (int64_t i = 0; i < b->count; i++) {
            int label = px_block_label(b, i);
            if (label >= 0 && b->split == PX_SPLIT_TRAIN) {
                in_train[label]++;
                train++;
            } else if (label >= 0 && !elsewhere[label]) {
                elsewhere[label] = b;
            }
        }
    }
    int status = 0, empty = 0, first = 0;
    for (int k = 0; k < c->classes && status == 0; k++) {
        if (in_train[k] > 0)
            continue;
        if (!elsewhere[k])
            first = empty++ ? first : k;
        else if (train > 0)
            status = only_elsewhere(c, elsewhere[k], k, in_train);
    }
    if (empty == 1)
        px_log_warning(c->log, "class %s has no images", c->class_names[first]);
    else if (empty > 1)
        px_log_warning(c->log, "%d classes have no images; the first is %s", empty, c->class_names[first]);
    free(elsewhere);
    free(in_train);
    return status;
}
