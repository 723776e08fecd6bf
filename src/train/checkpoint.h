/* checkpoint.h - the whole state of a run in one HDF5 file.
 *
 *     /config                      the resolved configuration, text
 *     /parameters/NAME             float32, plain order of axes, torchvision's and timm's names; running statistics too
 *     /optimizer/SLOT/NAME         the same shapes: momentum, or the two moments
 *   attributes of the root: format, step, optimizer_step
 * Every data set carries Fletcher-32 checksums, which HDF5 verifies on reading.
 *
 * Writing: checkpoint.h5.partial, synced, then the old checkpoint.h5 becomes checkpoint.previous.h5, then the rename.
 * At no moment is there no whole checkpoint; a damaged one is refused and the one before it is used, and said.
 */
#ifndef PX_TRAIN_CHECKPOINT_H
#define PX_TRAIN_CHECKPOINT_H

#include "base/log.h"
#include "train/model.h"

/* A parameter or running statistic as it is stored. */
typedef struct px_checkpoint_array {
    char *name;
    px_shape shape;
    float *data;
} px_checkpoint_array;

typedef struct px_checkpoint {
    int64_t step;               /* steps that are done */
    char *config;               /* yours: px_checkpoint_finish */
    px_checkpoint_array *array; /* only of px_checkpoint_arrays: yours, too */
    int count;
} px_checkpoint;

/* Writes folder/checkpoint.h5; one rank. `optimizer` may be NULL. 0 or -1. */
int px_checkpoint_save(const char *folder, px_model *, px_optimizer *optimizer, int64_t step, const char *config);

/* Reads what the model has parameters for, from `folder` (a run), or from a checkpoint file itself. With an optimizer
 * its state must be there as well; without one, pos_embed is resampled if the model is for images of another size. A
 * missing or misshapen parameter is PX_USAGE (other options than those of the run), a damaged file PX_DATA. 0 or -1. */
int px_checkpoint_load(const char *path, px_model *, px_optimizer *optimizer, px_checkpoint *out, px_log *);

/* Only the counters and the configuration. */
int px_checkpoint_peek(const char *path, px_checkpoint *out, px_log *);

/* The counters, the configuration, and all parameters, whatever model they belong to. */
int px_checkpoint_arrays(const char *path, px_checkpoint *out, px_log *);
bool px_checkpoint_exists(const char *folder);
void px_checkpoint_finish(px_checkpoint *);

#endif
