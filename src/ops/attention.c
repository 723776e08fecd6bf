/* attention.c - multi-head self-attention (Vaswani et al. 2017): for each sample and head, with T tokens of d numbers,
 *
 *     P = softmax(Q K^T / sqrt(d))  (T, T),   O = P V
 *     dV = P^T dO,   dS = P (dO V^T - delta) / sqrt(d),   delta = row sums of P (dO V^T),   dQ = dS K,   dK = dS^T Q
 *
 * P is computed for one block of rows at a time and never stored; the gradient computes it again from the logarithms of
 * its rows' sums. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

/* qkv (B, T, 3 heads d) */
static double products(px_shape qkv, int count)
{
    return (double)count * (double)px_shape_count(qkv) / 3 * (double)qkv.dim[1];
}

/* ---- gradient ---- */

static void back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[1]->shape;
}

static double back_cost(const px_node *n)
{
    return products(n->in[1]->shape, 5);
}

static size_t back_scratch(const px_node *n)
{
    int64_t T = n->in[1]->shape.dim[1];
    return (size_t)(2 * T * T) * sizeof(double);
}

/* dy, qkv, logarithms -> dqkv */
const px_op px_op_attention_back = {.name = "attention_back",
                                    .attr_size = sizeof(px_attention_attr),
                                    .in_min = 3,
                                    .infer = back_infer,
                                    .cost = back_cost,
                                    .scratch = back_scratch,
                                    .portable = PX_PORTABLE(attention_back)};

static void grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0], n->out[1]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_attention_back, in, 3, n->attr));
}

/* ---- forward ---- */

static void infer(px_graph *g, px_node *n)
{
    const px_attention_attr *a = n->attr;
    px_shape x = n->in[0]->shape;
    if (x.rank != 3 || a->heads < 1 || x.dim[2] % (3 * a->heads)) {
        char t[64];
        px_graph_fail(g, "attention: %s does not hold queries, keys and values of %d heads", px_shape_text(x, t),
                      a->heads);
        return;
    }
    n->out[0]->shape = PX_SHAPE(x.dim[0], x.dim[1], x.dim[2] / 3);
    n->out[1]->shape = PX_SHAPE(x.dim[0], a->heads, x.dim[1]);
}

static double cost(const px_node *n)
{
    return products(n->in[0]->shape, 2);
}

static size_t scratch(const px_node *n)
{
    int64_t T = n->in[0]->shape.dim[1];
    return (size_t)(T * T) * sizeof(double);
}

/* qkv (B, T, 3 D) -> (B, T, D), logarithms (B, heads, T) of the sums of exp in each row of the softmax */
const px_op px_op_attention = {.name = "attention",
                               .attr_size = sizeof(px_attention_attr),
                               .in_min = 1,
                               .outputs = 2,
                               .infer = infer,
                               .grad = grad,
                               .cost = cost,
                               .scratch = scratch,
                               .portable = PX_PORTABLE(attention)};

px_value *px_attention(px_graph *g, px_value *qkv, int heads)
{
    px_attention_attr a = {heads};
    return px_node_add(g, &px_op_attention, &qkv, 1, &a);
}
