/* layers.h - layers that own their parameters. Names of parameters and initial values are those of torch.nn /
 * torchvision; a layer's parameters live in the scope `name`.
 *
 *     x = px_conv_layer(g, "conv1", x, 64, 3, 1, 1, false);      // conv1.weight
 *     x = px_relu(g, px_batch_norm_layer(g, "bn1", x, true));    // bn1.weight, .bias, .running_mean, .running_var
 *     y = px_linear_layer(g, "fc", h, 10, true);                 // fc.weight, fc.bias
 */
#ifndef PX_NN_LAYERS_H
#define PX_NN_LAYERS_H

#include "ops/ops.h"

/* weight: normal, variance 2 / (out kernel^2): He et al. 2015, fan-out, as torchvision's ResNets; bias: zero.
 * x (N, C, H, W) -> (N, out, H', W') */
px_value *px_conv_layer(px_graph *, const char *name, px_value *x, int out, int kernel, int stride, int pad, bool bias);

/* How a convolution or linear layer begins. */
typedef enum px_begin {
    PX_BEGIN_HE, /* normal, variance 2 / (out kernel^2); bias 0: He et al. 2015, fan-out (torchvision's VGG, MobileNets) */
    PX_BEGIN_HE_TORCH, /* weight as with PX_BEGIN_HE, bias as with PX_BEGIN_TORCH (timm's ResNets) */
    PX_BEGIN_TORCH,    /* weight and bias uniform within 1 / sqrt(fan-in): what torch.nn does by itself */
    PX_BEGIN_NORMAL,   /* normal with the given deviation; bias 0 */
    PX_BEGIN_XAVIER,   /* uniform within sqrt(6 / (fan-in + fan-out)); bias 0: Glorot & Bengio 2010, as MAE */
} px_begin;

/* A convolution with square kernels. What is 0 is as usual: stride and groups 1. */
typedef struct px_conv_spec {
    int out, kernel, stride, pad, groups;
    bool bias;
    px_begin begin;
    double deviation; /* of PX_BEGIN_NORMAL */
} px_conv_spec;
/* weight, bias. x (N, C, H, W) -> (N, out, H', W'); C and `out` are multiples of `groups` */
px_value *px_conv_layer_of(px_graph *, const char *name, px_value *x, px_conv_spec);

/* weight and bias uniform within 1 / sqrt(in), torch.nn.Linear's default. x (N, in) -> (N, out) */
px_value *px_linear_layer(px_graph *, const char *name, px_value *x, int out, bool bias);

/* The same with other initial values, and of any rank: (..., in) -> (..., out). */
typedef struct px_linear_spec {
    int out;
    bool bias;
    px_begin begin; /* the kernel counts as 1 */
    double deviation;
    bool pixels; /* the weight is stored as that of a 1x1 convolution: (out, in, 1, 1) */
} px_linear_spec;
px_value *px_linear_layer_of(px_graph *, const char *name, px_value *x, px_linear_spec);

/* Training uses statistics of the global batch (all ranks), evaluation the running ones. Weight 1, bias 0 (no bias
 * unless `center`); eps 1e-5, momentum 0.1 (torch.nn.BatchNorm; SimCLR's decay 0.9 is the same).
 * x (N, C, H, W) or (N, C) */
px_value *px_batch_norm_layer(px_graph *, const char *name, px_value *x, bool center);

/* The same with what differs: TensorFlow's networks have eps 0.001. Zeros are the values above. */
typedef struct px_batch_norm_spec {
    double eps, momentum;
    bool fixed_weight, fixed_bias; /* there is none: it stays 1, or 0 */
    bool closed; /* the weight begins as 0, and with it a residual branch that ends here (Goyal et al. 2017, 5.1) */
} px_batch_norm_spec;
px_value *px_batch_norm_layer_of(px_graph *, const char *name, px_value *x, px_batch_norm_spec);

/* A convolution "0" and its batch norm "1" in the scope `name`: torchvision's Conv2dNormActivation without the activation. */
px_value *px_conv_norm_layer(px_graph *, const char *name, px_value *x, px_conv_spec, px_batch_norm_spec);

/* Squeeze-and-excitation (Hu et al. 2018): x times gate(fc2(relu(fc1(mean over the map)))) for each channel, in the scope
 * `name`; fc1 and fc2 are 1x1 convolutions, as torchvision's and timm's, and begin as convolutions do (px_begin). */
px_value *px_squeeze_layer(px_graph *, const char *name, px_value *x, int squeezed, px_function gate, px_begin);

/* As many channels as a width multiplier gives: the nearest multiple of 8 that is not more than 10 % below (MobileNetV2's code). */
int px_channels_near(double channels);
/* The multiplier with which `base` numbers of channels become those that are stored, of several the roundest; 0 if there is none
 * from 0.05 to 8 in steps of 0.01. */
double px_width_of(const int base[], const int64_t stored[], int count);

/* x where `mask` is 0, `other` where it is 1: x (1 - mask) + other mask, with broadcasting. */
px_value *px_blend(px_graph *, px_value *x, px_value *other, px_value *mask);

/* x (B, ...) -> (times B, ...): as the copies of a view lie, one after the other. */
px_value *px_repeat(px_graph *, px_value *x, int64_t times);

/* What a batch norm has besides its statistics. */
typedef enum px_head_norm {
    PX_NO_NORM,     /* there is none */
    PX_NORM_AFFINE, /* weight and bias */
    PX_NORM_SCALES, /* a weight (SimCLR, arXiv:2006.10029) */
    PX_NORM_PLAIN,  /* neither (SimSiam, MoCo v3) */
} px_head_norm;

/* Layers of linear, batch norm, activation; the last one without activation. */
typedef struct px_mlp {
    int layers;
    int hidden, out;        /* widths of the hidden layers, and of the last one; hidden 0: that of the input */
    bool bias, last_bias;   /* of the hidden linear layers, and of the last one */
    bool norm;              /* batch norms in the hidden layers, with weight and bias */
    px_head_norm last_norm; /* after the last layer */
    bool gelu;              /* activations are GELU, else ReLU */
    double deviation;       /* initial weights are normal with it and biases 0; 0: torch.nn.Linear's */
} px_mlp;
/* linear1.weight, bn1.weight, ... x (N, in) -> (N, out) */
px_value *px_mlp_layers(px_graph *, const px_mlp *, px_value *x);

/* How often stochastic depth leaves out branch `block` of `blocks`: in proportion from 0 at the first to `last` at the last one
 * (Huang et al. 2016, as torchvision and timm count it); `last` if there is one block. For px_drop_path. */
double px_drop_path_rate(double last, int block, int blocks);

#endif
