/* h5_array.h - an array of images or labels in an HDF5 file of somebody else: opened only if it is what it claims, and read
 * in rows. For import_h5.c. */
#ifndef PX_DATA_H5_ARRAY_H
#define PX_DATA_H5_ARRAY_H

#include "data/catalog.h"
#include "results/h5_disk.h"

/* Opens the file. `disk` outlives it. The id, or -1 with a message. */
hid_t px_h5_images_open(const char *path, px_h5_disk *disk);

/* Opens an array whose values lie in the file itself, and are as many as it can hold; `element`: bytes of a value. The id, or
 * -1 with a message. */
hid_t px_h5_array_open(hid_t file, const char *path, const char *name, size_t element);

/* px_importer.unpack; the block's `reader` keeps the array open from its first row to the last. */
struct px_h5_reader *px_h5_reader_create(void);
int px_h5_unpack(const px_block *, const uint8_t *bytes, int64_t first, int64_t count, uint8_t *pixels);

#endif
