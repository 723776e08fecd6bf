/* between.h - for tests of a convolution's kernels: a graph in which formats flow to it and on from it as in a network. */
#ifndef PX_TESTS_OPS_BETWEEN_H
#define PX_TESTS_OPS_BETWEEN_H

#include "ops/ops.h"

/* v: an input, and the weights of three convolutions: the first and the last are 1x1, `stride` and `pad` are of the one between. */
static inline px_value *between(px_graph *g, px_value *v[], int stride, int pad)
{
    px_value *x = px_conv2d(g, v[0], v[1], NULL, 1, 0, 1);
    return px_conv2d(g, px_conv2d(g, x, v[2], NULL, stride, pad, 1), v[3], NULL, 1, 0, 1);
}

static inline px_value *build_same(px_graph *g, px_value *v[])
{
    return between(g, v, 1, 1);
}

static inline px_value *build_half(px_graph *g, px_value *v[])
{
    return between(g, v, 2, 1);
}

#endif
