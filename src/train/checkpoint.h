/* checkpoint.h - the whole state of a run in one HDF5 file.
 *
 *     /config                      the resolved configuration, text
 *     /folder                      the folder that its relative paths start from, text; optional
 *     /moments/mean, /moments/std  float32 (C): what pixels were normalized by; not there if they stayed in [0,1]
 *     /parameters/NAME             float32, plain order of axes, names of torchvision and timm; running statistics, too
 *     /optimizer/SLOT/NAME         the same shapes: momentum, or the two moments
 *   attributes of the root: format, step, place, steps_per_epoch, optimizer_step
 * Every data set carries Fletcher-32 checksums, which HDF5 verifies on reading.
 *
 * Writing: checkpoint.h5.partial is written and synced, the old checkpoint.h5 is renamed to checkpoint.previous.h5,
 * then the new one gets its name. So there is always a complete checkpoint. If the last one is damaged, a warning says
 * so, and the one before it is used. */
#ifndef PX_TRAIN_CHECKPOINT_H
#define PX_TRAIN_CHECKPOINT_H

#include "base/log.h"
#include "train/model.h"

enum { PX_CHECKPOINT_FORMAT = 1 };

/* A parameter or running statistic as stored. */
typedef struct px_checkpoint_array {
    char *name;
    px_shape shape;
    float *data;
} px_checkpoint_array;

/* How far a run is: `step` steps are done, which are place / per_epoch epochs. As long as an epoch has the same number of steps,
 * `place` is `step`; after a change of the batch or of the images it is not. */
typedef struct px_position {
    int64_t step, place, per_epoch;
} px_position;

typedef struct px_checkpoint {
    int64_t step;             /* completed steps */
    int64_t place, per_epoch; /* as in px_position; per_epoch 0: the run is from before they were kept */
    char *config;             /* freed by px_checkpoint_finish */
    char *folder;             /* likewise; NULL: it is not known */
    int channels;             /* of `moments`; 0: pixels stayed in [0,1], or the run is from before they were kept */
    px_moments moments;
    px_checkpoint_array *array; /* only from px_checkpoint_arrays; freed likewise */
    int count;
} px_checkpoint;

/* Writes folder/checkpoint.h5; for rank 0. `optimizer` may be NULL. 0 or -1. */
int px_checkpoint_save(const char *folder, px_model *, px_optimizer *optimizer, px_position, const char *config);

/* What the other ranks call meanwhile: they hand in their parts of a divided optimizer, also if the file cannot be written. And
 * rank 0, if it must leave the file out although they expect it. */
void px_checkpoint_hand_in(px_model *, px_optimizer *);

/* Reads the model's parameters from `folder` (a run) or from a checkpoint file. With an optimizer, its state must be in
 * the file as well; without one, pos_embed is resampled if the model is for another image size. A parameter that is
 * missing or has another shape is PX_USAGE (the run had other options), a damaged file PX_DATA. 0 or -1. */
int px_checkpoint_load(const char *path, px_model *, px_optimizer *optimizer, px_checkpoint *out, px_log *);

/* Reads only the counters and the configuration. */
int px_checkpoint_peek(const char *path, px_checkpoint *out, px_log *);

/* Reads the counters, the configuration, and all parameters, whatever model they belong to. */
int px_checkpoint_arrays(const char *path, px_checkpoint *out, px_log *);
bool px_checkpoint_exists(const char *folder);
void px_checkpoint_finish(px_checkpoint *);

/* Room for an array of this shape in plain order, which the caller frees. */
float *px_checkpoint_plain(px_shape);

#endif
