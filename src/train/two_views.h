/* two_views.h - two random views of an image, as SimCLR and its successors make them: the options, stated once, and the two
 * functions that a method needs.
 *
 *     struct px_method_cfg { ...; px_two_views views; };
 *     static const px_option options[] = { ..., PX_TWO_VIEWS_OPTIONS(px_method_cfg, views), {0}};
 *
 *     PX_TWO_VIEWS_FUNCTIONS(views)                  // static functions `views` and `make_views`: "views" (2B, C, S, S)
 */
#ifndef PX_TRAIN_TWO_VIEWS_H
#define PX_TRAIN_TWO_VIEWS_H

#include "train/method.h"

typedef struct px_two_views {
    double area_min, jitter_strength, jitter, gray, blur, flip;
    double saturation;  /* strength of that change alone; 0: as the strength says */
    double second_blur; /* of the second view; negative: as the first one */
    double solarize;    /* of the second view */
} px_two_views;

/* SimCLR's recipe (Chen et al. 2020, appendix A). */
#define PX_TWO_VIEWS_OPTIONS(type, field) PX_VIEWS_OPTIONS(type, field, "0.08", "0", "0")
/* BYOL's (Grill et al. 2020, appendix B), with solo-learn's probabilities for small images. */
#define PX_UNLIKE_VIEWS_OPTIONS(type, field) PX_VIEWS_OPTIONS(type, field, "0.08", "0.2", "0.2")
/* With other values of area_min, saturation and solarize. */
#define PX_VIEWS_OPTIONS(type, field, area, saturated, solarized)                                                      \
    PX_ANY_VIEW_OPTIONS(type, field, area, saturated),                                                                 \
        PX_OPTION_NAMED("second_blur", type, field.second_blur, "-1", -1, 1,                                           \
                        "blur of the second view; -1: as the first one (BYOL on ImageNet: blur=1, second_blur=0.1)"),  \
        PX_OPTION_NAMED("solarize", type, field.solarize, solarized, 0, 1,                                             \
                        "probability that the second view's bright values are inverted (BYOL: 0.2)")

/* What all views have. */
#define PX_ANY_VIEW_OPTIONS(type, field, area, saturated)                                                              \
    PX_OPTION_NAMED("area_min", type, field.area_min, area, 0.01, 1,                                                   \
                    "smallest fraction of the image's area in a crop (SimCLR: 0.08)"),                                 \
        PX_OPTION_NAMED("jitter_strength", type, field.jitter_strength, "0.5", 0, 2,                                   \
                        "strength s of the colour jitter (SimCLR: 0.5 on CIFAR, 1 on ImageNet)"),                      \
        PX_OPTION_NAMED("jitter", type, field.jitter, "0.8", 0, 1, "probability of colour jitter (SimCLR: 0.8)"),      \
        PX_OPTION_NAMED("gray", type, field.gray, "0.2", 0, 1, "probability of dropping colour (SimCLR: 0.2)"),        \
        PX_OPTION_NAMED("blur", type, field.blur, "0", 0, 1,                                                           \
                        "probability of Gaussian blur (SimCLR: 0.5 on ImageNet, none on CIFAR)"),                      \
        PX_OPTION_NAMED("flip", type, field.flip, "0.5", 0, 1, "probability of a horizontal flip (SimCLR: 0.5)"),      \
        PX_OPTION_NAMED("saturation", type, field.saturation, saturated, 0, 2,                                         \
                        "strength of the change of saturation (BYOL: 0.2); 0: as jitter_strength says")

/* What happens to each view; the first one of two has no more. */
px_recipe px_two_views_recipe(const px_two_views *, const px_task *);

/* The tensor "views", (2B, C, S, S): row v B + i is view v of image i. */
void px_two_views_declare(const px_task *, px_views *out);
void px_two_views_make(const px_two_views *, const px_task *, px_rng *, const px_image *, px_sample *out);

#define PX_TWO_VIEWS_FUNCTIONS(field)                                                                                  \
    static void views(const px_method_cfg *c, const px_task *task, px_views *out)                                      \
    {                                                                                                                  \
        (void)c;                                                                                                       \
        px_two_views_declare(task, out);                                                                               \
    }                                                                                                                  \
    static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image,            \
                           px_sample *out)                                                                             \
    {                                                                                                                  \
        px_two_views_make(&c->field, task, rng, image, out);                                                           \
    }

/* Multi-crop (SwAV, Caron et al. 2020): besides, `count` small crops of small parts of the image, in the tensor "small",
 * (count B, C, side, side). The two large ones then are usually larger parts (area_min=0.14). */
typedef struct px_small_crops {
    int count, side;
    double area_min, area_max;
} px_small_crops;

#define PX_SMALL_CROPS_OPTIONS(type, field)                                                                            \
    PX_OPTION_NAMED("small_crops", type, field.count, "0", 0, 16,                                                      \
                    "small crops besides the two large ones (on ImageNet SwAV: 6, DINO: 8)"),                          \
        PX_OPTION_NAMED("small_size", type, field.side, "0", 0, 4096,                                                  \
                        "their side in pixels; 0: half of the large ones' (SwAV, DINO: 96 of 224)"),                   \
        PX_OPTION_NAMED("small_area_min", type, field.area_min, "0.05", 0.01, 1,                                       \
                        "smallest fraction of the image's area in a small crop (SwAV, DINO)"),                         \
        PX_OPTION_NAMED("small_area_max", type, field.area_max, "0.14", 0.01, 1,                                       \
                        "largest fraction (SwAV; DINO with a ViT: 0.4, and area_min=0.4)")

const char *px_small_crops_check(const px_small_crops *, const px_task *, const px_backbone *); /* as px_method.check */
void px_small_crops_declare(const px_small_crops *, const px_task *, px_views *out);
/* `like`: what else happens to a crop. Call it after px_two_views_make. */
void px_small_crops_make(const px_small_crops *, const px_two_views *like, const px_task *, px_rng *, const px_image *,
                         px_sample *out);

/* As PX_TWO_VIEWS_FUNCTIONS, with small crops. */
#define PX_CROPS_FUNCTIONS(field, small_field)                                                                         \
    static void views(const px_method_cfg *c, const px_task *task, px_views *out)                                      \
    {                                                                                                                  \
        px_two_views_declare(task, out);                                                                               \
        px_small_crops_declare(&c->small_field, task, out);                                                            \
    }                                                                                                                  \
    static void make_views(const px_method_cfg *c, const px_task *task, px_rng *rng, const px_image *image,            \
                           px_sample *out)                                                                             \
    {                                                                                                                  \
        px_two_views_make(&c->field, task, rng, image, out);                                                           \
        px_small_crops_make(&c->small_field, &c->field, task, rng, image, out);                                        \
    }

/* The images of one of the two views: (B, C, S, S). For methods whose batch norms see each view by itself. */
px_value *px_one_view(px_build *, int view);

#endif
