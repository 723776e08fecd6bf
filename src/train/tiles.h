/* tiles.h - patches of a 3x3 grid over an image, as relative_location and jigsaw see them: the options, stated once, and the
 * functions that a method needs.
 *
 *     struct px_method_cfg { px_tiles tiles; ... };
 *     static const px_option options[] = {PX_TILES_OPTIONS(px_method_cfg, tiles), ..., {0}};
 *     static const char *const complaints[] = PX_TILES_COMPLAINTS("jigsaw");
 *
 *     px_tiles_check(&c->tiles, task, complaints);                  // in check
 *     px_tiles_declare(&c->tiles, task, "tiles", out);              // in views
 *     px_tiles_make(&c->tiles, task, rng, image, copy_of, out);     // in make_views
 */
#ifndef PX_TRAIN_TILES_H
#define PX_TRAIN_TILES_H

#include "train/method.h"

enum { PX_TILES = 9 };

typedef struct px_tiles {
    int patch;
    double share, gray, downsample, flip;
    enum { PX_TILES_KEEP, PX_TILES_DROP, PX_TILES_PROJECT } colour;
    bool standardise;
} px_tiles;

#define PX_TILES_OPTIONS(type, field)                                                                                  \
    PX_OPTION_NAMED("patch", type, field.patch, "0", 0, 1024,                                                          \
                    "side of a patch in pixels; 0: share * a third of image_size, at least 16, rounded down to whole " \
                    "patches of a ViT"),                                                                               \
        PX_OPTION_NAMED(                                                                                               \
            "share", type, field.share, "0.75", 0.3, 1,                                                                \
            "side of the random crop as a fraction of its cell's; the rest is gap and jitter (Kolesnikov, VISSL: "     \
            "64 of 85 px)"),                                                                                           \
        PX_OPTION_NAMED("gray", type, field.gray, "0.66", 0, 1,                                                        \
                        "probability of a gray image (Kolesnikov, VISSL: 0.66)"),                                      \
        PX_OPTION_CHOICE_NAMED("colour", type, field.colour, "keep", "keep|drop|project",                              \
                               "against chromatic aberration: replace two channels by noise, or project out "          \
                               "green-magenta (Doersch)"),                                                             \
        PX_OPTION_NAMED(                                                                                               \
            "standardise", type, field.standardise, "true", 0, 0,                                                      \
            "standardise each patch to mean 0, deviation 1 (Noroozi, Kolesnikov; VISSL, mmselfsup do not)"),           \
        PX_OPTION_NAMED("downsample", type, field.downsample, "0", 0, 1,                                               \
                        "probability of shrinking a patch to at least 10 px and back (Doersch: 1/3)"),                 \
        PX_OPTION_NAMED("flip", type, field.flip, "0.5", 0, 1, "probability of a horizontal flip of the whole image")

/* What px_tiles_check says, with the method's name. */
enum { PX_TILES_SMALL_IMAGE, PX_TILES_BROKEN, PX_TILES_COLOUR, PX_TILES_SMALL };
#define PX_TILES_COMPLAINTS(method)                                                                                    \
    {                                                                                                                  \
        "images of less than 24 px leave no patches of 8 px; data.image_size=24 or more enlarges them",                \
            method ".patch must be a multiple of the backbone's patches (the number in its name); " method             \
                   ".patch=0 chooses one",                                                                             \
            method ".colour is for images of 1 or 3 channels; " method ".colour=keep turns it off",                    \
            method ".patch must be at least 8 px; " method ".patch=0 chooses one"                                      \
    }

/* As px_method.check: one of the complaints, or NULL. */
const char *px_tiles_check(const px_tiles *, const px_task *, const char *const complaints[]);

/* A tensor of nine copies (C, P, P). */
void px_tiles_declare(const px_tiles *, const px_task *, const char *name, px_views *out);

/* Fills the first of the views: the patch of cell i, row by row, becomes copy copy_of[i]. Where the image is mirrored, cells are
 * counted in its mirror image. */
void px_tiles_make(const px_tiles *, const px_task *, px_rng *, const px_image *, const int copy_of[PX_TILES],
                   px_sample *out);

#endif
