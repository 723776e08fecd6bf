/* conv.c - two-dimensional convolution. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/epilogue.h"
#include "ops/ops.h"

static void infer(px_graph *g, px_node *n)
{
    const px_conv_attr *a = n->attr;
    px_shape x = n->in[0]->shape, w = n->in[1]->shape;
    char tx[64], tw[64];
    if (x.rank != 4 || w.rank != 4 || a->groups < 1 || w.dim[1] * a->groups != x.dim[1] || w.dim[0] % a->groups ||
        (n->in[2] && !px_shape_equal(n->in[2]->shape, PX_SHAPE(w.dim[0])))) {
        px_graph_fail(g, "conv2d: input %s does not fit weight %s in %d groups", px_shape_text(x, tx),
                      px_shape_text(w, tw), a->groups);
        return;
    }
    int64_t h = px_sliding_outputs(&a->slide, 0, x.dim[2]), v = px_sliding_outputs(&a->slide, 1, x.dim[3]);
    if (h < 1 || v < 1)
        px_graph_fail(g, "conv2d: an image of %s is too small for the kernel %s", px_shape_text(x, tx),
                      px_shape_text(w, tw));
    n->out[0]->shape = PX_SHAPE(x.dim[0], w.dim[0], h, v);
}

static double cost_of(px_shape y, px_shape w)
{
    return (double)px_shape_count(y) * (double)px_shape_tail(w, 1);
}

static double cost(const px_node *n)
{
    return cost_of(n->out[0]->shape, n->in[1]->shape);
}

/* Bytes of one column matrix of doubles; `y` and `w` give its extents. */
static size_t columns(px_shape y, px_shape w)
{
    return (size_t)(px_shape_tail(w, 1) * px_shape_tail(y, 2)) * sizeof(double);
}

static size_t scratch(const px_node *n)
{
    return columns(n->out[0]->shape, n->in[1]->shape);
}

/* ---- gradients ---- */

static void back_data_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[2]->shape;
}

static double back_data_cost(const px_node *n)
{
    return cost_of(n->in[0]->shape, n->in[1]->shape);
}

static size_t back_data_scratch(const px_node *n)
{
    return columns(n->in[0]->shape, n->in[1]->shape);
}

/* dy, w, x -> dx; x gives its shape and format */
const px_op px_op_conv2d_back_data = {.name = "conv2d_back_data",
                                      .shape_only = {[2] = true},
                                      .attr_size = sizeof(px_conv_attr),
                                      .in_min = 3,
                                      .infer = back_data_infer,
                                      .cost = back_data_cost,
                                      .scratch = back_data_scratch,
                                      .portable = PX_PORTABLE(conv2d_back_data)};

static double back_weight_cost(const px_node *n)
{
    return cost_of(n->in[1]->shape, n->in[2]->shape);
}

static size_t back_weight_scratch(const px_node *n)
{
    return columns(n->in[1]->shape, n->in[2]->shape);
}

/* x, dy, w -> dw; w gives its shape and format */
const px_op px_op_conv2d_back_weight = {.name = "conv2d_back_weight",
                                        .shape_only = {[2] = true},
                                        .attr_size = sizeof(px_conv_attr),
                                        .in_min = 3,
                                        .infer = back_data_infer,
                                        .cost = back_weight_cost,
                                        .scratch = back_weight_scratch,
                                        .portable = PX_PORTABLE(conv2d_back_weight)};

static void grad(px_graph *g, px_node *n)
{
    px_value *x = n->in[0], *w = n->in[1], *bias = n->in[2], *residual = n->in[3], *dy = px_epilogue_back(g, n);
    if (residual)
        px_add_grad(g, residual, dy);
    if (x->needs_grad)
        px_add_grad(g, x, px_node_add(g, &px_op_conv2d_back_data, (px_value *[]){dy, w, x}, 3, n->attr));
    if (w->needs_grad)
        px_add_grad(g, w, px_node_add(g, &px_op_conv2d_back_weight, (px_value *[]){x, dy, w}, 3, n->attr));
    if (bias && bias->needs_grad)
        px_add_grad(g, bias, px_channel_sum(g, dy));
}

/* x, weight, bias, residual -> y, argument */
const px_op px_op_conv2d = {.name = "conv2d",
                            .attr_size = sizeof(px_conv_attr),
                            .epilogue = {.residual = 3, .argument = 1},
                            .in_min = 4,
                            .infer = infer,
                            .grad = grad,
                            .cost = cost,
                            .scratch = scratch,
                            .portable = PX_PORTABLE(conv2d)};

/* Numbers that are left out are 0: then it is the usual one. */
static int or_one(int number)
{
    return number ? number : 1;
}

px_value *px_convolve(px_graph *g, px_value *x, px_value *weight, px_value *bias, px_convolution how)
{
    px_conv_attr a = {.groups = or_one(how.groups)};
    for (int k = 0; k < 2; k++) {
        a.slide.kernel[k] = weight->shape.rank == 4 ? (int)weight->shape.dim[2 + k] : 1;
        a.slide.stride[k] = or_one(how.stride[k]);
        a.slide.dilation[k] = or_one(how.dilation[k]);
        a.slide.before[k] = how.pad[k][0];
        a.slide.after[k] = how.pad[k][1];
        if (a.slide.stride[k] < 1 || a.slide.dilation[k] < 1 || a.slide.before[k] < 0 || a.slide.after[k] < 0)
            return px_graph_fail(g, "conv2d: stride %d, dilation %d, padding %d and %d: none may be negative",
                                 how.stride[k], how.dilation[k], how.pad[k][0], how.pad[k][1]);
    }
    return px_node_add(g, &px_op_conv2d, (px_value *[]){x, weight, bias, NULL}, 4, &a);
}

px_value *px_conv2d(px_graph *g, px_value *x, px_value *weight, px_value *bias, int stride, int pad, int groups)
{
    px_convolution how = {.stride = {stride, stride}, .pad = {{pad, pad}, {pad, pad}}, .groups = groups};
    return px_convolve(g, x, weight, bias, how);
}
