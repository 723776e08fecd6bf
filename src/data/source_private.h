/* source_private.h - what the walk over files and folders (source.c) and the one inside archives (source_archive.c) share. */
#ifndef PX_DATA_SOURCE_PRIVATE_H
#define PX_DATA_SOURCE_PRIVATE_H

#include "data/source.h"

enum { PX_LINKED_ALWAYS = 10000 };

/* A walk under way. */
typedef struct px_walker {
    const char *source;
    px_entry_visit *visit;
    void *context;
    size_t *left;    /* bytes that may still be unpacked from the current file: px_archive_budget */
    int64_t *linked; /* files that links of archives in it may still lead to: PX_LINKED_ALWAYS, and some per entry */
    bool through_link;
} px_walker;

/* The functions return 0, or -1 with the visitor's message or PX_DATA. `path` is a path inside the source. */

/* Visits the content of a file: an archive's entries, or it itself. depth: in how many archives it lies. */
int px_source_bytes(const px_walker *, const char *path, const uint8_t *bytes, size_t size, int depth);
int px_source_junk(const px_walker *, const char *path); /* visits what is only named */
bool px_source_hidden(const char *path);                 /* whether a part of the path is junk (names.h) */

/* Whether this is an archive or a compressed file: by its first bytes, which differ from those of all data files; an old tar,
 * which has none, by its name. */
bool px_archive_is(const char *path, const uint8_t *bytes, size_t size);

/* How many bytes a file of this size may unpack to. */
size_t px_archive_budget(size_t size);

/* Visits the entries of the archive `outer`. An archive inside a folder or another archive counts as a folder with its name,
 * so that n01440764.tar inside ImageNet's archive is the class n01440764. The name of the source itself does not count. */
int px_archive_visit(const px_walker *, const char *outer, const uint8_t *bytes, size_t size, int depth);

#endif
