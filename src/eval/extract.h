/* extract.h - features of a whole split: one pass of a frozen encoder over it, shared by all ranks.
 *
 *     px_extraction e;
 *     if (px_extract(&e, &model, &task, data, split, workers, comm, log, "train") != 0) ...   // collective
 *     px_features f = px_extraction_features(&e, classes);
 *     px_extraction_finish(&e);
 *
 * Row i belongs to the split's image i. Every rank ends up with all rows, the same bits. The images are framed as
 * px_recipe_frame says,
 * without augmentation, and normalised as the run's views were.
 */
#ifndef PX_EVAL_EXTRACT_H
#define PX_EVAL_EXTRACT_H

#include "base/log.h"
#include "eval/features.h"
#include "train/model.h"

typedef struct px_extraction {
    int64_t count;
    int width;
    float *x;       /* (count, width) */
    int32_t *label; /* (count) */
} px_extraction;

/* `model` is an encoder (px_model_encoder); its batch is the rank's. 0 or -1. */
int px_extract(px_extraction *, px_model *model, const px_task *, const px_dataset *, const px_split *, int workers,
               const px_comm *, px_log *, const char *what);

/* The images themselves as features: task->channels * size * size values each. */
int px_extract_pixels(px_extraction *, const px_task *, const px_dataset *, const px_split *, int workers,
                      const px_comm *);

px_features px_extraction_features(const px_extraction *, int classes);
void px_extraction_finish(px_extraction *);

#endif
