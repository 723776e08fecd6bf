/* multi_block.h - the masks of I-JEPA (Assran et al. 2023, arXiv:2301.08243, section 3 and the official multiblock.py), for
 * make_views: several blocks of patches are targets, and what lies in one larger block but in none of them is the context.
 *
 *     int K = 12, M = px_multi_block_most(&c->blocks, side);
 *     px_multi_block_draw(&c->blocks, rng, side, K, visible, targets, share);
 *
 * Each image has a size of its blocks, and K patches of its context are taken at random; in the official code a batch has one
 * size, and contexts are cut to the smallest one of a batch, from the top. */
#ifndef PX_TRAIN_MULTI_BLOCK_H
#define PX_TRAIN_MULTI_BLOCK_H

#include "base/option.h"
#include "base/rng.h"

typedef struct px_multi_block {
    int targets;                   /* blocks of an image, at most PX_TARGETS_MAX */
    double target_min, target_max; /* how large each is, as a share of all patches */
    double aspect_min, aspect_max; /* its height by its width */
    double context_min; /* how large the context's square is at least, as a share of all patches; at most all */
} px_multi_block;
enum { PX_TARGETS_MAX = 16 };

#define PX_MULTI_BLOCK_OPTIONS(type, field)                                                                            \
    PX_OPTION_NAMED("targets", type, field.targets, "4", 1, PX_TARGETS_MAX, "target blocks of an image (paper)"),      \
        PX_OPTION_NAMED("target_min", type, field.target_min, "0.15", 0.001, 1,                                        \
                        "smallest share of the patches in a target block (paper)"),                                    \
        PX_OPTION_NAMED("target_max", type, field.target_max, "0.2", 0.001, 1, "largest share (paper)"),               \
        PX_OPTION_NAMED("aspect_min", type, field.aspect_min, "0.75", 0.1, 10,                                         \
                        "smallest height of a target block, divided by its width (paper)"),                            \
        PX_OPTION_NAMED("aspect_max", type, field.aspect_max, "1.5", 0.1, 10, "largest one (paper)"),                  \
        PX_OPTION_NAMED(                                                                                               \
            "context_min", type, field.context_min, "0.85", 0.001, 1,                                                  \
            "smallest share of the patches in the context's square, with targets; the largest is 1 (paper)")

/* As px_method.check, in a grid of side x side patches, for contexts of K patches. */
const char *px_multi_block_check(const px_multi_block *, int side, int K);
/* Patches of the largest target. Blocks are lower and narrower than the grid. */
int px_multi_block_most(const px_multi_block *, int side);

/* visible (K): places of the context, ascending; if no place of the square that is tried leaves
 * so many, the context may reach into the last targets, as in the official code.
 * targets (targets M), M = px_multi_block_most: the places of each block, then its first one again; share (targets M): 1 / their
 * number, 0 behind them. */
void px_multi_block_draw(const px_multi_block *, px_rng *, int side, int K, int32_t *visible, int32_t *targets,
                         float *share);

#endif
