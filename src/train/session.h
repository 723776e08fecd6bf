/* session.h - what a step of training works with, made from the settings, and the step itself. `pretrain` takes steps
 * to their end (trainer.c), `bench` measures them (bench.c): the same steps.
 *
 *     px_session s;
 *     if (px_session_create(&s, &settings, &comm, NULL) != 0) ...           // collective
 *     if (px_session_load(&s, first_step) != 0) ...                         // collective: starts the loader
 *     for (int64_t step = first_step; ...; step++) {
 *         double mean[PX_SCALARS_MAX], votes = stop;
 *         if (px_session_gradients(&s, step, mean, &votes) != 0) ...        // forward, backward, all-reduce
 *         double norm = px_session_update(&s, lr);                          // optimizer
 *     }
 *     px_session_finish(&s);
 */
#ifndef PX_TRAIN_SESSION_H
#define PX_TRAIN_SESSION_H

#include "data/loader.h"
#include "dist/allreduce.h"
#include "train/model.h"
#include "train/need.h"

enum { PX_SCALARS_MAX = 16, PX_ROWS_MAX = 256 };

typedef struct px_session {
    px_settings *settings;
    const px_comm *comm;
    px_dataset *data;
    px_split split;       /* limited to data.limit images */
    int64_t *split_index; /* owned if limited */
    int64_t per_epoch;    /* steps */
    px_task task;
    px_need need;    /* of memory, by part */
    px_model model;  /* with random initial weights */
    int own;         /* this rank's parts of the batch: 1, or with reproducible its shards, ... */
    px_model *other; /* ... of which these are all but the first; task.ranks counts those of all ranks */
    px_optimizer *optimizer;
    px_allreduce *reduce; /* NULL if reproducible */
    px_loader *loader;
    const px_batch *batch; /* the last one: the loader's. Without a loader each step is of this one, the caller's */
    float *sum;            /* (own, parameters): gradients of the micro-batches so far; NULL without accumulation */
    double *tally;         /* (own, PX_SCALARS_MAX + 1) */
    double summing;        /* seconds that sums over shards have taken */
    /* What the graph computes beside gradients: the loss first, then the method's metrics. */
    int scalars;
    const char *scalar_name[PX_SCALARS_MAX];
    px_value *scalar[PX_SCALARS_MAX];
    /* The embedding (px_embedding) of the first images of the global batch, a view of each: the same on any number of
     * ranks. If `look` is set, px_session_gradients leaves it here, on all ranks. */
    bool look;
    int rows;   /* 0: there is no embedding */
    float *row; /* (rows, width of the embedding) */
    /* While px_session_diagnose takes a step again: the first fault of each of this rank's parts of the batch (`own`),
     * and its micro-batch. */
    px_fault *fault;
    int *fault_micro;
} px_session;

/* Collective. Settles what the settings left open; refuses what needs more memory than there is before it takes any
 * (px_need_check). `instead`: NULL, or the images there would be where data.path is
 * empty; the session then has no data, and the caller gives the batch. 0, or -1 with nothing to finish. */
int px_session_create(px_session *, px_settings *, const px_comm *, const px_dataset_info *instead);
void px_session_finish(px_session *); /* a zeroed one is fine */

/* Collective: starts the loader at `step`. 0 or -1. */
int px_session_load(px_session *, int64_t step);

/* The method's views of one image. */
void px_session_views(const px_session *, px_rng *, const px_image *, px_sample *out);

/* Forward and backward of all micro-batches of a step; gradients summed over ranks. mean[scalars]: means over
 * micro-batches and ranks; `votes` is summed over ranks along with them. 0, or -1 (on this rank alone, perhaps): an
 * image cannot be read. */
int px_session_gradients(px_session *, int64_t step, double mean[PX_SCALARS_MAX], double *votes);

/* Seconds since creation in which gradients were summed and nothing else was done. */
double px_session_reduced(const px_session *);

/* The optimizer's step on these gradients; their norm. If that is not finite, nothing has changed. */
double px_session_update(px_session *, double lr);

/* Collective, when a step's loss or the norm of its gradients was not finite: undoes what the step did to running
 * statistics, and takes it again, looking at every value, to say where the first that is not finite was: the same text
 * on all ranks, yours. Ready for the next step. 0 or -1. */
int px_session_diagnose(px_session *, int64_t step, char **where);

#endif
