/* session.h - a training step, and everything that it needs, made from the settings. `pretrain` (trainer.c) and `bench`
 * (bench.c) take the same steps.
 *
 *     px_session s;
 *     if (px_session_create(&s, &settings, &comm, NULL) != 0) ...           // collective
 *     if (px_session_load(&s, first_step) != 0) ...                         // collective: starts the loader
 *     for (int64_t step = first_step; ...; step++) {
 *         double votes[PX_VOTES] = {stop};
 *         if (px_session_gradients(&s, step, votes) != 0) ...               // forward, backward, sums over ranks
 *         double norm = px_session_update(&s, lr);                          // optimizer
 *     }
 *     px_session_finish(&s);
 */
#ifndef PX_TRAIN_SESSION_H
#define PX_TRAIN_SESSION_H

#include "data/loader.h"
#include "train/meter.h"
#include "train/model.h"
#include "train/need.h"
#include "train/scalars.h"

enum { PX_ROWS_MAX = 256 };

typedef struct px_session {
    px_settings *settings;
    const px_comm *comm;
    px_dataset *data;
    px_split split;       /* limited to data.limit images */
    int64_t *split_index; /* owned if limited */
    int64_t per_epoch;    /* steps per epoch */
    int64_t steps;        /* in all */
    int64_t shift; /* step `s` is s - shift steps of per_epoch after the beginning; 0 if that number never changed */
    px_task task;
    px_need need;    /* memory, by part */
    int parts;       /* how many parts of the batch this rank has: 1, or if reproducible, its shards */
    px_model *model; /* one per part, the first of which owns parameters and states, with random initial weights.
                      * task.ranks counts the parts of all ranks */
    px_plan **plan;  /* theirs */
    float **grad;    /* theirs */
    px_optimizer *optimizer;
    px_division *division; /* of the optimizer among ranks; NULL: each has all */
    px_reducer *reducer;
    px_loader *loader;
    const px_batch *batch; /* the last one from the loader. Without a loader, the caller's batch for every step */
    bool begun;            /* all ranks had their first batch */
    float scheduled[PX_SCHEDULED_MAX]; /* the model's scheduled numbers in this step */
    px_scalars scalars;
    px_meter *meter; /* the caller's, which gets what each part of a step costs; or NULL */
    /* The embeddings (px_embedding) of the first images of the global batch, one view of each, which does not depend on
     * the number of ranks. If `look` is set, px_session_gradients stores it here, on all ranks. */
    bool look;
    int rows;               /* 0: no embedding */
    float *row[PX_WATCHED]; /* (rows, width of the embedding), or NULL */
    float *second;          /* (rows, width) of the same images' second views (px_second_views), or NULL */
    /* While px_session_diagnose repeats a step: the first fault of each of this rank's parts, and its
     * micro-batch. */
    px_fault *fault;
    int *fault_micro;
} px_session;

/* What is not as in any training from data.split. All may be NULL. */
typedef struct px_session_spec {
    /* If data.path is empty, a description of the images; then the session has no data, and the caller sets the batch. */
    const px_dataset_info *instead;
    /* These images of the data set, borrowed, instead of data.split's: fine-tuning as a protocol. `prefix` stands before `batch` in
     * what a refusal for lack of memory proposes, which is all that it proposes then. */
    const px_split *images;
    const char *prefix;
    const struct px_online_test_kind *online; /* whose memory is foretold, too (online_test.h) */
} px_session_spec;

/* Collective. Sets what the settings left open; before it allocates memory it checks that there is enough
 * (px_need_check). `spec` may be NULL. 0, or -1 with nothing to finish. */
int px_session_create(px_session *, px_settings *, const px_comm *, const px_session_spec *spec);
void px_session_finish(px_session *); /* also accepts a zeroed session */

/* Before px_session_load: the run goes on at `step`, which is place / per_epoch epochs after its beginning. Schedules, views and
 * frozen parameters follow the place. */
void px_session_continue(px_session *, int64_t step, int64_t place);

/* Collective: starts the loader at `step`. 0 or -1. */
int px_session_load(px_session *, int64_t step);

/* Makes the method's views of one image. */
void px_session_views(const px_session *, px_rng *, const px_image *, px_sample *out);

/* Forward and backward of all micro-batches of a step, and the sum of gradients over ranks. scalars.mean gets means over
 * micro-batches and ranks; `votes` become their sums over ranks. 0, or -1, perhaps only on this rank: an image cannot be
 * read. */
int px_session_gradients(px_session *, int64_t step, double votes[PX_VOTES]);

/* Takes the optimizer's step with these gradients. Returns their norm; if it is not finite, nothing has changed. */
double px_session_update(px_session *, double lr);

/* Collective, after a step whose loss or gradient norm was not finite: undoes the step's changes of running statistics
 * and repeats it while checking every value, to find the first one that is not finite. *where gets the same text on all
 * ranks, which the caller frees. After that the next step can be taken. 0 or -1. */
int px_session_diagnose(px_session *, int64_t step, char **where);

#endif
