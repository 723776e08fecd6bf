/* splits.h - the names of a data set's splits while it is packed, and what the option split= says of them:
 *
 *     split=unlabeled                       all images go there
 *     split=train:0.9,val:0.1               the images of the first are divided, class by class
 *     split=extra:unlabeled,notes:none      these folders are a split, or are left out; FOLDER:class: is a class
 */
#ifndef PX_DATA_SPLITS_H
#define PX_DATA_SPLITS_H

#include "data/names.h"

#include <stdint.h>

enum { PX_SPLITS = 16, PX_SPLIT_UNKNOWN = -1, PX_SPLIT_LEFT_OUT = -2, PX_SPLIT_IS_CLASS = -3 };

typedef struct px_split_map {
    char *folder; /* its path in a source, or its name */
    int target;   /* a split, PX_SPLIT_LEFT_OUT or PX_SPLIT_IS_CLASS */
    bool used;
} px_split_map;

typedef struct px_splits {
    char *name[PX_SPLITS]; /* first the standard ones */
    int count;
    int whole; /* the split of all images, or -1 */
    int parts; /* how many splits the images of part[0] are divided into; 0: they are not */
    int part[PX_SPLITS];
    double share[PX_SPLITS]; /* (parts) of 1 */
    px_split_map *map;
    int maps;
} px_splits;

/* Reads the option. 0 or -1 (PX_USAGE). px_splits_finish in any case. */
int px_splits_read(px_splits *, const char *option);
void px_splits_finish(px_splits *);

/* The number of a split, which is added if it is new; -1 with a message if there are too many. */
int px_splits_number(px_splits *, const char *name, size_t length);

/* What the option says of a folder: a split, one of the constants above, or PX_SPLIT_UNKNOWN: nothing. */
int px_splits_of_folder(px_splits *, const char *path, size_t length);

/* Gives each of `count` rows of the split part[0] its part: classes are divided one by one, rows are drawn by (seed,
 * class), and each part gets at least one row of a class that has so many. labels and split_of are (count). */
void px_splits_divide(const px_splits *, int64_t seed, int64_t count, int classes, const int32_t *labels,
                      uint8_t *split_of);

#endif
