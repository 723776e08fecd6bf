/* epilogue.h - what convolutions, matrix products, norms, and px_binary's sums, differences and products do with their result v
 * before they store it:
 *
 *     y = act(v + bias + residual)
 *
 * A factor for each channel is such a product, v = x * gamma: its gradient needs x, so x is stored whoever multiplies it, and a
 * factor within the epilogue of what makes x would save no pass over memory.
 *
 * act is any function of px_unary. Bias and residual are optional inputs of the node, the activation is in its attribute
 * (px_epilogue), and the op's row says which inputs they are (px_epilogue_slots). There is one rule of fusion and one of
 * differentiation for all functions and all these ops.
 *
 * Backward computes the activation's slope from y where that can be done (relu), else from the argument, v + bias +
 * residual. Batch norm computes the argument again from its input if there is no residual. Else the node has the argument as
 * one more output, which the gradient rule adds: so where no gradient flows it is not stored. */
#ifndef PX_OPS_EPILOGUE_H
#define PX_OPS_EPILOGUE_H

#include "graph/op.h"
#include "ops/attr.h"

/* The `fuse` of px_unary and px_add: the node becomes part of the one before it, if that one takes an epilogue and nobody else
 * reads it. The sums of px_binary do not become part of others: they may repeat an operand, which a residual cannot. */
bool px_epilogue_fuse(px_graph *, px_node *);

/* For gradient rules: the gradient of v + bias + residual. */
px_value *px_epilogue_back(px_graph *, px_node *);
/* The value from which the slope of the node's activation is computed: y or the argument, which is then kept. */
px_value *px_epilogue_slope_of(px_graph *, px_node *);
/* Whether the slope of the node's activation differs from place to place. */
bool px_epilogue_bends(const px_node *);

/* What the slope of a function is computed from: nothing (it is constant), its argument, its value. In unary.c. */
typedef enum px_slope { PX_SLOPE_A, PX_SLOPE_X, PX_SLOPE_Y } px_slope;
px_slope px_slope_of(px_function);

/* dx, given dy and x or y, as the slope needs it. */
px_value *px_unary_back(px_graph *, px_value *dy, px_value *of, const px_unary_attr *);
/* The same of matrices (N, C); *sums gets (C), the sums of dx over its rows. */
px_value *px_unary_back_sums(px_graph *, px_value *dy, px_value *of, const px_unary_attr *, px_value **sums);
px_value *px_channel_sum(px_graph *, px_value *dy); /* (N, C, ...) -> (C) */

/* ---- for kernels ---- */

/* NULL: there is no activation. */
static inline const px_unary_attr *px_epilogue_act(const px_node *n)
{
    const px_unary_attr *act = &((const px_epilogue *)n->attr)->act;
    return act->function == PX_FN_IDENTITY ? NULL : act;
}

/* Number of the residual among the inputs, and of the argument among the outputs; 0: there is none. */
static inline int px_epilogue_residual(const px_node *n)
{
    int k = n->op->epilogue.residual;
    return n->in[k] ? k : 0;
}

static inline int px_epilogue_argument(const px_node *n)
{
    int k = n->op->epilogue.argument;
    return k < n->outputs ? k : 0;
}

#endif
