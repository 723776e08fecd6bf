/* dataset_private.h - what dataset.c and dataset_load.c share. */
#ifndef PX_DATA_DATASET_PRIVATE_H
#define PX_DATA_DATASET_PRIVATE_H

#include "data/dataset.h"
#include "results/h5_disk.h"

struct px_dataset {
    px_dataset_info info;
    char *path, *note;
    px_h5_disk disk;      /* for the time of opening */
    const uint8_t *bytes; /* raw: (N, H, W, C); encoded: one file after the other */
    uint8_t *copy;        /* `bytes`, if they could not be mapped */
    void *map;
    size_t map_size;
    int fd;            /* of the mapped file */
    off_t file_end;    /* what its images reach to */
    size_t stride;     /* bytes of a raw image */
    uint64_t *offsets; /* (N+1), NULL: raw */
    bool unturned;     /* image files' own orientation does not count */
    int32_t *labels;   /* (N), NULL: none */
    uint8_t *split_of; /* (N) */
    int64_t *rows;     /* (N), the indices of one split after the other */
    px_split *splits;
    char **class_names, **split_names;
};

/* Reads and checks all parts of the data set, and maps its images. 0, or -1 with PX_DATA. */
int px_dataset_load(px_dataset *, hid_t file);

#endif
