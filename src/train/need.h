/* need.h - the memory that training will take, by part, known from the plan before any is taken; and what would fit
 * where the host has less.
 *
 *     px_model_plan(&model, ...);
 *     px_need need = px_need_of(&model, &settings, &loading);
 *     if (px_need_check(&need, &about) != 0) ...      // the message says what makes it so, and what would fit
 */
#ifndef PX_TRAIN_NEED_H
#define PX_TRAIN_NEED_H

#include "train/model.h"

enum { PX_NEED_ACTIVATIONS, PX_NEED_VIEWS, PX_NEED_PARAMETERS, PX_NEED_GRADIENTS, PX_NEED_OPTIMIZER, PX_NEED_PARTS };

/* Bytes of one rank. Activations: the plan's arena, that is all that a step makes, with kernels' scratch and reordered
 * weights. Views: batches that the loader makes ahead, and the order of the images. Parameters: with running statistics
 * and their copy. */
typedef struct px_need {
    double part[PX_NEED_PARTS];
} px_need;

/* How the images come to one rank. */
typedef struct px_need_loading {
    int parts;      /* this rank's parts of the batch: 1, or its shards */
    int batch;      /* images of a part */
    int64_t images; /* of the split; 0: there is no loader, but one batch */
} px_need_loading;

/* What a need is of. */
typedef struct px_need_case {
    const px_settings *settings;
    const px_backbone_cfg *unsettled; /* from before px_task_of settled what was left to the size of the image */
    const px_task *task;
    const px_dataset_info *info;
    px_need_loading loading;
    const px_comm *comm;
    int side; /* of the data set's images: more pixels than that show nothing new */
} px_need_case;

px_need px_need_of(const px_model *, const px_settings *, px_need_loading);
double px_need_sum(const px_need *);

/* "1.2 GiB = activations 1.0 GiB + ..., the largest first"; yours. */
char *px_need_text(const px_need *);

/* Before the memory is taken: 0, or -1 (PX_USAGE) if this host does not have it for all of its ranks, or a limit of this
 * process does not allow it. Plans smaller runs to say what would fit, which can take some seconds. */
int px_need_check(const px_need *, const px_need_case *);

#endif
