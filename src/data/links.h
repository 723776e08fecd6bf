/* links.h - the links of an archive, and which of its entries they lead to.
 *
 *     px_links l = {0};
 *     ... px_links_add(&l, "val/cat", "../train/cat", false) ...       // while the archive is read
 *     px_links_resolve(&l);
 *     px_links_at at = {0};
 *     ... while ((name = px_links_next(&l, path, &at))) ...             // while it is read once more, for each path
 *     ... l.link[k].found is false: it leads out, in a circle or to nothing ...
 *     px_links_finish(&l);
 */
#ifndef PX_DATA_LINKS_H
#define PX_DATA_LINKS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct px_link {
    char *path,
        *target; /* inside the archive; target NULL: it leads out or in a circle, or is too long to be followed */
    bool found;  /* an entry is or lies in its target */
} px_link;

typedef struct px_links {
    px_link *link; /* by target, once resolved */
    int count;
} px_links;

/* `target` is as the archive has it: of a hard link a path in the archive, else a path from the link's own folder. */
void px_links_add(px_links *, const char *path, const char *target, bool hard);

/* After the last one: follows links that lead to links. */
void px_links_resolve(px_links *);

/* Where px_links_next is: at the links to one of the folders above the entry, or to itself. Begins with zeros. */
typedef struct px_links_at {
    size_t length; /* of that folder's path */
    int next, end; /* the links to it that are left */
    bool last;     /* it is the entry itself */
} px_links_at;

/* The next path under which the entry is found by a link to it, or to a folder that it is in: a new string, or NULL. The
 * time is that of the paths it gives, and of one search per folder above the entry. */
char *px_links_next(px_links *, const char *path, px_links_at *at);

/* The archive has this folder, perhaps without files: links to it are not lost. */
void px_links_found(px_links *, const char *folder);

void px_links_finish(px_links *);

#endif
