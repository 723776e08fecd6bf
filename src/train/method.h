/* method.h - a pretext task in one file: methods/NAME.c defines one const px_method; everything else in it is static.
 *
 * A method declares the tensors made from each image (views), makes them (make_views, in the loader's threads), and
 * builds the loss from them (build). It never sees the optimizer, MPI, files or epochs. methods/simclr.c is an example.
 *
 *     struct px_method_cfg { double temperature; };                   // completed in the method's own file
 *     static const px_option options[] = { PX_OPTION(px_method_cfg, temperature, "0.5", ...), {0}};
 *     const px_method px_simclr = {.name = "simclr", .options = options, ...};
 */
#ifndef PX_TRAIN_METHOD_H
#define PX_TRAIN_METHOD_H

#include "backbones/backbone.h"
#include "base/option.h"
#include "data/recipe.h"
#include "data/views.h"
#include "graph/graph.h"
#include "nn/layers.h"
#include "optim/rule.h"

typedef struct px_method_cfg px_method_cfg;

/* What the method works on; the same on all ranks except for `rank`. */
typedef struct px_task {
    int image_size, channels; /* of a view */
    int classes;              /* of the data set; 0: no labels */
    bool labelled;            /* every image of the split has a label */
    int patch;                /* side of the backbone's patches; 0: it has none */
    int width, depth;         /* of the backbone's blocks, and how many there are; 0: it has no such numbers */
    int batch;                /* images per step on this rank */
    int ranks;
    int64_t images;       /* of the data set, which are numbered from 0 (px_image.index); 0: it is not known */
    int64_t epoch_images; /* in an epoch's whole batches; 0: likewise */
    bool augment; /* false (augment="none"): views are the plain images, so that runs can be compared step by step */
    const float *mean, *std;   /* per channel; NULL: values stay in [0,1] (data.normalize) */
    int bits;                  /* of a value in the data set: 16, else 8 */
    int shown[3], shown_count; /* data.shown; 0: not given */
} px_task;

/* Sets what the backbone says of itself: patch, width, depth. */
void px_task_take_backbone(px_task *, const px_backbone *, const px_backbone_cfg *);

/* A number that changes from step to step. */
typedef enum px_course {
    PX_STEADY, /* `from` in all steps */
    PX_LINEAR, /* ... to `to` */
    PX_AFTER,  /* ... and `to` after them: within the first epochs */
    PX_COSINE, /* ... to `to` along half a cosine: to - (to - from) (1 + cos(pi k / K)) / 2 at step k of K */
} px_course;
/* What it may be. */
typedef enum px_range {
    PX_FINITE,       /* anything but infinite */
    PX_SHARE,        /* 0 to 1: a follower's momentum */
    PX_POSITIVE,     /* above 0: a temperature */
    PX_NOT_NEGATIVE, /* a weight of a loss */
} px_range;
typedef struct px_scheduled {
    const char *name;
    double from, to;
    px_course course;
    px_range range;
    px_value *value; /* an input, () */
    double epochs;   /* that the course takes; after them it stays `to`. 0: the whole training */
} px_scheduled;
double px_scheduled_at(const px_scheduled *, double progress, double epoch); /* k / K, and k in epochs */

/* Embeddings that are watched for collapse: the network's that is trained, and its teacher's. */
enum { PX_WATCHED_STUDENT, PX_WATCHED_TEACHER, PX_WATCHED };

enum { PX_SCHEDULED_MAX = 8, PX_OWN_RULES_MAX = 8 };

/* The context of `build`. */
typedef struct px_build {
    px_graph *g;
    const px_task *task;
    const px_backbone *backbone;
    const px_backbone_cfg *backbone_cfg;
    px_value *embedding[PX_WATCHED]; /* see px_embedding */
    px_value *second;                /* see px_second_views */
    px_value *pooled;                /* of the first px_encode; NULL: there was none */
    px_net *backbone_net;
    px_scheduled scheduled[PX_SCHEDULED_MAX];
    int scheduled_count;
    px_rule rule[PX_OWN_RULES_MAX];
    int rules;
} px_build;

/* The context of `figures`. */
typedef struct px_figures px_figures;

typedef struct px_method {
    const char *name, *paper, *summary;
    const char *formula;    /* the loss in a line, for `pretext methods NAME` */
    const char *published;  /* results of others, a line each with its source; NULL: none is known */
    const char *departures; /* from the paper or the official code, a line each; NULL: none are known */
    size_t cfg_size;
    const px_option *options; /* the group named after the method */
    const char *family;       /* the only family of backbones that it works with; NULL: any */
    const char *defaults;     /* configuration text that the user's overrides: the paper's optimizer and schedule */

    /* Replaces options that are not set (0) by their values for this task and backbone, so that a run's recorded
     * configuration has them. Does not change options that are set. Optional. */
    void (*settle)(px_method_cfg *, const px_task *, const px_backbone *);

    /* Returns why this cannot work, or NULL if it can. Optional. */
    const char *(*check)(const px_method_cfg *, const px_task *, const px_backbone *);

    /* Declares the tensors made from each image. */
    void (*views)(const px_method_cfg *, const px_task *, px_views *out);

    /* Makes them. Must be a pure function of its arguments; many threads call it at the same time. */
    void (*make_views)(const px_method_cfg *, const px_task *, px_rng *, const px_image *, px_sample *out);

    /* Builds heads and loss from the inputs that `views` declared; returns the scalar loss, a mean over this rank's
     * images. */
    px_value *(*build)(const px_method_cfg *, px_build *);

    /* What makes logits (N, classes) of the backbone's pooled features (N, F): for accuracies on a validation split
     * (validate_epochs). Its parameters are named as `build` names them. Optional: the method learns classes. */
    px_value *(*classify)(const px_method_cfg *, px_graph *, px_value *pooled, int classes);

    /* The network that is probed, exported and gives features where net= does not say: the name of one that follows; "": the
     * one that is trained. Optional: always that. */
    const char *(*probed)(const px_method_cfg *);

    /* Makes pictures of what was learned, from the last batch and the graph's outputs for it. Optional; 0 or -1. */
    int (*figures)(const px_method_cfg *, px_figures *);
} px_method;

/* ---- for check ---- */

/* Whether a step has one image, on all ranks together, so that there are no others to compare it with. */
static inline bool px_is_batch_of_one(const px_task *t)
{
    return (int64_t)t->batch * t->ranks < 2;
}

/* ---- for build ---- */

/* The batch's tensor with this name: (copies * batch, ...). */
px_value *px_view_input(px_build *, const char *name);

/* Labels (copies * batch): of each row of a tensor of so many copies, the number of its copy. */
px_value *px_copy_numbers(px_build *, int copies);

/* Runs the backbone on x (N, C, S, S). Its parameters are named as in torchvision or timm, and are the same in each call. */
px_encoding px_encode(px_build *, px_value *x);

/* Runs the backbone (px_backbone_net) or one that follows it on images of which patches are hidden: `places` and what becomes of
 * them as in backbones/backbone.h. The encoding has tokens. */
px_encoding px_encode_masked(px_build *, px_net *, px_value *x, px_value *places, px_hiding);

/* The backbone's network, for px_net_follow after the first px_encode; and the backbone run as one that follows it. */
px_net *px_backbone_net(px_build *);
px_encoding px_encode_by(px_build *, px_net *follower, px_value *x);

/* Runs a head: the layers' parameters are those of the network (px_net_create), or of one that follows it. */
px_value *px_head(px_net *, const px_mlp *, px_value *x);

/* A number that changes from step to step, recorded as a series of run.h5 (/train/NAME). One that leaves its range is refused
 * when the model is built. */
px_value *px_schedule(px_build *, const char *name, double from, double to, px_course, px_range);
/* The same within the first epochs; with 0 of them it is `to` from the first step. */
px_value *px_schedule_within(px_build *, const char *name, double epochs, double from, double to, px_course, px_range);

/* Has parameters trained differently from the others, in addition to the user's optim.rules: px_treat(b, "prototypes",
 * PX_RULE_FROZEN, 1) leaves them as they are for an epoch. `scope` as in optim/rule.h, borrowed; one that no parameter has is
 * refused. */
void px_treat(px_build *, const char *scope, px_rule_kind, double value);

/* Tells training which embedding to watch for collapse: x (rows, D), with the batch's first views in the first rows.
 * Without this call it watches the pooled output of the first px_encode. */
void px_embedding(px_build *, px_value *x);
/* ... and where the embedding of the batch's second views is, of the network that is trained: x (rows, D), one image per row in the
 * order of the first ones; if it is what px_embedding got, in its rows from the batch's size on, which may be missing. Then the run
 * has alignment and LiDAR, too (train/two_looks.h). After px_embedding. */
void px_second_views(px_build *, px_value *x);
/* The same of a network that follows, beside it: for methods that are judged by their teacher. */
void px_teacher_embedding(px_build *, px_value *x);

/* Records a single number as a series of run.h5 (/train/NAME), averaged over ranks and micro-batches. A method may record as
 * many as it likes. */
void px_metric(px_build *, const char *name, px_value *);

/* ---- for make_views of methods that hide patches (masked.c) ---- */
/* A random crop and a flip; with augment=none neither. */
px_recipe px_recipe_crop(const px_task *, double area_min, double flip);
/* The patches of an image, in the backbone's grid. */
int px_patch_count(const px_task *);
/* How many of them are visible if that share is hidden, rounded down. */
int px_visible_count(const px_task *, double hidden);
/* A random choice of K of the T patches that stay. Three tensors: "visible" (K), their places in random order; "hidden" (T - K),
 * the others', ascending; "restore" (T + 1), which token of [mask token, class token, visible patches] each of a decoder's
 * tokens is: 0 the mask token, 1 the class token, 2 + j visible patch j. `first`: the number of "visible" among the views. */
void px_hidden_declare(const px_task *, int K, px_views *);
void px_hidden_make(const px_task *, int K, px_rng *, px_sample *, int first);

/* ---- for figures ---- */
const px_task *px_figures_task(const px_figures *);
const void *px_figures_view(const px_figures *, const char *name);    /* the batch's tensor */
const float *px_figures_output(const px_figures *, const char *name); /* a value that build gave to px_graph_output */

/* Stores rows x columns pictures of (size, size, channels) bytes, side by side, as /figures/NAME (height, width,
 * channels) of run.h5, which `pretext plot` draws with the caption. 0 or -1. */
int px_figures_grid(px_figures *, const char *name, const char *caption, int rows, int columns, int size, int channels,
                    const uint8_t *pixels);

/* What was rebuilt of hidden patches: names of the views of the image (C, S, S) and of the hidden patches' places (count), and
 * of the output with all patches (T, patch patch C), (row, column, channel) in each. */
typedef struct px_rebuilt {
    const char *image, *hidden, *prediction;
    int count;
    bool standardized; /* patches are predicted with mean 0 and deviation 1 */
} px_rebuilt;
/* Pictures of a few images of the batch: original, visible, output, output beside visible. 0 or -1. */
int px_figures_rebuilt(px_figures *, const char *name, const px_rebuilt *);

/* ---- registry ---- */
extern const px_method *const px_methods[]; /* built in; NULL-terminated; generated from methods/meson.build */

/* All methods by number, first the built-in ones, then those of plug-ins; NULL after the last. */
const px_method *px_method_at(int i);
const px_method *px_method_find(const char *name); /* NULL: px_error() names the nearest */

/* Loads a plug-in: a shared object made with pretext.h, whose PX_PLUGIN it defines. Its method is then found like any
 * other. One that was built with other headers than this program is refused before its px_method is read. 0 or -1. */
int px_method_load(const char *path);
const char *px_method_file(const px_method *); /* the plug-in that it was loaded from; NULL: it is built in */

#endif
