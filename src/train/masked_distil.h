/* masked_distil.h - what iBOT and DINOv2 share: a teacher's distributions over prototypes, of other crops for the class token
 * (DINO's loss), and of the whole image for patches that the student does not see. Options, views and loss.
 *
 *     struct px_method_cfg { ...; px_masked_distil distil; };
 *     PX_MASKED_DISTIL_OPTIONS(px_method_cfg, distil, ...)
 *     loss = px_masked_distil_build(&c->distil, b, NULL);
 */
#ifndef PX_TRAIN_MASKED_DISTIL_H
#define PX_TRAIN_MASKED_DISTIL_H

#include "train/two_views.h"

typedef struct px_masked_distil {
    int prototypes, hidden, dim, block;
    double temperature, teacher_temperature_start, teacher_temperature, warmup_epochs, center, freeze_epochs, momentum,
        momentum_end, patch_weight, mask_chance, mask_ratio, mask_spread;
    px_two_views views;
    px_small_crops small;
} px_masked_distil;

/* Defaults that differ, as strings: `many` prototypes and the `source` of that number, the teacher's momentum in the `first` step,
 * patches of the `smallest` hidden block. type, field: as in PX_OPTION. */
#define PX_MASKED_DISTIL_OPTIONS(type, field, many, source, first, smallest)                                           \
    PX_OPTION_NAMED("prototypes", type, field.prototypes, many, 2, 1 << 20, "prototypes (" source ")"),                \
        PX_OPTION_NAMED("hidden", type, field.hidden, "2048", 1, 65536,                                                \
                        "width of the head's two hidden layers (DINO)"),                                               \
        PX_OPTION_NAMED("dim", type, field.dim, "256", 1, 65536, "width of z (DINO)"),                                 \
        PX_OPTION_NAMED("temperature", type, field.temperature, "0.1", 0.001, 100, "softmax temperature (DINO)"),      \
        PX_OPTION_NAMED("teacher_temperature_start", type, field.teacher_temperature_start, "0.04", 0.001, 100,        \
                        "the teacher's at first (official code)"),                                                     \
        PX_OPTION_NAMED("teacher_temperature", type, field.teacher_temperature, "0.07", 0.001, 100,                    \
                        "... and after its warm-up (official code)"),                                                  \
        PX_OPTION_NAMED("warmup_epochs", type, field.warmup_epochs, "30", 0, 1e6,                                      \
                        "epochs of that warm-up (official code)"),                                                     \
        PX_OPTION_NAMED("center", type, field.center, "0.9", 0, 1,                                                     \
                        "how much of both centres stays in a step (DINO); 1: no centring"),                            \
        PX_OPTION_NAMED("freeze_epochs", type, field.freeze_epochs, "1", 0, 1e6,                                       \
                        "epochs in which the prototypes stay as they are (official code)"),                            \
        PX_OPTION_NAMED("momentum", type, field.momentum, first, 0, 1,                                                 \
                        "the teacher's momentum in the first step (official code)"),                                   \
        PX_OPTION_NAMED("momentum_end", type, field.momentum_end, "1", 0, 1,                                           \
                        "... and, along a cosine, after the last one (paper)"),                                        \
        PX_OPTION_NAMED("patch_weight", type, field.patch_weight, "1", 0, 1e6,                                         \
                        "weight of the loss of hidden patches (paper)"),                                               \
        PX_OPTION_NAMED("mask_chance", type, field.mask_chance, "0.5", 0, 1,                                           \
                        "probability that patches of a large crop are hidden (official code)"),                        \
        PX_OPTION_NAMED("mask_ratio", type, field.mask_ratio, "0.3", 0.01, 1,                                          \
                        "mean fraction of them (official code)"),                                                      \
        PX_OPTION_NAMED("mask_spread", type, field.mask_spread, "0.2", 0, 1,                                           \
                        "by which the fraction is larger or smaller at most (official code)"),                         \
        PX_OPTION_NAMED("mask_block", type, field.block, smallest, 0, 4096,                                            \
                        "patches of the smallest hidden block; 0: the square of a third of the side (iBOT)"),          \
        PX_UNLIKE_VIEWS_OPTIONS(type, field.views), PX_SMALL_CROPS_OPTIONS(type, field.small)

const char *px_masked_distil_check(const px_masked_distil *, const px_task *, const px_backbone *);
/* Besides "views" and "small": of both large crops "mask" (rows, columns), 1 where a patch is hidden; "hidden" (M), places of these
 * patches, and "share" (M): 1 / their number, 0 where there is none. */
void px_masked_distil_views(const px_masked_distil *, const px_task *, px_views *out);
void px_masked_distil_make(const px_masked_distil *, const px_task *, px_rng *, const px_image *, px_sample *out);
/* The loss. *tokens, unless NULL, gets the student's class tokens of the large crops (2B, D). */
px_value *px_masked_distil_build(const px_masked_distil *, px_build *, px_value **tokens);

#define PX_MASKED_DISTIL_VIEWS(field)                                                                                  \
    static void views(const px_method_cfg *c, const px_task *task, px_views *out)                                      \
    {                                                                                                                  \
        px_masked_distil_views(&c->field, task, out);                                                                  \
    }                                                                                                                  \
    static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image,            \
                           px_sample *out)                                                                             \
    {                                                                                                                  \
        px_masked_distil_make(&c->field, task, rng, image, out);                                                       \
    }

#endif
