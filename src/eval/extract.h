/* extract.h - features of a whole split: one pass of a frozen encoder over it, shared by all ranks.
 *
 *     px_extract_spec from = {&task, data, patches, workers, timeout, comm, log};
 *     px_extraction e;
 *     if (px_extract(&e, &from, &model, split) != 0) ...             // collective; every rank has its own rows
 *     px_features f = px_extraction_features(&e, e.layers - 1, classes);   // divided among the ranks
 *     px_extraction_gather(&e, e.layers - 1);                        // collective; every rank has all rows
 *     px_extraction_finish(&e);
 *
 * Row i belongs to the split's image i. Ranks encode whole batches, the same ones for any number of ranks, so that rows
 * do not depend on it. An image is framed by px_recipe_frame, or cut into patches, without augmentation, and normalised
 * as the run's views were.
 */
#ifndef PX_EVAL_EXTRACT_H
#define PX_EVAL_EXTRACT_H

#include "base/log.h"
#include "eval/features.h"
#include "eval/patches.h"
#include "train/model.h"

/* Makes the plane, in [0,1], of the part of the image that it usually shows: before it is normalized. */
typedef void px_show(const void *context, px_rng *, const px_image *, px_crop, px_plane, px_scratch *);

typedef struct px_extract_spec {
    const px_task *task;
    const px_dataset *data;
    px_patches patches; /* those that the model was built for; baselines take the whole image */
    int workers;
    int timeout; /* seconds, for the loader */
    const px_comm *comm;
    px_log *log;
    int hog_cell;  /* as the option says: 0: chosen for the images */
    bool bf16;     /* rows are kept as bf16; those of baselines are not */
    px_show *show; /* NULL: that part itself, resized */
    const void *shown_by;
    uint64_t seed; /* of what `show` draws, with the image's row */
} px_extract_spec;

/* What an image is without learning: its pixels, as the run's views are normalised; its histograms of oriented gradients
 * (data/hog.h), of pixels in [0,1]. */
typedef enum px_baseline { PX_PIXELS, PX_HOG, PX_BASELINES } px_baseline;

/* The key of HOG, for a table of options whose struct `type` holds it as `member`. */
#define PX_HOG_OPTION(type, member)                                                                                    \
    PX_OPTION_NAMED("hog_cell", type, member, "0", 0, 4096,                                                            \
                    "side of HOG's cells in pixels; 0: 8, or 7 or 6 if they cut the image better, half of one below "  \
                    "16 px (Dalal and Triggs 2005: 6 to 8)")

typedef struct px_layer_rows {
    const char *name;
    int width;
    bool whole;      /* x has all rows; else this rank's only */
    float *x;        /* (count or rows, width); NULL: they are in `x_bf16` */
    px_bf16 *x_bf16; /* the same, as bf16 */
} px_layer_rows;

typedef struct px_extraction {
    int64_t count;       /* images of the split */
    const px_comm *comm; /* those that share it */
    int64_t first, rows; /* of this rank */
    int batch;           /* images in an encoder's batch; every rank's share is a multiple of it */
    int32_t *label;      /* (count), on every rank */
    int layers;          /* those of the model; the last one is its features */
    px_layer_rows layer[PX_STAGES_MAX + 1];
} px_extraction;

/* `model` is an encoder (px_model_encoder). 0 or -1. */
int px_extract(px_extraction *, const px_extract_spec *, px_model *model, const px_split *);

/* The same without encoding: room for this rank's rows of each layer, which the caller fills. */
void px_extract_begin(px_extraction *, const px_extract_spec *, const px_model *, const px_split *);

/* A baseline's features, one layer: of pixels task->channels * size * size values. 0 or -1. */
int px_extract_baseline(px_extraction *, const px_extract_spec *, px_baseline, const px_split *);

/* "pixels", "hog". */
extern const char *const px_baseline_names[PX_BASELINES];

/* Whether there are baselines of such images: -1 (PX_USAGE) if a cell is larger than half of them. */
int px_baseline_check(const px_task *, int hog_cell);

/* The side of HOG's cells in pixels, chosen if the option is 0. */
int px_hog_cell(const px_task *, int option);

/* What it loads, of which the last view is the features, and how many images at a time. */
px_views px_baseline_views(const px_task *, px_baseline, int hog_cell);
int px_baseline_batch(const px_task *);

/* How many of all its images have a label. */
int64_t px_extraction_labelled(const px_extraction *);

/* Gives every rank all rows of a layer, as floats; px_extraction_drop frees a layer that is no longer needed. */
void px_extraction_gather(px_extraction *, int layer);
void px_extraction_drop(px_extraction *, int layer);

/* A layer as features: divided among the ranks, unless it was gathered. */
px_features px_extraction_features(const px_extraction *, int layer, int classes);
void px_extraction_finish(px_extraction *);

#endif
