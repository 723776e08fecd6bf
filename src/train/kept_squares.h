/* kept_squares.h - several masks of an image in which squares of patches stay and the others are hidden, as in data2vec 2.0
 * (Baevski et al. 2022, arXiv:2212.07525, section 3.2; fairseq's compute_block_mask_2d with inverse_mask), for make_views.
 *
 *     struct px_method_cfg { px_kept_squares masks; ... };
 *     ... options: PX_KEPT_SQUARES_OPTIONS(px_method_cfg, masks) ...
 *     PX_KEPT_SQUARES_FUNCTIONS(masks)             // static functions `views` and `make_views`
 */
#ifndef PX_TRAIN_KEPT_SQUARES_H
#define PX_TRAIN_KEPT_SQUARES_H

#include "train/method.h"

typedef struct px_kept_squares {
    int masks, size;
    double ratio, adjust, area_min, flip;
} px_kept_squares;

#define PX_KEPT_SQUARES_OPTIONS(type, field)                                                                           \
    PX_OPTION_NAMED("masks", type, field.masks, "16", 1, 64, "masks of an image (official code)"),                     \
        PX_OPTION_NAMED("mask_ratio", type, field.ratio, "0.8", 0.01, 0.99,                                            \
                        "fraction of the patches to hide (official code)"),                                            \
        PX_OPTION_NAMED("mask_size", type, field.size, "3", 1, 64,                                                     \
                        "side of the squares that stay, in patches (official code)"),                                  \
        PX_OPTION_NAMED("mask_adjust", type, field.adjust, "0.07", 0, 1,                                               \
                        "squares are drawn for this share of patches more, since they overlap (official code)"),       \
        PX_OPTION_NAMED("area_min", type, field.area_min, "0.2", 0.01, 1,                                              \
                        "smallest fraction of the image's area in a crop (official code)"),                            \
        PX_OPTION_NAMED("flip", type, field.flip, "0.5", 0, 1, "probability of a horizontal flip (official code)")

/* Why this cannot work, or NULL. */
const char *px_kept_squares_check(const px_kept_squares *, const px_task *);
/* "image", and of each mask a copy of these: "visible" (K) and "hidden" (T - K), places in ascending order; "restore" (T): which
 * one of the K visible and then T - K hidden ones each patch is. */
void px_kept_squares_declare(const px_kept_squares *, const px_task *, px_views *);
/* Squares are drawn around random patches and cut at the border; then as many
 * patches at random are hidden, or stay, as makes K. */
void px_kept_squares_make(const px_kept_squares *, const px_task *, px_rng *, const px_image *, px_sample *out);

#define PX_KEPT_SQUARES_FUNCTIONS(field)                                                                               \
    static void views(const px_method_cfg *c, const px_task *task, px_views *out)                                      \
    {                                                                                                                  \
        px_kept_squares_declare(&c->field, task, out);                                                                 \
    }                                                                                                                  \
    static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image,            \
                           px_sample *out)                                                                             \
    {                                                                                                                  \
        px_kept_squares_make(&c->field, task, rng, image, out);                                                        \
    }

#endif
