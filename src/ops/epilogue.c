/* epilogue.c - see epilogue.h. */
#include "ops/epilogue.h"
#include "base/error.h"

/* ---- gradient ---- */

static const px_unary_attr *act_of(const px_node *n)
{
    return &((const px_epilogue *)n->attr)->act;
}

bool px_epilogue_bends(const px_node *n)
{
    return px_slope_of(act_of(n)->function) != PX_SLOPE_A;
}

px_value *px_epilogue_slope_of(px_graph *g, px_node *n)
{
    int k = n->op->epilogue.argument;
    if (px_slope_of(act_of(n)->function) != PX_SLOPE_X)
        return n->out[0];
    PX_CHECK(k > 0 && n->outputs >= k);
    return n->outputs > k ? n->out[k] : px_node_more(g, n, n->out[0]->shape);
}

px_value *px_epilogue_back(px_graph *g, px_node *n)
{
    px_value *dy = n->out[0]->grad;
    return px_epilogue_act(n) ? px_unary_back(g, dy, px_epilogue_slope_of(g, n), act_of(n)) : dy;
}

/* ---- fusing ---- */

/* The node that makes v, if `node` can become part of it. */
static px_node *taker(const px_graph *g, const px_node *node, const px_value *v)
{
    px_node *n = px_sole_producer(g, v);
    bool takes = n && n->op->epilogue.residual && act_of(n)->function == PX_FN_IDENTITY &&
                 (!n->op->epilogue.fits || n->op->epilogue.fits(n));
    return takes && n->segment == node->segment && n->after == node->after && n->backward == node->backward ? n : NULL;
}

static bool take_activation(px_graph *g, px_node *unary)
{
    px_node *by = taker(g, unary, unary->in[0]);
    if (!by || !by->op->epilogue.argument || !px_node_absorb(g, unary, by))
        return false;
    ((px_epilogue *)by->attr)->act = *(const px_unary_attr *)unary->attr;
    return true;
}

static bool take_residual(px_graph *g, px_node *sum, px_node *by, px_value *residual)
{
    px_value **in = by ? &by->in[by->op->epilogue.residual] : NULL;
    if (!by || *in || !px_node_absorb(g, sum, by))
        return false;
    *in = residual;
    residual->uses++;
    return true;
}

/* Of two candidates the later one: it is moved over fewer others. */
static bool take_sum(px_graph *g, px_node *sum)
{
    px_value *a = sum->in[0], *b = sum->in[1];
    if (sum->apart || !px_shape_equal(a->shape, b->shape))
        return false;
    px_node *by_a = taker(g, sum, a), *by_b = taker(g, sum, b);
    if (a->index > b->index)
        return take_residual(g, sum, by_a, b) || take_residual(g, sum, by_b, a);
    return take_residual(g, sum, by_b, a) || take_residual(g, sum, by_a, b);
}

bool px_epilogue_fuse(px_graph *g, px_node *n)
{
    extern const px_op px_op_unary;
    return n->op == &px_op_unary ? take_activation(g, n) : take_sum(g, n);
}
