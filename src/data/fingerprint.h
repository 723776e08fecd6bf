/* fingerprint.h - short numbers that tell a data set, or a file of weights, from others of its name: CRC-32, as zlib has it.
 *
 *     uint32_t data = px_dataset_fingerprint(dataset);
 *     uint32_t file;
 *     if (px_file_fingerprint("resnet50.safetensors", &file) != 0) ...
 */
#ifndef PX_DATA_FINGERPRINT_H
#define PX_DATA_FINGERPRINT_H

#include "data/dataset.h"

/* Of the number and shape of the images, all labels and splits with their names, the mean and standard deviation of the training
 * pixels, and 32 images of each split, which are read: the first, the last, and those evenly between. An image that cannot be
 * read counts as none. This function can't fail. */
uint32_t px_dataset_fingerprint(const px_dataset *);

/* Of all bytes of a file. 0 or -1 (PX_FAIL: it cannot be read). */
int px_file_fingerprint(const char *path, uint32_t *out);

#endif
