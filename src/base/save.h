/* save.h - writes a small file as a whole: what stands at its path is the old one or the new one, never a part.
 *
 *     if (px_save_replaceable(path, "\x89PNG", 4, "a picture (PNG)") != 0) return -1;     // before the work
 *     ...
 *     if (px_save(path, content, size) != 0) return -1;
 */
#ifndef PX_BASE_SAVE_H
#define PX_BASE_SAVE_H

#include <stddef.h>

/* As px_replaceable (base/error.h), for an output whose content begins with these bytes: what stands there must begin so, too,
 * or be empty. A mistyped out= replaces no file of another kind. The folder must be there, and allow new files. `what`: "a
 * picture (PNG)". 0, or -1: PX_USAGE, or PX_FAIL if the folder does not allow it. */
int px_save_replaceable(const char *path, const char *begins, size_t bytes, const char *what);

/* The content goes to a file beside `path` (px_partial_name), which gets its name when it is complete. 0, or -1 with the system's
 * reason. */
int px_save(const char *path, const void *content, size_t size);

#endif
