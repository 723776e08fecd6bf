/* cases_elements.h - graphs of the cases of op_cases.h: functions, reductions, moves, states. */
#ifndef PX_TESTS_CASES_ELEMENTS_H
#define PX_TESTS_CASES_ELEMENTS_H

#include "trial.h"

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

/* (N,C,H,W) -> (N,H,W,C) and back, and axes that do not follow each other. */
static px_value *build_channels_last(px_graph *g, px_value *v[])
{
    px_value *last = px_permute(g, v[0], (const int[]){0, 2, 3, 1});
    return px_permute(g, px_unary(g, PX_FN_TANH, last, 0, 0), (const int[]){0, 3, 1, 2});
}

static px_value *build_reversed(px_graph *g, px_value *v[])
{
    return px_permute(g, v[0], (const int[]){3, 2, 1, 0});
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

/* A memory of five images: three are seen again, and others are looked up, so that one run does not depend on the one before. */
static px_value *build_memory(px_graph *g, px_value *v[])
{
    px_value *memory = px_state(g, "memory", PX_SHAPE(5, 7), px_init_unit_rows()),
             *seen = px_state(g, "seen", PX_SHAPE(1), px_init_constant(0)),
             *centroids = px_state(g, "centroids", PX_SHAPE(2, 4), px_init_unit_rows()),
             *before = px_recall(g, memory, px_constant_real(g, PX_SHAPE(3), (double[]){3, 1, 3}));
    px_after_begin(g);
    px_remember(g, memory, seen, px_constant_real(g, PX_SHAPE(3), (double[]){4, 0, 2}), v[0], 3);
    px_cluster(g, centroids, memory, seen, (px_spherical){.column = 3, .every = 3, .rounds = 2, .stream = 1});
    px_after_end(g);
    return px_binary(g, PX_MUL, v[0], before);
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

#endif
