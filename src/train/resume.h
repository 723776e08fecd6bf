/* resume.h - what a run goes on with: whether its settings may differ as they do, and where in its epochs it is.
 *
 *     if (px_resume_check(&settings, asked, config) != 0) ...
 *     ... px_checkpoint_load(...) ...
 *     px_resume_tell(&settings, asked, config, &log);
 *     place = px_resume_place(&saved, per_epoch, images, &log);
 *     px_session_continue(&session, saved.step, place);
 */
#ifndef PX_TRAIN_RESUME_H
#define PX_TRAIN_RESUME_H

#include "train/checkpoint.h"
#include "train/settings.h"

/* Refuses settings that would make the run `out` another one than its checkpoint's (PX_USAGE), before its parameters are
 * found not to fit. `asked`, `config`: the settings as text, before and after they were resolved for the images. A checkpoint
 * that cannot be read is left for px_checkpoint_load to report. 0 or -1. */
int px_resume_check(const px_settings *, const char *asked, const char *config);

/* Says what is different from the checkpoint's settings, one warning each. */
void px_resume_tell(const px_settings *, const char *asked, const char *config, px_log *);

/* The steps, of `per_epoch` in an epoch, after which the run is where its checkpoint says: the same place in epochs, to the nearest
 * step. Says so if that number has changed. `images`: of the split. */
int64_t px_resume_place(const px_checkpoint *, int64_t per_epoch, int64_t images, px_log *);

#endif
