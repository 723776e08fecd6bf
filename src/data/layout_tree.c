/* layout_tree.c - see layout_tree.h. */
#include "data/layout_tree.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64 }; /* folders below count as part of the one that is so deep */

static int by_path(const void *left, const void *right)
{
    const px_block *a = *(px_block *const *)left, *b = *(px_block *const *)right;
    return a->source != b->source ? a->source - b->source : strcmp(a->path, b->path);
}

/* Where the name of the folder that holds the image ends, from `from` on; 0: there is none. */
static size_t folder_end(const px_block *b, size_t from)
{
    const char *slash = strchr(b->path + from, '/');
    return slash ? (size_t)(slash - b->path) : 0;
}

/* The images after `first` that are in the same folder. */
static size_t group_end(const px_tree *t, size_t first, size_t last, size_t from, size_t end)
{
    size_t k = first + 1;
    while (k < last && strncmp(t->sorted[k]->path + from, t->sorted[first]->path + from, end - from + 1) == 0)
        k++;
    return k;
}

static void add_kid(px_tree *t, size_t first, size_t last, size_t from, size_t end)
{
    const char *path = t->sorted[first]->path;
    px_node kid = {.first = first, .last = last, .name = from, .length = end};
    kid.said = px_splits_of_folder(&t->c->splits, path, end);
    kid.split = kid.said == PX_SPLIT_UNKNOWN ? px_split_of_name(path + from, end - from) : kid.said;
    kid.split = kid.split < 0 ? PX_SPLIT_UNKNOWN : kid.split;
    if (kid.said == PX_SPLIT_LEFT_OUT) {
        for (size_t k = first; k < last; k++)
            t->sorted[k]->split = PX_SPLIT_LEFT_OUT;
        return;
    }
    t->node = px_grow(t->node, t->nodes, sizeof *t->node);
    t->node[t->nodes++] = kid;
}

/* Adds the folders in node `at`, side by side, then those in them. */
static void add_kids(px_tree *t, int at, int depth)
{
    px_node n = t->node[at];
    size_t from = n.length ? n.length + 1 : 0;
    n.kid = t->nodes;
    for (size_t k = n.first; k < n.last;) {
        size_t end = depth < DEEPEST ? folder_end(t->sorted[k], from) : 0;
        if (end == 0) {
            n.direct++;
            k++;
            continue;
        }
        size_t next = group_end(t, k, n.last, from, end);
        add_kid(t, k, next, from, end);
        k = next;
    }
    n.kids = t->nodes - n.kid;
    t->node[at] = n;
    for (int k = 0; k < n.kids; k++)
        add_kids(t, n.kid + k, depth + 1);
}

void px_tree_make(px_tree *t, px_catalog *c)
{
    *t = (px_tree){.c = c, .sorted = px_calloc(c->block_count + 1, sizeof(px_block *))};
    for (size_t k = 0; k < c->block_count; k++)
        t->sorted[k] = &c->blocks[k];
    qsort(t->sorted, c->block_count, sizeof *t->sorted, by_path);
    for (size_t first = 0, last; first < c->block_count; first = last) {
        for (last = first + 1; last < c->block_count && t->sorted[last]->source == t->sorted[first]->source; last++)
            ;
        t->node = px_grow(t->node, t->nodes, sizeof *t->node);
        t->node[t->nodes++] =
            (px_node){.first = first, .last = last, .said = PX_SPLIT_UNKNOWN, .split = PX_SPLIT_UNKNOWN};
    }
    t->roots = t->nodes;
    for (int r = 0; r < t->roots; r++)
        add_kids(t, r, 0);
}

void px_tree_finish(px_tree *t)
{
    free(t->sorted);
    free(t->node);
    *t = (px_tree){0};
}

char *px_tree_path(const px_tree *t, const px_node *n)
{
    return px_one_line(px_format("%.*s", (int)n->length, t->sorted[n->first]->path));
}

const char *px_tree_name(const px_tree *t, const px_node *n, size_t *length)
{
    *length = n->length - n->name;
    return t->sorted[n->first]->path + n->name;
}

/* The order of folders side by side: paths are sorted byte by byte, and a folder's go on with a slash. */
static int compare_names(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t least = a_length < b_length ? a_length : b_length;
    int order = memcmp(a, b, least);
    if (order != 0 || a_length == b_length)
        return order;
    return (a_length > least ? (unsigned char)a[least] : '/') - (b_length > least ? (unsigned char)b[least] : '/');
}

static px_node *find_kid(const px_tree *t, const px_node *at, const char *name, size_t length)
{
    int low = 0, high = at->kids;
    while (low < high) {
        int middle = low + (high - low) / 2;
        size_t own;
        px_node *kid = &t->node[at->kid + middle];
        const char *text = px_tree_name(t, kid, &own);
        int order = compare_names(text, own, name, length);
        if (order == 0)
            return kid;
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

px_node *px_tree_find(const px_tree *t, int source, const char *path)
{
    px_node *at = NULL;
    for (int r = 0; r < t->roots && !at; r++)
        if (t->sorted[t->node[r].first]->source == source)
            at = &t->node[r];
    while (at && *path) {
        size_t want = strcspn(path, "/");
        at = find_kid(t, at, path, want);
        path += want + (path[want] == '/');
    }
    return at;
}
