/* reduce.c - sums, means, largest elements and log-sum-exp over axes; their opposite, repeating along axes; argmax. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/epilogue.h"
#include "ops/ops.h"

/* ---- repeating ---- */

static void expand_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = *(const px_shape *)n->attr;
}

/* The axes along which x repeats; those that it does not have come first. */
static px_axes repeated(px_shape x, px_shape y)
{
    px_axes over = {.keep = true};
    int missing = y.rank - x.rank;
    for (int i = 0; i < y.rank; i++)
        if (i < missing || x.dim[i - missing] != y.dim[i])
            over.axis[over.count++] = i;
    return over;
}

px_value *px_sum_to(px_graph *g, px_value *d, px_shape shape)
{
    px_axes over = repeated(shape, d->shape);
    if (over.count > 0)
        d = px_reduce(g, PX_SUM, d, over);
    return px_shape_equal(d->shape, shape) ? d : px_reshape(g, d, shape);
}

static void expand_grad(px_graph *g, px_node *n)
{
    px_add_grad(g, n->in[0], px_sum_to(g, n->out[0]->grad, n->in[0]->shape));
}

/* x -> the attribute's shape, to which x broadcasts */
const px_op px_op_expand = {.name = "expand",
                            .attr_size = sizeof(px_shape),
                            .in_min = 1,
                            .infer = expand_infer,
                            .grad = expand_grad,
                            .portable = PX_PORTABLE(expand),
                            .bf16 = px_bf16_expand,
                            .bf16_in = 1,
                            .bf16_out = 1};

px_value *px_expand(px_graph *g, px_value *x, px_shape shape)
{
    char a[64], b[64];
    bool fits = x->shape.rank <= shape.rank;
    for (int i = 1; fits && i <= x->shape.rank; i++) {
        int64_t n = x->shape.dim[x->shape.rank - i];
        fits = n == 1 || n == shape.dim[shape.rank - i];
    }
    if (!fits)
        return px_graph_fail(g, "expand: %s does not broadcast to %s", px_shape_text(x->shape, a),
                             px_shape_text(shape, b));
    return px_node_add(g, &px_op_expand, &x, 1, &shape);
}

/* ---- reductions ---- */

/* The shape with extent 1 at the reduced axes. */
static px_shape kept_shape(px_shape x, const px_reduce_attr *at)
{
    for (int i = 0; i < x.rank; i++)
        if (at->over[i])
            x.dim[i] = 1;
    return x;
}

static const char *const texts[] = {"sum", "mean", "amax", "logsumexp"};

static const char *text(const px_node *n)
{
    return texts[((const px_reduce_attr *)n->attr)->kind];
}

static void infer(px_graph *g, px_node *n)
{
    const px_reduce_attr *at = n->attr;
    px_shape x = n->in[0]->shape, *y = &n->out[0]->shape;
    char t[64];
    *y = (px_shape){0};
    for (int i = 0; i < x.rank; i++) {
        if (at->over[i] && x.dim[i] == 0 && at->kind != PX_SUM)
            px_graph_fail(g, "%s over axis %d of %s: it has no elements", text(n), i, px_shape_text(x, t));
        if (!at->over[i] || at->keep)
            y->dim[y->rank++] = at->over[i] ? 1 : x.dim[i];
    }
}

/* log-sum-exp: e^(x - y). Largest element: equal ones share the gradient, as in PyTorch's amax. */
static px_value *shares(px_graph *g, px_value *x, px_value *y, const px_reduce_attr *at)
{
    if (at->kind == PX_LOG_SUM_EXP)
        return px_unary(g, PX_FN_EXP, px_binary(g, PX_SUB, x, y), 0, 0);
    px_value *taken = px_binary(g, PX_EQUAL, x, y);
    return px_binary(g, PX_DIV, taken, px_sum_to(g, taken, y->shape));
}

static void grad(px_graph *g, px_node *n)
{
    const px_reduce_attr *at = n->attr;
    px_value *x = n->in[0], *y = n->out[0];
    px_shape kept = kept_shape(x->shape, at);
    px_value *dy = px_reshape(g, y->grad, kept);
    if (at->kind == PX_AMAX || at->kind == PX_LOG_SUM_EXP) {
        px_add_grad(g, x, px_binary(g, PX_MUL, shares(g, x, px_reshape(g, y, kept), at), dy));
        return;
    }
    if (at->kind == PX_MEAN)
        dy = px_scale(g, dy, (double)px_shape_count(kept) / (double)px_shape_count(x->shape));
    px_add_grad(g, x, px_expand(g, dy, x->shape));
}

/* Two rows, as a sum of many numbers in bf16 is kept as float. */
const px_op px_op_sum = {.name = "sum",
                         .attr_size = sizeof(px_reduce_attr),
                         .in_min = 1,
                         .infer = infer,
                         .grad = grad,
                         .portable = PX_PORTABLE(sum),
                         .bf16 = px_bf16_sum,
                         .bf16_in = 1};

const px_op px_op_reduce = {.name = "reduce",
                            .text = text,
                            .attr_size = sizeof(px_reduce_attr),
                            .in_min = 1,
                            .infer = infer,
                            .grad = grad,
                            .portable = PX_PORTABLE(reduce),
                            .bf16 = px_bf16_reduce,
                            .bf16_in = 1,
                            .bf16_out = 1};

px_value *px_reduce(px_graph *g, px_reduction kind, px_value *x, px_axes axes)
{
    px_reduce_attr at = {.kind = kind, .keep = axes.keep};
    for (int i = 0; i < axes.count; i++) {
        int axis = px_axis(g, texts[kind], x->shape, axes.axis[i]);
        if (axis < 0)
            return x;
        if (at.over[axis]) {
            char t[64];
            return px_graph_fail(g, "%s: axis %d of %s is named twice", texts[kind], axes.axis[i],
                                 px_shape_text(x->shape, t));
        }
        at.over[axis] = true;
    }
    return px_node_add(g, kind == PX_SUM ? &px_op_sum : &px_op_reduce, &x, 1, &at);
}

/* ---- argmax ---- */

static void argmax_infer(px_graph *g, px_node *n)
{
    int axis = ((const px_argmax_attr *)n->attr)->axis;
    px_shape x = n->in[0]->shape, *y = &n->out[0]->shape;
    char t[64];
    if (x.dim[axis] == 0)
        px_graph_fail(g, "argmax: %s has no elements along axis %d", px_shape_text(x, t), axis);
    *y = (px_shape){0};
    for (int i = 0; i < x.rank; i++)
        if (i != axis)
            y->dim[y->rank++] = x.dim[i];
    n->out[0]->dtype = PX_I32;
}

const px_op px_op_argmax = {.name = "argmax",
                            .attr_size = sizeof(px_argmax_attr),
                            .in_min = 1,
                            .infer = argmax_infer,
                            .portable = PX_PORTABLE(argmax),
                            .bf16 = px_bf16_argmax,
                            .bf16_in = 1};

px_value *px_argmax(px_graph *g, px_value *x, int axis)
{
    px_argmax_attr at = {px_axis(g, "argmax", x->shape, axis)};
    return at.axis < 0 ? x : px_node_add(g, &px_op_argmax, &x, 1, &at);
}

/* ---- compositions ---- */

px_value *px_channel_sum(px_graph *g, px_value *dy)
{
    px_axes over = {0};
    for (int i = 0; i < dy->shape.rank; i++)
        if (i != 1)
            over.axis[over.count++] = i;
    return px_reduce(g, PX_SUM, dy, over);
}

px_value *px_log_softmax(px_graph *g, px_value *x, int axis)
{
    return px_binary(g, PX_SUB, x, px_reduce(g, PX_LOG_SUM_EXP, x, (px_axes){1, {axis}, true}));
}

px_value *px_softmax(px_graph *g, px_value *x, int axis)
{
    return px_unary(g, PX_FN_EXP, px_log_softmax(g, x, axis), 0, 0);
}

px_value *px_variance(px_graph *g, px_value *x, px_axes axes)
{
    px_axes kept = axes;
    kept.keep = true;
    px_value *around = px_binary(g, PX_SUB, x, px_reduce(g, PX_MEAN, x, kept));
    return px_reduce(g, PX_MEAN, px_unary(g, PX_FN_SQUARE, around, 0, 0), axes);
}
