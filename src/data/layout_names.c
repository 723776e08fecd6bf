/* layout_names.c - see layout_names.h. */
#include "data/layout_names.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 8 /* folders in a proposal */ };

/* The folders in `at` whose names have a split's word. */
typedef struct worded {
    int count, splits; /* how many they are; how many different splits */
    bool alike;        /* the other words of all folders are the same */
    bool pair;         /* two of them differ only in their splits */
} worded;

/* The split that a folder's name has among other words, or -1. split= goes before. */
static int split_word(const px_tree *t, const px_node *kid, char rest[PX_NAME_REST])
{
    size_t length;
    const char *name = px_tree_name(t, kid, &length);
    return kid->said == PX_SPLIT_UNKNOWN ? px_split_in_name(name, length, rest) : -1;
}

/* Folders whose other words are the same lie side by side once sorted; few folders have splits' words. */
typedef struct entry {
    char rest[PX_NAME_REST];
    int split;
} entry;

static int by_rest(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    int order = strcmp(a->rest, b->rest);
    return order ? order : a->split - b->split;
}

static worded look(const px_tree *t, const px_node *at)
{
    worded w = {.alike = true};
    bool found[PX_SPLITS_STANDARD] = {false};
    entry *all = px_calloc((size_t)at->kids + 1, sizeof *all);
    for (int k = 0; k < at->kids; k++) {
        entry *e = &all[w.count];
        e->split = split_word(t, &t->node[at->kid + k], e->rest);
        if (e->split < 0)
            continue;
        w.splits += !found[e->split];
        found[e->split] = true;
        w.count++;
    }
    qsort(all, (size_t)w.count, sizeof *all, by_rest);
    for (int k = 1; k < w.count; k++) {
        bool same = strcmp(all[k].rest, all[k - 1].rest) == 0;
        w.alike = w.alike && same;
        w.pair = w.pair || (same && all[k].split != all[k - 1].split);
    }
    free(all);
    return w;
}

bool px_layout_take_splits(const px_tree *t, const px_node *at)
{
    worded w = look(t, at);
    if (w.count < at->kids || w.splits < 2 || !w.alike)
        return false;
    for (int k = 0; k < at->kids; k++) {
        char rest[PX_NAME_REST];
        px_node *kid = &t->node[at->kid + k];
        kid->split = split_word(t, kid, rest);
    }
    return true;
}

/* "trainA:train,testA:test,...", a new string. */
static char *proposal(const px_tree *t, const px_node *at)
{
    char *text = px_strdup(""), rest[PX_NAME_REST];
    int shown = 0;
    for (int k = 0; k < at->kids && shown <= SHOWN; k++) {
        const px_node *kid = &t->node[at->kid + k];
        int split = split_word(t, kid, rest);
        if (split < 0)
            continue;
        char *path = px_tree_path(t, kid),
             *longer = shown == SHOWN ? px_format("%s,...", text)
                                      : px_format("%s%s%s:%s", text, shown ? "," : "", path, px_split_standard[split]);
        shown++;
        free(path);
        free(text);
        text = longer;
    }
    return text;
}

static bool all_are_folds(const px_tree *t, const px_node *at)
{
    for (int k = 0; k < at->kids; k++) {
        size_t length;
        const px_node *kid = &t->node[at->kid + k];
        const char *name = px_tree_name(t, kid, &length);
        if (kid->said != PX_SPLIT_UNKNOWN || !px_name_is_fold(name, length))
            return false;
    }
    return at->kids > 1;
}

int px_layout_check_names(const px_tree *t, const px_node *at)
{
    if (at->kids == 0)
        return 0;
    const char *source = t->c->sources[t->sorted[at->first]->source];
    worded w = look(t, at);
    if ((w.count == at->kids && w.splits > 1) || w.pair) {
        char *splits = proposal(t, at);
        px_fail(PX_DATA,
                "%s: folders have splits in their names among other words; split=%s makes them splits, classes=first "
                "classes",
                source, splits);
        free(splits);
        return -1;
    }
    if (!all_are_folds(t, at))
        return 0;
    char *first = px_tree_path(t, &t->node[at->kid]), *second = px_tree_path(t, &t->node[at->kid + 1]);
    px_fail(PX_DATA,
            "%s: the folders %s, %s, ... are called like the parts of a cross-validation; split=%s:val,%s:train,... "
            "makes them splits, classes=last takes the folders in them as classes, classes=first them",
            source, first, second, first, second);
    free(first);
    free(second);
    return -1;
}
