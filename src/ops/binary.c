/* binary.c - functions of two numbers, with NumPy's broadcasting: shapes are aligned at their last axes, and an axis of extent 1
 * (or one that is missing) repeats. Sums of equal shapes are an op of their own (elementwise.c), since other ops absorb them.
 *
 * Sums, differences and products take an epilogue: a branch's factor for each channel (LayerScale, squeeze-and-excitation), the
 * connection around it and the activation are one pass. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/epilogue.h"
#include "ops/functions.h"
#include "ops/ops.h"

/* False: the shapes do not fit. */
static bool broadcast(px_shape a, px_shape b, px_shape *out)
{
    *out = a.rank > b.rank ? a : b;
    for (int i = 1; i <= out->rank; i++) {
        int64_t n = i <= a.rank ? a.dim[a.rank - i] : 1, m = i <= b.rank ? b.dim[b.rank - i] : 1;
        if (n != m && n != 1 && m != 1)
            return false;
        out->dim[out->rank - i] = n == 1 ? m : n;
    }
    return true;
}

#define TEXT(name, text, value) [PX_##name] = text,
static const char *text(const px_node *n)
{
    static const char *const texts[] = {PX_PAIRS(TEXT)};
    return texts[((const px_binary_attr *)n->attr)->function];
}

static void infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    px_shape out = n->in[0]->shape;
    if (!broadcast(n->in[0]->shape, n->in[1]->shape, &out))
        px_graph_fail(g, "%s: shapes %s and %s do not broadcast", text(n), px_shape_text(n->in[0]->shape, a),
                      px_shape_text(n->in[1]->shape, b));
    for (int i = 0; i < 2; i++)
        if (n->in[i]->dtype != px_graph_real(g))
            px_graph_fail(g, "%s: operand %d is of type %s, not %s", text(n), i + 1, px_dtype_name(n->in[i]->dtype),
                          px_dtype_name(px_graph_real(g)));
    n->out[0]->shape = out;
}

/* The gradients of the others are computed from what they make, before anything is added to it. */
static bool takes_epilogue(const px_node *n)
{
    px_pair function = ((const px_binary_attr *)n->attr)->function;
    return function == PX_ADD || function == PX_SUB || function == PX_MUL;
}

/* ---- gradients: contributions of the full shape are summed over what was repeated ---- */

static void hand_over(px_graph *g, px_value *to, px_value *d)
{
    if (to->needs_grad)
        px_add_grad(g, to, px_sum_to(g, d, to->shape));
}

/* All of dy goes to the one that was taken; where both are equal each gets half, as in PyTorch. */
static void hand_over_to_taken(px_graph *g, px_value *a, px_value *b, px_value *y)
{
    px_value *is_a = px_binary(g, PX_EQUAL, a, y), *is_b = px_binary(g, PX_EQUAL, b, y);
    px_value *share = px_binary(g, PX_DIV, y->grad, px_binary(g, PX_ADD, is_a, is_b));
    hand_over(g, a, px_binary(g, PX_MUL, share, is_a));
    hand_over(g, b, px_binary(g, PX_MUL, share, is_b));
}

static void grad(px_graph *g, px_node *n)
{
    px_value *a = n->in[0], *b = n->in[1], *residual = n->in[2], *y = n->out[0], *dy = px_epilogue_back(g, n);
    if (residual)
        px_add_grad(g, residual, dy);
    switch (((const px_binary_attr *)n->attr)->function) {
    case PX_ADD:
        hand_over(g, a, dy);
        hand_over(g, b, dy);
        break;
    case PX_SUB:
        hand_over(g, a, dy);
        hand_over(g, b, px_scale(g, dy, -1));
        break;
    case PX_MUL:
        hand_over(g, a, px_binary(g, PX_MUL, dy, b));
        hand_over(g, b, px_binary(g, PX_MUL, dy, a));
        break;
    case PX_DIV: {
        px_value *da = px_binary(g, PX_DIV, dy, b);
        hand_over(g, a, da);
        hand_over(g, b, px_scale(g, px_binary(g, PX_MUL, da, y), -1));
        break;
    }
    case PX_MAX:
    case PX_MIN:
        hand_over_to_taken(g, a, b, y);
        break;
    case PX_EQUAL:
        break;
    }
}

/* a, b, residual -> y, argument */
const px_op px_op_binary = {.name = "binary",
                            .text = text,
                            .attr_size = sizeof(px_binary_attr),
                            .epilogue = {.residual = 2, .argument = 1, .fits = takes_epilogue},
                            .in_min = 3,
                            .infer = infer,
                            .grad = grad,
                            .portable = PX_PORTABLE(binary),
                            .in_place = 1};

px_value *px_binary(px_graph *g, px_pair function, px_value *a, px_value *b)
{
    return px_node_add(g, &px_op_binary, (px_value *[]){a, b, NULL}, 3, &(px_binary_attr){.function = function});
}
