/* labels.h - what methods that learn labels share: the refusal of data that has none, and an image that may be mixed with another
 * one, with labels in the same shares (data/mix.h).
 *
 *     const char *why = px_labels_check(task);                                   // in px_method.check
 *     px_label_shares l = px_labelled_view(&c->mix, &recipe, task, rng, image, px_sample_plane(out, 0, 0), out);
 *     px_soft_label(target, classes, l.label, l.other, l.share, smoothing);
 */
#ifndef PX_TRAIN_LABELS_H
#define PX_TRAIN_LABELS_H

#include "data/mix.h"
#include "train/method.h"

/* As px_method.check: NULL, or why the task has no labels to learn. */
const char *px_labels_check(const px_task *);

/* The labels of one view: `share` of its pixels are of class `label`, the rest of `other`; without mixing both are the same. */
typedef struct px_label_shares {
    float share;
    int label, other;
} px_label_shares;

/* Makes the view by the recipe and, if the task augments and the batch's draw says so, mixes it with its partner's. */
px_label_shares px_labelled_view(const px_mix *, const px_recipe *, const px_task *, px_rng *, const px_image *,
                                 px_plane, px_sample *out);

#endif
