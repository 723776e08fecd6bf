/* fuse.h - how an op is fused into the node of another op; and gradient ops that several files use. */
#ifndef PX_OPS_FUSE_H
#define PX_OPS_FUSE_H

#include "graph/op.h"

/* If only the relu `node` reads the output of the batch norm / matrix product before it, that one applies the relu. */
bool px_norm_take_relu(px_graph *, px_node *relu);
bool px_matmul_take_relu(px_graph *, px_node *relu);
/* The node that makes x, if it is a linear layer on a matrix, with bias and without activation, and x has a single
 * reader; else NULL. */
px_node *px_matmul_is_linear(px_graph *, px_value *x);
/* If `x` is a batch norm's output that only `add` reads, the batch norm adds `other`. */
bool px_norm_take_residual(px_graph *, px_node *add, px_value *x, px_value *other);

px_value *px_relu_back(px_graph *, px_value *dy, px_value *y);
px_value *px_channel_sum(px_graph *, px_value *dy); /* (N, C, ...) -> (C) */

#endif
