/* dataset.h - a packed data set (HDF5), open for reading by many threads.
 *
 * File format (made by `pretext pack`, or by a few lines of h5py; contiguous, uncompressed arrays are mapped, others
 * are read into memory as a whole):
 *     /images   uint8 or uint16 (N, H, W, C)  C is 1 to 64; or, for large images or images of varying size,
 *     /encoded  uint8 (total bytes)          image files (image.h) one after the other,
 *     /offsets  uint64 (N+1)                 image i is encoded[offsets[i] : offsets[i+1]]
 *     /labels   int32 (N)                    0..classes-1, or -1: no label
 *     /split    uint8 (N)                    index into the attribute split_names
 *   attributes of the root group:
 *     class_names, split_names               variable-length strings
 *     mean, std                              float32 (C), of the train split's pixels scaled to [0,1]
 *     channels                               int32
 *     bits                                   int32: 16: /encoded files are decoded to uint16. Optional
 *     exif                                   string: "ignore": /encoded files' own orientation does not count
 *     source                                 string: what was packed
 * Without /labels there are no classes; without class_names their numbers are their names; without /split and
 * split_names everything is "train"; without mean and std those of /images are measured. The rest is required.
 *
 *     px_dataset *d;
 *     if (px_dataset_open(&d, "cifar10.h5", PX_LINKS_REFUSED) != 0) return -1;
 *     const px_split *train = px_dataset_split(d, "train");        // NULL with a message that names the splits
 *     px_image image = {0};
 *     px_dataset_read(d, train->index[7], &image);                  // thread-safe: one px_image per thread
 */
#ifndef PX_DATA_DATASET_H
#define PX_DATA_DATASET_H

#include "data/image.h"

typedef struct px_dataset px_dataset;

typedef struct px_split {
    const char *name;
    const int64_t *index; /* rows of the data set, ascending */
    int64_t count;
} px_split;

typedef struct px_dataset_info {
    const char *path;
    int64_t count;
    int height, width; /* 0 if images vary in size, or are encoded: then sizes are known only after decoding */
    int channels;      /* 1 (gray), 3 (RGB), or others up to PX_CHANNELS_MAX */
    int bits;          /* of a value: 8 or 16 */
    int classes;       /* 0: no labels */
    const char *const *class_names;
    int splits;
    const char *const *split_names;
    float mean[PX_CHANNELS_MAX], std[PX_CHANNELS_MAX];
    const char *note; /* what was left out or measured, a line; NULL: nothing */
} px_dataset_info;

/* What to do about parts of a data set that lie in other files: behind external links, in external storage, in virtual data
 * sets. */
typedef enum px_links { PX_LINKS_REFUSED, PX_LINKS_FOLLOWED } px_links;

/* 0, or -1: PX_DATA, or PX_USAGE if `path` is empty (data.path has no default). */
int px_dataset_open(px_dataset **out, const char *path, px_links);
void px_dataset_close(px_dataset *);
void px_dataset_tell(const px_dataset *); /* says the note, if there is one: for one rank */
const px_dataset_info *px_dataset_about(const px_dataset *);
const px_split *px_dataset_split(const px_dataset *, const char *name); /* NULL: px_error() names those that exist */
/* The same where a configuration's key names the split: the message names the key, too. */
const px_split *px_dataset_split_for(const px_dataset *, const char *key, const char *name);
int px_dataset_label(const px_dataset *, int64_t row);

/* The side of the data set's images: the longer side or, if sizes vary, the median of the shorter sides of some of
 * them. 0: unknown. */
int px_dataset_side(const px_dataset *);

/* Keeps only `limit` of the split's images, evenly spaced, so that each class keeps its share if images are sorted by
 * class. 0, or at least the split's size, keeps all. Returns the new index, for the caller to free after the split's
 * last use, or NULL. */
int64_t *px_split_limit(px_split *, int64_t limit);

/* The number of an image's split, in info.split_names. */
int px_dataset_split_of(const px_dataset *, int64_t row);

/* Fills `image` (pixels may point into the mapped file). 0, or -1 with PX_DATA, naming the file and the row. */
int px_dataset_read(const px_dataset *, int64_t row, px_image *image);

/* Whether the file is still as long as when it was opened: 0, or -1 with PX_DATA. Images that were read before it are
 * whole. A page beyond the end of the file is a signal: read under px_crash_guard (base/crash.h). */
int px_dataset_check(const px_dataset *);

#endif
