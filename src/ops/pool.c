/* pool.c - max pooling and global average pooling. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

/* ---- max ---- */

static void max_infer(px_graph *g, px_node *n)
{
    const px_pool_attr *a = n->attr;
    px_shape x = n->in[0]->shape;
    if (x.rank != 4 || x.dim[2] + 2 * a->pad < a->kernel || x.dim[3] + 2 * a->pad < a->kernel ||
        2 * a->pad > a->kernel) {
        char t[64];
        px_graph_fail(g, "max_pool: %s is too small for a kernel of %d", px_shape_text(x, t), a->kernel);
        return;
    }
    x.dim[2] = (x.dim[2] + 2 * a->pad - a->kernel) / a->stride + 1;
    x.dim[3] = (x.dim[3] + 2 * a->pad - a->kernel) / a->stride + 1;
    n->out[0]->shape = n->out[1]->shape = x;
    n->out[1]->dtype = PX_I32;
}

static void max_back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[2]->shape;
}

/* dy, places, x -> dx; x gives its shape and format */
const px_op px_op_max_pool_back = {.name = "max_pool_back",
                                   .shape_only = {[2] = true},
                                   .attr_size = sizeof(px_pool_attr),
                                   .in_min = 3,
                                   .infer = max_back_infer,
                                   .portable = PX_PORTABLE(max_pool_back)};

static void max_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->out[1], n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_max_pool_back, in, 3, n->attr));
}

/* x -> y, places of the maxima */
const px_op px_op_max_pool = {.name = "max_pool",
                              .attr_size = sizeof(px_pool_attr),
                              .in_min = 1,
                              .outputs = 2,
                              .infer = max_infer,
                              .grad = max_grad,
                              .portable = PX_PORTABLE(max_pool)};

px_value *px_max_pool(px_graph *g, px_value *x, int kernel, int stride, int pad)
{
    px_pool_attr a = {kernel, stride, pad};
    return px_node_add(g, &px_op_max_pool, &x, 1, &a);
}

/* ---- global average ---- */

static void avg_infer(px_graph *g, px_node *n)
{
    if (n->in[0]->shape.rank != 4)
        px_graph_fail(g, "global_avg_pool: needs (N, C, H, W)");
    n->out[0]->shape = PX_SHAPE(n->in[0]->shape.dim[0], n->in[0]->shape.dim[1]);
}

static void avg_back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[1]->shape;
}

/* dy, x -> dx; x gives its shape and format */
const px_op px_op_global_avg_pool_back = {.name = "global_avg_pool_back",
                                          .shape_only = {[1] = true},
                                          .in_min = 2,
                                          .infer = avg_back_infer,
                                          .portable = PX_PORTABLE(global_avg_pool_back)};

static void avg_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_global_avg_pool_back, in, 2, NULL));
}

const px_op px_op_global_avg_pool = {.name = "global_avg_pool",
                                     .in_min = 1,
                                     .infer = avg_infer,
                                     .grad = avg_grad,
                                     .portable = PX_PORTABLE(global_avg_pool)};

px_value *px_global_avg_pool(px_graph *g, px_value *x)
{
    return px_node_add(g, &px_op_global_avg_pool, &x, 1, NULL);
}
