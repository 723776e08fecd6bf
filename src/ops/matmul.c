/* matmul.c - batched matrix product with an epilogue, of which the linear layer is a case. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/epilogue.h"
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
    px_value *a = n->in[0], *b = n->in[1], *bias = n->in[2], *residual = n->in[3], *sums = NULL, *dy;
    bool needs_sums = bias && bias->needs_grad;
    if (needs_sums && px_epilogue_bends(n) && n->out[0]->shape.rank == 2) /* in one pass */
        dy = px_unary_back_sums(g, n->out[0]->grad, px_epilogue_slope_of(g, n), px_epilogue_act(n), &sums);
    else
        dy = px_epilogue_back(g, n);
    if (sums)
        px_add_grad(g, bias, sums);
    if (residual)
        px_add_grad(g, residual, dy);
    /* y = f A B, A = op(a): dA = f dy B^T, dB = f A^T dy; a transposed operand gets the transposed product. */
    if (a->needs_grad)
        px_add_grad(g, a,
                    at->transpose_a ? px_matmul(g, b, dy, at->transpose_b, true, at->factor)
                                    : px_matmul(g, dy, b, false, !at->transpose_b, at->factor));
    if (b->needs_grad)
        px_add_grad(g, b,
                    at->transpose_b ? px_matmul(g, dy, a, true, at->transpose_a, at->factor)
                                    : px_matmul(g, a, dy, !at->transpose_a, false, at->factor));
    if (needs_sums && !sums)
        px_add_grad(g, bias, px_channel_sum(g, dy));
}

/* a, b, bias, residual -> y, argument */
const px_op px_op_matmul = {.name = "matmul",
                            .attr_size = sizeof(px_matmul_attr),
                            .epilogue = {.residual = 3, .argument = 1},
                            .in_min = 4,
                            .infer = infer,
                            .grad = grad,
                            .cost = cost,
                            .portable = PX_PORTABLE(matmul)};

px_value *px_matmul(px_graph *g, px_value *a, px_value *b, bool transpose_a, bool transpose_b, double factor)
{
    px_matmul_attr at = {.transpose_a = transpose_a, .transpose_b = transpose_b, .factor = factor};
    return px_node_add(g, &px_op_matmul, (px_value *[]){a, b, NULL, NULL}, 4, &at);
}

px_value *px_linear(px_graph *g, px_value *x, px_value *weight, px_value *bias)
{
    px_matmul_attr at = {.transpose_b = true, .factor = 1};
    if (px_graph_error(g) || x->shape.rank <= 2)
        return px_node_add(g, &px_op_matmul, (px_value *[]){x, weight, bias, NULL}, 4, &at);
    px_shape y = x->shape;
    int64_t K = y.dim[y.rank - 1], count = 1;
    for (int i = 0; i < y.rank - 1; i++)
        count *= y.dim[i];
    px_value *rows = px_linear(g, px_reshape(g, x, PX_SHAPE(count, K)), weight, bias);
    y.dim[y.rank - 1] = weight->shape.dim[0];
    return px_reshape(g, rows, y);
}
