/* op_cases.h - the small graphs that test_ops.c checks: each is built from up to four operands. An op that no case
 * reaches fails the test. Only for test_ops.c. */
#ifndef PX_TESTS_OP_CASES_H
#define PX_TESTS_OP_CASES_H

#include "trial.h"

/* ---- cases ---- */

static px_value *build_add(px_graph *g, px_value *v[])
{
    return px_scale(g, px_add(g, v[0], px_add(g, v[1], v[0])), -1.5);
}

/* Each function of ops/functions.h: its numbers a and b, and the factor and summand that bring operands, mostly in -1 to 1, to
 * where the function is interesting. */
#define UNARY_CASES(CASE)                                                                                              \
    CASE(IDENTITY, 0, 0, 1, 0)                                                                                         \
    CASE(AFFINE, 1.5, -0.3, 1, 0)                                                                                      \
    CASE(RELU, 0, 0, 1, 0)                                                                                             \
    CASE(GELU, 0, 0, 2, 0)                                                                                             \
    CASE(RELU6, 0, 0, 8, 3)                                                                                            \
    CASE(LEAKY_RELU, 0.2, 0, 1, 0)                                                                                     \
    CASE(SIGMOID, 0, 0, 6, 0)                                                                                          \
    CASE(HARD_SIGMOID, 0, 0, 6, 0)                                                                                     \
    CASE(SILU, 0, 0, 6, 0)                                                                                             \
    CASE(HARD_SWISH, 0, 0, 6, 0)                                                                                       \
    CASE(TANH, 0, 0, 2, 0)                                                                                             \
    CASE(EXP, 0, 0, 2, 0)                                                                                              \
    CASE(LOG, 0, 0, 1, 5)                                                                                              \
    CASE(SQRT, 0, 0, 1, 5)                                                                                             \
    CASE(SQUARE, 0, 0, 1, 0)                                                                                           \
    CASE(ABS, 0, 0, 1, 0)                                                                                              \
    CASE(SIN, 0, 0, 4, 0)                                                                                              \
    CASE(COS, 0, 0, 4, 0)                                                                                              \
    CASE(CLAMP, -0.4, 0.7, 1, 0)
#define BUILD_UNARY(name, a, b, factor, summand)                                                                       \
    static px_value *build_##name(px_graph *g, px_value *v[])                                                          \
    {                                                                                                                  \
        return px_unary(g, PX_FN_##name, px_unary(g, PX_FN_AFFINE, v[0], factor, summand), a, b);                      \
    }
UNARY_CASES(BUILD_UNARY)

/* Each function of two numbers. */
#define BINARY_CASES(CASE) CASE(ADD) CASE(SUB) CASE(MUL) CASE(DIV) CASE(MAX) CASE(MIN)
#define BUILD_BINARY(name)                                                                                             \
    static px_value *build_pair_##name(px_graph *g, px_value *v[])                                                     \
    {                                                                                                                  \
        return px_binary(g, PX_##name, v[0], px_unary(g, PX_FN_AFFINE, v[1], 0.5, PX_##name == PX_DIV ? 3 : 0));       \
    }
BINARY_CASES(BUILD_BINARY)

/* Of equal numbers: each gets half. */
static px_value *build_ties(px_graph *g, px_value *v[])
{
    px_value *twice = px_scale(g, v[0], 2);
    return px_binary(g, PX_MAX, px_binary(g, PX_MUL, v[0], twice), px_binary(g, PX_MUL, twice, v[0]));
}

/* Each reduction: of the last axis, of the first one, of some that are kept, of all. */
#define REDUCTION_CASES(CASE) CASE(SUM) CASE(MEAN) CASE(AMAX) CASE(LOG_SUM_EXP)
#define BUILD_REDUCTION(name)                                                                                          \
    static px_value *build_reduce_##name(px_graph *g, px_value *v[])                                                   \
    {                                                                                                                  \
        px_value *last = px_reduce(g, PX_##name, v[0], (px_axes){1, {-1}, true});                                      \
        px_value *first = px_reduce(g, PX_##name, v[0], (px_axes){1, {0}, false});                                     \
        px_value *some = px_reduce(g, PX_##name, v[0], (px_axes){2, {-1, 1}, true});                                   \
        px_value *all = px_reduce(g, PX_##name, v[0], (px_axes){4, {0, 3, 1, 2}, false});                              \
        return px_binary(g, PX_MUL, px_binary(g, PX_SUB, last, first), px_binary(g, PX_ADD, some, all));               \
    }
REDUCTION_CASES(BUILD_REDUCTION)

static px_value *build_softmax(px_graph *g, px_value *v[])
{
    return px_binary(g, PX_ADD, px_softmax(g, px_scale(g, v[0], 3), 1), px_log_softmax(g, v[0], -1));
}

static px_value *build_variance(px_graph *g, px_value *v[])
{
    return px_variance(g, v[0], (px_axes){2, {0, 2}, false});
}

static px_value *build_expand(px_graph *g, px_value *v[])
{
    return px_expand(g, v[0], PX_SHAPE(2, 3, 4, 5));
}

/* The largest element of each row, picked by its place. */
static px_value *build_argmax(px_graph *g, px_value *v[])
{
    return px_gather_tokens(
        g, v[0], px_reshape(g, px_argmax(g, px_reduce(g, PX_SUM, v[0], (px_axes){1, {2}, false}), -1), PX_SHAPE(3, 1)));
}

static px_value *build_permute(px_graph *g, px_value *v[])
{
    return px_permute(g, v[0], (const int[]){2, 0, -1, 1});
}

static px_value *build_windows(px_graph *g, px_value *v[])
{
    px_value *x = px_slice(g, px_pad(g, px_pad(g, v[0], 1, 1, 2), -1, 0, 3), 1, 2, 3);
    return px_roll(g, px_roll(g, px_slice(g, x, 0, 1, 1), -1, -4), 1, 2);
}

static px_value *build_concat(px_graph *g, px_value *v[])
{
    return px_concat(g, -2, (px_value *[]){v[0], v[1], v[0]}, 3);
}

/* Windows of 2 x 2 of a map that was rolled by one, and back: as in Swin. */
static px_value *build_partition(px_graph *g, px_value *v[])
{
    px_value *x = px_roll(g, px_roll(g, v[0], 1, -1), 2, -1);
    x = px_permute(g, px_reshape(g, x, PX_SHAPE(2, 2, 2, 3, 2, 5)), (const int[]){0, 1, 3, 2, 4, 5});
    x = px_binary(g, PX_MUL, px_reshape(g, x, PX_SHAPE(12, 4, 5)), v[1]);
    return px_permute(g, px_reshape(g, x, PX_SHAPE(2, 2, 3, 2, 2, 5)), (const int[]){0, 1, 3, 2, 4, 5});
}

/* States are changed after the step; what is stopped has no gradient. */
static px_value *build_states(px_graph *g, px_value *v[])
{
    px_value *queue = px_state(g, "queue", PX_SHAPE(5, 7), px_init_unit_rows()),
             *place = px_state(g, "queue_ptr", PX_SHAPE(1), px_init_constant(3)),
             *last = px_state(g, "last", PX_SHAPE(3, 7), px_init_constant(1));
    px_after_begin(g);
    px_enqueue(g, queue, place, v[0]);
    px_assign(g, last, v[0]);
    px_after_end(g);
    return px_add(g, v[0], px_stop_gradient(g, px_constant_fill(g, PX_SHAPE(3, 7), 2)));
}

/* A number for each channel, on both sides, in a convolution's format. */
static px_value *build_conv_channels(px_graph *g, px_value *v[])
{
    px_value *x = px_conv2d(g, v[0], v[1], NULL, 1, 1, 1);
    return px_binary(g, PX_SUB, px_unary(g, PX_FN_TANH, v[3], 0, 0), px_binary(g, PX_MUL, x, v[2]));
}

/* In a convolution's format. */
static px_value *build_conv_silu(px_graph *g, px_value *v[])
{
    return px_unary(g, PX_FN_SILU, px_conv2d(g, v[0], v[1], NULL, 1, 1, 1), 0, 0);
}

static px_value *build_relu(px_graph *g, px_value *v[])
{
    return px_relu(g, px_add(g, v[0], v[1]));
}

static px_value *build_reshape(px_graph *g, px_value *v[])
{
    return px_relu(g, px_reshape(g, px_relu(g, v[0]), PX_SHAPE(6, 35)));
}

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

static px_value *build_normalize(px_graph *g, px_value *v[])
{
    return px_l2_normalize(g, v[0]);
}

static px_value *build_cross_entropy(px_graph *g, px_value *v[])
{
    return px_cross_entropy(g, v[0], px_constant_i32(g, PX_SHAPE(5), (int32_t[]){3, 0, 6, 1, 1}));
}

static px_value *build_nt_xent(px_graph *g, px_value *v[])
{
    px_value *z = px_all_gather(g, px_l2_normalize(g, v[0]), NULL);
    px_value *self = px_constant_i32(g, PX_SHAPE(6), (int32_t[]){0, 1, 2, 3, 4, 5});
    px_value *other = px_constant_i32(g, PX_SHAPE(6), (int32_t[]){3, 4, 5, 0, 1, 2});
    px_value *sim = px_mask_diagonal(g, px_matmul(g, z, z, false, true, 2), self);
    px_graph_output(g, "accuracy", px_accuracy(g, sim, other));
    return px_cross_entropy(g, sim, other);
}

static px_value *build_layer_norm(px_graph *g, px_value *v[])
{
    return px_layer_norm(g, v[0], v[1], v[2], 1e-3);
}

/* A residual connection around the norm: the norm's kernel adds its gradient. */
static px_value *build_layer_norm_residual(px_graph *g, px_value *v[])
{
    px_value *x = px_scale(g, v[0], 0.5);
    return px_add(g, x, px_layer_norm(g, x, v[1], v[2], 1e-3));
}

static px_value *build_mlp(px_graph *g, px_value *v[])
{
    px_value *h = px_gelu(g, px_linear(g, v[0], v[1], v[2]));
    return px_add(g, px_linear(g, h, v[3], NULL), v[0]);
}

static px_value *attention(px_graph *g, px_value *x, int heads)
{
    return px_attention(g, px_scale(g, x, 1.5), heads);
}

static px_value *build_attention_1(px_graph *g, px_value *v[])
{
    return attention(g, v[0], 1);
}

static px_value *build_attention_2(px_graph *g, px_value *v[])
{
    return attention(g, v[0], 2);
}

/* Relative positions. */
static px_value *build_attention_bias(px_graph *g, px_value *v[])
{
    return px_attention_with(g, (px_attention_operands){.qkv = v[0], .bias = v[1], .heads = 2, .scale = 0.7});
}

/* Shifted windows: learned positions and a mask for each of two windows. In the last one each query sees one key or two. */
static px_value *build_attention_windows(px_graph *g, px_value *v[])
{
    int64_t T = v[0]->shape.dim[1];
    double *mask = px_calloc((size_t)(2 * T * T), sizeof mask[0]);
    for (int64_t i = T * T; i < 2 * T * T; i++)
        mask[i] = (i / T - i) % 5 % 4 ? -INFINITY : 0;
    for (int64_t t = 0; t < T; t++)
        mask[T * T + t * T + t] = 0;
    px_value *bias = px_binary(g, PX_ADD, v[1], px_constant_real(g, PX_SHAPE(2, 1, T, T), mask));
    free(mask);
    return px_attention_with(g, (px_attention_operands){.qkv = v[0], .bias = bias, .heads = 3});
}

/* Queries of one sequence, keys and values of another. */
static px_value *build_attention_cross(px_graph *g, px_value *v[])
{
    return px_attention_with(g, (px_attention_operands){.q = v[0], .k = v[1], .v = v[2], .bias = v[3], .heads = 2});
}

static px_value *build_patchify(px_graph *g, px_value *v[])
{
    return px_linear(g, px_patchify(g, v[0], 2, false), v[1], v[2]);
}

static px_value *build_patchify_last(px_graph *g, px_value *v[])
{
    return px_patchify(g, v[0], 3, true);
}

/* Two samples; one place twice. */
static px_value *some_places(px_graph *g)
{
    return px_constant_i32(g, PX_SHAPE(2, 3), (int32_t[]){3, 0, 3, 1, 2, 0});
}

static px_value *build_patchify_some(px_graph *g, px_value *v[])
{
    px_value *places = some_places(g), *y = px_linear(g, px_patchify_at(g, v[0], places, 2, true), v[1], v[2]);
    return px_add_rows_at(g, y, v[3], places);
}

static px_value *build_embed(px_graph *g, px_value *v[])
{
    return px_prepend_token(g, px_binary(g, PX_ADD, v[0], px_slice(g, v[1], 1, 1, 3)), v[2]);
}

static px_value *build_take(px_graph *g, px_value *v[])
{
    return px_add(g, px_select(g, v[0], -2, 2),
                  px_reduce(g, PX_MEAN, px_slice(g, v[0], 1, 1, 3), (px_axes){1, {1}, false}));
}

static px_value *build_gather(px_graph *g, px_value *v[])
{
    return px_gather_tokens(g, v[0], px_constant_i32(g, PX_SHAPE(2, 5), (int32_t[]){3, 0, 0, 1, 0, 2, 1, 3, 3, 0}));
}

static px_value *build_dropout(px_graph *g, px_value *v[])
{
    return px_drop_path(g, px_dropout(g, v[0], 0.3, 6), 0.4, 6);
}

static px_value *build_squared_error(px_graph *g, px_value *v[])
{
    return px_mean_squared_error(g, v[0], px_add(g, v[1], px_standardize(g, v[0], 1e-6)));
}

#include "epilogue_cases.h"

static const test_case cases[] = {
    ACTIVATIONS(EPILOGUE_CASES) /* of more channels than a buffer holds */
    {"wide batch norm", build_norm_SILU, {IN(3, 700), PARAM(700), PARAM(700)}},
    {"wide batch norm, residual", build_norm_SILU, {IN(3, 700), PARAM(700), PARAM(700), IN(3, 700)}},
    {"add", build_add, {IN(3, 5, 7), IN(3, 5, 7)}},
#define UNARY_CASE(name, a, b, factor, summand) {#name, build_##name, {IN(7, 11)}},
    UNARY_CASES(UNARY_CASE){"conv silu", build_conv_silu, {IN(2, 3, 7, 5), PARAM(16, 3, 3, 3)}},
#define BINARY_CASE(name)                                                                                              \
    {#name, build_pair_##name, {IN(3, 5, 7), IN(3, 5, 7)}},                                                            \
        {#name ", a table", build_pair_##name, {IN(3, 5, 7), PARAM(5, 7)}},                                            \
        {#name ", rows and columns", build_pair_##name, {IN(5, 1), IN(3, 1, 7)}},                                      \
        {#name ", channels", build_pair_##name, {IN(2, 16, 5, 3), PARAM(16, 1, 1)}},                                   \
        {#name ", one number", build_pair_##name, {IN(1, 1), IN(4200)}},
    BINARY_CASES(BINARY_CASE)
#define REDUCTION_CASE(name)                                                                                           \
    {#name, build_reduce_##name, {IN(3, 5, 2, 7)}}, {#name ", long", build_reduce_##name, {IN(3, 1, 2, 131)}},         \
        {#name ", one element", build_reduce_##name, {IN(1, 1, 1, 1)}},
        REDUCTION_CASES(REDUCTION_CASE){"ties", build_ties, {IN(3, 5)}},
    {"softmax", build_softmax, {IN(3, 5, 7)}},
    {"variance", build_variance, {IN(3, 5, 7)}},
    {"expand", build_expand, {IN(3, 1, 5)}},
    {"argmax", build_argmax, {IN(3, 5, 7)}},
    {"permute", build_permute, {IN(2, 3, 4, 5)}},
    {"windows", build_windows, {IN(2, 3, 4)}},
    {"states", build_states, {IN(3, 7)}},
    {"concat", build_concat, {IN(2, 3, 4), PARAM(2, 1, 4)}},
    {"concat, one axis", build_concat, {IN(3, 4), IN(5, 4)}},
    {"windows of a map", build_partition, {IN(2, 4, 6, 5), PARAM(4, 1)}},
    {"channels", build_conv_channels, {IN(2, 3, 7, 5), PARAM(16, 3, 3, 3), PARAM(16, 1, 1), IN(2, 16, 1, 1)}},
    {"channels, 8", build_conv_channels, {IN(2, 3, 7, 65), PARAM(8, 3, 3, 3), IN(2, 8, 1, 1), PARAM(1, 8, 1, 1)}},
    {"channels, 11", build_conv_channels, {IN(2, 3, 7, 5), PARAM(11, 3, 3, 3), IN(2, 11, 1, 1), PARAM(11, 1, 1)}},
    {"channels, many", build_conv_channels, {IN(2, 3, 2, 3), PARAM(544, 3, 3, 3), IN(2, 544, 1, 1), PARAM(544, 1, 1)}},
    {"relu", build_relu, {IN(7, 11), PARAM(7, 11)}},
    {"reshape", build_reshape, {IN(2, 3, 5, 7)}},
    {"conv 3x3", build_conv_3x3, {IN(2, 3, 7, 5), PARAM(16, 3, 3, 3), PARAM(16)}},
    {"conv 3x3, odd channels", build_conv_3x3, {IN(2, 5, 6, 7), PARAM(7, 5, 3, 3), PARAM(7)}},
    {"conv 3x3, one channel", build_conv_3x3, {IN(2, 1, 9, 9), PARAM(32, 1, 3, 3), PARAM(32)}},
    {"conv 7x7 stride 2", build_conv_stride, {IN(2, 3, 13, 11), PARAM(16, 3, 7, 7)}},
    {"conv 1x1 stride 2", build_conv_1x1, {IN(2, 16, 7, 7), PARAM(32, 16, 1, 1)}},
    {"conv 24 channels", build_conv_3x3, {IN(2, 24, 5, 5), PARAM(40, 24, 3, 3)}},
    {"conv in groups", build_conv_groups, {IN(2, 8, 5, 5), PARAM(12, 2, 3, 3), PARAM(12)}},
    {"conv depthwise", build_conv_groups, {IN(2, 4, 5, 5), PARAM(4, 1, 3, 3)}},
    {"conv depthwise 7x7", build_depthwise, {IN(2, 3, 6, 9), PARAM(16, 3, 1, 1), PARAM(16, 1, 7, 7), PARAM(16)}},
    {"the same, 24 channels", build_depthwise, {IN(3, 3, 6, 11), PARAM(24, 3, 1, 1), PARAM(24, 1, 7, 7), PARAM(24)}},
    {"the same, 11 channels", build_depthwise, {IN(2, 3, 6, 5), PARAM(11, 3, 1, 1), PARAM(11, 1, 7, 7), PARAM(11)}},
    {"the same, one pixel", build_depthwise, {IN(2, 3, 1, 1), PARAM(16, 3, 1, 1), PARAM(16, 1, 7, 7), PARAM(16)}},
    {"conv depthwise 5x5 stride 2", build_depthwise_half, {IN(2, 3, 8, 9), PARAM(24, 3, 1, 1), PARAM(24, 1, 5, 5)}},
    {"the same, 16 channels", build_depthwise_half, {IN(2, 3, 8, 9), PARAM(16, 3, 1, 1), PARAM(16, 1, 5, 5)}},
    {"conv depthwise with gaps", build_depthwise_gaps, {IN(2, 3, 8, 9), PARAM(16, 3, 1, 1), PARAM(16, 1, 3, 3)}},
    {"the same, 5 channels", build_depthwise_gaps, {IN(2, 3, 8, 9), PARAM(5, 3, 1, 1), PARAM(5, 1, 3, 3)}},
    {"conv in groups of 4", build_groups_of_four, {IN(2, 3, 5, 9), PARAM(16, 3, 1, 1), PARAM(16, 4, 3, 3), PARAM(16)}},
    {"the same, 24 channels", build_groups_of_four, {IN(2, 3, 5, 9), PARAM(24, 3, 1, 1), PARAM(24, 4, 3, 3)}},
    {"the same, 12 channels", build_groups_of_four, {IN(2, 3, 5, 9), PARAM(12, 3, 1, 1), PARAM(12, 4, 3, 3)}},
    {"conv in odd groups", build_groups_of_four, {IN(2, 3, 5, 5), PARAM(18, 3, 1, 1), PARAM(24, 3, 3, 3)}},
    {"conv with gaps", build_conv_gaps, {IN(2, 3, 7, 6), PARAM(16, 3, 1, 1), PARAM(16, 16, 3, 3), PARAM(16)}},
    {"conv chain", build_conv_chain, {IN(2, 3, 6, 6), PARAM(32, 3, 3, 3), PARAM(32, 32, 3, 3)}},
    {"conv chain, odd channels", build_conv_chain, {IN(2, 3, 6, 6), PARAM(11, 3, 3, 3), PARAM(11, 11, 3, 3)}},
    {"linear", build_linear, {IN(5, 13), PARAM(9, 13), PARAM(9)}},
    {"linear without bias", build_linear, {IN(5, 13), PARAM(9, 13)}},
    {"matmul", build_matmul, {IN(5, 7), IN(7, 3)}},
    {"matmul tt", build_matmul_tt, {IN(7, 5), IN(3, 7)}},
    {"matmul batch", build_matmul_batch, {IN(3, 7, 5), IN(3, 7, 2)}},
    {"matmul batch nt", build_matmul_batch_nt, {IN(2, 3, 7, 5), IN(2, 3, 4, 5)}},
    {"batch norm", build_norm, {IN(3, 5, 4, 3), PARAM(5), PARAM(5)}},
    {"batch norm, matrix", build_norm, {IN(7, 5), PARAM(5), PARAM(5)}},
    {"batch norm relu", build_norm_relu, {IN(3, 5, 4, 3), PARAM(5), PARAM(5)}},
    {"batch norm relu, matrix", build_norm_relu, {IN(9, 21), PARAM(21), PARAM(21)}},
    {"batch norm residual relu", build_norm_residual, {IN(3, 5, 2, 3), PARAM(5), PARAM(5), IN(3, 5, 2, 3)}},
    {"batch norm residual", build_norm_sum, {IN(4, 5), PARAM(5), PARAM(5), IN(4, 5)}},
    {"conv batch norm residual relu", build_conv_norm, {IN(3, 3, 5, 5), PARAM(32, 3, 3, 3), PARAM(32), PARAM(32)}},
    {"the same, 16 channels", build_conv_norm, {IN(3, 3, 5, 5), PARAM(16, 3, 3, 3), PARAM(16), PARAM(16)}},
    {"the same, 8 channels", build_conv_norm, {IN(3, 3, 5, 5), PARAM(8, 3, 3, 3), PARAM(8), PARAM(8)}},
    {"the same, 11 channels", build_conv_norm, {IN(3, 3, 5, 5), PARAM(11, 3, 3, 3), PARAM(11), PARAM(11)}},
    {"conv batch norm pools", build_conv_norm_pool, {IN(3, 3, 7, 7), PARAM(16, 3, 3, 3), PARAM(16), PARAM(16)}},
    {"the same, 12 channels", build_conv_norm_pool, {IN(3, 3, 7, 7), PARAM(12, 3, 3, 3), PARAM(12), PARAM(12)}},
    {"batch norm frozen", build_norm_frozen, {IN(3, 5, 4, 3), PARAM(5), PARAM(5)}},
    {"running statistics", build_running, {IN(7, 5, 2, 1)}},
    {"max pool", build_max_pool, {IN(2, 5, 7, 6)}},
    {"average pool", build_avg_pool, {IN(2, 5, 3, 4)}},
    {"pools, 16 channels", build_conv_pools, {IN(2, 3, 8, 7), PARAM(16, 3, 3, 3)}},
    {"pools, 24 channels", build_conv_pools, {IN(2, 3, 8, 7), PARAM(24, 3, 3, 3)}},
    {"pools, 11 channels", build_conv_pools, {IN(2, 3, 8, 7), PARAM(11, 3, 3, 3)}},
    {"max pool with gaps", build_max_pool_gaps, {IN(2, 3, 6, 7), PARAM(16, 3, 3, 3)}},
    {"average pool without padding", build_avg_pool_without_pad, {IN(2, 5, 8, 6)}},
    {"the same, one pixel", build_avg_pool_without_pad, {IN(2, 5, 1, 1)}},
    {"adaptive average pool", build_adaptive, {IN(2, 5, 7, 6)}},
    {"local response norm", build_response_norm, {IN(2, 3, 4, 5), PARAM(16, 3, 3, 3)}},
    {"the same, few channels", build_response_norm, {IN(2, 3, 4, 5), PARAM(2, 3, 3, 3)}},
    {"resize, nearest", build_resize_nearest, {IN(2, 5, 7, 6)}},
    {"resize, bilinear", build_resize_linear, {IN(2, 5, 7, 6)}},
    {"resize, bicubic", build_resize_cubic, {IN(2, 5, 7, 6)}},
    {"resize of a pixel", build_resize_cubic, {IN(2, 5, 1, 1)}},
    {"resize, 16 channels", build_conv_resize, {IN(2, 3, 6, 7), PARAM(16, 3, 3, 3)}},
    {"resize, 24 channels", build_conv_resize, {IN(2, 3, 6, 7), PARAM(24, 3, 3, 3)}},
    {"resize, 12 channels", build_conv_resize, {IN(2, 3, 6, 7), PARAM(12, 3, 3, 3)}},
    {"l2 normalize", build_normalize, {IN(5, 7)}},
    {"squared error", build_squared_error, {IN(3, 5, 7), PARAM(3, 5, 7)}},
    {"cross entropy", build_cross_entropy, {IN(5, 7)}},
    {"NT-Xent", build_nt_xent, {IN(6, 9)}},
    {"layer norm", build_layer_norm, {IN(3, 5, 7), PARAM(7), PARAM(7)}},
    {"layer norm, many rows", build_layer_norm, {IN(70, 3, 48), PARAM(48), PARAM(48)}},
    {"layer norm, residual", build_layer_norm_residual, {IN(3, 5, 16), PARAM(16), PARAM(16)}},
    {"linear of tokens", build_linear, {IN(2, 3, 13), PARAM(9, 13), PARAM(9)}},
    {"linear gelu linear", build_mlp, {IN(5, 13), PARAM(9, 13), PARAM(9), PARAM(13, 9)}},
    {"the same, many rows", build_mlp, {IN(300, 16), PARAM(40, 16), PARAM(40), PARAM(16, 40)}},
    {"attention, head of 5", build_attention_1, {IN(2, 4, 15)}},
    {"attention, heads of 8", build_attention_2, {IN(2, 7, 48)}},
    {"attention, head of 16, one token", build_attention_1, {IN(2, 1, 48)}},
    {"attention, heads of 24", build_attention_2, {IN(1, 17, 144)}},
    {"attention, head of 64", build_attention_1, {IN(2, 23, 192)}},
    {"attention, blocks of rows", build_attention_2, {IN(1, 203, 192)}},
    {"attention, relative positions", build_attention_bias, {IN(3, 5, 48), PARAM(2, 5, 5)}},
    {"attention, relative positions, head of 5", build_attention_bias, {IN(2, 5, 30), PARAM(1, 2, 1, 5)}},
    {"attention, bias of each sample", build_attention_bias, {IN(3, 19, 96), IN(3, 1, 19, 19)}},
    {"attention, many share a bias", build_attention_bias, {IN(70, 5, 48), PARAM(2, 5, 5)}},
    {"attention, shifted windows", build_attention_windows, {IN(4, 17, 72), PARAM(1, 3, 17, 17)}},
    {"attention, shifted windows, head of 3", build_attention_windows, {IN(4, 6, 27), PARAM(3, 6, 6)}},
    {"cross attention", build_attention_cross, {IN(2, 5, 16), IN(2, 18, 16), IN(2, 18, 16), IN(2, 1, 1, 18)}},
    {"cross attention, one query", build_attention_cross, {IN(4, 1, 32), IN(4, 7, 32), PARAM(4, 7, 32), PARAM(7)}},
    {"cross attention, head of 3", build_attention_cross, {IN(2, 5, 6), IN(2, 4, 6), IN(2, 4, 6), IN(2, 5, 4)}},
    {"patchify", build_patchify, {IN(2, 3, 4, 6), PARAM(5, 12), PARAM(5)}},
    {"patchify, channels last", build_patchify_last, {IN(2, 2, 6, 3)}},
    {"patchify at places", build_patchify_some, {IN(2, 3, 4, 4), PARAM(5, 12), PARAM(5), PARAM(1, 4, 5)}},
    {"class token, positions", build_embed, {IN(2, 3, 5), PARAM(1, 4, 5), PARAM(1, 1, 5)}},
    {"one token, mean of tokens", build_take, {IN(2, 4, 5)}},
    {"gather tokens", build_gather, {IN(2, 4, 5)}},
    {"dropout", build_dropout, {IN(6, 2, 5)}},
};

#endif
