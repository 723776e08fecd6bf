/* dropout.c - dropout (Srivastava et al. 2014) and stochastic depth (Huang et al. 2016): elements or whole samples
 * become zero with probability p, the others are multiplied by 1 / (1 - p).
 *
 * Which ones are dropped is drawn again wherever it is needed, from the key (seed, step, place in the graph, sample of
 * the global batch). So the gradient is the same op, and the numbers of ranks and threads make no difference. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

static void infer(px_graph *g, px_node *n)
{
    const px_dropout_attr *a = n->attr;
    n->out[0]->shape = n->in[0]->shape;
    if (a->samples < 1 || px_shape_count(n->in[0]->shape) % a->samples)
        px_graph_fail(g, "dropout: the shape does not divide into %d samples", (int)a->samples);
    if (!(a->p >= 0 && a->p < 1))
        px_graph_fail(g, "dropout: the probability %g is not in [0, 1)", a->p);
}

static void grad(px_graph *g, px_node *n)
{
    px_value *dy = n->out[0]->grad;
    px_add_grad(g, n->in[0], px_node_add(g, n->op, &dy, 1, n->attr));
}

const px_op px_op_dropout = {.name = "dropout",
                             .attr_size = sizeof(px_dropout_attr),
                             .in_min = 1,
                             .infer = infer,
                             .grad = grad,
                             .portable = PX_PORTABLE(dropout),
                             .bf16 = px_bf16_dropout,
                             .bf16_in = 1,
                             .bf16_out = 1,
                             .in_place = 1};

const px_op px_op_drop_path = {.name = "drop_path",
                               .attr_size = sizeof(px_dropout_attr),
                               .in_min = 1,
                               .infer = infer,
                               .grad = grad,
                               .portable = PX_PORTABLE(drop_path),
                               .bf16 = px_bf16_drop_path,
                               .bf16_in = 1,
                               .bf16_out = 1,
                               .in_place = 1};

static px_value *drop(px_graph *g, const px_op *op, px_value *x, double p, int64_t samples)
{
    px_dropout_attr a = {p, samples, px_graph_nodes(g)};
    bool all_stay = p == 0 || px_graph_mode(g).evaluation || px_graph_follows(g);
    return all_stay ? x : px_node_add(g, op, &x, 1, &a);
}

px_value *px_dropout(px_graph *g, px_value *x, double p, int64_t samples)
{
    return drop(g, &px_op_dropout, x, p, samples);
}

px_value *px_drop_path(px_graph *g, px_value *x, double p, int64_t samples)
{
    return drop(g, &px_op_drop_path, x, p, samples);
}
