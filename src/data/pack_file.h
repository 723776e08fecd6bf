/* pack_file.h - the output file of `pretext pack` (format: dataset.h), under another name until it is complete.
 *
 *     px_pack_file f;
 *     if (px_pack_file_create(&f, &shape, "d.h5") != 0) return -1;
 *     ... px_pack_file_write(&f, first, count, bytes) ...          // each row or byte once, in any order
 *     if (px_pack_file_finish(&f, &about) != 0) ...                // or px_pack_file_abandon(&f)
 */
#ifndef PX_DATA_PACK_FILE_H
#define PX_DATA_PACK_FILE_H

#include "data/image.h"
#include "results/h5_disk.h"

#include <stdint.h>

typedef struct px_pack_shape {
    int64_t count;               /* images */
    int height, width, channels; /* height 0: stored encoded */
    int bits;                    /* of a value: 8 or 16 */
    uint64_t encoded_size;       /* bytes of all encoded images */
} px_pack_shape;

/* The rest of a data set; all borrowed. */
typedef struct px_pack_about {
    const int32_t *labels;   /* (count) */
    const uint8_t *split;    /* (count) */
    const uint64_t *offsets; /* (count + 1); NULL for raw images */
    const char *const *class_names;
    int classes;
    const char *const *split_names;
    int splits;
    float mean[PX_CHANNELS_MAX], std[PX_CHANNELS_MAX];
    const char *source;
    bool unturned;              /* the orientation that image files tell does not count */
    const char *const *skipped; /* why files were left out */
    int skips;
} px_pack_about;

typedef struct px_pack_file {
    px_pack_shape shape;
    char *path, *partial; /* the final name, and the name until then */
    int64_t file, pixels; /* HDF5 ids; -1: closed */
    px_h5_disk disk;      /* what became of the writes */
} px_pack_file;

/* Creates the partial file and reserves its space on the disk. 0 or -1 (PX_FAIL; PX_USAGE: `path` is not a file). */
int px_pack_file_create(px_pack_file *, const px_pack_shape *, const char *path);

/* Writes `count` rows of /images, or bytes of /encoded, from `first` on. */
int px_pack_file_write(px_pack_file *, int64_t first, int64_t count, const void *pixels);

/* Writes the rest, syncs and renames. On failure, removes the partial file. In any case the px_pack_file is no longer
 * usable. */
int px_pack_file_finish(px_pack_file *, const px_pack_about *);
void px_pack_file_abandon(px_pack_file *);

#endif
