/* next.h - what a finished run can be used for: commands that work as they stand. */
#ifndef PX_TRAIN_NEXT_H
#define PX_TRAIN_NEXT_H

#include "train/method.h"
#include "train/settings.h"

#include "data/dataset.h"

/* Commands for a shell, separated by "; ", each beginning with `program` as it was called: a probe if the data set has
 * the labels and splits for one, otherwise its features; figures if gnuplot is there, otherwise a summary. `why` is set
 * to the reason why there is no probe, or to NULL. Both are new strings. */
char *px_next_commands(const char *program, const px_settings *, const px_task *, const px_dataset *, char **why);

#endif
