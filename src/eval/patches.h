/* patches.h - an image as a grid of patches, each encoded on its own: the mean of their features is the image's. The
 * protocol of methods that pretrain on patches (Kolesnikov et al. 2019, arXiv:1901.09005: nine patches of 64 px, side
 * by side, of the centred 192 of 256 px). They standardise each patch; here patches are normalised as the run's views
 * are.
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
    int size;     /* side of one as the backbone sees it */
    double cover; /* side of the centred square that the patches fill, as a share of the image's smaller side */
} px_patches;

/* Their keys, for a table of options whose struct `type` holds them as `member`. */
#define PX_PATCHES_OPTIONS(type, member)                                                                               \
    PX_OPTION_NAMED(                                                                                                   \
        "patches", type, member.count, "0", 0, 1024,                                                                   \
        "features are the mean over a square grid of so many patches (Kolesnikov 2019: 9); 0: the whole image"),       \
        PX_OPTION_NAMED(                                                                                               \
            "patch_size", type, member.size, "0", 0, 4096,                                                             \
            "side of one as the backbone sees it; 0: as the run's method showed it (weights: image_size / grid)"),     \
        PX_OPTION_NAMED(                                                                                               \
            "patch_cover", type, member.cover, "0.75", 0.1, 1,                                                         \
            "share of the smaller side that they cover, side by side in the middle (Kolesnikov: 192 of 256 px)")

/* Sets a size that was left open; `run`: the settings' method made the weights. 0, or -1 (PX_USAGE): no square number,
 * or the backbone cannot work with that side. */
int px_patches_settle(px_patches *, const px_settings *, const px_task *, bool run);

/* The encoder for `batch` images or patches at once, at least one image. */
px_encoder_spec px_patches_encoder(const px_patches *, const px_task *, int batch);

/* Views of an image; the part of it that one of them (`size` pixels, counted row by row) shows. */
int px_patches_views(const px_patches *);
px_crop px_patches_crop(const px_patches *, const px_image *, int size, int view);

#endif
