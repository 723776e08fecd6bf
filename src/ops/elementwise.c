/* elementwise.c - add, relu, reshape. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/fuse.h"
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

/* If one summand is a batch norm's output, the other becomes that batch norm's residual. */
static bool add_fuse(px_graph *g, px_node *n)
{
    for (int i = 0; i < 2; i++)
        if (px_norm_take_residual(g, n, n->in[i], n->in[1 - i]))
            return true;
    return false;
}

const px_op px_op_add = {.name = "add",
                         .in_min = 2,
                         .infer = add_infer,
                         .grad = add_grad,
                         .fuse = add_fuse,
                         .portable = PX_PORTABLE(add),
                         .in_place = 1};

px_value *px_add(px_graph *g, px_value *a, px_value *b)
{
    return px_node_add(g, &px_op_add, (px_value *[]){a, b}, 2, NULL);
}

/* ---- relu ---- */

const px_op px_op_relu_back = {
    .name = "relu_back", .in_min = 2, .infer = infer_same, .portable = PX_PORTABLE(relu_back), .in_place = 1};

px_value *px_relu_back(px_graph *g, px_value *dy, px_value *y)
{
    return px_node_add(g, &px_op_relu_back, (px_value *[]){dy, y}, 2, NULL);
}

static void relu_grad(px_graph *g, px_node *n)
{
    px_add_grad(g, n->in[0], px_relu_back(g, n->out[0]->grad, n->out[0]));
}

static bool relu_fuse(px_graph *g, px_node *n)
{
    return px_norm_take_relu(g, n) || px_matmul_take_relu(g, n);
}

const px_op px_op_relu = {.name = "relu",
                          .in_min = 1,
                          .infer = infer_same,
                          .grad = relu_grad,
                          .fuse = relu_fuse,
                          .portable = PX_PORTABLE(relu),
                          .in_place = 1};

px_value *px_relu(px_graph *g, px_value *x)
{
    return px_node_add(g, &px_op_relu, &x, 1, NULL);
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
