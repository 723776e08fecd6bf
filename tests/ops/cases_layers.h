/* cases_layers.h - graphs of the cases of op_cases.h: convolutions, products, batch norm, pooling, resizing. */
#ifndef PX_TESTS_CASES_LAYERS_H
#define PX_TESTS_CASES_LAYERS_H

#include "trial.h"

static px_value *conv(px_graph *g, px_value *v[], int stride, int pad, int groups)
{
    return px_conv2d(g, v[0], v[1], v[2], stride, pad, groups);
}

static px_value *build_conv_3x3(px_graph *g, px_value *v[])
{
    return conv(g, v, 1, 1, 1);
}

static px_value *build_conv_stride(px_graph *g, px_value *v[])
{
    return conv(g, v, 2, 3, 1);
}

static px_value *build_conv_1x1(px_graph *g, px_value *v[])
{
    return conv(g, v, 2, 0, 1);
}

static px_value *build_conv_groups(px_graph *g, px_value *v[])
{
    return conv(g, v, 1, 1, 4);
}

/* After another one, in its format. */
static px_value *conv_after(px_graph *g, px_value *v[], px_convolution how)
{
    return px_convolve(g, px_conv2d(g, v[0], v[1], NULL, 1, 0, 1), v[2], v[3], how);
}

static px_value *build_depthwise(px_graph *g, px_value *v[])
{
    return conv_after(g, v, (px_convolution){.pad = {{3, 3}, {3, 3}}, .groups = (int)v[2]->shape.dim[0]});
}

static px_value *build_depthwise_half(px_graph *g, px_value *v[])
{
    return conv_after(g, v,
                      (px_convolution){.stride = {2, 2}, .pad = {{1, 2}, {1, 2}}, .groups = (int)v[2]->shape.dim[0]});
}

static px_value *build_depthwise_gaps(px_graph *g, px_value *v[])
{
    return conv_after(
        g, v,
        (px_convolution){
            .stride = {1, 2}, .pad = {{2, 2}, {3, 3}}, .dilation = {2, 3}, .groups = (int)v[2]->shape.dim[0]});
}

static px_value *build_groups_of_four(px_graph *g, px_value *v[])
{
    return conv_after(g, v, (px_convolution){.pad = {{1, 1}, {1, 1}}, .groups = (int)v[2]->shape.dim[0] / 4});
}

static px_value *build_conv_gaps(px_graph *g, px_value *v[])
{
    return conv_after(g, v, (px_convolution){.stride = {2, 1}, .pad = {{2, 1}, {0, 2}}, .dilation = {2, 1}});
}

/* Two convolutions with a shared input: formats pass from op to op, gradients of the input add up. */
static px_value *build_conv_chain(px_graph *g, px_value *v[])
{
    px_value *a = px_relu(g, px_conv2d(g, v[0], v[1], NULL, 1, 1, 1));
    return px_add(g, px_conv2d(g, a, v[2], NULL, 1, 1, 1), a);
}

static px_value *build_linear(px_graph *g, px_value *v[])
{
    return px_relu(g, px_linear(g, v[0], v[1], v[2]));
}

static px_value *build_matmul(px_graph *g, px_value *v[])
{
    return px_matmul(g, v[0], v[1], false, false, 0.7);
}

static px_value *build_matmul_tt(px_graph *g, px_value *v[])
{
    return px_matmul(g, v[0], v[1], true, true, 1);
}

static px_value *build_matmul_batch(px_graph *g, px_value *v[])
{
    return px_matmul(g, v[0], v[1], true, false, 2);
}

static px_value *build_matmul_batch_nt(px_graph *g, px_value *v[])
{
    return px_matmul(g, v[0], v[1], false, true, 2);
}

static px_value *norm(px_graph *g, px_value *x, px_value *gamma, px_value *beta)
{
    int64_t count = px_shape_count(x->shape) / x->shape.dim[1];
    px_value *sums = px_all_reduce(g, px_batch_sums(g, x));
    return px_batch_norm(g, x, sums, gamma, beta, count, 1e-5, false);
}

static px_value *build_norm(px_graph *g, px_value *v[])
{
    return norm(g, v[0], v[1], v[2]);
}

static px_value *build_norm_relu(px_graph *g, px_value *v[])
{
    return px_relu(g, norm(g, v[0], v[1], v[2]));
}

static px_value *build_norm_residual(px_graph *g, px_value *v[])
{
    return px_relu(g, px_add(g, norm(g, v[0], v[1], v[2]), v[3]));
}

static px_value *build_norm_sum(px_graph *g, px_value *v[])
{
    return px_add(g, norm(g, v[0], v[1], v[2]), v[3]);
}

/* Batch norm in a blocked format, after a convolution. */
static px_value *build_conv_norm(px_graph *g, px_value *v[])
{
    px_value *y = px_conv2d(g, v[0], v[1], NULL, 1, 1, 1);
    return px_relu(g, px_add(g, norm(g, y, v[2], v[3]), y));
}

static px_value *build_conv_norm_pool(px_graph *g, px_value *v[])
{
    px_value *y = px_relu(g, norm(g, px_conv2d(g, v[0], v[1], NULL, 1, 1, 1), v[2], v[3]));
    return px_global_avg_pool(g, px_max_pool(g, y, 3, 2, 1));
}

static px_value *build_norm_frozen(px_graph *g, px_value *v[])
{
    px_value *mean = px_state(g, "mean", PX_SHAPE(5), px_init_constant(0.3));
    px_value *var = px_state(g, "var", PX_SHAPE(5), px_init_constant(1.7));
    px_value *y = px_batch_norm(g, v[0], px_running_sums(g, mean, var), v[1], v[2], 1, 1e-5, true);
    return px_relu(g, y);
}

static px_value *build_running(px_graph *g, px_value *v[])
{
    px_value *mean = px_state(g, "mean", PX_SHAPE(5), px_init_constant(0.3));
    px_value *var = px_state(g, "var", PX_SHAPE(5), px_init_constant(1.7));
    px_update_running(g, px_batch_sums(g, v[0]), mean, var, 14, 0.1);
    return px_scale(g, v[0], 1);
}

static px_value *build_resize_nearest(px_graph *g, px_value *v[])
{
    return px_resize_map(g, px_resize_map(g, v[0], 3, 9, (px_resizing){.by = PX_RESIZE_NEAREST}), 4, 2,
                         (px_resizing){.by = PX_RESIZE_NEAREST});
}

static px_value *build_resize_linear(px_graph *g, px_value *v[])
{
    px_value *y = px_resize_map(g, v[0], 9, 3, (px_resizing){.by = PX_RESIZE_LINEAR});
    y = px_resize_map(g, y, 4, 5, (px_resizing){.by = PX_RESIZE_LINEAR, .align_corners = true});
    return px_resize_map(g, y, 2, 8, (px_resizing){.by = PX_RESIZE_LINEAR, .antialias = true});
}

static px_value *build_resize_cubic(px_graph *g, px_value *v[])
{
    px_value *y = px_resize_map(g, v[0], 9, 3, (px_resizing){.by = PX_RESIZE_CUBIC});
    y = px_resize_map(g, y, 4, 5, (px_resizing){.by = PX_RESIZE_CUBIC, .align_corners = true});
    return px_resize_map(g, y, 2, 8, (px_resizing){.by = PX_RESIZE_CUBIC, .antialias = true});
}

/* In a convolution's format. */
static px_value *build_conv_resize(px_graph *g, px_value *v[])
{
    px_value *y = px_conv2d(g, v[0], v[1], NULL, 1, 1, 1);
    return px_resize_map(g, px_resize_map(g, y, 13, 2, (px_resizing){.by = PX_RESIZE_CUBIC}), 4, 5,
                         (px_resizing){.by = PX_RESIZE_LINEAR, .antialias = true});
}

static const px_pooling odd_pool = {.kernel = {3, 2}, .stride = {2, 1}, .pad = {1, 0}, .ceil_mode = true};

/* In a convolution's format. */
static px_value *build_conv_pools(px_graph *g, px_value *v[])
{
    px_value *y = px_conv2d(g, v[0], v[1], NULL, 1, 1, 1);
    y = px_avg_pool2d(g, px_max_pool2d(g, y, odd_pool), odd_pool);
    return px_adaptive_avg_pool(g, y, 2, 3);
}

static px_value *build_max_pool_gaps(px_graph *g, px_value *v[])
{
    px_value *y = px_conv2d(g, v[0], v[1], NULL, 1, 1, 1);
    return px_max_pool2d(g, y, (px_pooling){.kernel = {2, 2}, .stride = {1, 1}, .dilation = {2, 3}});
}

static px_value *build_avg_pool_without_pad(px_graph *g, px_value *v[])
{
    return px_avg_pool2d(
        g, v[0],
        (px_pooling){.kernel = {5, 5}, .stride = {2, 2}, .pad = {2, 2}, .ceil_mode = true, .exclude_pad = true});
}

static px_value *build_adaptive(px_graph *g, px_value *v[])
{
    return px_adaptive_avg_pool(g, px_adaptive_avg_pool(g, v[0], 9, 4), 1, 1);
}

static px_value *build_response_norm(px_graph *g, px_value *v[])
{
    return px_local_response_norm(g, px_conv2d(g, v[0], v[1], NULL, 1, 1, 1), 5, 0.5, 0.75, 2);
}

static px_value *build_max_pool(px_graph *g, px_value *v[])
{
    return px_max_pool(g, v[0], 3, 2, 1);
}

static px_value *build_avg_pool(px_graph *g, px_value *v[])
{
    return px_global_avg_pool(g, v[0]);
}

#endif
