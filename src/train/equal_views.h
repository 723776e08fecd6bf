/* equal_views.h - any number of random views of an image, all made alike: the options, stated once, and the two functions that a
 * method needs.
 *
 *     struct px_method_cfg { ...; px_equal_views views; };
 *     static const px_option options[] = { ..., PX_EQUAL_VIEWS_OPTIONS(px_method_cfg, views, "4", 256, ...), {0}};
 *
 *     PX_EQUAL_VIEWS_FUNCTIONS(views)          // static functions `views` and `make_views`: "views" (count B, C, S, S)
 */
#ifndef PX_TRAIN_EQUAL_VIEWS_H
#define PX_TRAIN_EQUAL_VIEWS_H

#include "train/two_views.h"

typedef struct px_equal_views {
    int count;
    px_two_views each; /* solarize is of all views, second_blur means nothing */
    double area_max, ratio, hue;
} px_equal_views;

/* `number` of views, at most so many; the smallest and the largest area of a crop; its longer side by its shorter one at most. */
#define PX_EQUAL_VIEWS_OPTIONS(type, field, number, most, smallest, largest, longest)                                  \
    PX_OPTION_NAMED("views", type, field.count, number, 2, most, "views of an image"),                                 \
        PX_ANY_VIEW_OPTIONS(type, field.each, smallest, "0"),                                                          \
        PX_OPTION_NAMED("area_max", type, field.area_max, largest, 0.01, 1,                                            \
                        "largest fraction of the image's area in a crop (torchvision: 1)"),                            \
        PX_OPTION_NAMED("ratio", type, field.ratio, longest, 1, 10,                                                    \
                        "a crop's longer side divided by its shorter one, at most (torchvision: 4/3)"),                \
        PX_OPTION_NAMED("hue", type, field.hue, "0", 0, 0.5,                                                           \
                        "strength of the change of hue, in turns (SimCLR: 0.2 s); 0: as jitter_strength says"),        \
        PX_OPTION_NAMED("solarize", type, field.each.solarize, "0", 0, 1,                                              \
                        "probability that a view's bright values are inverted (LeJEPA on Imagenette: 0.2)")

/* As px_method.check. `alone`: why one image in a step is too few; NULL: it is not. */
const char *px_equal_views_check(const px_equal_views *, const px_task *, const char *alone);
/* The tensor "views", (count B, C, S, S): row v B + i is view v of image i. */
void px_equal_views_declare(const px_equal_views *, const px_task *, px_views *out);
void px_equal_views_make(const px_equal_views *, const px_task *, px_rng *, const px_image *, px_sample *out);

#define PX_EQUAL_VIEWS_FUNCTIONS(field)                                                                                \
    static void views(const px_method_cfg *c, const px_task *task, px_views *out)                                      \
    {                                                                                                                  \
        px_equal_views_declare(&c->field, task, out);                                                                  \
    }                                                                                                                  \
    static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image,            \
                           px_sample *out)                                                                             \
    {                                                                                                                  \
        px_equal_views_make(&c->field, task, rng, image, out);                                                         \
    }

#endif
