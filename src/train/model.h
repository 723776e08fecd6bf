/* model.h - a graph with its plan, built from settings: the one that is trained, or the bare backbone that is
 * evaluated.
 *
 *     px_task task;
 *     px_task_make(&task, &settings, data, comm)            // checks that batch, ranks, images fit together
 *     px_model m;
 *     px_model_pretrain(&m, &settings, &task, comm);        // the method's views, loss, gradients
 *     px_model_encoder(&m, &settings, &task, batch);  // "images" (batch, C, S, S) -> "features" (batch, F)
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
    px_value *features;            /* encoder: (batch, F) */
} px_model;

/* 0, or -1: PX_USAGE (a batch that the ranks do not divide, a method or backbone that cannot work with this), PX_DATA.
 * */
int px_task_make(px_task *, const px_settings *, const px_dataset *, const px_comm *);

int px_model_pretrain(px_model *, const px_settings *, const px_task *, const px_comm *);
int px_model_encoder(px_model *, const px_settings *, const px_task *, int batch); /* of one rank: nothing crosses */
void px_model_finish(px_model *);

#endif
