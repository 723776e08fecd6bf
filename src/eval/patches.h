/* patches.h - an image as a grid of patches, which are encoded separately: the image's features are the mean of theirs.
 * This is the protocol of methods that pretrain on patches (Kolesnikov et al. 2019, arXiv:1901.09005: nine patches of
 * 64 px, side by side, of the centred 192 of 256 px). They standardise each patch; here patches are normalised like the
 * run's views.
 *
 *     static const px_option options[] = {PX_PATCHES_OPTIONS(my_cfg, patches), {0}};
 *     if (px_patches_settle(&cfg.patches, &settings, &task, true) != 0) ...
 *     px_encoder_spec spec = px_patches_encoder(&cfg.patches, &task, 256);
 *     for (int v = 0; v < px_patches_views(&cfg.patches); v++)
 *         px_resize(&plane, image, px_patches_crop(&cfg.patches, image, plane.size, v), ...);
 */
#ifndef PX_EVAL_PATCHES_H
#define PX_EVAL_PATCHES_H

#include "base/option.h"
#include "train/model.h"

typedef struct px_patches {
    int count;    /* a square number; 0: the whole image is one view */
    int size;     /* side of a patch in pixels, as the backbone sees it */
    double cover; /* side of the centred square that the patches fill, as a fraction of the image's smaller side */
} px_patches;

/* Their keys, for a table of options whose struct `type` holds them as `member`. */
#define PX_PATCHES_OPTIONS(type, member)                                                                               \
    PX_OPTION_NAMED(                                                                                                   \
        "patches", type, member.count, "0", 0, 1024,                                                                   \
        "take the mean of the features of this many patches in a square grid (Kolesnikov: 9); 0: whole image"),        \
        PX_OPTION_NAMED("patch_size", type, member.size, "0", 0, 4096,                                                 \
                        "side of a patch in pixels; 0: that of the run's method (weights: image_size / grid)"),        \
        PX_OPTION_NAMED(                                                                                               \
            "patch_cover", type, member.cover, "0.75", 0.1, 1,                                                         \
            "fraction of the smaller side that they cover, side by side in the middle (Kolesnikov: 192 of 256)")

/* Sets the size if it is 0; `run`: the weights were made by the settings' method. 0, or -1 (PX_USAGE): the count is not
 * a square number, or the backbone cannot work with that side. */
int px_patches_settle(px_patches *, const px_settings *, const px_task *, bool run);

/* The encoder for `batch` images or patches at a time, at least one image. */
px_encoder_spec px_patches_encoder(const px_patches *, const px_task *, int batch);

/* The number of views of an image; and the part of the image that a view of `size` pixels shows (patches are numbered
 * row by row). */
int px_patches_views(const px_patches *);
px_crop px_patches_crop(const px_patches *, const px_image *, int size, int view);

#endif
