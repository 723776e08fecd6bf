/* cases_tokens.h - graphs of the cases of op_cases.h: losses, layer norm, attention, tokens. */
#ifndef PX_TESTS_CASES_TOKENS_H
#define PX_TESTS_CASES_TOKENS_H

#include "trial.h"

static px_value *build_normalize(px_graph *g, px_value *v[])
{
    return px_l2_normalize(g, v[0]);
}

static px_value *build_cross_entropy(px_graph *g, px_value *v[])
{
    return px_cross_entropy(g, v[0], px_constant_i32(g, PX_SHAPE(5), (int32_t[]){3, 0, 6, 1, 1}));
}

/* Shares of seven classes; the last row's sum is not 1. */
static px_value *build_soft_entropy(px_graph *g, px_value *v[])
{
    double target[35];
    for (int i = 0; i < 35; i++)
        target[i] = i / 7 == 1 ? i == 9 : i / 7 == 4 ? 0.25 : (1 + i % 7) / 28.0;
    return px_cross_entropy(g, v[0], px_constant_real(g, PX_SHAPE(5, 7), target));
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

static px_value *build_random(px_graph *g, px_value *v[])
{
    return px_binary(g, PX_MUL, v[0], px_random_normal(g, 1, v[0]->shape));
}

/* Of x^T x + 1, which is positive definite. */
static px_value *build_whitening(px_graph *g, px_value *v[])
{
    double one[16] = {[0] = 1, [5] = 1, [10] = 1, [15] = 1};
    px_value *s = px_matmul(g, v[0], v[0], true, false, 1);
    return px_inverse_cholesky(g, px_binary(g, PX_ADD, s, px_constant_real(g, PX_SHAPE(4, 4), one)));
}

static px_value *build_squared_error(px_graph *g, px_value *v[])
{
    return px_mean_squared_error(g, v[0], px_add(g, v[1], px_standardize(g, v[0], 1e-6)));
}

#endif
