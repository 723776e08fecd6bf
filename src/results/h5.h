/* h5.h - helpers for HDF5: the reason of a failure, a check of sizes, bf16, scalar attributes.
 *
 *     px_h5_quiet();                                              // once, before the first call that may fail
 *     if ((file = H5Fopen(path, ...)) < 0)
 *         return px_fail(PX_DATA, "%s: cannot be opened: %s", path, px_h5_why((char[PX_H5_WHY]){0}));
 */
#ifndef PX_RESULTS_H5_H
#define PX_RESULTS_H5_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

enum { PX_H5_WHY = 200 };

/* Stops HDF5 from printing its error stack: our messages say in one line what is wrong. */
void px_h5_quiet(void);

/* HDF5's innermost description of why the last call failed; the next call erases it. Returns `text`. */
const char *px_h5_why(char text[PX_H5_WHY]);

/* Whether the file can contain an array of these extents and element size (bytes in memory): no filter expands one byte
 * to more than about a thousand. A damaged file of a few bytes may claim any extents, which must not be allocated; nor may
 * one chunk, which HDF5 reads as a whole, be far larger than the array. */
bool px_h5_plausible(hid_t set, int rank, const hsize_t dim[], size_t element);

/* Whether reading an array of this many bytes takes memory out of proportion: it, or one of its chunks, unpacks to so much more
 * than is stored that it is not a picture; or a chunk, which HDF5 unpacks as a whole, is larger than 200 MB. Then why[] gets the
 * reason, "its 3 MB unpack to 1024 MB, ...". */
bool px_h5_is_bomb(hid_t set, double bytes, char why[PX_H5_WHY]);

/* Bytes of one chunk; 0: it is not stored in chunks. */
double px_h5_chunk_bytes(hid_t set);

/* Whether the elements of a data set may lie in other files, or need a filter that is not there: then why[] gets the
 * reason, "it is in external storage, of 'raw.bin', which is not read". A virtual data set whose files cannot be opened
 * would read as zeros. Files behind links are px_h5_disk's matter. */
bool px_h5_unreadable(hid_t set, char why[PX_H5_WHY]);

/* Whether a data set is packed by a filter that this HDF5 does not have: then why[] gets the reason. */
bool px_h5_lacks_filter(hid_t set, char why[PX_H5_WHY]);

/* bf16 (tensor/bf16.h) as a type for H5Dread and H5Dwrite, which convert it. The caller closes it. */
hid_t px_h5_bf16_type(void);

/* Reads a scalar attribute that is a whole number. 0 or -1, without a message. */
int px_h5_get_attribute_number(hid_t object, const char *name, int64_t *value);

/* Writes a new scalar attribute of an object. 0 or -1, without a message. */
int px_h5_put_attribute_text(hid_t object, const char *name, const char *text);
int px_h5_put_attribute_number(hid_t object, const char *name, int64_t value);

/* The same for a list of `count` > 0 texts of variable length. */
int px_h5_put_attribute_texts(hid_t object, const char *name, int count, const char *const *texts);

#endif
