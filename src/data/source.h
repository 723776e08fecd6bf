/* source.h - visits everything inside a source, one entry after the other: files, folders and archives look the same to
 * the importers. Archives are opened wherever they are: in a folder, or inside another archive.
 *
 *     static int visit(void *context, const px_entry *entry) { ... return 0; }         // -1 ends the walk
 *     if (px_source_walk("cifar-10-binary.tar.gz", visit, &context) != 0) ...
 *
 * Entries come in the order of the archive; those of a folder are sorted. The order is the same in every walk. Hidden
 * files, and those that systems make for themselves (px_name_is_junk), are only named. Links count as what they point
 * to; those of an archive come after its other entries, and those that lead out of it, to nothing or in a circle are only
 * named. Devices are left out. Nothing is written to disk. */
#ifndef PX_DATA_SOURCE_H
#define PX_DATA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct px_entry {
    const char *source; /* as the user named it */
    /* Inside it, with '/': "train/cat/1.png"; for a single file, its name. Without .gz and the like. */
    const char *path;
    const uint8_t *bytes; /* the whole content; NULL for a folder */
    size_t size;
    bool folder;
    bool junk;       /* has no bytes: it is hidden, or a system's own */
    bool nowhere;    /* has no bytes: a link of an archive that leads out of it, to nothing or in a circle */
    const char *bad; /* has no bytes: the message that says why it cannot be read; else NULL */
} px_entry;          /* all borrowed, valid during the visit */

typedef int px_entry_visit(void *context, const px_entry *entry);

/* 0, or -1: with the visitor's message, or PX_DATA if something cannot be read. */
int px_source_walk(const char *source, px_entry_visit *visit, void *context);

/* The last component of a path. Points into `path`. */
const char *px_base_name(const char *path);

/* Length of a name without the extension of an archive or a compressor: of "val.tar.gz", 3. */
size_t px_source_stem(const char *name);

/* The name of an entry in messages: "file" or "source: path". Returns `name`. */
enum { PX_ENTRY_NAME = 600 };
const char *px_entry_name(const char *source, const char *path, char name[PX_ENTRY_NAME]);

#endif
