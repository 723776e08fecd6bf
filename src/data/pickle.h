/* pickle.h - reads Python's pickles as far as torch.save needs them for weights: containers, numbers, texts and
 * tensors. It executes nothing: an instruction or a class that it does not know is refused by name.
 *
 *     px_pickle *p = px_pickle_read("w.pth", bytes, size, &used);      // NULL: px_error()
 *     const px_item *root = px_pickle_root(p);
 *     if (root->kind == PX_ITEM_DICT) ... root->item[2 * i] is key i, root->item[2 * i + 1] its value
 *     px_pickle_free(p);
 *
 * Format: pickletools.py of Python, protocols 2 to 5; tensors: torch/_utils.py, _rebuild_tensor_v2.
 */
#ifndef PX_DATA_PICKLE_H
#define PX_DATA_PICKLE_H

#include "tensor/shape.h"

#include <stddef.h>
#include <stdint.h>

typedef enum px_item_kind {
    PX_ITEM_OTHER, /* None, numbers with a fraction, numbers of more than 64 bits, bytes */
    PX_ITEM_INT,   /* also booleans */
    PX_ITEM_TEXT,
    PX_ITEM_TUPLE,
    PX_ITEM_LIST,
    PX_ITEM_DICT,
    PX_ITEM_CLASS,
    PX_ITEM_STORAGE,
    PX_ITEM_TENSOR,
} px_item_kind;

typedef struct px_item px_item;

/* Where a tensor's elements are in its storage. */
typedef struct px_item_layout {
    px_shape shape;
    int64_t stride[PX_RANK_MAX]; /* in elements */
} px_item_layout;

/* All is owned by the pickle. Containers may hold themselves. */
struct px_item {
    px_item_kind kind;
    int count;                    /* elements of a tuple or list; of a dict: twice its pairs */
    px_item **item;               /* its elements */
    int64_t number;               /* INT: the number; STORAGE: elements; TENSOR: the first element within its storage */
    const char *text;             /* TEXT; CLASS: "torch.FloatStorage"; STORAGE: its key */
    const char *type;             /* STORAGE: of its elements, as safetensors calls it */
    const px_item *of;            /* TENSOR: its storage */
    const px_item_layout *layout; /* TENSOR */
};

typedef struct px_pickle px_pickle;

/* Reads one pickle; the bytes are only needed during the call. `*used`, if not NULL: how many bytes it has. NULL after
 * an error (PX_DATA, beginning with `path`). */
px_pickle *px_pickle_read(const char *path, const uint8_t *bytes, size_t size, size_t *used);
const px_item *px_pickle_root(const px_pickle *);
void px_pickle_free(px_pickle *); /* NULL is fine */

/* A storage with this key, or NULL. */
const px_item *px_pickle_storage(const px_pickle *, const char *key);

/* The value of a text key of a dict, or NULL. */
const px_item *px_item_find(const px_item *dict, const char *key);

#endif
