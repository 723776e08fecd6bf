/* matmul.c - batched matrix product with optional bias and relu, of which the linear layer is a case. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/fuse.h"
#include "ops/ops.h"

static void infer(px_graph *g, px_node *n)
{
    const px_matmul_attr *at = n->attr;
    px_shape a = n->in[0]->shape, b = n->in[1]->shape, y = a;
    char ta[64], tb[64];
    int r = a.rank;
    bool fits = r >= 2 && r == b.rank;
    for (int i = 0; fits && i < r - 2; i++)
        fits = a.dim[i] == b.dim[i];
    if (fits) {
        y.dim[r - 2] = a.dim[at->transpose_a ? r - 1 : r - 2];
        y.dim[r - 1] = b.dim[at->transpose_b ? r - 2 : r - 1];
        fits = a.dim[at->transpose_a ? r - 2 : r - 1] == b.dim[at->transpose_b ? r - 1 : r - 2] &&
               (!n->in[2] || px_shape_equal(n->in[2]->shape, PX_SHAPE(y.dim[r - 1])));
    }
    if (!fits)
        px_graph_fail(g, "matmul: %s%s and %s%s do not fit", px_shape_text(a, ta), at->transpose_a ? "^T" : "",
                      px_shape_text(b, tb), at->transpose_b ? "^T" : "");
    n->out[0]->shape = y;
}

static double cost(const px_node *n)
{
    const px_matmul_attr *at = n->attr;
    px_shape a = n->in[0]->shape;
    return (double)px_shape_count(n->out[0]->shape) * (double)a.dim[at->transpose_a ? a.rank - 2 : a.rank - 1];
}

static void grad(px_graph *g, px_node *n)
{
    const px_matmul_attr *at = n->attr;
    px_value *a = n->in[0], *b = n->in[1], *bias = n->in[2], *dy = n->out[0]->grad;
    if (at->act == PX_ACT_RELU)
        dy = px_relu_back(g, dy, n->out[0]);
    /* y = f A B, A = op(a): dA = f dy B^T, dB = f A^T dy; a transposed operand gets the transposed product. */
    if (a->needs_grad)
        px_add_grad(g, a,
                    at->transpose_a ? px_matmul(g, b, dy, at->transpose_b, true, at->factor)
                                    : px_matmul(g, dy, b, false, !at->transpose_b, at->factor));
    if (b->needs_grad)
        px_add_grad(g, b,
                    at->transpose_b ? px_matmul(g, dy, a, true, at->transpose_a, at->factor)
                                    : px_matmul(g, a, dy, !at->transpose_a, false, at->factor));
    if (bias && bias->needs_grad)
        px_add_grad(g, bias, px_channel_sum(g, dy));
}

const px_op px_op_matmul = {.name = "matmul",
                            .attr_size = sizeof(px_matmul_attr),
                            .in_min = 3,
                            .infer = infer,
                            .grad = grad,
                            .cost = cost,
                            .portable = PX_PORTABLE(matmul)};

bool px_matmul_take_relu(px_graph *g, px_node *relu)
{
    px_node *n = px_sole_producer(g, relu->in[0], &px_op_matmul);
    px_matmul_attr *at = n ? n->attr : NULL;
    if (!n || at->act != PX_ACT_NONE)
        return false;
    at->act = PX_ACT_RELU;
    px_node_absorb(g, relu, n);
    return true;
}

px_node *px_matmul_is_linear(px_graph *g, px_value *x)
{
    px_node *n = px_sole_producer(g, x, &px_op_matmul);
    const px_matmul_attr *at = n ? n->attr : NULL;
    bool linear = n && x->shape.rank == 2 && n->in[2] && !at->transpose_a && at->transpose_b && at->factor == 1;
    return linear && at->act == PX_ACT_NONE ? n : NULL;
}

px_value *px_matmul(px_graph *g, px_value *a, px_value *b, bool transpose_a, bool transpose_b, double factor)
{
    px_matmul_attr at = {transpose_a, transpose_b, factor, PX_ACT_NONE};
    return px_node_add(g, &px_op_matmul, (px_value *[]){a, b, NULL}, 3, &at);
}

px_value *px_linear(px_graph *g, px_value *x, px_value *weight, px_value *bias)
{
    px_matmul_attr at = {false, true, 1, PX_ACT_NONE};
    if (px_graph_error(g) || x->shape.rank <= 2)
        return px_node_add(g, &px_op_matmul, (px_value *[]){x, weight, bias}, 3, &at);
    px_shape y = x->shape;
    int64_t K = y.dim[y.rank - 1];
    px_value *rows = px_linear(g, px_reshape(g, x, PX_SHAPE(px_shape_count(y) / K, K)), weight, bias);
    y.dim[y.rank - 1] = weight->shape.dim[0];
    return px_reshape(g, rows, y);
}
