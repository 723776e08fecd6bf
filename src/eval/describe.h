/* describe.h - says what an evaluation measures, as the text that results/measured.h keeps beside the numbers.
 *
 *     char *text = px_eval_describe(&(px_eval_description){.data = data, .crc = crc, .splits = &splits, ...});
 *
 * Whatever changes a number has a line: the data set, its splits and how many images of each, how images were prepared, where
 * the weights are from, the protocol's settings. What does not (threads, ranks, batch, kernels) has none.
 */
#ifndef PX_EVAL_DESCRIBE_H
#define PX_EVAL_DESCRIBE_H

#include "eval/patches.h"
#include "eval/protocol.h"
#include "eval/splits.h"
#include "train/settings.h"

/* Where a subject's weights are from. */
typedef enum px_origin {
    PX_ORIGIN_NONE,       /* pixels, HOG: there are none */
    PX_ORIGIN_INITIAL,    /* drawn by the seed */
    PX_ORIGIN_CHECKPOINT, /* a run's, after `step` steps */
    PX_ORIGIN_FILE,       /* a file of weights */
} px_origin;

typedef struct px_weights_origin {
    px_origin kind;
    int64_t step, seed;
    const char *file;
    uint32_t file_crc;
} px_weights_origin;

typedef struct px_eval_description {
    const px_dataset *data;
    uint32_t data_crc; /* px_dataset_fingerprint */
    const px_eval_splits_cfg *wanted;
    const px_eval_splits *splits;
    const px_settings *run;
    int image_size;
    const px_patches *patches;
    bool bf16;            /* the network computes in it */
    const char *features; /* "bf16": they were rounded to it; "fp32"; NULL: there are none */
    px_weights_origin weights;
    const px_protocol *protocol; /* NULL: nothing is learned from the training split (spectrum, map) */
    const px_protocol_cfg *protocol_cfg;
    int hog_cell; /* side of HOG's cells in pixels; 0: it is not HOG that is measured */
} px_eval_description;

/* A new string. */
char *px_eval_describe(const px_eval_description *);

#endif
