/* labels.h - the option labels=: text files that say which image has which label, and which split.
 *
 *     path,label,split        columns by their names, or the first two or three; commas, semicolons, tabs, or blanks
 *     one label per line      of the images that have none, in the order of their paths (ImageNet's ground truth)
 *
 * docs/files.md says how rows find their images. */
#ifndef PX_DATA_LABELS_H
#define PX_DATA_LABELS_H

#include "data/catalog.h"

typedef struct px_label_row {
    char *path, *label, *split; /* path NULL: a line of a list; split NULL: it is not said */
    int64_t line;
} px_label_row;

typedef struct px_label_rows {
    px_label_row *row;
    int count;
    bool list; /* one label per line */
} px_label_rows;

/* Reads a text. `name` is the file's, for messages. `is_image` tells whether a path names an image: then it is not the
 * name of a column. 0 or -1 (PX_DATA). px_label_rows_free in any case. */
int px_label_rows_read(px_label_rows *, const char *text, size_t size, const char *name,
                       bool (*is_image)(void *, const char *path), void *context);
void px_label_rows_free(px_label_rows *);

/* First walk: keeps the entry if labels= or class_names= names it. */
bool px_labels_offer(px_catalog *, const px_entry *);

/* Gives the images that the files of labels= name their labels and splits. *any: the option names a file. 0 or -1. */
int px_labels_apply(px_catalog *, bool *any);

/* The names in the file that class_names= names, one per line, as a NULL-terminated array of new strings. *names is NULL if it
 * names no file. 0 or -1. */
int px_labels_class_names(const px_catalog *, char ***names);

#endif
