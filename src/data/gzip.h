/* gzip.h - gzip's content for libarchive, verified. libarchive's own filter for gzip skips the checksum and the length
 * behind each member, and ignores whatever follows the last one.
 *
 *     px_gzip *g = px_gzip_open(archive, bytes, size);   // instead of archive_read_open_memory
 *     ... archive_read_next_header, archive_read_data ...
 *     px_gzip_rest(archive, g, &left)                    // an archive may end before its compressed bytes do
 *     px_gzip_close(g);                                  // after archive_read_free
 */
#ifndef PX_DATA_GZIP_H
#define PX_DATA_GZIP_H

#include <archive.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct px_gzip px_gzip;

bool px_is_gzip(const uint8_t *bytes, size_t size);

/* Opens the archive whose compressed bytes these are (borrowed). *status is libarchive's. */
px_gzip *px_gzip_open(struct archive *, const uint8_t *bytes, size_t size, int *status);

/* Unpacks and verifies what was not read. 0, or -1 with a message in the archive (archive_error_string). *left is how
 * many bytes may still be unpacked; 1: there are more. */
int px_gzip_rest(struct archive *, px_gzip *, size_t *left);

void px_gzip_close(px_gzip *); /* NULL is allowed */

#endif
