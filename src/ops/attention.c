/* attention.c - multi-head attention (Vaswani et al. 2017): for each sample and head, with heads of d numbers,
 *
 *     P = softmax(scale Q K^T + bias)  (queries, keys),   O = P V
 *     dV = P^T dO,   dS = P (dO V^T - delta),   delta = row sums of P (dO V^T)
 *     dQ = scale dS K,   dK = scale dS^T Q,   dbias = sum of dS over the samples that share it
 *
 * P is computed for one block of rows at a time and never stored; the gradient computes it again from the logarithms of
 * its rows' sums. */
#include "ops/attention.h"
#include "backends/portable/portable.h"
#include "base/error.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

#include <math.h>

static double products(px_attention_sizes z, int count)
{
    return (double)count * (double)(z.B * z.Q) * (double)(z.K * z.D);
}

/* ---- gradient ---- */

static bool wants_bias(const px_node *n)
{
    const px_value *bias = n->in[1 + PX_ATTENTION_BIAS];
    return bias && bias->needs_grad;
}

static void back_infer(px_graph *g, px_node *n)
{
    (void)g;
    px_attention_sizes z = px_attention_sizes_of(n, 1);
    for (int i = 0; i < 3; i++)
        n->out[i]->shape = n->in[1 + i] ? n->in[1 + i]->shape : PX_SHAPE(0);
    n->out[3]->shape = wants_bias(n) ? PX_SHAPE(z.period, z.H, z.Q, z.K) : PX_SHAPE(0);
}

static double back_cost(const px_node *n)
{
    return products(px_attention_sizes_of(n, 1), 5);
}

static size_t back_scratch(const px_node *n)
{
    px_attention_sizes z = px_attention_sizes_of(n, 1);
    return (size_t)(3 * z.Q * z.K) * sizeof(double);
}

/* dy, inputs as in attention.h, logarithms -> dq, dk, dv, dbias of (period, heads, queries, keys); those that do not exist
 * or are not wanted are (0). */
const px_op px_op_attention_back = {.name = "attention_back",
                                    .attr_size = sizeof(px_attention_attr),
                                    .in_min = 2 + PX_ATTENTION_INPUTS,
                                    .outputs = 4,
                                    .infer = back_infer,
                                    .cost = back_cost,
                                    .scratch = back_scratch,
                                    .portable = PX_PORTABLE(attention_back)};

static void grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0], n->in[1], n->in[2], n->in[3], n->out[1]}, *bias = n->in[3];
    px_value *const *d = px_node_add(g, &px_op_attention_back, in, 2 + PX_ATTENTION_INPUTS, n->attr)->producer->out;
    for (int i = 0; i < 3; i++)
        if (n->in[i])
            px_add_grad(g, n->in[i], d[i]);
    if (bias && bias->needs_grad)
        px_add_grad(g, bias, px_sum_to(g, d[3], bias->shape));
}

/* ---- forward ---- */

static bool bias_fits(const px_node *n)
{
    px_attention_sizes z = px_attention_sizes_of(n, 0);
    px_shape b = n->in[PX_ATTENTION_BIAS]->shape;
    const int64_t extent[] = {z.B, z.H, z.Q, z.K};
    if (b.rank < 1 || b.rank > 4 || b.dim[b.rank - 1] != z.K)
        return false;
    if (b.rank == 4 && (b.dim[0] < 1 || z.B % b.dim[0]))
        return false;
    for (int i = 2; i <= b.rank && i < 4; i++)
        if (b.dim[b.rank - i] != 1 && b.dim[b.rank - i] != extent[4 - i])
            return false;
    return true;
}

static bool separate_fit(const px_node *n)
{
    px_shape q = n->in[0]->shape, k = n->in[1]->shape;
    return q.rank == 3 && k.rank == 3 && k.dim[0] == q.dim[0] && k.dim[2] == q.dim[2] && k.dim[1] > 0 &&
           px_shape_equal(k, n->in[2]->shape);
}

static void infer(px_graph *g, px_node *n)
{
    const px_attention_attr *a = n->attr;
    px_shape x = n->in[0]->shape;
    bool packed = !n->in[1];
    char q[64], k[64], v[64];
    px_shape_text(x, q);
    if (packed && (x.rank != 3 || a->heads < 1 || x.dim[2] % (3 * a->heads))) {
        px_graph_fail(g, "attention: %s does not hold queries, keys and values of %d heads", q, a->heads);
        return;
    }
    if (!packed && (!separate_fit(n) || a->heads < 1 || x.dim[2] % a->heads)) {
        px_graph_fail(g, "attention: queries %s, keys %s and values %s do not fit in %d heads", q,
                      px_shape_text(n->in[1]->shape, k), px_shape_text(n->in[2]->shape, v), a->heads);
        return;
    }
    px_attention_sizes z = px_attention_sizes_of(n, 0);
    if (a->scale < 0)
        px_graph_fail(g, "attention: the scale %g is negative", a->scale);
    if (n->in[PX_ATTENTION_BIAS] && !bias_fits(n))
        px_graph_fail(g, "attention: bias %s does not fit (%d samples, %d heads, %d queries, %d keys)",
                      px_shape_text(n->in[PX_ATTENTION_BIAS]->shape, k), (int)z.B, (int)z.H, (int)z.Q, (int)z.K);
    n->out[0]->shape = PX_SHAPE(z.B, z.Q, z.D);
    n->out[1]->shape = PX_SHAPE(z.B, z.H, z.Q);
}

static double cost(const px_node *n)
{
    return products(px_attention_sizes_of(n, 0), 2);
}

static size_t scratch(const px_node *n)
{
    px_attention_sizes z = px_attention_sizes_of(n, 0);
    return (size_t)(z.Q * z.K) * sizeof(double);
}

/* inputs as in attention.h -> (B, Q, D), logarithms (B, heads, Q) of the sums of exp in each row of the softmax */
const px_op px_op_attention = {.name = "attention",
                               .attr_size = sizeof(px_attention_attr),
                               .in_min = PX_ATTENTION_INPUTS,
                               .outputs = 2,
                               .infer = infer,
                               .grad = grad,
                               .cost = cost,
                               .scratch = scratch,
                               .portable = PX_PORTABLE(attention)};

px_value *px_attention_with(px_graph *g, px_attention_operands o)
{
    int parts = o.qkv ? 3 : 1;
    px_value *q = o.qkv ? o.qkv : o.q, *in[PX_ATTENTION_INPUTS] = {q, o.qkv ? NULL : o.k, o.qkv ? NULL : o.v, o.bias};
    px_attention_attr a = {.heads = o.heads, .scale = o.scale};
    PX_CHECK(o.qkv ? !o.q && !o.k && !o.v : o.q && o.k && o.v);
    if (a.scale == 0 && a.heads > 0 && q->shape.rank == 3) {
        int64_t width = q->shape.dim[2] / parts / a.heads;
        a.scale = 1 / sqrt((double)width);
    }
    return px_node_add(g, &px_op_attention, in, PX_ATTENTION_INPUTS, &a);
}

px_value *px_attention(px_graph *g, px_value *qkv, int heads)
{
    return px_attention_with(g, (px_attention_operands){.qkv = qkv, .heads = heads});
}
