/* extract.h - features of a whole split: one pass of a frozen encoder over it, shared by all ranks.
 *
 *     px_extract_spec from = {&task, data, patches, workers, timeout, comm, log};
 *     px_extraction e;
 *     if (px_extract(&e, &from, &model, split) != 0) ...             // collective; every rank holds its own rows
 *     px_extraction_gather(&e, e.layers - 1, comm);                  // collective; every rank holds all rows
 *     px_features f = px_extraction_features(&e, e.layers - 1, classes);
 *     px_extraction_finish(&e);
 *
 * Row i belongs to the split's image i. Ranks encode whole batches, the same ones whatever their number, so that a row
 * is the same bits on any number of ranks. An image is framed as px_recipe_frame says, or cut into patches, without
 * augmentation, and normalised as the run's views were.
 */
#ifndef PX_EVAL_EXTRACT_H
#define PX_EVAL_EXTRACT_H

#include "base/log.h"
#include "eval/features.h"
#include "eval/patches.h"
#include "train/model.h"

typedef struct px_extract_spec {
    const px_task *task;
    const px_dataset *data;
    px_patches patches; /* as the model was built for; pixels are always those of the whole image */
    int workers;
    int timeout; /* the loader's */
    const px_comm *comm;
    px_log *log;
} px_extract_spec;

typedef struct px_layer_rows {
    const char *name;
    int width;
    bool whole; /* all rows are here; else this rank's own */
    float *x;   /* (count or rows, width) */
} px_layer_rows;

typedef struct px_extraction {
    int64_t count;       /* images of the split */
    int64_t first, rows; /* this rank's own */
    int batch;           /* images of an encoder's batch: shares are multiples of it */
    int32_t *label;      /* (count), on every rank */
    int layers;          /* as the model has them: the last one holds its features */
    px_layer_rows layer[PX_STAGES_MAX + 1];
} px_extraction;

/* `model` is an encoder (px_model_encoder). 0 or -1. */
int px_extract(px_extraction *, const px_extract_spec *, px_model *model, const px_split *);

/* The images themselves as features, one layer: task->channels * size * size values each. */
int px_extract_pixels(px_extraction *, const px_extract_spec *, const px_split *);

/* Gives every rank all rows of a layer; px_extraction_drop frees one that is no more needed. */
void px_extraction_gather(px_extraction *, int layer, const px_comm *);
void px_extraction_drop(px_extraction *, int layer);

/* A layer that was gathered. */
px_features px_extraction_features(const px_extraction *, int layer, int classes);
void px_extraction_finish(px_extraction *);

#endif
