/* transformer.c - see transformer.h. Inside a block, tokens are the rows of one matrix (B T, D): so there are no
 * reshapes between linear layers, their gelu and the residual sums. */
#include "nn/transformer.h"
#include "base/error.h"
#include "nn/layers.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>

static px_linear_spec dense_spec(int64_t out, px_dense_init kind)
{
    px_linear_spec spec = {.out = (int)out, .bias = true, .begin = PX_BEGIN_XAVIER};
    if (kind == PX_DENSE_TIMM)
        spec = (px_linear_spec){.out = (int)out, .bias = true, .begin = PX_BEGIN_NORMAL, .deviation = 0.02};
    return spec;
}

px_value *px_dense_layer(px_graph *g, const char *name, px_value *x, int64_t out, px_dense_init kind)
{
    return px_linear_layer_of(g, name, x, dense_spec(out, kind));
}

px_value *px_layer_norm_layer_of(px_graph *g, const char *name, px_value *x, double eps)
{
    if (px_graph_error(g))
        return x;
    px_scope_push(g, "%s", name);
    px_shape D = PX_SHAPE(x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 1);
    px_value *gamma = px_parameter(g, "weight", D, px_init_constant(1), PX_EXEMPT);
    px_value *beta = px_parameter(g, "bias", D, px_init_constant(0), PX_EXEMPT);
    px_value *y = px_layer_norm(g, x, gamma, beta, eps);
    px_scope_pop(g);
    return y;
}

px_value *px_layer_norm_layer(px_graph *g, const char *name, px_value *x)
{
    return px_layer_norm_layer_of(g, name, x, 1e-6);
}

px_value *px_plain_layer_norm(px_graph *g, px_value *x, double eps)
{
    if (px_graph_error(g))
        return x;
    int64_t D = x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 1;
    double *numbers = px_calloc(2 * (size_t)D, sizeof numbers[0]);
    for (int64_t i = 0; i < D; i++)
        numbers[i] = 1;
    px_value *one = px_constant_real(g, PX_SHAPE(D), numbers), *zero = px_constant_real(g, PX_SHAPE(D), numbers + D);
    free(numbers);
    return px_layer_norm(g, x, one, zero, eps);
}

px_value *px_instance_norm(px_graph *g, px_value *x, double eps)
{
    const px_axes tokens = {1, {1}, true};
    px_value *apart = px_binary(g, PX_SUB, x, px_reduce(g, PX_MEAN, x, tokens));
    px_value *variance = px_unary(g, PX_FN_AFFINE, px_variance(g, x, tokens), 1, eps);
    return px_binary(g, PX_DIV, apart, px_unary(g, PX_FN_SQRT, variance, 0, 0));
}

int px_heads_of_32(int width)
{
    int heads = width < 64 ? 1 : width / 32;
    while (width % heads)
        heads--;
    return heads;
}

/* rows (B T, D) -> (B T, 3 D) */
static px_value *queries_keys_values(px_graph *g, px_value *rows, int64_t D, const px_block_spec *s)
{
    if (s->qkv_bias == PX_QKV_ALL)
        return px_dense_layer(g, "qkv", rows, 3 * D, s->init);
    px_linear_spec spec = dense_spec(3 * D, s->init);
    spec.bias = false;
    px_value *y = px_linear_layer_of(g, "qkv", rows, spec);
    if (s->qkv_bias == PX_QKV_NONE)
        return y;
    px_value *bias[] = {px_parameter(g, "q_bias", PX_SHAPE(D), px_init_constant(0), PX_EXEMPT),
                        px_constant_fill(g, PX_SHAPE(D), 0),
                        px_parameter(g, "v_bias", PX_SHAPE(D), px_init_constant(0), PX_EXEMPT)};
    return px_binary(g, PX_ADD, y, px_concat(g, 0, bias, 3));
}

/* The queries (B, T, D), `first` D, or keys, among all three, each head's with a norm. */
static px_value *normed(px_graph *g, const char *name, px_value *qkv, int64_t first, int heads)
{
    int64_t B = qkv->shape.dim[0], T = qkv->shape.dim[1], D = qkv->shape.dim[2] / 3;
    px_value *x = px_reshape(g, px_slice(g, qkv, 2, first, D), PX_SHAPE(B * T * heads, D / heads));
    return px_reshape(g, px_layer_norm_layer(g, name, x), PX_SHAPE(B, T, D));
}

/* rows (B T, D) */
static px_value *attention(px_graph *g, px_value *rows, px_shape tokens, const px_block_spec *s)
{
    int64_t B = tokens.dim[0], T = tokens.dim[1], D = tokens.dim[2];
    px_scope_push(g, "attn");
    px_value *qkv = px_reshape(g, queries_keys_values(g, rows, D, s), PX_SHAPE(B, T, 3 * D));
    px_attention_operands operands = {.qkv = qkv, .bias = s->bias, .heads = s->heads};
    if (s->qk_norm && !px_graph_error(g)) {
        operands.qkv = NULL;
        operands.q = normed(g, "q_norm", qkv, 0, s->heads);
        operands.k = normed(g, "k_norm", qkv, D, s->heads);
        operands.v = px_slice(g, qkv, 2, 2 * D, D);
    }
    px_value *y = px_attention_with(g, operands);                                    // (B, T, D)
    y = px_dense_layer(g, "proj", px_reshape(g, y, PX_SHAPE(B * T, D)), D, s->init); // (B T, D)
    px_scope_pop(g);
    return px_dropout(g, y, s->dropout, B);
}

/* rows (B T, D) -> (B T, H) */
static px_value *swiglu(px_graph *g, px_value *rows, int64_t D, const px_block_spec *s)
{
    int64_t H = ((int64_t)((double)D * s->mlp_ratio * 2 / 3) + 7) / 8 * 8;
    px_value *both = px_dense_layer(g, "fc1", rows, 2 * H, s->init); // (B T, 2 H)
    px_value *gate = px_unary(g, PX_FN_SILU, px_slice(g, both, 1, 0, H), 0, 0);
    return px_binary(g, PX_MUL, gate, px_slice(g, both, 1, H, H));
}

static px_value *mlp(px_graph *g, px_value *rows, px_shape tokens, const px_block_spec *s)
{
    int64_t B = tokens.dim[0], D = tokens.dim[2];
    px_scope_push(g, "mlp");
    px_value *y = s->kind == PX_MLP_SWIGLU
                      ? swiglu(g, rows, D, s)
                      : px_gelu(g, px_dense_layer(g, "fc1", rows, llround((double)D * s->mlp_ratio), s->init));
    y = px_dense_layer(g, "fc2", px_dropout(g, y, s->dropout, B), D, s->init);
    px_scope_pop(g);
    return px_dropout(g, y, s->dropout, B);
}

/* rows (B T, D) times a learned factor for each of the D */
static px_value *scaled(px_graph *g, const char *name, px_value *rows, double first)
{
    if (px_graph_error(g) || first == 0)
        return rows;
    px_scope_push(g, "%s", name);
    px_value *gamma = px_parameter(g, "gamma", PX_SHAPE(rows->shape.dim[1]), px_init_constant(first), PX_EXEMPT);
    px_scope_pop(g);
    return px_binary(g, PX_MUL, rows, gamma);
}

px_value *px_transformer_block(px_graph *g, int number, px_value *x, const px_block_spec *s)
{
    px_shape tokens = x->shape;
    if (px_graph_error(g))
        return x;
    if (tokens.rank != 3)
        return px_graph_fail(g, "a transformer needs tokens (B, T, D)");
    int64_t B = tokens.dim[0];
    px_scope_push(g, "%d", number);
    x = px_reshape(g, x, PX_SHAPE(B * tokens.dim[1], tokens.dim[2]));
    px_value *y = scaled(g, "ls1", attention(g, px_layer_norm_layer(g, "norm1", x), tokens, s), s->layer_scale);
    x = px_add(g, px_drop_path(g, y, s->drop_path, B), x);
    y = mlp(g, px_layer_norm_layer(g, "norm2", x), tokens, s);
    if (s->mlp)
        *s->mlp = y;
    y = scaled(g, "ls2", y, s->layer_scale);
    x = px_add(g, px_drop_path(g, y, s->drop_path, B), x);
    px_scope_pop(g);
    x = px_reshape(g, x, tokens);
    px_graph_cut(g);
    return x;
}

px_value *px_transformer(px_graph *g, const char *name, px_value *x, int depth, const px_block_spec *s)
{
    px_scope_push(g, "%s", name);
    for (int i = 0; i < depth; i++)
        x = px_transformer_block(g, i, x, s);
    px_scope_pop(g);
    return x;
}
