/* layout_names.h - what the names of folders side by side say together, where each alone says nothing: MNIST_train beside
 * MNIST_test are splits; trainA beside testB, or fold0 beside fold1, may be splits or classes, which is asked. */
#ifndef PX_DATA_LAYOUT_NAMES_H
#define PX_DATA_LAYOUT_NAMES_H

#include "data/layout_tree.h"

/* Whether the folders in `at` differ only in their splits' words: they then get these splits. */
bool px_layout_take_splits(const px_tree *, const px_node *at);

/* Refuses folders in `at` that are probably no classes, with the options that decide. 0 or -1 (PX_DATA). */
int px_layout_check_names(const px_tree *, const px_node *at);

#endif
