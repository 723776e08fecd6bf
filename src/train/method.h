/* method.h - a pretext task in one file: methods/NAME.c defines one const px_method, and nothing else of it is visible.
 *
 * A method says what is made of each image (views), how that is made (make_views, in the loader's threads), and how the
 * loss follows from it (build). It never sees the optimizer, MPI, files or epochs. Read methods/simclr.c as an example.
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

typedef struct px_method_cfg px_method_cfg;

/* What the method is asked to work on; the same on all ranks but for `rank`. */
typedef struct px_task {
    int image_size, channels; /* of a view */
    int classes;              /* of the data set; 0: no labels */
    bool labelled;            /* every image of the split has one */
    int patch;                /* side of the backbone's patches; 0: it has none */
    int batch;                /* images a step on this rank */
    int ranks;
    bool augment; /* false (augment="none"): views are the plain images, so that runs can be compared step by step */
    const float *mean, *std; /* per channel, NULL where values stay in [0,1] (data.normalize) */
} px_task;

/* What build works with. */
typedef struct px_build {
    px_graph *g;
    const px_task *task;
    const px_backbone *backbone;
    const px_backbone_cfg *backbone_cfg;
    px_value *embedding; /* see px_embedding */
} px_build;

/* What `figures` works with. */
typedef struct px_figures px_figures;

typedef struct px_method {
    const char *name, *paper, *summary;
    size_t cfg_size;
    const px_option *options; /* the group named after the method */
    const char *family;       /* the only family of backbones that it works on; NULL: any */
    const char *defaults;     /* configuration text that stands below the user's: the paper's optimizer and schedule */

    /* Replaces options that were left open (0) by what they mean for this task and backbone: the configuration that a
     * run records holds the results. Options that were given stay. Optional. */
    void (*settle)(px_method_cfg *, const px_task *, const px_backbone *);

    /* Says what cannot work, or NULL. Optional. */
    const char *(*check)(const px_method_cfg *, const px_task *, const px_backbone *);

    /* The tensors made of each image. */
    void (*views)(const px_method_cfg *, const px_task *, px_views *out);

    /* Makes them. A pure function of its arguments, called by many threads at once. */
    void (*make_views)(const px_method_cfg *, const px_task *, px_rng *, const px_image *, px_sample *out);

    /* Heads and loss, from inputs named as in `views`; returns the scalar loss, a mean over this rank's images. */
    px_value *(*build)(const px_method_cfg *, px_build *);

    /* Pictures of what was learned, made of the last batch and what the graph put out for it. Optional; 0 or -1. */
    int (*figures)(const px_method_cfg *, px_figures *);
} px_method;

/* ---- for build ---- */

/* The batch's tensor of that name: (copies * batch, ...). */
px_value *px_view_input(px_build *, const char *name);

/* Runs the backbone on x (N, C, S, S). Its parameters are named as in torchvision or timm, in the open scope. */
px_encoding px_encode(px_build *, px_value *x);

/* Names the embedding that training watches for collapse: x (rows, D), the batch's first views in the first rows. What
 * a first px_encode gives as pooled is watched where no other is named. */
void px_embedding(px_build *, px_value *x);

/* Records a scalar as a series of run.h5 (/train/NAME), averaged over ranks. */
void px_metric(px_build *, const char *name, px_value *);

/* ---- for figures ---- */
const px_task *px_figures_task(const px_figures *);
const void *px_figures_view(const px_figures *, const char *name);    /* the batch's tensor */
const float *px_figures_output(const px_figures *, const char *name); /* what build gave to px_graph_output */

/* Stores rows x columns pictures of (size, size, channels) bytes, side by side, as /figures/NAME (height, width,
 * channels) of run.h5, which `pretext plot` draws with the caption. 0 or -1. */
int px_figures_grid(px_figures *, const char *name, const char *caption, int rows, int columns, int size, int channels,
                    const uint8_t *pixels);

/* ---- registry ---- */
extern const px_method *const px_methods[]; /* built in; NULL-terminated; generated from methods/meson.build */

/* All methods by number, those of plug-ins behind the built-in ones; NULL behind the last. */
const px_method *px_method_at(int i);
const px_method *px_method_find(const char *name); /* NULL: px_error() names the nearest */

/* Loads a plug-in: a shared object made with pretext.h, whose PX_PLUGIN it defines. Its method is then found like any
 * other. One that was built with other headers than this program is refused before its px_method is read. 0 or -1. */
int px_method_load(const char *path);
const char *px_method_file(const px_method *); /* the plug-in that it was loaded from; NULL: it is built in */

#endif
