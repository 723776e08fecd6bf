/* cholesky.c - the inverse of a Cholesky factor: what whitens, and of whose diagonal a determinant is made.
 *
 * W = L^-1 with S = L L^T. From W S W^T = 1: dW = -F W, where F is the lower half of W dS W^T, its diagonal halved. So the
 * gradient by a symmetric S is -(G + G^T) / 2 with G = W^T P W, where P is the same half of dy W^T. */
#include "backends/portable/portable.h"
#include "base/error.h"
#include "graph/op.h"
#include "ops/ops.h"

#include <stdlib.h>

static void infer(px_graph *g, px_node *n)
{
    px_shape s = n->in[0]->shape;
    char t[64];
    if (s.rank < 2 || s.dim[s.rank - 1] != s.dim[s.rank - 2])
        px_graph_fail(g, "inverse_cholesky: needs square matrices (..., D, D), not %s", px_shape_text(s, t));
    n->out[0]->shape = s;
}

/* (D, D): 1 below the diagonal, 1/2 on it. */
static px_value *lower_half(px_graph *g, int64_t D)
{
    double *half = px_calloc((size_t)(D * D) + 1, sizeof half[0]);
    for (int64_t i = 0; i < D; i++)
        for (int64_t j = 0; j <= i; j++)
            half[i * D + j] = i == j ? 0.5 : 1;
    px_value *v = px_constant_real(g, PX_SHAPE(D, D), half);
    free(half);
    return v;
}

static void grad(px_graph *g, px_node *n)
{
    px_value *w = n->out[0], *dy = w->grad;
    int r = w->shape.rank, turned[PX_RANK_MAX];
    px_value *p = px_binary(g, PX_MUL, px_matmul(g, dy, w, false, true, 1), lower_half(g, w->shape.dim[r - 1]));
    px_value *both = px_matmul(g, w, px_matmul(g, p, w, false, false, 1), true, false, -0.5);
    for (int i = 0; i < r; i++)
        turned[i] = i < r - 2 ? i : 2 * r - 3 - i;
    px_add_grad(g, n->in[0], px_add(g, both, px_permute(g, both, turned)));
}

/* In double, a factor per matrix. */
static size_t scratch(const px_node *n)
{
    return (size_t)px_shape_count(n->out[0]->shape) * sizeof(double);
}

static double cost(const px_node *n)
{
    px_shape s = n->out[0]->shape;
    return (double)px_shape_count(s) * (double)s.dim[s.rank - 1] / 3;
}

const px_op px_op_inverse_cholesky = {.name = "inverse_cholesky",
                                      .in_min = 1,
                                      .infer = infer,
                                      .grad = grad,
                                      .cost = cost,
                                      .scratch = scratch,
                                      .portable = PX_PORTABLE(inverse_cholesky)};

px_value *px_inverse_cholesky(px_graph *g, px_value *s)
{
    return px_node_add(g, &px_op_inverse_cholesky, &s, 1, NULL);
}
