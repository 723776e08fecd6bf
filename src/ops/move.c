/* move.c - ops that only move elements: permuted axes, windows (slices, zeros around, rolls), concatenation. */
#include "backends/portable/portable.h"
#include "base/error.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

int px_axis(px_graph *g, const char *what, px_shape x, int axis)
{
    char t[64];
    int found = axis < 0 ? axis + x.rank : axis;
    if (found >= 0 && found < x.rank)
        return found;
    px_graph_fail(g, "%s: %s has no axis %d", what, px_shape_text(x, t), axis);
    return -1;
}

/* ---- permute ---- */

static void permute_infer(px_graph *g, px_node *n)
{
    (void)g;
    const px_permute_attr *at = n->attr;
    px_shape x = n->in[0]->shape;
    n->out[0]->shape = x;
    for (int i = 0; i < x.rank; i++)
        n->out[0]->shape.dim[i] = x.dim[at->from[i]];
}

static void permute_grad(px_graph *g, px_node *n)
{
    const px_permute_attr *at = n->attr;
    int back[PX_RANK_MAX] = {0};
    for (int i = 0; i < n->in[0]->shape.rank; i++)
        back[at->from[i]] = i;
    px_add_grad(g, n->in[0], px_permute(g, n->out[0]->grad, back));
}

const px_op px_op_permute = {.name = "permute",
                             .attr_size = sizeof(px_permute_attr),
                             .in_min = 1,
                             .infer = permute_infer,
                             .grad = permute_grad,
                             .portable = PX_PORTABLE(permute),
                             .bf16 = px_bf16_permute,
                             .bf16_in = 1,
                             .bf16_out = 1};

px_value *px_permute(px_graph *g, px_value *x, const int from[])
{
    char t[64];
    px_permute_attr at = {0};
    bool used[PX_RANK_MAX] = {false};
    for (int i = 0; i < x->shape.rank; i++) {
        at.from[i] = px_axis(g, "permute", x->shape, from[i]);
        if (at.from[i] < 0)
            return x;
        if (used[at.from[i]])
            return px_graph_fail(g, "permute: axis %d of %s is named twice", from[i], px_shape_text(x->shape, t));
        used[at.from[i]] = true;
    }
    return px_node_add(g, &px_op_permute, &x, 1, &at);
}

/* ---- windows ---- */

static void window_infer(px_graph *g, px_node *n)
{
    (void)g;
    const px_window_attr *at = n->attr;
    n->out[0]->shape = n->in[0]->shape;
    n->out[0]->shape.dim[at->axis] = at->count;
}

static px_value *window(px_graph *g, px_value *x, px_window_attr at);

/* The gradient of a window is the window back: what lay outside of it gets zeros. */
static void window_grad(px_graph *g, px_node *n)
{
    px_window_attr back = *(const px_window_attr *)n->attr;
    back.start = -back.start;
    back.count = n->in[0]->shape.dim[back.axis];
    px_add_grad(g, n->in[0], window(g, n->out[0]->grad, back));
}

static const char *window_text(const px_node *n)
{
    const px_window_attr *at = n->attr;
    return at->wraps ? "roll" : at->count > n->in[0]->shape.dim[at->axis] ? "pad" : "slice";
}

/* Place i of y along the axis is place start + i of x: zero outside of x, or with `wraps` counted round and round. */
const px_op px_op_window = {.name = "window",
                            .text = window_text,
                            .attr_size = sizeof(px_window_attr),
                            .in_min = 1,
                            .infer = window_infer,
                            .grad = window_grad,
                            .portable = PX_PORTABLE(window),
                            .bf16 = px_bf16_window,
                            .bf16_in = 1,
                            .bf16_out = 1};

static px_value *window(px_graph *g, px_value *x, px_window_attr at)
{
    return px_node_add(g, &px_op_window, &x, 1, &at);
}

px_value *px_slice(px_graph *g, px_value *x, int axis, int64_t first, int64_t count)
{
    char t[64];
    px_window_attr at = {.axis = px_axis(g, "slice", x->shape, axis), .start = first, .count = count};
    if (at.axis < 0)
        return x;
    if (first < 0 || count < 0 || first > x->shape.dim[at.axis] - count)
        return px_graph_fail(g, "slice: %s has no elements %lld to %lld along axis %d", px_shape_text(x->shape, t),
                             (long long)first, (long long)(first + count - 1), at.axis);
    return window(g, x, at);
}

px_value *px_select(px_graph *g, px_value *x, int axis, int64_t place)
{
    px_value *one = px_slice(g, x, axis, place, 1);
    if (px_graph_error(g))
        return one;
    px_shape y = {0};
    int without = axis < 0 ? axis + x->shape.rank : axis;
    for (int i = 0; i < x->shape.rank; i++)
        if (i != without)
            y.dim[y.rank++] = x->shape.dim[i];
    return px_reshape(g, one, y);
}

px_value *px_pad(px_graph *g, px_value *x, int axis, int64_t before, int64_t after)
{
    px_window_attr at = {.axis = px_axis(g, "pad", x->shape, axis), .start = -before};
    if (at.axis < 0)
        return x;
    if (before < 0 || after < 0)
        return px_graph_fail(g, "pad: %lld and %lld zeros", (long long)before, (long long)after);
    at.count = x->shape.dim[at.axis] + before + after;
    return window(g, x, at);
}

px_value *px_roll(px_graph *g, px_value *x, int axis, int64_t by)
{
    px_window_attr at = {.axis = px_axis(g, "roll", x->shape, axis), .start = -by, .wraps = true};
    if (at.axis < 0)
        return x;
    at.count = x->shape.dim[at.axis];
    return window(g, x, at);
}

/* ---- concat ---- */

static void concat_infer(px_graph *g, px_node *n)
{
    int axis = ((const px_concat_attr *)n->attr)->axis;
    char a[64], b[64];
    px_shape y = n->in[0]->shape;
    for (int k = 1; k < n->inputs; k++) {
        px_shape x = n->in[k]->shape, like = x;
        if (axis < x.rank)
            like.dim[axis] = n->in[0]->shape.dim[axis];
        if (!px_shape_equal(like, n->in[0]->shape))
            px_graph_fail(g, "concat along axis %d: %s and %s differ elsewhere", axis,
                          px_shape_text(n->in[0]->shape, a), px_shape_text(x, b));
        y.dim[axis] += x.dim[axis];
    }
    n->out[0]->shape = y;
}

static void concat_grad(px_graph *g, px_node *n)
{
    int axis = ((const px_concat_attr *)n->attr)->axis;
    int64_t first = 0;
    for (int k = 0; k < n->inputs; k++) {
        int64_t count = n->in[k]->shape.dim[axis];
        if (n->in[k]->needs_grad)
            px_add_grad(g, n->in[k], px_slice(g, n->out[0]->grad, axis, first, count));
        first += count;
    }
}

const px_op px_op_concat = {.name = "concat",
                            .attr_size = sizeof(px_concat_attr),
                            .in_min = 1,
                            .in_max = PX_NODE_IN,
                            .infer = concat_infer,
                            .grad = concat_grad,
                            .portable = PX_PORTABLE(concat),
                            .bf16 = px_bf16_concat,
                            .bf16_in = (1 << PX_NODE_IN) - 1,
                            .bf16_out = 1};

px_value *px_concat(px_graph *g, int axis, px_value *const x[], int count)
{
    if (count < 1 || count > PX_NODE_IN)
        return px_graph_fail(g, "concat: %d values, but 1 to %d are supported", count, PX_NODE_IN);
    px_concat_attr at = {px_axis(g, "concat", x[0]->shape, axis)};
    return at.axis < 0 ? x[0] : px_node_add(g, &px_op_concat, x, count, &at);
}
