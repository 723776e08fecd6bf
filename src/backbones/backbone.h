/* backbone.h - encoders: what every method and every evaluation is built on. One file per family: to add a
 * family, add a file NAME.c with `const px_backbone_family px_NAME_family`, and NAME in meson.build.
 *
 *     const px_backbone *b = px_backbone_find("resnet18");       // NULL: px_error() names the nearest
 *     px_encoding e = b->family->build(g, b, cfg, x);            // x (N, C, S, S)
 *     ... e.pooled (N, F), e.stage[3].map (N, 512, S/32, S/32) ...
 */
#ifndef PX_BACKBONES_BACKBONE_H
#define PX_BACKBONES_BACKBONE_H

#include "base/option.h"
#include "graph/graph.h"

#include <stdio.h>

enum { PX_STAGES_MAX = 48 };

typedef struct px_encoding {
    px_value *pooled; /* (N, F): what probes read */
    /* build_masked: (N, T, D), the class token first, after the last norm; a ResNet's last map. Else NULL */
    px_value *tokens;
    int stages;
    struct {
        const char *name; /* as in PyTorch: "layer1", "blocks.0" */
        px_value *map;    /* (N, C, H, W); ViT: tokens (N, T, D), the class token first */
    } stage[PX_STAGES_MAX];
    int64_t in_front; /* ViT: tokens before the patches in `mlp`: the class token and what is in no map (registers) */
    /* ViT: what the MLP of that block added to the tokens, (N (in_front + T), D); else NULL */
    px_value *mlp[PX_STAGES_MAX];
} px_encoding;

/* What becomes of hidden patches. */
typedef enum px_hiding {
    PX_DROP,  /* they are left out, and cost nothing: MAE, I-JEPA, data2vec 2 */
    PX_TOKEN, /* they are replaced by a learned token: BEiT, SimMIM, MaskFeat, iBOT */
} px_hiding;

/* A family's configuration, completed privately in its file: the option group named after the family. */
typedef struct px_backbone_cfg px_backbone_cfg;
typedef struct px_backbone px_backbone;

/* The numbers and the shape that a tensor of ours has in a file: a new array, or NULL if it is not there. */
typedef float *px_numbers_of(const void *file, const char *name, px_shape *);

typedef struct px_backbone_family {
    const char *name, *paper, *summary;
    size_t cfg_size;
    const px_option *options;
    const px_backbone *variants; /* ends with a NULL name */

    /* Side, in pixels, of the patches that an image is cut into. Optional. */
    int (*patch)(const px_backbone *);

    /* Width and number of blocks, for methods that make a decoder in proportion. Optional. */
    void (*size)(const px_backbone *, const px_backbone_cfg *, int *width, int *depth);

    /* Number of attention heads, which the shapes of the parameters do not tell. Optional. */
    int (*heads)(const px_backbone *, const px_backbone_cfg *);

    /* Replaces options that depend on the image's size ("auto") by their values for this size. Optional. */
    void (*settle)(px_backbone_cfg *, int image_size);

    /* Returns why this cannot work (an image size, a combination of options), or NULL if it can. */
    const char *(*check)(const px_backbone *, const px_backbone_cfg *, int image_size, int channels);

    /* Writes the family's options that follow from stored parameters, as settings of its group: "stem = \"7x7\";".
     * shape_of gives the shape that a parameter has in the file, rank 0 if it is not there. Optional. */
    void (*stored)(FILE *out, px_shape (*shape_of)(const void *file, const char *name), const void *file);

    /* Whether a file's tables that follow from sizes alone, not from training, are what the backbone makes in their place: 0 or
     * -1 (PX_DATA). Optional. */
    int (*check_made)(const px_backbone_cfg *, int image_size, px_numbers_of *, const void *file);

    /* The variant of which a file has parameters of such shapes, or NULL; `telling` is a parameter that all variants have.
     * Both or none. */
    const px_backbone *(*of_shapes)(px_shape (*shape_of)(const void *file, const char *name), const void *file);
    const char *telling;

    /* Parameters are named as in torchvision or timm, within the current scope. */
    px_encoding (*build)(px_graph *, const px_backbone *, const px_backbone_cfg *, px_value *x);

    /* The same as `build` for images of which patches are hidden. `places`: with PX_DROP those that stay, i32 (N, K); with
     * PX_TOKEN a mask (N, rows, columns), 1 where a patch is hidden, else 0; NULL: none is hidden. An encoder that cannot
     * do it refuses. */
    px_encoding (*build_masked)(px_graph *, const px_backbone *, const px_backbone_cfg *, px_value *x, px_value *places,
                                px_hiding);

    /* The layer of a parameter of the backbone, counted from the images on, from 0 to *layers - 1; what comes after the backbone
     * is in the last one. -1: the backbone has no parameter of this name. For px_backbone_layer. */
    int (*layer)(const px_backbone *, const px_backbone_cfg *, const char *parameter, int *layers);

    /* The features (N, F) of a stage's map: what a probe of that layer reads. */
    px_value *(*pool)(px_graph *, const px_backbone_cfg *, px_value *map);
    bool pools_last; /* an encoding's `pooled` is pooled from the last stage's map, with nothing (a norm) in between */
} px_backbone_family;

struct px_backbone {
    const char *name;
    const px_backbone_family *family;
    const void *variant; /* the family's own description of it */
};

extern const px_backbone_family *const px_backbone_families[]; /* NULL-terminated */
const px_backbone *px_backbone_find(const char *name);

/* The family's `layer`, for optim.layer_decay; a token that stands for hidden patches is in layer 0. */
int px_backbone_layer(const px_backbone *, const px_backbone_cfg *, const char *parameter, int *layers);

#endif
