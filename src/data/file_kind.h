/* file_kind.h - what a file is that was given for another one, for messages.
 *
 *     const char *kind = px_file_kind(bytes, size);
 *     if (kind) return px_fail(PX_DATA, "%s: is %s, not weights", path, kind);      // "w.npy: is an array of NumPy, not weights"
 */
#ifndef PX_DATA_FILE_KIND_H
#define PX_DATA_FILE_KIND_H

#include <stddef.h>
#include <stdint.h>

/* By the first bytes, of which PX_FILE_KIND_HEAD are enough. NULL: none of those that are known. */
enum { PX_FILE_KIND_HEAD = 32 };
const char *px_file_kind(const uint8_t *bytes, size_t size);

#endif
