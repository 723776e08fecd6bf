/* features_file.h - features as a file, with the rows of all ranks.
 *
 *     /features (N, D) float32, /labels (N) int32 (-1: none), /rows (N) int64: each image's row in the data set,
 *     /split (N) uint8: each image's split, a number in the attribute split_names
 *   attributes of the root: run, data, data_crc (px_dataset_fingerprint), split, backbone, step, config (how images were
 *   prepared); of kept features identity
 */
#ifndef PX_EVAL_FEATURES_FILE_H
#define PX_EVAL_FEATURES_FILE_H

#include "eval/extract.h"

typedef struct px_features_source {
    const px_dataset *dataset;
    const char *run, *data, *split, *backbone, *config;
    const char *identity; /* all that the features depend on (store.h), or NULL */
    int64_t step;
} px_features_source;

/* Collective: every rank gives its own rows of the last layer, rank 0 writes them. Written under another name and
 * renamed when whole. 0, or -1 with the same message on all ranks. */
int px_features_write(const char *path, const px_extraction *, const px_split *, const px_features_source *,
                      const px_comm *);

/* Checks that the file can be created, before hours of encoding. 0, or -1 (PX_FAIL). */
int px_features_writable(const char *path);

#endif
