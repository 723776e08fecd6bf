/* state.c - ops that change states, which is an effect; and the end of a gradient. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/ops.h"

/* ---- stop_gradient ---- */

static void same_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[0]->shape;
    n->out[0]->dtype = n->in[0]->dtype;
}

/* The same memory; without a gradient rule. */
const px_op px_op_stop_gradient = {.name = "stop_gradient", .in_min = 1, .infer = same_infer, .alias = true};

px_value *px_stop_gradient(px_graph *g, px_value *x)
{
    return px_node_add(g, &px_op_stop_gradient, &x, 1, NULL);
}

/* ---- queues ---- */

static void enqueue_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    px_shape queue = n->in[0]->shape, rows = n->in[2]->shape;
    bool fits = queue.rank == 2 && rows.rank == 2 && queue.dim[1] == rows.dim[1] && rows.dim[0] <= queue.dim[0] &&
                px_shape_count(n->in[1]->shape) == 1;
    if (!fits)
        px_graph_fail(g, "enqueue: rows %s do not fit into a queue %s", px_shape_text(rows, a),
                      px_shape_text(queue, b));
    if (n->in[0]->kind != PX_STATE || n->in[1]->kind != PX_STATE)
        px_graph_fail(g, "enqueue: a queue and its place are states (px_state)");
    n->out[0]->shape = n->in[1]->shape;
}

/* queue, place, rows -> the place afterwards */
const px_op px_op_enqueue = {
    .name = "enqueue", .in_min = 3, .infer = enqueue_infer, .portable = PX_PORTABLE(enqueue), .effect = true};

void px_enqueue(px_graph *g, px_value *queue, px_value *place, px_value *rows)
{
    px_node_add(g, &px_op_enqueue, (px_value *[]){queue, place, rows}, 3, NULL);
}

/* ---- assignment ---- */

static void assign_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    if (n->in[0]->kind != PX_STATE)
        px_graph_fail(g, "assign: only a state (px_state) can be changed");
    else if (!px_shape_equal(n->in[0]->shape, n->in[1]->shape))
        px_graph_fail(g, "assign: state %s cannot hold %s", px_shape_text(n->in[0]->shape, a),
                      px_shape_text(n->in[1]->shape, b));
    n->out[0]->shape = n->in[0]->shape;
}

/* state, x -> x */
const px_op px_op_assign = {
    .name = "assign", .in_min = 2, .infer = assign_infer, .portable = PX_PORTABLE(assign), .effect = true};

void px_assign(px_graph *g, px_value *state, px_value *x)
{
    px_node_add(g, &px_op_assign, (px_value *[]){state, x}, 2, NULL);
}
