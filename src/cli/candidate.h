/* candidate.h - the results of a candidate of `pretext search`, once it is trained.
 *
 *     px_candidate_read_run(&all[i], "runs/cells/0003");       // score, core_seconds
 *     px_candidate_measure(&all[i], &settings);                // multiply_adds, parameters
 */
#ifndef PX_CLI_CANDIDATE_H
#define PX_CLI_CANDIDATE_H

#include "cli/evolution.h"
#include "train/settings.h"

/* The last value of the run's k-NN, and what all its starts have cost. 0, or -1: its run.h5 cannot be read. */
int px_candidate_read_run(px_candidate *, const char *run);

/* Parameters of the backbone of these settings, and its multiply-adds for one image of the size that they train on. 0 or -1. */
int px_candidate_measure(px_candidate *, const px_settings *);

#endif
