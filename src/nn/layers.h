/* layers.h - layers that own their parameters. Names of parameters and initial values are those of torch.nn /
 * torchvision; a layer's parameters live in the scope `name`.
 *
 *     x = px_conv_layer(g, "conv1", x, 64, 3, 1, 1, false);      // conv1.weight
 *     x = px_relu(g, px_batch_norm_layer(g, "bn1", x, true));    // bn1.weight, .bias, .running_mean, .running_var
 *     y = px_linear_layer(g, "fc", h, 10, true);                 // fc.weight, fc.bias
 */
#ifndef PX_NN_LAYERS_H
#define PX_NN_LAYERS_H

#include "graph/graph.h"

/* weight: normal, variance 2 / (out kernel^2): He et al. 2015, fan-out, as torchvision's ResNets; bias: zero.
 * x (N, C, H, W) -> (N, out, H', W') */
px_value *px_conv_layer(px_graph *, const char *name, px_value *x, int out, int kernel, int stride, int pad, bool bias);

/* weight and bias uniform within 1 / sqrt(in), torch.nn.Linear's default. x (N, in) -> (N, out) */
px_value *px_linear_layer(px_graph *, const char *name, px_value *x, int out, bool bias);

/* Training uses statistics of the global batch (all ranks), evaluation the running ones. Weight 1, bias 0 (no bias
 * unless `center`); eps 1e-5, momentum 0.1 (torch.nn.BatchNorm; SimCLR's decay 0.9 is the same).
 * x (N, C, H, W) or (N, C) */
px_value *px_batch_norm_layer(px_graph *, const char *name, px_value *x, bool center);

/* x where `mask` is 0, `other` where it is 1: x (1 - mask) + other mask, with broadcasting. */
px_value *px_blend(px_graph *, px_value *x, px_value *other, px_value *mask);

/* Layers of linear, batch norm, relu; the last one without relu. */
typedef struct px_mlp {
    int layers;
    int hidden, out; /* widths of the hidden layers, and of the last one; hidden 0: that of the input */
    bool bias;       /* of the linear layers */
    bool norm;       /* batch norms in the hidden layers */
    bool last_norm;  /* one after the last layer as well, without a bias (SimCLR, arXiv:2006.10029) */
} px_mlp;
/* linear1.weight, bn1.weight, ... x (N, in) -> (N, out) */
px_value *px_mlp_layers(px_graph *, const px_mlp *, px_value *x);

#endif
