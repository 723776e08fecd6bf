/* model.h - a graph with its plan, built from settings: the model that is trained, or the bare backbone that is
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
#include "graph/plan_params.h"
#include "train/settings.h"

typedef struct px_model {
    px_graph *graph;
    px_plan *plan;
    px_views views;
    px_value *input[PX_VIEWS_MAX];            /* one per view */
    px_value *loss;                           /* pretraining */
    px_value *embedding[PX_WATCHED];          /* pretraining: those that are watched (px_embedding), or NULL */
    px_value *second;                         /* what has the second views' (px_second_views), or NULL */
    px_scheduled scheduled[PX_SCHEDULED_MAX]; /* pretraining: px_schedule */
    int scheduled_count;
    px_rule rule[PX_OWN_RULES_MAX]; /* pretraining: px_treat */
    int rules;
    const float *mean, *std; /* per channel, what pixels are normalized by: px_task's; NULL: they stay in [0,1] */
    int channels;
    const px_net *backbone; /* pretraining: whose parameters are the backbone's; NULL: the method does not use it */
    px_value *features;     /* encoder: (batch, F), those of the last layer */
    const char *net; /* encoder: whose parameters a checkpoint gives it: a follower's name (px_net_follow); NULL or "":
                      * those that are trained */
    int layers;      /* encoder: 1, or with px_encoder_spec.layers one per stage */
    struct {
        const char *name; /* of the stage; "features" if they come after all stages */
        px_value *features;
    } layer[PX_STAGES_MAX + 1];
} px_model;

/* What an encoder sees of an image, and what it returns. */
typedef struct px_encoder_spec {
    int batch;   /* images */
    int views;   /* per image, whose features are the mean over them */
    int size;    /* side of a view in pixels */
    bool layers; /* also returns features of every stage */
} px_encoder_spec;

/* Into how many parts (shards, or else ranks) a micro-batch is cut, and the images of each: train.batch / (parts x
 * accumulate). 0, or -1 (PX_USAGE) if it cannot be divided, or has not two images with all their data.repeats. */
int px_batch_parts(const px_settings *, const px_comm *, int *parts, int *batch);

/* The side of views if data.image_size is not set and images vary in size, with this side (px_dataset_side): at most
 * 224, and a multiple of 8 and of the backbone's patches. */
int px_image_size_for(const px_backbone *, int side);

/* Makes the task. Also sets what the settings left open (data.image_size, the backbone's `auto`), so that the recorded
 * configuration says what was done. 0, or -1 (PX_USAGE): the backbone cannot work with it. */
int px_task_of(px_task *, px_settings *, const px_dataset_info *, bool labelled, int batch, int ranks);

/* The same for a data set; `split` (or NULL: labels are not needed) is searched for images without a label. */
int px_task_make(px_task *, px_settings *, const px_dataset *, const px_split *split, int batch, int ranks);

/* Collective: sets `precision`, also that of an evaluation, if it is auto (bf16 if all ranks' processors support it). 0, or -1
 * (PX_USAGE): it is bf16 and a processor or the backend does not support it. */
int px_precision_settle(px_settings *, const px_comm *);

/* The model for pretraining; if reproducible, that of this rank's first shard (graph/plan.h). */
int px_model_pretrain(px_model *, const px_settings *, const px_task *, const px_comm *);
/* The same without memory: until px_plan_allocate, only px_plan_memory may be called. k: if reproducible, which of this
 * rank's shards. Shard 0 has `first` NULL; the others share the parameters of `first`. */
int px_model_plan(px_model *, const px_settings *, const px_task *, const px_comm *, int k, const px_model *first);
/* In the settings' precision, which is settled. Works on one rank, without messages. */
int px_model_encoder(px_model *, const px_settings *, const px_task *, const px_encoder_spec *);
/* The same without memory, as px_model_plan. */
int px_model_plan_encoder(px_model *, const px_settings *, const px_task *, const px_encoder_spec *);
void px_model_finish(px_model *);

/* For each parameter and state of `part` the number, in `whole`, of the one with its name (after "NET.", unless `net` is "") and
 * shape. The caller frees it. NULL: there is none for the name in *missing, a new string. */
int *px_model_places(const px_model *part, const px_model *whole, const char *net, char **missing);
/* Copies their values: from `whole` to `part`, or back. */
void px_model_take(px_model *part, const px_model *whole, const int *places);
void px_model_give(const px_model *part, px_model *whole, const int *places);

/* Has the optimizer of a model for pretraining treat parameters as the method, optim.layer_decay and optim.rules say. 0, or
 * -1 (PX_USAGE). */
int px_model_treat(const px_model *, const px_settings *, int64_t steps_per_epoch, px_optimizer *);

#endif
