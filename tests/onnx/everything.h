/* everything.h - a graph with every op that has a form in ONNX, for test_onnx.c. */
#ifndef PX_TESTS_ONNX_EVERYTHING_H
#define PX_TESTS_ONNX_EVERYTHING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/layers.h"
#include "nn/transformer.h"
#include "ops/ops.h"

#include <math.h>

enum { BATCH = 3, CHANNELS = 6, SIDE = 8, TOKENS = 4, WIDTH = 16 };

static void out(px_graph *g, const char *name, px_value *v)
{
    px_graph_output(g, name, v);
}

static void functions(px_graph *g, px_value *x)
{
    static const struct {
        const char *name;
        px_function f;
        double a, b;
    } list[] = {{"identity", PX_FN_IDENTITY, 0, 0},
                {"affine", PX_FN_AFFINE, 2, -0.5},
                {"relu", PX_FN_RELU, 0, 0},
                {"relu6", PX_FN_RELU6, 0, 0},
                {"leaky", PX_FN_LEAKY_RELU, 0.1, 0},
                {"sigmoid", PX_FN_SIGMOID, 0, 0},
                {"hardsig", PX_FN_HARD_SIGMOID, 0, 0},
                {"gelu", PX_FN_GELU, 0, 0},
                {"silu", PX_FN_SILU, 0, 0},
                {"hardswish", PX_FN_HARD_SWISH, 0, 0},
                {"tanh", PX_FN_TANH, 0, 0},
                {"exp", PX_FN_EXP, 0, 0},
                {"square", PX_FN_SQUARE, 0, 0},
                {"abs", PX_FN_ABS, 0, 0},
                {"sin", PX_FN_SIN, 0, 0},
                {"cos", PX_FN_COS, 0, 0},
                {"clamp", PX_FN_CLAMP, -0.5, 0.75}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        out(g, list[i].name, px_unary(g, list[i].f, x, list[i].a, list[i].b));
    assert_int_equal(sizeof list / sizeof list[0] + 2, PX_FN_COUNT); /* these and two more: */
    px_value *positive = px_unary(g, PX_FN_AFFINE, px_unary(g, PX_FN_SQUARE, x, 0, 0), 1, 0.5);
    out(g, "log", px_unary(g, PX_FN_LOG, positive, 0, 0));
    out(g, "sqrt", px_unary(g, PX_FN_SQRT, positive, 0, 0));
}

static void pairs(px_graph *g, px_value *x)
{
    static const struct {
        const char *name;
        px_pair p;
    } list[] = {{"add", PX_ADD}, {"sub", PX_SUB}, {"mul", PX_MUL},    {"div", PX_DIV},
                {"max", PX_MAX}, {"min", PX_MIN}, {"equal", PX_EQUAL}};
    px_value *other = px_unary(g, PX_FN_AFFINE, px_roll(g, x, 3, 1), 0.5, 3);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        out(g, list[i].name,
            px_binary(g, list[i].p, x, list[i].p == PX_EQUAL ? px_unary(g, PX_FN_RELU, x, 0, 0) : other));
    out(g, "channelwise",
        px_binary(g, PX_MUL, x, px_parameter(g, "scale", PX_SHAPE(1, CHANNELS, 1, 1), px_init_normal(1), 0)));
    out(g, "sum", px_add(g, x, other));
}

static void moves(px_graph *g, px_value *x)
{
    int64_t N = x->shape.dim[0];
    out(g, "permute", px_permute(g, x, (const int[]){0, 3, 1, 2}));
    out(g, "reshape", px_reshape(g, px_scale(g, x, 2), PX_SHAPE(N * CHANNELS, SIDE * SIDE)));
    out(g, "slice", px_slice(g, x, 2, 1, 5));
    out(g, "select", px_select(g, x, -1, 3));
    out(g, "pad", px_pad(g, x, 2, 2, 1));
    out(g, "roll", px_roll(g, x, -2, -3));
    out(g, "concat", px_concat(g, 1, (px_value *[]){x, px_relu(g, x), x}, 3));
    px_value *token = px_parameter(g, "token", PX_SHAPE(1, 1, SIDE), px_init_normal(1), 0);
    out(g, "expand", px_expand(g, token, PX_SHAPE(2 * N, 3, SIDE)));
    out(g, "stop", px_stop_gradient(g, px_scale(g, x, 3)));
    for (int keep = 0; keep < 2; keep++) {
        px_axes axes = {2, {1, -1}, keep};
        out(g, keep ? "sum1" : "sum0", px_reduce(g, PX_SUM, x, axes));
        out(g, keep ? "mean1" : "mean0", px_reduce(g, PX_MEAN, x, axes));
        out(g, keep ? "amax1" : "amax0", px_reduce(g, PX_AMAX, x, axes));
        out(g, keep ? "lse1" : "lse0", px_reduce(g, PX_LOG_SUM_EXP, x, axes));
    }
    out(g, "softmax", px_softmax(g, x, 1));
}

static px_value *filters(px_graph *g, const char *name, int64_t o, int64_t i, int64_t h, int64_t w)
{
    return px_parameter(g, name, PX_SHAPE(o, i, h, w), px_init_normal(0.3), 0);
}

static void maps(px_graph *g, px_value *x)
{
    px_value *bias = px_parameter(g, "bias", PX_SHAPE(8), px_init_normal(1), 0);
    px_convolution uneven = {.stride = {2, 1}, .pad = {{1, 0}, {2, 1}}, .dilation = {1, 2}, .groups = 2};
    out(g, "conv", px_convolve(g, x, filters(g, "w1", 8, CHANNELS / 2, 3, 2), bias, uneven));
    px_value *y = px_conv2d(g, x, filters(g, "w2", CHANNELS, CHANNELS, 3, 3), NULL, 1, 1, 1);
    out(g, "conv_add_relu", px_relu(g, px_add(g, y, x))); /* fused, where the graph is */
    out(g, "depthwise", px_conv2d(g, x, filters(g, "w3", CHANNELS, 1, 3, 3), NULL, 2, 1, CHANNELS));
    out(g, "batch_norm", px_relu(g, px_batch_norm_layer(g, "bn", x, true)));
    out(g, "batch_norm_rows", px_batch_norm_layer(g, "bn_rows", px_global_avg_pool(g, x), false));
    out(g, "global_avg", px_global_avg_pool(g, x));
    px_pooling wide = {.kernel = {3, 2}, .stride = {2, 2}, .pad = {1, 0}}, ceil = wide;
    ceil.ceil_mode = true;
    out(g, "max_pool", px_max_pool2d(g, x, wide));
    out(g, "max_pool_ceil", px_max_pool2d(g, px_slice(g, x, 2, 0, 7), ceil));
    out(g, "avg_pool", px_avg_pool2d(g, x, wide));
    ceil.exclude_pad = true;
    out(g, "avg_pool_map", px_avg_pool2d(g, x, ceil));
    out(g, "adaptive", px_adaptive_avg_pool(g, x, 3, 5));
    out(g, "nearest", px_resize_map(g, x, 12, 5, (px_resizing){.by = PX_RESIZE_NEAREST}));
    out(g, "linear", px_resize_map(g, x, 5, 13, (px_resizing){.by = PX_RESIZE_LINEAR, .align_corners = true}));
    out(g, "cubic", px_resize_map(g, x, 5, 11, (px_resizing){.by = PX_RESIZE_CUBIC, .antialias = true}));
    out(g, "lrn", px_local_response_norm(g, x, 3, 1e-2, 0.75, 2));
    out(g, "patches", px_patchify(g, x, 4, false));
    out(g, "patches_last", px_patchify(g, x, 2, true));
}

static px_value *made(px_graph *g, const char *name, px_shape s)
{
    return px_parameter(g, name, s, px_init_normal(1), 0);
}

static void tokens(px_graph *g, px_value *x)
{
    int64_t N = x->shape.dim[0], D = WIDTH, T = TOKENS;
    px_value *t = px_reshape(g, px_slice(g, x, 1, 0, 1), PX_SHAPE(N, T, D)); /* 8 x 8 pixels */
    px_value *rows = px_reshape(g, t, PX_SHAPE(N * T, D));
    px_value *qkv = px_reshape(g, px_dense_layer(g, "qkv", rows, 3 * D, PX_DENSE_TIMM), PX_SHAPE(N, T, 3 * D));
    out(g, "gemm", px_gelu(g, px_dense_layer(g, "dense", rows, 24, PX_DENSE_XAVIER)));
    out(g, "linear3", px_linear(g, t, made(g, "w4", PX_SHAPE(7, D)), made(g, "b4", PX_SHAPE(7))));
    out(g, "gram", px_matmul(g, t, t, false, true, 0.25));
    out(g, "covariance", px_matmul(g, t, t, true, false, 1));
    out(g, "left", px_matmul(g, made(g, "w5", PX_SHAPE(D, 5)), rows, true, true, 2));
    out(g, "layer_norm", px_relu(g, px_layer_norm_layer(g, "norm", t)));
    out(g, "unit", px_l2_normalize(g, rows));
    out(g, "attention", px_attention(g, qkv, 4));
    px_value *relative = made(g, "relative", PX_SHAPE(2, T, T));
    out(g, "attention_bias",
        px_attention_with(g, (px_attention_operands){.qkv = qkv, .bias = relative, .heads = 2, .scale = 0.3}));
    px_value *keys = px_slice(g, t, 1, 1, 3);
    out(g, "attention_apart", px_attention_with(g, (px_attention_operands){.q = t, .k = keys, .v = keys, .heads = 4}));
    /* two windows for each image; the second one's first query sees nothing */
    double mask[2 * TOKENS / 2 * TOKENS / 2] = {0, -INFINITY, 0, 0, -INFINITY, -INFINITY, 0, 0};
    px_value *windows = px_reshape(g, qkv, PX_SHAPE(2 * N, T / 2, 3 * D));
    px_value *masked = px_constant_real(g, PX_SHAPE(2, 1, T / 2, T / 2), mask);
    out(g, "attention_masked",
        px_attention_with(g, (px_attention_operands){.qkv = windows, .bias = masked, .heads = 2}));
    px_value *few = px_slice(g, px_slice(g, x, 2, 0, 1), 3, 0, T);                    /* (N, 6, 1, 4) */
    px_value *places = px_argmax(g, px_reshape(g, few, PX_SHAPE(N, CHANNELS, T)), 2); /* (N, 6) */
    out(g, "gather", px_gather_tokens(g, t, places));
    out(g, "some_patches", px_patchify_at(g, x, places, 4, false));
    out(g, "rows_at", px_add_rows_at(g, px_gather_tokens(g, t, places), made(g, "table", PX_SHAPE(1, T, D)), places));
}

static px_graph *build(int64_t batch, bool fused)
{
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    px_value *x = px_input(g, "images", PX_F32, PX_SHAPE(batch, CHANNELS, SIDE, SIDE));
    functions(g, x);
    pairs(g, x);
    moves(g, x);
    maps(g, x);
    tokens(g, x);
    if (fused)
        px_graph_fuse(g);
    if (px_graph_error(g))
        fail_msg("%s", px_graph_error(g));
    return g;
}

#endif
