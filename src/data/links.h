/* links.h - the links of an archive, and which of its entries they lead to.
 *
 *     px_links l = {0};
 *     ... px_links_add(&l, "val/cat", "../train/cat", false) ...       // while the archive is read
 *     px_links_resolve(&l);
 *     ... for (size_t at = 0; (name = px_links_next(&l, path, &at)); free(name)) ...      // while it is read once more
 *     px_links_finish(&l);
 */
#ifndef PX_DATA_LINKS_H
#define PX_DATA_LINKS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct px_link {
    char *path, *target; /* inside the archive; target NULL: it leads out, or in a circle */
    bool found;          /* an entry is or lies in its target */
} px_link;

typedef struct px_links {
    px_link *link; /* by target, once resolved */
    int count;
} px_links;

/* `target` is as the archive has it: of a hard link a path in the archive, else a path from the link's own folder. */
void px_links_add(px_links *, const char *path, const char *target, bool hard);

/* After the last one: follows links that lead to links. */
void px_links_resolve(px_links *);

/* The next path under which the entry is found by a link to it, or to a folder that it is in: a new string, or NULL. *at
 * begins with 0. */
char *px_links_next(px_links *, const char *path, size_t *at);

void px_links_finish(px_links *);

#endif
