/* validate.h - accuracy on images that are not trained on, while training goes on: for methods that learn classes
 * (px_method.classify).
 *
 *     px_validation *v;
 *     if (px_validation_create(&v, &session) != 0) ...                     // all ranks; NULL: validate_epochs is 0
 *     ... after the update of a step:
 *     if (px_validation_is_due(v, place, last) && px_validation_run(v, log, epochs_done) != 0) ...     // collective
 *     ... px_validation_results(v)->accuracy ...
 *     px_validation_destroy(v);
 *
 * Images are framed by px_recipe_frame, as for probes; batch norms take their running statistics; all is computed in the run's
 * precision. The network that is trained is asked, and the average of its weights if that is what the run's probes take
 * (px_method.probed).
 */
#ifndef PX_TRAIN_VALIDATE_H
#define PX_TRAIN_VALIDATE_H

#include "base/log.h"
#include "train/session.h"

/* What is repeated in the series of run.h5 from one validation to the next; NaN before the first. */
typedef struct px_validated {
    double accuracy; /* of the network that is trained: share of the split's images */
    double seconds;  /* that all of it took */
    double average;  /* the same accuracy, of the network that is probed */
} px_validated;

typedef struct px_validation px_validation;

/* Borrows the session. 0, or -1 (PX_USAGE): the method has no classes; the split does not exist, has no images, images without
 * labels, or is the one that is trained on. */
int px_validation_create(px_validation **out, const px_session *);
void px_validation_destroy(px_validation *); /* accepts NULL */

/* The same on images that the caller chose, all of which have labels, whatever validate_epochs says. 0 or -1. */
int px_validation_create_on(px_validation **out, const px_session *, const px_split *);
/* Collective: what the network that is probed says of them. Calls `see` for each image of this rank's share, in order. 0 or -1. */
typedef void px_validation_see(void *context, int label, const float *logits, int classes);
int px_validation_predict(px_validation *, px_validation_see *, void *context);

/* Bytes per rank that a validation takes besides the session; 0 without one. */
double px_validation_bytes(const px_settings *, const px_task *);

/* Whether one is due after the step at this place of the run, that is, so many steps after its beginning (px_session.shift); false
 * for NULL. */
bool px_validation_is_due(const px_validation *, int64_t place, bool last);

/* 0, or -1: an image could not be read. The same numbers, but for the seconds, on any number of ranks. The log tells them, with
 * what they cost. */
int px_validation_run(px_validation *, px_log *, double epochs_done);

/* The last results, which a resumed run sets (px_series_take_up); NULL for NULL. */
px_validated *px_validation_results(px_validation *);

/* Names of its series in the order of px_validated; their number, 0 for NULL, is at most PX_VALIDATED. */
enum { PX_VALIDATED = sizeof(px_validated) / sizeof(double) };
extern const char *const px_validation_series[PX_VALIDATED];
int px_validation_series_count(const px_validation *);

#endif
