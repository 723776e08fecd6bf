/* series.h - the numbers of every step in run.h5 below /train: the scalars of the graph, those of the loop, and the last look
 * at the embeddings.
 *
 *     px_series r;
 *     if (px_series_list(&r, &session, validation, &online) != 0) ...                   // all ranks
 *     if (px_series_take_up(&r, results, first_step) != 0) ...              // rank 0
 *     ... for each step:
 *     session.look = px_series_looks(step, steps);
 *     if (session.look) px_series_look(&r, step, log);                      // rank 0, after the step
 *     if (px_series_record(&r, results, step, &numbers) != 0) ...
 *     px_series_finish(&r);
 */
#ifndef PX_TRAIN_SERIES_H
#define PX_TRAIN_SERIES_H

#include "base/log.h"
#include "results/results.h"
#include "train/collapse.h"
#include "train/online_test.h"
#include "train/session.h"
#include "train/two_looks.h"
#include "train/validate.h"

typedef struct px_series {
    int count;
    const char **name; /* (count) borrowed from the graph, or constant */
    /* private */
    const px_session *session;
    double *row;                       /* (count) their values in this step */
    px_collapse embedding[PX_WATCHED]; /* results of the last look at them */
    px_two_looks views;                /* ... at two views of the same images */
    bool told[PX_WATCHED];             /* the log says that it collapses, and not yet that it has recovered */
    bool told_narrow;                  /* ... that the views are narrow */
    px_validation *validation;         /* NULL: there is none */
    px_online_test *online;
} px_series;

/* What the loop knows of a step, in the order in which it is stored. */
typedef struct px_step_numbers {
    double epoch; /* done after it */
    double lr, grad_norm;
    double images_per_second;
    double data_wait; /* share of the step's time */
    double skipped;   /* 1: the step was left out */
} px_step_numbers;

/* Lists all series of a session, of its validation or NULL, and of what is tested besides; all are borrowed. 0, or -1 (PX_USAGE): a
 * number of the method has the name of one of the loop's; it can be finished either way. */
int px_series_list(px_series *, const px_session *, px_validation *, px_online_test *);
void px_series_finish(px_series *); /* also accepts a zeroed one */

/* Drops rows that were written after the checkpoint, restores the values that are repeated from one look at the embedding, or
 * from one validation, to the next, and lets readers in (px_results_live). 0 or -1. */
int px_series_take_up(px_series *, px_results *, int64_t step);

/* Whether a step is one that is looked at. Depends only on the step and the number of all steps, so that an interrupted run
 * has the same series as one that was not interrupted. With another number of epochs, a resumed run may look at other
 * steps. */
bool px_series_looks(int64_t step, int64_t steps);

/* Looks at the embeddings that the session kept of step `step`, and tells if one collapses or recovers. */
void px_series_look(px_series *, int64_t step, px_log *);

/* Writes the row of a step. 0 or -1. */
int px_series_record(px_series *, px_results *, int64_t step, const px_step_numbers *);

#endif
