/* catalog.h - what the importers (import_*.c) find in the sources of one `pretext pack`.
 *
 * In a first walk every entry is offered to the formats. The one that claims it adds a block (an entry with images) or
 * a side file (an entry with labels or names). px_catalog_finish then joins side files to blocks, numbers the classes,
 * and gives every image its row: sorted by split, class, source and path; images of one entry keep their order. A
 * second walk (pack_pixels.c) meets the same entries in the same order and writes the pixels. */
#ifndef PX_DATA_CATALOG_H
#define PX_DATA_CATALOG_H

#include "data/pack.h"
#include "data/source.h"
#include "data/splits.h"

typedef struct px_importer px_importer;

typedef struct px_block {
    char *path; /* inside its source */
    int source;
    int split; /* number of a split, or PX_SPLIT_LEFT_OUT */
    bool bad;  /* an image file that cannot be read: it counts when folders are understood, and is then dropped */
    int height, width, channels;
    int bits;                    /* 16, else 8 */
    bool oriented;               /* its file tells an orientation other than upright */
    int label;                   /* of all its images, unless there are `labels` */
    int32_t *labels;             /* (count), or NULL */
    char *file, *array;          /* HDF5: where the images are; NULL in other formats */
    char *why;                   /* HDF5, NumPy: the message of a file that is bad, else NULL */
    struct px_h5_reader *reader; /* HDF5: for unpack() */
    bool turned_axes;            /* HDF5, NumPy: (N, channels, height, width) */
    bool big_endian;             /* NumPy: of values of 16 bits */
    int64_t count, row;          /* number of images; the first one's row in the data set */
    uint64_t size, offset;       /* bytes of the entry; image files: their place in /encoded */
} px_block;

enum { PX_PACK_QUIET_SECONDS = 1 }; /* nothing is said about progress before: what takes less needs none */

typedef struct px_side {
    char *path;
    int source;
    const px_importer *format;
    uint8_t *bytes;
    size_t size;
    bool used;
} px_side;

/* A folder, or a file that no format claims. */
typedef struct px_folder {
    char *path;
    int source;
} px_folder;

/* The folders whose images are in one split. */
typedef struct px_split_found {
    int folders; /* how many they are */
    char *first; /* the first one's path */
} px_split_found;

typedef struct px_catalog {
    const px_pack_options *options;
    px_log *log;
    double start; /* px_now() when the first walk began */
    bool told;    /* px_catalog_tell has said what was found */
    const char *const *sources;
    int source_count, source;  /* their number; the one being walked */
    const px_importer *format; /* of all blocks; NULL until the first */
    px_block *blocks;          /* in the order of the walk */
    px_side *sides;
    px_folder *folders, *skipped; /* skipped: files that no format claims */
    size_t block_count, side_count, folder_count, skipped_count;
    px_side *texts; /* files that labels= or class_names= names */
    int text_count;
    int64_t junk; /* hidden files and those of systems */
    char *first_junk;
    int64_t lost; /* links of archives that lead out of them, to nothing or in a circle */
    char *first_lost;
    char **bad; /* (bad_count) the messages of files that cannot be read */
    int bad_count;
    px_splits splits;
    px_split_found found[PX_SPLITS];
    char **class_names; /* (classes) */
    int classes;
    void *class_index; /* finds a name's place in class_names, while they are collected (layout.h) */
    int64_t count;     /* images */
    int64_t in_split[PX_SPLITS];
    uint8_t *split_of_row; /* (count), if split= divides the images; else a block's images have its split */
    uint64_t encoded_size;
} px_catalog;

struct px_importer {
    const char *name;
    /* Such files beside images of another format are somebody's results: they count only where there is nothing else. */
    bool yields;
    /* Whether the entry (not a folder) has this format, by its name or its first bytes. */
    bool (*claims)(const px_entry *);
    /* First walk: adds the entry as a block or a side file. 0 or -1. */
    int (*list)(px_catalog *, const px_entry *);
    /* After the first walk: labels, classes and class names. 0 or -1. */
    int (*finish)(px_catalog *);
    /* Gives the pixels of `count` images from `first` on as (count, height, width, channels) of the
     * block's bits. 0 or -1. NULL: entries are image files. */
    int (*unpack)(const px_block *, const uint8_t *bytes, int64_t first, int64_t count, uint8_t *pixels);
};

/* In the order in which an entry is offered to them; NULL-terminated (meson.build lists them). */
extern const px_importer *const px_importers[];
/* A bad file is a picture that cannot be read. */
extern const px_importer px_importer_images;

/* Walks all sources for the first time and sorts the images. 0 or -1. Zero-initialise; px_catalog_free in any case. */
int px_catalog_make(px_catalog *, const char *const *sources, int count, const px_pack_options *, px_log *);
void px_catalog_free(px_catalog *);

/* For the formats' list(): NULL with a message if the sources have images of two formats. Valid until the next call. */
px_block *px_catalog_block(px_catalog *, const px_entry *, const px_importer *, int split, int64_t count);
/* Counts a file among those that are left out. */
void px_catalog_leave_out(px_catalog *, const char *path, int source);
/* For list() of a format that yields: whether there are images of another format, so that the entry is left out. 1: so it
 * was; 0: there are none; -1: there are, but the entry is itself a source. */
int px_catalog_yields(px_catalog *, const px_entry *, const px_importer *);
/* Whether the source is this file, not a folder or an archive of it. */
bool px_entry_is_source(const char *source, const char *path);
void px_h5_reader_destroy(struct px_h5_reader *); /* NULL is fine */
void px_block_finish(px_block *);
/* The same as px_catalog_block for a side file; it is dropped if the images turn out to have another format. */
void px_catalog_side(px_catalog *, const px_entry *, const px_importer *);

/* A file that cannot be read: its message is kept. Without bad=skip, a few are named in the error itself; when there are
 * more, each is said by itself. */
enum { PX_BAD_IN_ERROR = 3 };
void px_catalog_bad(px_catalog *, const char *message);
bool px_catalog_skips(const px_catalog *); /* bad=skip */
/* Refuses the sources for the bad files from number `first` on, all of which are named here or were above. -1. */
int px_catalog_refuse_bad(const px_catalog *, int first);

/* Drops the image files that are bad or left out, and gives the others their rows. 0 or -1. */
int px_catalog_number(px_catalog *);

/* What was understood, as lines of text: a new string. */
char *px_catalog_text(const px_catalog *);

/* Says it, once. On a terminal it is said before packing. Elsewhere it is said when packing has taken a moment or has
 * ended, so that a failure stays one line. */
void px_catalog_tell(px_catalog *);

/* For the formats' finish(): takes the lines of a side file as class names, `classes` different ones. 0 or -1. */
int px_catalog_names(px_catalog *, px_side *, int classes);
/* Takes numbers as class names. */
void px_catalog_number_names(px_catalog *, int classes);

/* What class_names= says: names in the order of the labels, or a file of them. 0 or -1. */
int px_catalog_rename_classes(px_catalog *);
/* Refuses a class that has test images but no training images; warns of classes without images. 0 or -1. */
int px_catalog_check_classes(px_catalog *);
void px_catalog_drop_names(px_catalog *);

/* The label of image i of a block; -1: none. */
static inline int px_block_label(const px_block *b, int64_t i)
{
    return b->labels ? b->labels[i] : b->label;
}

/* The names of source and entry, for messages. Returns `name`. */
const char *px_block_name(const px_catalog *, const px_block *, char name[PX_ENTRY_NAME]);
const char *px_side_name(const px_catalog *, const px_side *, char name[PX_ENTRY_NAME]);

const char *px_split_name(const px_catalog *, int split);

#endif
