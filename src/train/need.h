/* need.h - the memory that training will need, by part, known from the plan before any is allocated.
 *
 *     px_model_plan(&model, ...);
 *     px_need need = px_train_need_of(&model, &settings, &task, loading, NULL);
 *     if (px_train_need_check(&need, &about) != 0) ...    // the message says why, and what would fit
 */
#ifndef PX_TRAIN_NEED_H
#define PX_TRAIN_NEED_H

#include "base/need.h"
#include "train/model.h"

/* Bytes per rank. Activations: the plan's arena, which is everything made in a step, including kernels' scratch and
 * reordered weights. Views: the loader's batches, and the order of the images. Parameters: including running statistics
 * and their copy. Validation: a second network for evaluation, with its views. */
enum {
    PX_NEED_ACTIVATIONS,
    PX_NEED_VIEWS,
    PX_NEED_PARAMETERS,
    PX_NEED_GRADIENTS,
    PX_NEED_OPTIMIZER,
    PX_NEED_VALIDATION,
    PX_NEED_PARTS
};

/* How images are loaded on one rank. */
typedef struct px_train_loading {
    int parts;      /* this rank's parts of the batch: 1, or its shards */
    int batch;      /* images of a part */
    int64_t images; /* of the split; 0: no loader, only one batch */
    int divided;    /* among so many ranks the optimizer is; 0 or 1: it is not */
} px_train_loading;

/* What a need depends on. */
typedef struct px_train_need_case {
    const px_settings *settings;
    const px_backbone_cfg *unsettled; /* before px_task_of set what depends on the size of the image */
    const px_task *task;
    const px_dataset_info *info;
    px_train_loading loading;
    const px_comm *comm;
    const char *prefix; /* of the key of the batch, the only one that is proposed then; NULL: all of pretrain's */
    int side;           /* of the data set's images: larger views would show no more */
    const struct px_online_test_kind *online; /* or NULL */
} px_train_need_case;

/* `online`: the kind of online test whose memory is a part of the validation's, if one is asked for; or NULL. */
px_need px_train_need_of(const px_model *, const px_settings *, const px_task *, px_train_loading,
                         const struct px_online_test_kind *online);
/* Call it before the memory is allocated. 0, or -1 as px_need_check: to say what would fit, it plans smaller runs. */
int px_train_need_check(const px_need *, const px_train_need_case *);

#endif
