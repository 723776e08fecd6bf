/* source.h - everything that lies inside a source, one entry after the other: a file, a folder, or an archive are
 * the same to the importers. Archives are opened wherever they are met: in a folder, or inside another archive.
 *
 *     static int visit(void *context, const px_entry *entry) { ... return 0; }         // -1 ends the walk
 *     if (px_source_walk("cifar-10-binary.tar.gz", visit, &context) != 0) ...
 *
 * The order is that of the archive, or the sorted one of a folder, and the same in every walk. Hidden files (.git,
 * ._x, __MACOSX) are left out, and so are links and devices inside archives. Nothing is ever written to disk. / */
#ifndef PX_DATA_SOURCE_H
#define PX_DATA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct px_entry {
    const char *source; /* as the user named it */
    const char
        *path; /* inside it, with '/': "train/cat/1.png"; of a single file its own name. Without .gz and the like */
    const uint8_t *bytes; /* the whole content; NULL for a folder */
    size_t size;
    bool folder;
} px_entry; /* all borrowed, valid during the visit */

typedef int px_entry_visit(void *context, const px_entry *entry);

/* 0; or -1: with the visitor's message, or PX_DATA for what cannot be read. */
int px_source_walk(const char *source, px_entry_visit *visit, void *context);

/* The last component of a path, without the rest. Points into `path`. */
const char *px_base_name(const char *path);

/* How messages call an entry: "file" or "source: path". Returns `name`. */
enum { PX_ENTRY_NAME = 600 };
const char *px_entry_name(const char *source, const char *path, char name[PX_ENTRY_NAME]);

#endif
