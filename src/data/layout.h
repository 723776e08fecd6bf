/* layout.h - understands a tree of folders with image files: which are splits, which are classes. The rule is in
 * docs/files.md; what it does not decide is refused with the option that does. */
#ifndef PX_DATA_LAYOUT_H
#define PX_DATA_LAYOUT_H

#include "data/catalog.h"

/* Sets split and label of each image file of the catalog (PX_SPLIT_LEFT_OUT: it is left out), and the class names. 0 or
 * -1. */
int px_layout_understand(px_catalog *);

/* The number of a class in the catalog's class_names while they are being collected; it is added if it is new. */
int px_layout_class(px_catalog *, const char *name);

/* Whether it is among them. */
bool px_layout_has_class(const px_catalog *, const char *name);

/* Drops classes without images, sorts the class names and renumbers the labels. The names are sorted as numbers if all are
 * whole numbers and `numbers` is true. */
void px_layout_sort_classes(px_catalog *, bool numbers);

#endif
