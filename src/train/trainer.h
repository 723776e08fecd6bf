/* trainer.h - the training loop: batches in, parameters, series and checkpoints out.
 *
 *     if (px_pretrain(&settings, &comm, &log, resume, command, &px_online_knn, 0) != 0) ...     // collective
 *
 * Stops early with a checkpoint on SIGTERM, SIGINT, SIGUSR1 and train.time_limit, on all ranks after the same step
 * (PX_STOPPED); ends with PX_DIVERGED if a loss, a gradient or a weight does not stay finite. A folder that contains a run
 * is only touched with `resume`, which continues from its last checkpoint with the exact state; without a checkpoint it
 * starts at the beginning. */
#ifndef PX_TRAIN_TRAINER_H
#define PX_TRAIN_TRAINER_H

#include "base/log.h"
#include "dist/comm.h"
#include "train/online_test.h"
#include "train/settings.h"

/* `online`: what online_knn_epochs asks for; or NULL. `before`: processor seconds of this process so far that are not this run's,
 * for its ledger (px_process_seconds); 0: all are. */
int px_pretrain(px_settings *, const px_comm *, px_log *, bool resume, const char *command,
                const px_online_test_kind *online, double before);

#endif
