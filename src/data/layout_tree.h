/* layout_tree.h - the folders of image files as a tree, for layout*.c. */
#ifndef PX_DATA_LAYOUT_TREE_H
#define PX_DATA_LAYOUT_TREE_H

#include "data/catalog.h"

/* What the folders in a folder are. */
typedef enum px_level { PX_LEVEL_UNKNOWN, PX_LEVEL_SPLITS, PX_LEVEL_CLASSES } px_level;

/* A folder that holds images, itself or in folders below it. */
typedef struct px_node {
    size_t first, last;  /* its images: sorted[first] to sorted[last - 1] */
    int64_t direct;      /* how many are not in a folder below it */
    size_t name, length; /* where in an image's path the folder's name begins, and where it ends; the source: 0, 0 */
    int kid, kids;       /* the folders in it: node[kid] to node[kid + kids - 1] */
    int said;            /* what split= says of it (px_splits_of_folder) */
    int split;           /* what the option or the name says: a split or PX_SPLIT_UNKNOWN */
    px_level level;
} px_node;

typedef struct px_tree {
    px_catalog *c;
    px_block **sorted; /* by source and path */
    px_node *node;     /* first the sources that have images */
    int nodes, roots;
} px_tree;

/* Makes the tree of all image files; those in folders that split= leaves out get PX_SPLIT_LEFT_OUT and are not in it. */
void px_tree_make(px_tree *, px_catalog *);
void px_tree_finish(px_tree *);

/* A folder's path in its source, as a new string, with control characters replaced. */
char *px_tree_path(const px_tree *, const px_node *);
/* Its name, which is borrowed and does not end with a zero. */
const char *px_tree_name(const px_tree *, const px_node *, size_t *length);

/* The folder at a path of a source, or NULL: it holds no images. */
px_node *px_tree_find(const px_tree *, int source, const char *path);

#endif
