/* pickle_private.h - the machine that reads a pickle; for src/data/pickle*.c. */
#ifndef PX_DATA_PICKLE_PRIVATE_H
#define PX_DATA_PICKLE_PRIVATE_H

#include "data/pickle.h"

/* Items live in blocks that never move. */
enum { BLOCK = 256 };
typedef struct px_pickle_block {
    struct px_pickle_block *next;
    int count;
    px_item item[BLOCK];
} px_pickle_block;

typedef struct px_pickle_kept {
    struct px_pickle_kept *next;
    _Alignas(int64_t) char bytes[];
} px_pickle_kept;

struct px_pickle {
    px_pickle_block *blocks;
    px_pickle_kept *kept;
    const px_item *root;
    const px_item **storage; /* in the order of their keys */
    int storages;
};

typedef struct px_machine {
    px_pickle *p;
    const char *path;
    const uint8_t *bytes;
    size_t size, at;
    px_item **stack;
    int depth;
    int *mark; /* depths of the stack */
    int marks;
    px_item **memo;
    size_t memo_count; /* allocated; NULL where nothing was kept */
    int next_memo;
    size_t memory;           /* what all of this takes, in bytes */
    int deepest, most_marks; /* of depth and marks */
} px_machine;

/* What a pickle may take. That of a ViT-L with its optimizer has half a million bytes and takes 20 MiB. */
enum { PICKLE_MEMORY = 128 << 20 };

px_item *px_pickle_make(px_machine *, px_item_kind);
const void *px_pickle_keep(px_machine *, const void *bytes, size_t length); /* a copy, with a zero byte behind it */
int px_pickle_damaged(const px_machine *, const char *why);                 /* -1 */
int px_pickle_push(px_machine *, px_item *);                                /* 0 */
void px_pickle_append(px_machine *, px_item *to, px_item *);                /* to a list or dict */
px_item *px_pickle_pop(px_machine *,
                       px_item_kind); /* the topmost item, of this kind (PX_ITEM_OTHER: any), or NULL with an error */

/* Instructions of classes, in pickle_classes.c: pushes a class by its name, if weights need it; makes a storage from the
 * tuple on top; calls the class below the tuple of arguments on top. */
int px_pickle_class(px_machine *, const char *module, const char *name);
int px_pickle_persistent(px_machine *);
int px_pickle_call(px_machine *);

#endif
