/* layers.c - see layers.h. */
#include "nn/layers.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>

static px_init weight_init(px_begin begin, double deviation, int64_t fan_in, int64_t fan_out)
{
    switch (begin) {
    case PX_BEGIN_TORCH:
        return px_init_uniform(1 / sqrt((double)fan_in));
    case PX_BEGIN_NORMAL:
        return px_init_normal(deviation);
    case PX_BEGIN_XAVIER:
        return px_init_uniform(sqrt(6 / (double)(fan_in + fan_out)));
    case PX_BEGIN_HE:
    case PX_BEGIN_HE_TORCH:
        break;
    }
    return px_init_normal(sqrt(2 / (double)fan_out));
}

static px_value *bias_parameter(px_graph *g, bool there, int out, px_begin begin, int64_t fan_in)
{
    bool torch = begin == PX_BEGIN_TORCH || begin == PX_BEGIN_HE_TORCH;
    px_init init = torch ? px_init_uniform(1 / sqrt((double)fan_in)) : px_init_constant(0);
    return there ? px_parameter(g, "bias", PX_SHAPE(out), init, PX_EXEMPT) : NULL;
}

px_value *px_conv_layer_of(px_graph *g, const char *name, px_value *x, px_conv_spec c)
{
    int groups = c.groups ? c.groups : 1;
    if (px_graph_error(g))
        return x;
    if (x->shape.rank != 4)
        return px_graph_fail(g, "%s: needs images (N, C, H, W)", name);
    if (x->shape.dim[1] % groups)
        return px_graph_fail(g, "%s: %lld channels are not divisible into %d groups", name, (long long)x->shape.dim[1],
                             groups);
    px_scope_push(g, "%s", name);
    int64_t in = x->shape.dim[1] / groups, taps = (int64_t)c.kernel * c.kernel;
    px_init init = weight_init(c.begin, c.deviation, in * taps, c.out * taps);
    px_value *w = px_parameter(g, "weight", PX_SHAPE(c.out, in, c.kernel, c.kernel), init, PX_DECAYS);
    px_value *b = bias_parameter(g, c.bias, c.out, c.begin, in * taps);
    px_value *y = px_conv2d(g, x, w, b, c.stride ? c.stride : 1, c.pad, groups);
    px_scope_pop(g);
    return y;
}

px_value *px_conv_layer(px_graph *g, const char *name, px_value *x, int out, int kernel, int stride, int pad, bool bias)
{
    return px_conv_layer_of(g, name, x,
                            (px_conv_spec){.out = out, .kernel = kernel, .stride = stride, .pad = pad, .bias = bias});
}

px_value *px_linear_layer_of(px_graph *g, const char *name, px_value *x, px_linear_spec s)
{
    if (px_graph_error(g))
        return x;
    px_scope_push(g, "%s", name);
    int64_t in = x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 0;
    px_init init = weight_init(s.begin, s.deviation, in, s.out);
    px_shape matrix = PX_SHAPE(s.out, in), pixels = PX_SHAPE(s.out, in, 1, 1);
    px_value *w = px_parameter(g, "weight", s.pixels ? pixels : matrix, init, PX_DECAYS);
    w = s.pixels ? px_reshape(g, w, matrix) : w;
    px_value *y = px_linear(g, x, w, bias_parameter(g, s.bias, s.out, s.begin, in));
    px_scope_pop(g);
    return y;
}

px_value *px_linear_layer(px_graph *g, const char *name, px_value *x, int out, bool bias)
{
    if (!px_graph_error(g) && x->shape.rank != 2)
        return px_graph_fail(g, "%s: needs a matrix (N, in)", name);
    return px_linear_layer_of(g, name, x, (px_linear_spec){.out = out, .bias = bias, .begin = PX_BEGIN_TORCH});
}

px_value *px_batch_norm_layer_of(px_graph *g, const char *name, px_value *x, px_batch_norm_spec s)
{
    if (px_graph_error(g))
        return x;
    px_scope_push(g, "%s", name);
    const double eps = s.eps > 0 ? s.eps : 1e-5, momentum = s.momentum > 0 ? s.momentum : 0.1;
    px_shape C = PX_SHAPE(x->shape.dim[1]);
    int64_t count = px_shape_count(x->shape) / x->shape.dim[1];
    px_value *gamma = s.fixed_weight ? px_constant_fill(g, C, 1)
                                     : px_parameter(g, "weight", C, px_init_constant(s.closed ? 0 : 1), PX_EXEMPT);
    px_value *beta =
        s.fixed_bias ? px_constant_fill(g, C, 0) : px_parameter(g, "bias", C, px_init_constant(0), PX_EXEMPT);
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

px_value *px_batch_norm_layer(px_graph *g, const char *name, px_value *x, bool center)
{
    return px_batch_norm_layer_of(g, name, x, (px_batch_norm_spec){.fixed_bias = !center});
}

px_value *px_conv_norm_layer(px_graph *g, const char *name, px_value *x, px_conv_spec conv, px_batch_norm_spec norm)
{
    px_scope_push(g, "%s", name);
    x = px_batch_norm_layer_of(g, "1", px_conv_layer_of(g, "0", x, conv), norm);
    px_scope_pop(g);
    return x;
}

/* rows (N, in) -> (N, out): a 1x1 convolution of maps of one pixel */
static px_value *pixel_layer(px_graph *g, const char *name, px_value *rows, int out, px_begin begin)
{
    px_scope_push(g, "%s", name);
    int64_t in = rows->shape.dim[1];
    px_init init = weight_init(begin, 0, in, out);
    px_value *w = px_parameter(g, "weight", PX_SHAPE(out, in, 1, 1), init, PX_DECAYS);
    px_value *y = px_linear(g, rows, px_reshape(g, w, PX_SHAPE(out, in)), bias_parameter(g, true, out, begin, in));
    px_scope_pop(g);
    return y;
}

px_value *px_squeeze_layer(px_graph *g, const char *name, px_value *x, int squeezed, px_function gate, px_begin begin)
{
    if (px_graph_error(g))
        return x;
    int64_t N = x->shape.dim[0], C = x->shape.dim[1];
    px_scope_push(g, "%s", name);
    px_value *y = px_relu(g, pixel_layer(g, "fc1", px_global_avg_pool(g, x), squeezed, begin));
    y = px_unary(g, gate, pixel_layer(g, "fc2", y, (int)C, begin), 0, 0);
    px_scope_pop(g);
    return px_binary(g, PX_MUL, x, px_reshape(g, y, PX_SHAPE(N, C, 1, 1)));
}

int px_channels_near(double channels)
{
    int near = (int)(channels + 4) / 8 * 8;
    near = near < 8 ? 8 : near;
    return near < 0.9 * channels ? near + 8 : near;
}

double px_width_of(const int base[], const int64_t stored[], int count)
{
    static const int steps[] = {25, 10, 5, 1}; /* hundredths */
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
        for (int hundredths = steps[s] < 5 ? 5 : steps[s]; hundredths <= 800; hundredths += steps[s]) {
            int same = 0;
            while (same < count && px_channels_near(base[same] * (hundredths / 100.0)) == stored[same])
                same++;
            if (same == count)
                return hundredths / 100.0;
        }
    return 0;
}

px_value *px_repeat(px_graph *g, px_value *x, int64_t times)
{
    px_shape all = x->shape;
    int64_t count = px_shape_count(x->shape);
    if (px_graph_error(g) || all.rank == 0)
        return x;
    all.dim[0] *= times;
    return px_reshape(g, px_expand(g, px_reshape(g, x, PX_SHAPE(1, count)), PX_SHAPE(times, count)), all);
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
        px_head_norm kind = last ? m->last_norm : m->norm ? PX_NORM_AFFINE : PX_NO_NORM;
        px_linear_spec l = {.out = last ? m->out : hidden,
                            .bias = last ? m->last_bias : m->bias,
                            .begin = m->deviation > 0 ? PX_BEGIN_NORMAL : PX_BEGIN_TORCH,
                            .deviation = m->deviation};
        if (x->shape.rank != 2)
            return px_graph_fail(g, "%s: needs a matrix (N, in)", linear);
        x = px_linear_layer_of(g, linear, x, l);
        if (kind != PX_NO_NORM)
            x = px_batch_norm_layer_of(
                g, norm, x,
                (px_batch_norm_spec){.fixed_weight = kind == PX_NORM_PLAIN, .fixed_bias = kind != PX_NORM_AFFINE});
        if (!last)
            x = m->gelu ? px_gelu(g, x) : px_relu(g, x);
    }
    return x;
}

double px_drop_path_rate(double last, int block, int blocks)
{
    return blocks > 1 ? last * block / (blocks - 1) : last;
}
