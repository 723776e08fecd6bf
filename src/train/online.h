/* online.h - a linear probe that is trained beside the backbone, step by step, and leaves it as it is.
 *
 *     px_online_views(&views, &task);                       // after the method's own views
 *     px_online_build(&build, rate);                        // after the method's build
 *     px_online_target(&views, &task, image, sample);       // in the loader's threads
 *
 *   h [>= B, F] --stop--> standardised by the batch -> linear -> cross-entropy with the label
 *
 * It stands in the phase after the step (px_after_begin): no gradient, no norm of gradients and no optimizer knows of it, so that
 * the run has the same bits with it and without. Its weights are states: checkpoints keep them, ranks sum its gradients as those of
 * everything else. SGD with Nesterov's momentum 0.9, without decay; the rate falls along half a cosine.
 *
 * What it says is not what an offline probe says: it sees augmented images of the training split, each before it learns from it,
 * and features that change (/train/online_accuracy, /train/online_loss).
 */
#ifndef PX_TRAIN_ONLINE_H
#define PX_TRAIN_ONLINE_H

#include "train/method.h"

/* 0, or -1 (PX_USAGE): images without labels. */
int px_online_check(const px_task *, double rate);

/* Adds the view "online_target" (classes): 1 at the image's class. */
void px_online_views(px_views *, const px_task *);
void px_online_target(const px_views *, const px_task *, const px_image *, px_sample *);

/* After the method's build: it learns from px_build.pooled, whose first rows are those of the batch's first views; without it the
 * graph has an error. rate: at the beginning, for a batch of 256. */
void px_online_build(px_build *, double rate);

#endif
