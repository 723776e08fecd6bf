/* heads.h - heads that are more than an MLP. */
#ifndef PX_NN_HEADS_H
#define PX_NN_HEADS_H

#include "nn/layers.h"

/* DINO's head (Caron et al. 2021, arXiv:2104.14294; official vision_transformer.py): an MLP, z of length 1, and scores, the
 * products of z with prototypes of length 1 (a weight-normed linear layer of gain 1). */
typedef struct px_prototype_head {
    px_mlp mlp;
    int prototypes;
} px_prototype_head;
typedef struct px_prototype_scores {
    px_value *z;      /* (N, mlp.out), rows of length 1 */
    px_value *scores; /* (N, prototypes) */
} px_prototype_scores;
/* x (N, in). Parameters: those of px_mlp_layers, and last_layer.weight_v (prototypes, mlp.out), whose rows' lengths do not
 * matter. */
px_prototype_scores px_score_prototypes(px_net *, const px_prototype_head *, px_value *x);
/* Its two halves: z of x, and scores of rows z (N, mlp.out), which are linear in z. px_score_prototypes must be called first: it
 * makes the parameters. */
px_value *px_prototype_project(px_net *, const px_prototype_head *, px_value *x);
px_value *px_prototype_score(px_net *, const px_prototype_head *, px_value *z);

#endif
