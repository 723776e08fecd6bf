/* elementwise.c - add, reshape. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/epilogue.h"
#include "ops/ops.h"

static void infer_same(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[0]->shape;
}

/* ---- add ---- */

static void add_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    if (!px_shape_equal(n->in[0]->shape, n->in[1]->shape))
        px_graph_fail(g, "add: shapes %s and %s differ", px_shape_text(n->in[0]->shape, a),
                      px_shape_text(n->in[1]->shape, b));
    infer_same(g, n);
}

static void add_grad(px_graph *g, px_node *n)
{
    px_add_grad(g, n->in[0], n->out[0]->grad);
    px_add_grad(g, n->in[1], n->out[0]->grad);
}

const px_op px_op_add = {.name = "add",
                         .in_min = 2,
                         .infer = add_infer,
                         .grad = add_grad,
                         .fuse = px_epilogue_fuse,
                         .portable = PX_PORTABLE(add),
                         .in_place = 1};

px_value *px_add(px_graph *g, px_value *a, px_value *b)
{
    return px_node_add(g, &px_op_add, (px_value *[]){a, b}, 2, NULL);
}

/* ---- reshape ---- */

static void reshape_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    px_shape to = *(const px_shape *)n->attr;
    if (px_shape_count(to) != px_shape_count(n->in[0]->shape))
        px_graph_fail(g, "reshape: %s cannot become %s", px_shape_text(n->in[0]->shape, a), px_shape_text(to, b));
    n->out[0]->shape = to;
    n->out[0]->dtype = n->in[0]->dtype;
}

static void reshape_grad(px_graph *g, px_node *n)
{
    px_add_grad(g, n->in[0], px_reshape(g, n->out[0]->grad, n->in[0]->shape));
}

const px_op px_op_reshape = {.name = "reshape",
                             .attr_size = sizeof(px_shape),
                             .in_min = 1,
                             .infer = reshape_infer,
                             .grad = reshape_grad,
                             .alias = true};

px_value *px_reshape(px_graph *g, px_value *x, px_shape shape)
{
    return px_node_add(g, &px_op_reshape, &x, 1, &shape);
}
