/* next.h - what can be done with a run that has ended or stopped: commands that work as they stand. */
#ifndef PX_TRAIN_NEXT_H
#define PX_TRAIN_NEXT_H

#include "train/method.h"
#include "train/settings.h"

#include "data/dataset.h"
#include "dist/comm.h"

/* Commands for a shell, separated by "; ", each beginning with `program` as it was called: a probe if the data set has
 * the labels and splits for one, otherwise its features; figures if gnuplot is there, otherwise a summary. `why` is set
 * to the reason why there is no probe, or to NULL. Both are new strings. */
char *px_next_commands(const char *program, const px_settings *, const px_task *, const px_dataset *, char **why);

/* The command that continues a run that has stopped, on as many ranks. Where they are on several hosts, it leaves out the
 * launcher and its options. A new string. */
char *px_next_resume(const char *program, const px_settings *, const px_comm *);

#endif
