/* holdout.h - holds some images of a split out, for a test, where a data set has none of its own.
 *
 *     px_holdout h;
 *     if (px_holdout_make(&h, data, train, 0.1, seed) != 0) ...
 *     ... h.kept, h.held ...                                       // both splits, rows ascending
 *     px_holdout_finish(&h);
 */
#ifndef PX_EVAL_HOLDOUT_H
#define PX_EVAL_HOLDOUT_H

#include "data/dataset.h"

typedef struct px_holdout {
    px_split kept, held; /* their index belongs to the px_holdout */
} px_holdout;

/* Holds out `share` of each class, drawn by (seed, class): at least one image and never all of a class. Images without a
 * label are kept. 0, or -1 (PX_DATA): no class has two images. */
int px_holdout_make(px_holdout *, const px_dataset *, const px_split *, double share, int64_t seed);
void px_holdout_finish(px_holdout *);

#endif
