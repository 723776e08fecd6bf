/* epilogue_cases.h - every op that takes an epilogue, with activations whose slope is constant, of y, of x; and with a
 * residual, if there is a fourth operand. Only for op_cases.h: it uses norm() of cases_layers.h. */
#ifndef PX_TESTS_EPILOGUE_CASES_H
#define PX_TESTS_EPILOGUE_CASES_H

#include "trial.h"

#define ACTIVATIONS(CASE)                                                                                              \
    CASE(IDENTITY, 0, 0)                                                                                               \
    CASE(AFFINE, 1.5, -0.3)                                                                                            \
    CASE(RELU, 0, 0)                                                                                                   \
    CASE(RELU6, 0, 0)                                                                                                  \
    CASE(TANH, 0, 0)                                                                                                   \
    CASE(LEAKY_RELU, 0.2, 0)                                                                                           \
    CASE(GELU, 0, 0)                                                                                                   \
    CASE(SILU, 0, 0)                                                                                                   \
    CASE(SIGMOID, 0, 0)                                                                                                \
    CASE(HARD_SWISH, 0, 0)                                                                                             \
    CASE(SQUARE, 0, 0)

static px_value *epilogue(px_graph *g, px_value *y, px_value *residual, px_function f, double a, double b)
{
    return px_unary(g, f, residual ? px_add(g, residual, y) : y, a, b);
}

/* Sums of few terms, so that arguments are not far from 0. */
static px_value *small(px_graph *g, px_value *x)
{
    return px_scale(g, x, 0.3);
}

/* Hard swish's slope jumps by 1/2 at -3 and 3, which rounding to bf16 crosses for arguments nearby: so that few are, they are
 * spread further. */
static px_value *spread(px_graph *g, px_value *x, px_function f)
{
    return f == PX_FN_HARD_SWISH ? px_scale(g, x, 3) : small(g, x);
}

#define BUILD_EPILOGUES(name, a, b)                                                                                    \
    static px_value *build_conv_##name(px_graph *g, px_value *v[])                                                     \
    {                                                                                                                  \
        int groups = (int)(v[0]->shape.dim[1] / v[1]->shape.dim[1]);                                                   \
        px_value *y = px_conv2d(g, spread(g, v[0], PX_FN_##name), v[1], v[2], 1, 1, groups);                           \
        return epilogue(g, y, v[3], PX_FN_##name, a, b);                                                               \
    }                                                                                                                  \
    static px_value *build_linear_##name(px_graph *g, px_value *v[])                                                   \
    {                                                                                                                  \
        return epilogue(g, px_linear(g, spread(g, v[0], PX_FN_##name), v[1], v[2]), v[3], PX_FN_##name, a, b);         \
    }                                                                                                                  \
    static px_value *build_product_##name(px_graph *g, px_value *v[])                                                  \
    {                                                                                                                  \
        return epilogue(g, px_matmul(g, v[0], v[1], true, false, 0.4), v[3], PX_FN_##name, a, b);                      \
    }                                                                                                                  \
    static px_value *build_norm_##name(px_graph *g, px_value *v[])                                                     \
    {                                                                                                                  \
        return epilogue(g, norm(g, v[0], v[1], small(g, v[2])), v[3], PX_FN_##name, a, b);                             \
    }                                                                                                                  \
    static px_value *build_blocked_norm_##name(px_graph *g, px_value *v[])                                             \
    {                                                                                                                  \
        px_value *y = px_conv2d(g, v[0], v[1], NULL, 1, 1, 1);                                                         \
        return epilogue(g, norm(g, y, v[2], small(g, v[2])), v[3], PX_FN_##name, a, b);                                \
    }                                                                                                                  \
    static px_value *build_layer_norm_##name(px_graph *g, px_value *v[])                                               \
    {                                                                                                                  \
        return epilogue(g, px_layer_norm(g, v[0], v[1], small(g, v[2]), 1e-3), v[3], PX_FN_##name, a, b);              \
    }                                                                                                                  \
    static px_value *build_scaled_##name(px_graph *g, px_value *v[])                                                   \
    {                                                                                                                  \
        px_value *factor = v[2] ? px_binary(g, PX_MUL, v[1], v[2]) : v[1];                                             \
        return epilogue(g, px_binary(g, PX_MUL, small(g, v[0]), factor), v[3], PX_FN_##name, a, b);                    \
    }                                                                                                                  \
    static px_value *build_scaled_blocks_##name(px_graph *g, px_value *v[])                                            \
    {                                                                                                                  \
        px_value *x = px_conv2d(g, small(g, v[0]), v[1], NULL, 1, 1, 1);                                               \
        px_value *y = epilogue(g, px_binary(g, PX_MUL, v[2], x), x, PX_FN_##name, a, b);                               \
        return px_conv2d(g, y, v[3], NULL, 1, 0, 1);                                                                   \
    }
ACTIVATIONS(BUILD_EPILOGUES)

#define EPILOGUE_CASES(name, a, b)                                                                                     \
    {"conv " #name, build_conv_##name, {IN(2, 3, 5, 4), PARAM(16, 3, 3, 3), PARAM(16)}},                               \
        {"conv + " #name, build_conv_##name, {IN(2, 3, 5, 4), PARAM(16, 3, 3, 3), PARAM(16), IN(2, 16, 5, 4)}},        \
        {"conv in groups + " #name,                                                                                    \
         build_conv_##name,                                                                                            \
         {IN(2, 8, 5, 4), PARAM(16, 2, 3, 3), PARAM(16), IN(2, 16, 5, 4)}},                                            \
        {"depthwise " #name, build_conv_##name, {IN(2, 16, 5, 4), PARAM(16, 1, 3, 3), PARAM(16)}},                     \
        {"depthwise + " #name, build_conv_##name, {IN(2, 16, 5, 4), PARAM(16, 1, 3, 3), PARAM(16), IN(2, 16, 5, 4)}},  \
        {"linear " #name, build_linear_##name, {IN(5, 13), PARAM(9, 13), PARAM(9)}},                                   \
        {"linear + " #name, build_linear_##name, {IN(5, 13), PARAM(9, 13), PARAM(9), IN(5, 9)}},                       \
        {"product " #name, build_product_##name, {IN(3, 7, 5), IN(3, 7, 2)}},                                          \
        {"batch norm " #name, build_norm_##name, {IN(7, 5), PARAM(5), PARAM(5)}},                                      \
        {"batch norm + " #name, build_norm_##name, {IN(3, 5, 2, 3), PARAM(5), PARAM(5), IN(3, 5, 2, 3)}},              \
        {"conv batch norm " #name, build_blocked_norm_##name, {IN(3, 3, 5, 4), PARAM(16, 3, 3, 3), PARAM(16)}},        \
        {"conv batch norm + " #name,                                                                                   \
         build_blocked_norm_##name,                                                                                    \
         {IN(3, 3, 5, 4), PARAM(16, 3, 3, 3), PARAM(16), IN(3, 16, 5, 4)}},                                            \
        {"layer norm " #name, build_layer_norm_##name, {IN(3, 5, 7), PARAM(7), PARAM(7)}},                             \
        {"layer norm + " #name, build_layer_norm_##name, {IN(3, 5, 7), PARAM(7), PARAM(7), IN(3, 5, 7)}},              \
        {"scaled " #name, build_scaled_##name, {IN(3, 5, 7), PARAM(7)}},                                               \
        {"scaled + " #name, build_scaled_##name, {IN(3, 5, 7), PARAM(5, 1), IN(1), IN(3, 5, 7)}},                      \
        {"scaled blocks + " #name,                                                                                     \
         build_scaled_blocks_##name,                                                                                   \
         {IN(2, 3, 5, 4), PARAM(16, 3, 3, 3), PARAM(16, 1, 1), PARAM(8, 16, 1, 1)}},

#endif
