/* layers.h - where in a backbone the representation lies: the linear probe of every stage.
 *
 *     px_layers l;
 *     px_layers_probe(&l, &cfg, &train, &test, classes, &last, comm, log);   // all ranks together
 *     px_layers_write(results, "/eval/linear/pretrained/layers", &l);       // write.h
 *
 * What a pretext task teaches need not be best at the end: MMSelfSup reports 15, 30, 43, 51 and 41% behind the stem and
 * the four stages of a ResNet-50 for Relative Location on ImageNet (there maps are pooled to several places, here to
 * one).
 */
#ifndef PX_EVAL_LAYERS_H
#define PX_EVAL_LAYERS_H

#include "eval/extract.h"
#include "eval/linear.h"

typedef struct px_layer_score {
    const char *name; /* borrowed from the extraction's model */
    int width;
    double top1, top5, holdout_top1; /* as in px_probe_result: of the test set; of what chose the rate */
    double rate;                     /* the chosen one */
} px_layer_score;

typedef struct px_layers {
    int count;
    px_layer_score layer[PX_STAGES_MAX + 1];
} px_layers;

/* Both extractions hold all layers; `last` is the probe of the last one, which is not done again. A layer is gathered
 * when its turn comes and dropped after it, so that a rank holds its own rows of all layers and all rows of one. 0 or
 * -1. */
int px_layers_probe(px_layers *, const px_probe_cfg *, px_extraction *train, px_extraction *test, int classes,
                    const px_probe_result *last, const px_comm *, px_log *);

#endif
