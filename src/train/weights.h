/* weights.h - parameters in and out as safetensors, under the names that torchvision and timm use.
 *
 *     px_weights_load(&model, &settings, &task, "resnet50.safetensors", &log)      // after px_plan_init_params
 *     px_weights_export("runs/first", "first.safetensors", "", false, &log)
 *
 * Our own files also name the backbone, its options, the image size and whether images were normalised, so that
 * px_weights_settings knows them; for other files they are given as key=value.
 */
#ifndef PX_TRAIN_WEIGHTS_H
#define PX_TRAIN_WEIGHTS_H

#include "base/log.h"
#include "train/model.h"

/* Whether the name is that of a weights file (and not of a run). */
bool px_weights_named(const char *path);

/* Reads a weights file. It must have every parameter and running statistic of the backbone, in the right shape (else
 * PX_DATA, naming it; pos_embed is resampled); of the heads, those that fit are read. One line says what was read and
 * what was not used. 0 or -1. */
int px_weights_load(px_model *, const px_settings *, const px_task *, const char *path, px_log *);

/* Settings for evaluating a weights file: defaults, then the file's description of itself, then assignments. 0 or
 * -1. */
int px_weights_settings(px_settings *, const char *path, const char *const assignments[], int count);

/* Writes the parameters of a run's last checkpoint: the backbone's, or with `heads` all. `net`: "", or the name of a
 * follower (px_net_follow): then its parameters, under the names of its leader's. For one rank. 0 or -1. */
int px_weights_export(const char *run, const char *path, const char *net, bool heads, px_log *);

/* Writes the backbone for inference, with the same parameters, as a file of ONNX (onnx/onnx.h): images (N, C, S, S) with
 * pixels from 0 to 1 -> features (N, F), and tokens (N, T, D) or map (N, C', H, W). The graph normalises as the run did. If
 * that was by its data set's numbers and the run is of a version that did not keep them, the data set must be there. For one
 * rank. 0 or -1. */
int px_weights_export_onnx(const char *run, const char *path, const char *net, px_log *);

#endif
