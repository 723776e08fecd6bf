/* compressed.h - the content of a compressed file for libarchive, verified to its last byte. libarchive's own filters
 * stop where an archive in them ends, so that checksums after it are not read, and ignore whatever follows the
 * compressed bytes; its filter for gzip skips checksum and length in any case.
 *
 *     px_compressed *c = px_compressed_open(archive, kind, bytes, size, &left, &status);   // instead of
 *     ... archive_read_next_header, archive_read_data ...                                  // archive_read_open_memory
 *     px_compressed_rest(archive, c)                       // an archive may end before its compressed bytes do
 *     px_compressed_close(c);                              // after archive_read_free
 */
#ifndef PX_DATA_COMPRESSED_H
#define PX_DATA_COMPRESSED_H

#include <archive.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct px_compressed px_compressed;
typedef enum px_compression {
    PX_NOT_COMPRESSED,
    PX_GZIP,
    PX_BZIP2,
    PX_XZ,
    PX_ZSTD,
    PX_LZ4,
    PX_LZMA,
} px_compression;

/* By the first bytes, which differ from those of all data files; LZMA, which has none, by the name's end. */
px_compression px_compression_of(const char *path, const uint8_t *bytes, size_t size);

/* Opens the archive whose compressed bytes these are (borrowed). *left is how many bytes may be unpacked, and shrinks
 * by those that are. *status is libarchive's. */
px_compressed *px_compressed_open(struct archive *, px_compression, const uint8_t *bytes, size_t size, size_t *left,
                                  int *status);

/* Unpacks and verifies what was not read. 0, or -1 with a message in the archive (archive_error_string). */
int px_compressed_rest(struct archive *, px_compressed *);

/* Whether reading ended because *left was used up. NULL is allowed. */
bool px_compressed_is_too_much(const px_compressed *);

void px_compressed_close(px_compressed *); /* NULL is allowed */

#endif
