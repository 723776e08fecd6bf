/* layers.h - at which depth of a backbone the representation is best: a linear probe of every stage.
 *
 *     px_layers l;
 *     px_layers_probe(&l, &cfg, &train, &test, classes, &last, comm, log);   // all ranks together
 *     px_layers_write(results, "/eval/linear/pretrained/layers", &l);
 *
 * The last stage is not always the best: for Relative Location on ImageNet, MMSelfSup reports 15, 30, 43, 51 and 41%
 * after the stem and the four stages of a ResNet-50 (there maps are pooled to several places, here to one).
 */
#ifndef PX_EVAL_LAYERS_H
#define PX_EVAL_LAYERS_H

#include "eval/extract.h"
#include "eval/linear.h"
#include "results/results.h"

typedef struct px_layer_score {
    const char *name; /* borrowed from the extraction's model */
    int width;
    double top1, top5, holdout_top1; /* as in px_probe_result */
    double rate;                     /* the chosen learning rate */
} px_layer_score;

typedef struct px_layers {
    int count;
    px_layer_score layer[PX_STAGES_MAX + 1];
} px_layers;

/* Both extractions have all layers; `last` is the probe of the last one, which is not repeated. Each rank has its own rows of them;
 * a layer is dropped when it has been probed. 0 or -1. */
int px_layers_probe(px_layers *, const px_probe_cfg *, px_extraction *train, px_extraction *test, int classes,
                    const px_probe_result *last, const px_comm *, px_log *);

/* Into `group`: names (L texts), width, top1, top5, holdout_top1, chosen_rate (L): layers from the first stage on. 0 or -1. */
int px_layers_write(px_results *, const char *group, const px_layers *);

#endif
