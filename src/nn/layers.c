/* layers.c - see layers.h. */
#include "nn/layers.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>

px_value *px_conv_layer(px_graph *g, const char *name, px_value *x, int out, int kernel, int stride, int pad, bool bias)
{
    if (px_graph_error(g))
        return x;
    if (x->shape.rank != 4)
        return px_graph_fail(g, "%s: needs images (N, C, H, W)", name);
    px_scope_push(g, "%s", name);
    px_init init = px_init_normal(sqrt(2.0 / ((double)out * kernel * kernel)));
    px_value *w = px_parameter(g, "weight", PX_SHAPE(out, x->shape.dim[1], kernel, kernel), init, PX_DECAYS);
    px_value *b = bias ? px_parameter(g, "bias", PX_SHAPE(out), px_init_constant(0), PX_EXEMPT) : NULL;
    px_value *y = px_conv2d(g, x, w, b, stride, pad, 1);
    px_scope_pop(g);
    return y;
}

px_value *px_linear_layer(px_graph *g, const char *name, px_value *x, int out, bool bias)
{
    if (px_graph_error(g))
        return x;
    if (x->shape.rank != 2)
        return px_graph_fail(g, "%s: needs a matrix (N, in)", name);
    px_scope_push(g, "%s", name);
    int64_t in = x->shape.dim[1];
    px_init init = px_init_uniform(1 / sqrt((double)in));
    px_value *w = px_parameter(g, "weight", PX_SHAPE(out, in), init, PX_DECAYS);
    px_value *b = bias ? px_parameter(g, "bias", PX_SHAPE(out), init, PX_EXEMPT) : NULL;
    px_value *y = px_linear(g, x, w, b);
    px_scope_pop(g);
    return y;
}

px_value *px_batch_norm_layer(px_graph *g, const char *name, px_value *x, bool center)
{
    if (px_graph_error(g))
        return x;
    px_scope_push(g, "%s", name);
    const double eps = 1e-5, momentum = 0.1;
    px_shape C = PX_SHAPE(x->shape.dim[1]);
    int64_t count = px_shape_count(x->shape) / x->shape.dim[1];
    px_value *gamma = px_parameter(g, "weight", C, px_init_constant(1), PX_EXEMPT);
    px_value *beta = center ? px_parameter(g, "bias", C, px_init_constant(0), PX_EXEMPT) : px_constant_fill(g, C, 0);
    px_value *mean = px_state(g, "running_mean", C, px_init_constant(0));
    px_value *var = px_state(g, "running_var", C, px_init_constant(1)), *y;
    if (px_graph_mode(g).evaluation) {
        y = px_batch_norm(g, x, px_running_sums(g, mean, var), gamma, beta, 1, eps, true);
    } else {
        px_value *sums = px_all_reduce(g, px_batch_sums(g, x));
        px_update_running(g, sums, mean, var, count, momentum);
        y = px_batch_norm(g, x, sums, gamma, beta, count, eps, false);
    }
    px_scope_pop(g);
    return y;
}

px_value *px_blend(px_graph *g, px_value *x, px_value *other, px_value *mask)
{
    px_value *kept = px_binary(g, PX_MUL, x, px_unary(g, PX_FN_AFFINE, mask, -1, 1));
    return px_binary(g, PX_ADD, kept, px_binary(g, PX_MUL, mask, other));
}

px_value *px_mlp_layers(px_graph *g, const px_mlp *m, px_value *x)
{
    for (int i = 1; i <= m->layers && !px_graph_error(g); i++) {
        bool last = i == m->layers;
        char linear[24], norm[24];
        snprintf(linear, sizeof linear, "linear%d", i);
        snprintf(norm, sizeof norm, "bn%d", i);
        int hidden = m->hidden || x->shape.rank != 2 ? m->hidden : (int)x->shape.dim[1];
        x = px_linear_layer(g, linear, x, last ? m->out : hidden, m->bias);
        if (last ? m->last_norm : m->norm)
            x = px_batch_norm_layer(g, norm, x, !last);
        x = last ? x : px_relu(g, x);
    }
    return x;
}
