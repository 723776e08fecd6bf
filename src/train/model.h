/* model.h - a graph with its plan, built from settings: the one that is trained, or the bare backbone that is
 * evaluated.
 *
 *     px_task task;
 *     px_task_make(&task, &settings, data, split, batch, comm->size);
 *     px_model m;
 *     px_model_pretrain(&m, &settings, &task, comm);        // the method's views, loss, gradients
 *     px_encoder_spec spec = {.batch = 256, .views = 1, .size = task.image_size};
 *     px_model_encoder(&m, &settings, &task, &spec);        // "images" (views * batch, C, S, S) -> features (batch, F)
 *     ... m.plan ...
 *     px_model_finish(&m);
 */
#ifndef PX_TRAIN_MODEL_H
#define PX_TRAIN_MODEL_H

#include "data/dataset.h"
#include "dist/comm.h"
#include "graph/plan.h"
#include "train/settings.h"

typedef struct px_model {
    px_graph *graph;
    px_plan *plan;
    px_views views;
    px_value *input[PX_VIEWS_MAX]; /* one a view */
    px_value *loss;                /* pretraining */
    px_value *embedding;           /* pretraining: the one that is watched (px_embedding), or NULL */
    px_value *features;            /* encoder: (batch, F), those of the last layer */
    int layers;                    /* encoder: 1, or with px_encoder_spec.layers one a stage */
    struct {
        const char *name; /* that of the stage; "features" where they are behind all stages */
        px_value *features;
    } layer[PX_STAGES_MAX + 1];
} px_model;

/* What an encoder sees of an image, and what it tells of it. */
typedef struct px_encoder_spec {
    int batch;   /* images */
    int views;   /* of an image: its features are the mean over them */
    int size;    /* side of a view */
    bool layers; /* features of every stage, too */
} px_encoder_spec;

/* How many parts a micro-batch has, ranks or shards, and the images of each: train.batch / (parts x accumulate). 0, or
 * -1 (PX_USAGE) if it cannot be divided. */
int px_batch_parts(const px_settings *, const px_comm *, int *parts, int *batch);

/* The side of views where data.image_size is left open and images of this side (px_dataset_side) vary in size: that, but
 * at most 224, and a multiple of 8 and of the backbone's patches. */
int px_image_size_for(const px_backbone *, int side);

/* What there is to work on. Also settles what the settings left open (data.image_size, the backbone's `auto`), so that
 * the configuration that is recorded says what was done. 0, or -1 (PX_USAGE): the backbone cannot work with this. */
int px_task_of(px_task *, px_settings *, const px_dataset_info *, bool labelled, int batch, int ranks);

/* The same for a data set; `split` (or NULL: no labels are wanted) is looked through for images without one. */
int px_task_make(px_task *, px_settings *, const px_dataset *, const px_split *split, int batch, int ranks);

/* Collective: settles `precision` (auto: bf16 if all ranks' processors have it). 0, or -1 (PX_USAGE): bf16 was asked
 * for and a processor or the backend lacks it. */
int px_precision_settle(px_settings *, const px_comm *);

/* What is trained; with reproducible, this rank's first shard (graph/plan.h). */
int px_model_pretrain(px_model *, const px_settings *, const px_task *, const px_comm *);
/* The same without its memory, which px_plan_allocate takes: until then only px_plan_memory can be asked. k: with
 * reproducible, which of this rank's shards; all but the first, k = 0, share the parameters of `first`, else NULL. */
int px_model_plan(px_model *, const px_settings *, const px_task *, const px_comm *, int k, const px_model *first);
int px_model_encoder(px_model *, const px_settings *, const px_task *,
                     const px_encoder_spec *); /* of one rank: nothing crosses */
void px_model_finish(px_model *);

#endif
