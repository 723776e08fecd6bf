/* fuse.h - what one op may ask of another's node when it wants to be absorbed; and gradient ops that several files
 * use. */
#ifndef PX_OPS_FUSE_H
#define PX_OPS_FUSE_H

#include "graph/op.h"

/* If the input of the relu `node` is made by a batch norm / matrix product for it alone, that one applies the relu. */
bool px_norm_take_relu(px_graph *, px_node *relu);
bool px_matmul_take_relu(px_graph *, px_node *relu);
/* The node that makes x for one reader alone, if it is a linear layer of a matrix with bias and no activation; else
 * NULL. */
px_node *px_matmul_is_linear(px_graph *, px_value *x);
/* If `x` is made by a batch norm for `add` alone, that one adds `other`. */
bool px_norm_take_residual(px_graph *, px_node *add, px_value *x, px_value *other);

px_value *px_relu_back(px_graph *, px_value *dy, px_value *y);
px_value *px_channel_sum(px_graph *, px_value *dy); /* (N, C, ...) -> (C) */

#endif
