/* layer_norm.c - layer normalisation (Ba et al. 2016) over the last axis:
 *
 *     xhat = (x - mean) inverse,   inverse = 1 / sqrt(var + eps),   y = act(xhat gamma + beta + residual)
 *     dx = inverse (d - mean(d) - xhat mean(d xhat)),   d = act'(...) dy gamma,   means over the row */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/epilogue.h"
#include "ops/ops.h"

static int64_t width(const px_node *n, int input)
{
    px_shape s = n->in[input]->shape;
    return s.rank ? s.dim[s.rank - 1] : 1;
}

/* ---- gradient ---- */

static void back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[1]->shape;
    n->out[1]->shape = n->out[2]->shape = n->in[3]->shape;
}

/* dy, x, statistics, gamma, residual -> dx, dgamma, dbeta. The residual is the gradient that x gets elsewhere, from the
 * connection around the norm. */
const px_op px_op_layer_norm_back = {.name = "layer_norm_back",
                                     .attr_size = sizeof(px_epilogue),
                                     .epilogue = {.residual = 4},
                                     .in_min = 5,
                                     .outputs = 3,
                                     .infer = back_infer,
                                     .portable = PX_PORTABLE(layer_norm_back),
                                     .in_place = 1};

static void grad(px_graph *g, px_node *n)
{
    px_value *x = n->in[0], *gamma = n->in[1], *beta = n->in[2], *residual = n->in[3], *d = px_epilogue_back(g, n);
    if (residual)
        px_add_grad(g, residual, d);
    px_value *in[] = {d, x, n->out[1], gamma, NULL};
    px_value *dx = px_node_add(g, &px_op_layer_norm_back, in, 5, &(px_epilogue){0});
    if (px_graph_error(g))
        return;
    px_add_grad(g, x, dx);
    px_add_grad(g, gamma, dx->producer->out[1]);
    px_add_grad(g, beta, dx->producer->out[2]);
}

/* ---- forward ---- */

static void infer(px_graph *g, px_node *n)
{
    int64_t D = width(n, 0);
    char t[64];
    if (!px_shape_equal(n->in[1]->shape, PX_SHAPE(D)) || !px_shape_equal(n->in[2]->shape, PX_SHAPE(D)))
        px_graph_fail(g, "layer norm: parameters do not fit rows of %s", px_shape_text(n->in[0]->shape, t));
    n->out[0]->shape = n->in[0]->shape;
    n->out[1]->shape = PX_SHAPE(px_shape_count(n->in[0]->shape) / D, 2);
}

/* x, gamma, beta, residual -> y, (rows, 2): mean and inverse of each row, argument */
const px_op px_op_layer_norm = {.name = "layer_norm",
                                .attr_size = sizeof(px_layer_norm_attr),
                                .epilogue = {.residual = 3, .argument = 2},
                                .in_min = 4,
                                .outputs = 2,
                                .infer = infer,
                                .grad = grad,
                                .portable = PX_PORTABLE(layer_norm)};

px_value *px_layer_norm(px_graph *g, px_value *x, px_value *gamma, px_value *beta, double eps)
{
    return px_node_add(g, &px_op_layer_norm, (px_value *[]){x, gamma, beta, NULL}, 4,
                       &(px_layer_norm_attr){.eps = eps});
}
