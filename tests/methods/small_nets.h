/* small_nets.h - backbones of a few thousand parameters, the same as in make_fixtures.py: a convolutional one, and a ViT for
 * methods that need one; and inputs for a method's views. */
#ifndef PX_TESTS_METHODS_SMALL_NETS_H
#define PX_TESTS_METHODS_SMALL_NETS_H

#include "backbones/vit.h"
#include "nn/layers.h"
#include "ops/ops.h"
#include "train/method.h"

/* Two convolutions of stride 2 with batch norms. x (N, C, S, S) -> pooled (N, 12) */
static inline px_encoding small_cnn_build(px_graph *g, const px_backbone *b, const px_backbone_cfg *c, px_value *x)
{
    (void)b;
    (void)c;
    x = px_relu(g, px_batch_norm_layer(g, "bn1", px_conv_layer(g, "conv1", x, 8, 3, 2, 1, false), true));
    x = px_relu(g, px_batch_norm_layer(g, "bn2", px_conv_layer(g, "conv2", x, 12, 3, 2, 1, false), true));
    return (px_encoding){.pooled = px_global_avg_pool(g, x), .stages = 1, .stage[0] = {"map", x}};
}

static const px_backbone_family small_cnn_family = {.name = "small_cnn", .build = small_cnn_build};
static const px_backbone small_cnn = {.name = "small_cnn", .family = &small_cnn_family};

/* The settings of the family are those of any ViT: backbone=vit_tiny_4 makes them. */
static const px_vit_variant small_vit_variant = {.width = 16, .depth = 2, .heads = 2, .patch = 4};
static const px_backbone small_vit = {.name = "small_vit", .family = &px_vit_family, .variant = &small_vit_variant};

/* Inputs in double for all views of `batch` images on this rank. */
static inline void view_inputs(px_graph *g, const px_views *views, int batch)
{
    for (int i = 0; i < views->count; i++) {
        const px_view *v = &views->view[i];
        px_shape shape = {.rank = 1 + v->rank, .dim = {(int64_t)v->copies * batch}};
        for (int k = 0; k < v->rank; k++)
            shape.dim[k + 1] = v->dim[k];
        px_input(g, v->name, v->dtype == PX_I32 ? PX_I32 : PX_F64, shape);
    }
}

#endif
