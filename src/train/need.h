/* need.h - the memory that training will need, by part, known from the plan before any is allocated; and what would fit
 * if the host has less.
 *
 *     px_model_plan(&model, ...);
 *     px_need need = px_need_of(&model, &settings, &loading);
 *     if (px_need_check(&need, &about) != 0) ...      // the message says why, and what would fit
 */
#ifndef PX_TRAIN_NEED_H
#define PX_TRAIN_NEED_H

#include "train/model.h"

enum { PX_NEED_ACTIVATIONS, PX_NEED_VIEWS, PX_NEED_PARAMETERS, PX_NEED_GRADIENTS, PX_NEED_OPTIMIZER, PX_NEED_PARTS };

/* Bytes per rank. Activations: the plan's arena, which is everything made in a step, including kernels' scratch and
 * reordered weights. Views: the loader's batches, and the order of the images. Parameters: including running statistics
 * and their copy. */
typedef struct px_need {
    double part[PX_NEED_PARTS];
} px_need;

/* How images are loaded on one rank. */
typedef struct px_need_loading {
    int parts;      /* this rank's parts of the batch: 1, or its shards */
    int batch;      /* images of a part */
    int64_t images; /* of the split; 0: no loader, only one batch */
} px_need_loading;

/* What a need depends on. */
typedef struct px_need_case {
    const px_settings *settings;
    const px_backbone_cfg *unsettled; /* before px_task_of set what depends on the size of the image */
    const px_task *task;
    const px_dataset_info *info;
    px_need_loading loading;
    const px_comm *comm;
    int side; /* of the data set's images: larger views would show no more */
} px_need_case;

px_need px_need_of(const px_model *, const px_settings *, px_need_loading);
double px_need_sum(const px_need *);

/* "1.2 GiB = activations 1.0 GiB, ...", with the largest part first; the caller frees it. */
char *px_need_text(const px_need *);

/* Call it before the memory is allocated. 0, or -1 (PX_USAGE) if this host has too little for all of its ranks, or a
 * limit of this process forbids it. To say what would fit, it plans smaller runs, which can take some seconds. */
int px_need_check(const px_need *, const px_need_case *);

#endif
