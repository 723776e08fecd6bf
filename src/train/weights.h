/* weights.h - parameters in and out as safetensors, under the names that torchvision and timm use.
 *
 *     px_weights_load(&model, &settings, &task, "resnet50.safetensors", &log)      // after px_plan_init_params
 *     px_weights_export("runs/first", "first.safetensors", false, &log)
 *
 * Our own files also say which backbone they are of, with which options, for how large images and whether these were
 * normalised, so that px_weights_settings finds that by itself; for files from elsewhere that is given as key=value.
 */
#ifndef PX_TRAIN_WEIGHTS_H
#define PX_TRAIN_WEIGHTS_H

#include "base/log.h"
#include "train/model.h"

/* Does the name say that it is a weights file (and not a run)? */
bool px_weights_named(const char *path);

/* Every parameter and running statistic of the backbone must be there in its shape (PX_DATA, naming it; pos_embed is
 * resampled); heads take what fits. Says in one line what was taken and what was not used. 0 or -1. */
int px_weights_load(px_model *, const px_settings *, const px_task *, const char *path, px_log *);

/* Settings to evaluate a weights file with: defaults, what the file says about itself, the assignments. 0 or -1. */
int px_weights_settings(px_settings *, const char *path, const char *const assignments[], int count);

/* Writes the parameters of a run's last checkpoint: the backbone's, and with `heads` all. One rank. 0 or -1. */
int px_weights_export(const char *run, const char *path, bool heads, px_log *);

#endif
