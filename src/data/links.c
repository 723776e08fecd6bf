/* links.c - see links.h. */
#include "data/links.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOPS = 40,      /* as many as Linux follows */
    LONGEST = 1024, /* paths of links beyond this, or in more folders than DEEPEST, are not followed: */
    DEEPEST = 64,   /* a search per folder and hop would take minutes */
};

static bool is_followed(const char *path)
{
    int folders = 0;
    for (const char *slash = strchr(path, '/'); slash && folders <= DEEPEST; slash = strchr(slash + 1, '/'))
        folders++;
    return folders <= DEEPEST && strlen(path) <= LONGEST;
}

/* The path that `relative` means in `folder`, without "." and "..": a new string, or NULL: it leads out. */
static char *joined(const char *folder, size_t folder_length, const char *relative)
{
    char *path = px_format("%.*s/%s", (int)folder_length, folder, relative), *to = path, *rest = path, *part;
    char *copy = px_strdup(path);
    rest = copy;
    *to = '\0';
    while ((part = strsep(&rest, "/"))) {
        if (!*part || strcmp(part, ".") == 0)
            continue;
        if (strcmp(part, "..") == 0) {
            if (to == path) {
                free(copy);
                free(path);
                return NULL;
            }
            while (to > path && *--to != '/')
                ;
            *to = '\0';
            continue;
        }
        if (to > path)
            *to++ = '/';
        size_t length = strlen(part);
        memmove(to, part, length + 1);
        to += length;
    }
    free(copy);
    return path;
}

void px_links_add(px_links *l, const char *path, const char *target, bool hard)
{
    const char *slash = strrchr(path, '/');
    size_t folder = hard || !slash ? 0 : (size_t)(slash - path);
    bool follow = (hard || target[0] != '/') && is_followed(path) && is_followed(target);
    char *to = follow ? joined(path, folder, target) : NULL;
    l->link = px_grow(l->link, l->count, sizeof *l->link);
    l->link[l->count++] = (px_link){.path = px_strdup(path), .target = to};
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const px_link *)a)->path, ((const px_link *)b)->path);
}

/* Links without a target come last, by their own paths. */
static int by_target(const void *left, const void *right)
{
    const px_link *a = left, *b = right;
    if (!a->target != !b->target)
        return a->target ? -1 : 1;
    int order = !a->target ? 0 : strcmp(a->target, b->target);
    return order ? order : by_path(a, b);
}

/* The link that is this path or a folder above it; *rest is what follows. */
static const px_link *link_above(const px_links *l, char *path, const char **rest)
{
    for (char *end = path + strlen(path); end > path; end--) {
        if (*end && *end != '/')
            continue;
        char cut = *end;
        *end = '\0';
        const px_link *found = bsearch(&(px_link){.path = path}, l->link, (size_t)l->count, sizeof *l->link, by_path);
        *end = cut;
        if (found) {
            *rest = end;
            return found;
        }
    }
    return NULL;
}

/* Where a target leads in the end: a new string, or NULL. */
static char *followed(const px_links *l, const char *target)
{
    char *path = px_strdup(target);
    for (int hop = 0; hop < HOPS; hop++) {
        const char *rest;
        const px_link *link = link_above(l, path, &rest);
        if (!link)
            return path;
        char *next = link->target ? px_format("%s%s", link->target, rest) : NULL;
        free(path);
        if (!next || !is_followed(next)) {
            free(next);
            return NULL;
        }
        path = next;
    }
    free(path);
    return NULL;
}

/* Whether the folder `above` contains `path`. */
static bool contains(const char *above, const char *path)
{
    size_t length = strlen(above);
    return length == 0 || (strncmp(above, path, length) == 0 && (path[length] == '/' || path[length] == '\0'));
}

void px_links_resolve(px_links *l)
{
    qsort(l->link, (size_t)l->count, sizeof *l->link, by_path);
    char **end = px_calloc((size_t)l->count + 1, sizeof *end);
    for (int k = 0; k < l->count; k++) {
        end[k] = l->link[k].target ? followed(l, l->link[k].target) : NULL;
        if (end[k] && contains(end[k], l->link[k].path)) {
            free(end[k]);
            end[k] = NULL;
        }
    }
    for (int k = 0; k < l->count; k++) {
        free(l->link[k].target);
        l->link[k].target = end[k];
    }
    free(end);
    qsort(l->link, (size_t)l->count, sizeof *l->link, by_target);
}

/* The first link whose target begins with path[0 : length]: the shortest such target, so path[0 : length] itself if it is
 * there. */
static int first_to(const px_links *l, const char *path, size_t length)
{
    int low = 0, high = l->count;
    while (low < high) {
        int middle = (low + high) / 2;
        const char *target = l->link[middle].target;
        int order = target ? strncmp(target, path, length) : 1;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Goes on to the next folder above the path. False: there is none. */
static bool next_folder(const px_links *l, const char *path, px_links_at *at)
{
    if (at->last)
        return false;
    size_t from = at->length ? at->length + 1 : 0;
    at->length = from + strcspn(path + from, "/");
    at->last = path[at->length] == '\0';
    at->next = at->end = at->length > 0 && at->length <= LONGEST ? first_to(l, path, at->length) : 0;
    while (at->end < l->count && at->length > 0 && at->length <= LONGEST && l->link[at->end].target &&
           strncmp(l->link[at->end].target, path, at->length) == 0 && !l->link[at->end].target[at->length])
        at->end++;
    return at->length <= LONGEST;
}

char *px_links_next(px_links *l, const char *path, px_links_at *at)
{
    while (at->next == at->end)
        if (!next_folder(l, path, at))
            return NULL;
    px_link *link = &l->link[at->next++];
    link->found = true;
    return px_format("%s%s", link->path, path + at->length);
}

void px_links_found(px_links *l, const char *folder)
{
    px_links_at at = {0};
    do
        for (; at.next < at.end; at.next++)
            l->link[at.next].found = true;
    while (next_folder(l, folder, &at));
}

void px_links_finish(px_links *l)
{
    for (int k = 0; k < l->count; k++) {
        free(l->link[k].path);
        free(l->link[k].target);
    }
    free(l->link);
    *l = (px_links){0};
}
