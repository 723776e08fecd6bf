/* figures.h - a method's pictures, made at the end of a training session and stored in run.h5.
 *
 *     px_figures f = {.task = &task, .model = &model, .batch = batch, .results = r};   // r is not live
 *     method->figures(cfg, &f);
 */
#ifndef PX_TRAIN_FIGURES_H
#define PX_TRAIN_FIGURES_H

#include "data/loader.h"
#include "results/results.h"
#include "train/model.h"

struct px_figures {
    const px_task *task;
    const px_model *model;
    const px_batch *batch; /* the last one that went through the model */
    px_results *results;
};

#endif
