/* arrays.h - what import_h5.c and import_npy.c share: arrays of images and of labels in files of others, known by the names that
 * people give them and by their axes (docs/files.md). */
#ifndef PX_DATA_ARRAYS_H
#define PX_DATA_ARRAYS_H

#include "data/catalog.h"

enum { PX_ARRAY_CLASSES_MAX = 1 << 20 }; /* that a data set has */

typedef enum px_array_role { PX_ARRAY_UNKNOWN, PX_ARRAY_IMAGES, PX_ARRAY_LABELS } px_array_role;

/* What the words of a name say: x, images, data, ... or y, labels, target, .... The last word that says something decides: in
 * "data/y" it is y. */
px_array_role px_array_role_of(const char *name);

/* The split that one of its words stands for. -1: none. */
int px_array_split_of(const char *name);

/* (N, height, width), (N, height, width, channels) or (N, channels, height, width). */
typedef struct px_array_axes {
    int64_t count;
    int height, width, channels;
    bool channels_first;
} px_array_axes;

/* Whether so many numbers of `bytes` bytes with these extents are images. Channels come last, unless only the second axis is
 * short enough for them. */
bool px_array_axes_of(int rank, const int64_t dim[], size_t bytes, px_array_axes *);

/* (count, channels, height, width) of the block's bits to (count, height, width, channels). */
void px_array_put_channels_last(const px_block *, int64_t count, const uint8_t *in, uint8_t *out);

/* For finish(). Gives the blocks the labels of the side files, int32 numbers, that have the same names but for the words that
 * tell images from labels, in the same source or folder; or that are the only ones, where no name says anything. Leaves arrays
 * out whose names say nothing, beside some that are known as images. Warns of what is left. 0, or -1: a label is not a class,
 * or two arrays could be the labels of one, or are the same images. */
int px_arrays_finish(px_catalog *);

#endif
