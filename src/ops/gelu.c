/* gelu.c - Gaussian error linear unit (Hendrycks & Gimpel 2016), exact form: y = x Phi(x), Phi the normal
 * distribution's; and a linear layer that applies it while its rows are in the cache. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/fuse.h"
#include "ops/ops.h"

static void infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[0]->shape;
}

/* ---- gelu ---- */

/* dy, x -> dx */
const px_op px_op_gelu_back = {
    .name = "gelu_back", .in_min = 2, .infer = infer, .portable = PX_PORTABLE(gelu_back), .in_place = 1};

static void grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_gelu_back, in, 2, NULL));
}

/* A linear layer whose only reader is a gelu becomes one linear_gelu with it. */
static bool fuse(px_graph *g, px_node *n)
{
    extern const px_op px_op_linear_gelu;
    px_node *linear = px_matmul_is_linear(g, n->in[0]);
    if (!linear)
        return false;
    px_matmul_attr at = *(const px_matmul_attr *)linear->attr;
    at.act = PX_ACT_GELU;
    px_value *y = px_node_add(g, &px_op_linear_gelu, linear->in, 3, &at);
    if (px_graph_error(g))
        return false;
    y->producer->scope = linear->scope;
    y->producer->segment = linear->segment;
    for (int i = 0; i < linear->inputs; i++)
        linear->in[i]->uses--;
    linear->dead = true;
    px_node_absorb(g, n, y->producer);
    return true;
}

const px_op px_op_gelu = {
    .name = "gelu", .in_min = 1, .infer = infer, .grad = grad, .fuse = fuse, .portable = PX_PORTABLE(gelu)};

px_value *px_gelu(px_graph *g, px_value *x)
{
    return px_node_add(g, &px_op_gelu, &x, 1, NULL);
}

/* ---- linear and gelu ---- */

static void back_sums_infer(px_graph *g, px_node *n)
{
    infer(g, n);
    n->out[1]->shape = PX_SHAPE(n->in[0]->shape.dim[1]);
}

/* dy, x (N, M) -> dx (N, M), and (M): the sums of dx over its rows, which are the bias's gradient */
const px_op px_op_gelu_back_sums = {.name = "gelu_back_sums",
                                    .in_min = 2,
                                    .outputs = 2,
                                    .infer = back_sums_infer,
                                    .portable = PX_PORTABLE(gelu_back_sums),
                                    .in_place = 1};

static void linear_grad(px_graph *g, px_node *n)
{
    px_value *x = n->in[0], *w = n->in[1], *bias = n->in[2];
    px_value *d = px_node_add(g, &px_op_gelu_back_sums, (px_value *[]){n->out[0]->grad, n->out[1]}, 2, NULL);
    if (px_graph_error(g))
        return;
    px_add_grad(g, bias, d->producer->out[1]);
    if (x->needs_grad)
        px_add_grad(g, x, px_matmul(g, d, w, false, false, 1));
    if (w->needs_grad)
        px_add_grad(g, w, px_matmul(g, d, x, true, false, 1));
}

static void linear_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->out[1]->shape = PX_SHAPE(n->in[0]->shape.dim[0], n->in[1]->shape.dim[0]);
}

static double linear_cost(const px_node *n)
{
    return (double)px_shape_count(n->out[0]->shape) * (double)n->in[1]->shape.dim[1];
}

/* x (N, K), weight (M, K), bias (M) -> y (N, M), gelu's argument (N, M), which only the gradient reads */
const px_op px_op_linear_gelu = {.name = "linear_gelu",
                                 .attr_size = sizeof(px_matmul_attr),
                                 .in_min = 3,
                                 .outputs = 2,
                                 .infer = linear_infer,
                                 .grad = linear_grad,
                                 .cost = linear_cost,
                                 .portable = PX_PORTABLE(linear_gelu)};
