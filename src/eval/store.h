/* store.h - features that are kept in a folder, so that the next protocol need not encode the images again.
 *
 *     px_store store = px_store_make("features", &settings, &model, data_crc);
 *     if (px_store_extract(&e, &store, &from, &model, split) != 0) ...        // collective; instead of px_extract
 *
 * A file is used again if everything that features depend on is the same: each parameter of the network, its options, the data
 * set, the images of the split, how they are prepared. That is written into the file as a text, and its CRC is in the file's
 * name: features of other weights or splits lie beside it. The same kernels (isa=, backend=) are not asked for: they differ by
 * rounding. Ranks read their own rows, as many as they would have encoded.
 */
#ifndef PX_EVAL_STORE_H
#define PX_EVAL_STORE_H

#include "eval/extract.h"
#include "train/settings.h"

typedef struct px_store {
    const char *folder; /* "": nothing is kept */
    const px_settings *settings;
    uint32_t data_crc, weights_crc; /* on all ranks */
} px_store;

/* For a network with these parameters. Collective. */
px_store px_store_make(const char *folder, const px_settings *, px_model *, uint32_t data_crc);

/* Checks that the folder can be written, or makes it; rank 0. 0 or -1. */
int px_store_writable(const char *folder);

/* px_extract, from the store where it has the features, else by encoding and keeping them. 0, or -1 with the same message on all
 * ranks. */
int px_store_extract(px_extraction *, const px_store *, const px_extract_spec *, px_model *, const px_split *);

#endif
