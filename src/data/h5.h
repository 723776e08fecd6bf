/* h5.h - what data/ adds to HDF5's own interface.
 *
 *     px_h5_quiet();                                              // once before the first call that may fail
 *     if ((file = H5Fopen(path, ...)) < 0)
 *         return px_fail(PX_DATA, "%s: does not open: %s", path, px_h5_why((char[PX_H5_WHY]){0}));
 */
#ifndef PX_DATA_H5_H
#define PX_DATA_H5_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

enum { PX_H5_WHY = 200 };

/* No printing of HDF5's error stack: we say in one line what is wrong. */
void px_h5_quiet(void);

/* HDF5's innermost description of the last call, which failed: any further one forgets it. Returns `text`. */
const char *px_h5_why(char text[PX_H5_WHY]);

/* Whether an array of these extents and element size (bytes in memory) can be what the file stores: no filter makes
 * more than a thousand bytes of one. A few bytes may claim any extents, and memory for them must not be asked for. */
bool px_h5_plausible(hid_t set, int rank, const hsize_t dim[], size_t element);

/* One whole number: a scalar attribute, as those that are written here. 0 or -1, without a message. */
int px_h5_get_attribute_number(hid_t object, const char *name, int64_t *value);

/* A new scalar attribute of an object. 0 or -1, without a message. */
int px_h5_put_attribute_text(hid_t object, const char *name, const char *text);
int px_h5_put_attribute_number(hid_t object, const char *name, int64_t value);

#endif
