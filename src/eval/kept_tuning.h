/* kept_tuning.h - what an interrupted fine-tuning goes on from: a checkpoint of its training in RUN/finetune/SUBJECT.
 *
 *     px_kept_tuning k;
 *     px_kept_tuning_begin(&k, trial);
 *     if (px_kept_tuning_take(&k, &session, &step, loss, epochs) != 0) ...   // collective: 0, or where it was interrupted
 *     while (step < session.steps) {
 *         ... one step ...
 *         px_kept_tuning_save(&k, &session, ++step, loss, epochs);           // now and then
 *     }
 *     px_kept_tuning_drop(&k);                                               // once the results are written
 *     px_kept_tuning_finish(&k);
 *
 * It is taken only if everything is the same that the results depend on: the text `measured` (results/measured.h), with the images,
 * the weights and the protocol's settings. Another fine-tuning of the same subject begins anew, and replaces it.
 */
#ifndef PX_EVAL_KEPT_TUNING_H
#define PX_EVAL_KEPT_TUNING_H

#include "eval/protocol.h"
#include "train/session.h"

typedef struct px_kept_tuning {
    const px_trial *trial;
    char *folder, *identity; /* identity: on rank 0 */
    double saved;            /* px_now of the last one, or of the beginning */
    bool failed;             /* it could not be saved, which was told */
} px_kept_tuning;

void px_kept_tuning_begin(px_kept_tuning *, const px_trial *);
void px_kept_tuning_finish(px_kept_tuning *);

/* Collective, before px_session_load: gives the session the state that is kept, if there is one. *step: the steps that are done;
 * loss (epochs): the sums of their losses so far. What is damaged is told, and the training begins anew. 0 or -1. */
int px_kept_tuning_take(px_kept_tuning *, px_session *, int64_t *step, double *loss, int epochs);

/* Rank 0 saves the state after `step` steps if checkpoint_minutes have passed. What fails is a warning. */
void px_kept_tuning_save(px_kept_tuning *, px_session *, int64_t step, const double *loss, int epochs);

/* Rank 0: removes it. */
void px_kept_tuning_drop(const px_kept_tuning *);

#endif
