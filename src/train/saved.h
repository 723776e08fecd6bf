/* saved.h - the settings of a run from its checkpoint. */
#ifndef PX_TRAIN_SAVED_H
#define PX_TRAIN_SAVED_H

#include "base/log.h"
#include "train/settings.h"

/* Loads the settings of the run `run` with the assignments on top. A relative data.path that is not there is looked for from
 * the folder in which the run was started, with a note. Where pixels are normalized by the data set's numbers, those are the ones
 * that the run was trained with, whatever data set is read, unless an assignment says data.normalize. 0 or -1. */
int px_saved_settings(px_settings *, const char *run, const char *const assignments[], int count, px_log *);

/* The same rule for the run that settings from a file go on with, if there is a checkpoint that can be read in their folder `out`:
 * its numbers, unless an assignment says data.normalize. */
void px_saved_moments(px_settings *, const char *const assignments[], int count, px_log *);

#endif
