/* pack.h - packs images into a data set: what `pretext pack` does.
 *
 * A source is a file, a folder, or an archive (tar, zip, 7z..., with any compression that libarchive reads) of:
 *     IDX (MNIST family)       train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz]; t10k-*, test-*: split test
 *     CIFAR-10/100 binary      data_batch_N.bin, test_batch.bin / train.bin, test.bin (100: fine labels);
 *                              batches.meta.txt, fine_label_names.txt give class names
 *     STL-10 binary            train_X.bin, train_y.bin, test_X.bin, test_y.bin, unlabeled_X.bin, class_names.txt
 *     NumPy                    arrays of images and labels, .npy and .npz: import_npy.c, docs/files.md
 *     HDF5 of others           arrays of images and labels under usual names: import_h5.c, docs/files.md
 *     images (image.h)         folders of splits and classes: layout.h, docs/files.md
 */
#ifndef PX_DATA_PACK_H
#define PX_DATA_PACK_H

#include "base/log.h"
#include "base/option.h"

typedef struct px_pack_options {
    /* AUTO: raw if all images have the same size, up to 128 px per side. */
    enum { PX_STORE_AUTO, PX_STORE_RAW, PX_STORE_ENCODED } store;
    const char *split; /* "": from names as above; else splits.h */
    /* The folders that are classes. */
    enum { PX_CLASSES_AUTO, PX_CLASSES_FIRST, PX_CLASSES_LAST, PX_CLASSES_PATH, PX_CLASSES_NONE } classes;
    const char *labels;                          /* "": none; else text files (labels.h), separated by commas */
    enum { PX_EXIF_APPLY, PX_EXIF_IGNORE } exif; /* the orientation that image files tell */
    enum { PX_BAD_STOP, PX_BAD_SKIP } bad;       /* what is done about files that cannot be read */
    int64_t seed;                                /* of the order in which images are divided between splits */
    int channels;            /* 0: as in the source (3 if gray and RGB are mixed); 1; 3; others as in the source */
    int bits;                /* of a value: 8, 16; 0: 16 if all images have 16 */
    const char *class_names; /* "shirt,bag,...", in the order of the labels; "": the source's names */
} px_pack_options;

extern const px_option px_pack_option_table[];

bool px_pack_turns(const px_pack_options *); /* exif=apply */

typedef struct px_pack_summary {
    int64_t count;
    int classes, splits, height, width, channels; /* height 0: sizes vary */
    char *text;                                   /* a readable table of splits x classes; free() it */
    int skipped;                                  /* bad files that were left out */
} px_pack_summary;

/* What px_pack would do, as text: a new string, or NULL with a message. Only the heads of images are read. */
char *px_pack_understand(const char *const *sources, int count, const px_pack_options *, px_log *);

/* Packs all sources into one new data set. It is written beside `out` under another name, synced, and renamed at the
 * end: a failure neither leaves an incomplete file nor touches an old one. 0 or -1. */
int px_pack(const char *const *sources, int count, const char *out, const px_pack_options *, px_log *,
            px_pack_summary *);

#endif
