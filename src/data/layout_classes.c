/* layout_classes.c - the names of classes while they are collected, and their numbers once all are known: see layout.h. */
#include "base/error.h"
#include "data/layout.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

typedef struct class_name {
    char *name; /* the catalog's */
    int number;
} class_name;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const class_name *)a)->name, ((const class_name *)b)->name);
}

int px_layout_class(px_catalog *c, const char *name)
{
    class_name *wanted = px_calloc(1, sizeof *wanted);
    *wanted = (class_name){px_strdup(name), c->classes};
    class_name *found = *(class_name **)tsearch(wanted, &c->class_index, by_name);
    if (found != wanted) {
        free(wanted->name);
        free(wanted);
        return found->number;
    }
    c->class_names = px_grow(c->class_names, c->classes, sizeof *c->class_names);
    c->class_names[c->classes++] = wanted->name;
    return found->number;
}

bool px_layout_has_class(const px_catalog *c, const char *name)
{
    class_name wanted = {(char *)name, 0};
    return tfind(&wanted, &c->class_index, by_name) != NULL;
}

static bool whole_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 10 && text[digits] == '\0';
}

static int by_number(const void *a, const void *b)
{
    int x = atoi(((const class_name *)a)->name), y = atoi(((const class_name *)b)->name);
    return x != y ? x - y : by_name(a, b);
}

/* Classes of folders whose images got other labels by labels= are none. */
static void drop_unused(px_catalog *c)
{
    bool *used = px_calloc((size_t)c->classes + 1, sizeof *used);
    int *place = px_calloc((size_t)c->classes + 1, sizeof *place), kept = 0;
    for (size_t k = 0; k < c->block_count; k++)
        if (c->blocks[k].label >= 0)
            used[c->blocks[k].label] = true;
    for (int k = 0; k < c->classes; k++) {
        place[k] = kept;
        if (used[k])
            c->class_names[kept++] = c->class_names[k];
        else
            free(c->class_names[k]);
    }
    c->classes = kept;
    for (size_t k = 0; k < c->block_count; k++)
        if (c->blocks[k].label >= 0)
            c->blocks[k].label = place[c->blocks[k].label];
    free(used);
    free(place);
}

void px_layout_sort_classes(px_catalog *c, bool numbers)
{
    class_name *sorted = px_calloc((size_t)c->classes + 1, sizeof *sorted);
    int *place = px_calloc((size_t)c->classes + 1, sizeof *place);
    drop_unused(c);
    for (int k = 0; k < c->classes; k++) {
        sorted[k] = (class_name){c->class_names[k], k};
        numbers = numbers && whole_number(c->class_names[k]);
    }
    qsort(sorted, (size_t)c->classes, sizeof *sorted, numbers ? by_number : by_name);
    for (int k = 0; k < c->classes; k++) {
        place[sorted[k].number] = k;
        c->class_names[k] = sorted[k].name;
    }
    for (size_t k = 0; k < c->block_count; k++)
        if (c->blocks[k].label >= 0)
            c->blocks[k].label = place[c->blocks[k].label];
    tdestroy(c->class_index, free);
    c->class_index = NULL;
    free(sorted);
    free(place);
}
