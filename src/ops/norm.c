/* norm.c - batch normalisation in three parts, so that statistics can cross ranks in between: sums, all-reduce,
 * normalise. The formulas are in norm.h. The last part has an epilogue, whose activation is differentiated in the
 * gradient's kernels. */
#include "ops/norm.h"
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/epilogue.h"
#include "ops/ops.h"

/* ---- sums ---- */

static void sums_infer(px_graph *g, px_node *n)
{
    if (n->in[0]->shape.rank != 4 && n->in[0]->shape.rank != 2)
        px_graph_fail(g, "batch norm: needs (N, C, H, W) or (N, C)");
    n->out[0]->shape = PX_SHAPE(2, n->in[0]->shape.dim[1]);
    n->out[0]->dtype = PX_F64;
}

/* Gradients flow through batch_norm's own rule, which knows that its sums come from x. */
const px_op px_op_batch_sums = {
    .name = "batch_sums", .in_min = 1, .infer = sums_infer, .portable = PX_PORTABLE(batch_sums)};

px_value *px_batch_sums(px_graph *g, px_value *x)
{
    return px_node_add(g, &px_op_batch_sums, &x, 1, NULL);
}

static void running_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = PX_SHAPE(2, n->in[0]->shape.dim[0]);
    n->out[0]->dtype = PX_F64;
}

const px_op px_op_running_sums = {
    .name = "running_sums", .in_min = 2, .infer = running_infer, .portable = PX_PORTABLE(running_sums)};

px_value *px_running_sums(px_graph *g, px_value *mean, px_value *var)
{
    return px_node_add(g, &px_op_running_sums, (px_value *[]){mean, var}, 2, NULL);
}

static void update_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = PX_SHAPE(1);
}

const px_op px_op_update_running = {.name = "update_running",
                                    .attr_size = sizeof(px_running_attr),
                                    .in_min = 3,
                                    .infer = update_infer,
                                    .portable = PX_PORTABLE(update_running),
                                    .effect = true};

void px_update_running(px_graph *g, px_value *sums, px_value *mean, px_value *var, int64_t count, double momentum)
{
    px_running_attr a = {(double)count, momentum};
    px_node_add(g, &px_op_update_running, (px_value *[]){sums, mean, var}, 3, &a);
}

/* ---- gradient ---- */

static void back_sums_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = PX_SHAPE(2, n->in[0]->shape.dim[1]);
    n->out[0]->dtype = PX_F64;
    if (n->outputs > 1)
        n->out[1]->shape = n->in[0]->shape;
}

/* dy, x, sums, gamma, beta -> back sums. The activation's argument is computed again from x. */
const px_op px_op_batch_norm_back_sums = {.name = "batch_norm_back_sums",
                                          .attr_size = sizeof(px_norm_attr),
                                          .in_min = 5,
                                          .infer = back_sums_infer,
                                          .portable = PX_PORTABLE(batch_norm_back_sums)};

/* dy, x, sums, gamma, beta, y or the argument -> back sums, d. With a residual, the activation's slope comes from the sixth
 * input, and d is the residual's gradient. */
const px_op px_op_batch_norm_back_masked = {.name = "batch_norm_back_masked",
                                            .attr_size = sizeof(px_norm_attr),
                                            .in_min = 6,
                                            .outputs = 2,
                                            .infer = back_sums_infer,
                                            .portable = PX_PORTABLE(batch_norm_back_sums)};

static void back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[0]->shape;
}

/* d, x, sums, gamma, beta, back sums of all ranks -> dx */
const px_op px_op_batch_norm_back = {.name = "batch_norm_back",
                                     .attr_size = sizeof(px_norm_attr),
                                     .in_min = 6,
                                     .infer = back_infer,
                                     .portable = PX_PORTABLE(batch_norm_back),
                                     .in_place = 1};

static void back_param_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->out[1]->shape = PX_SHAPE(n->in[0]->shape.dim[1]);
}

const px_op px_op_batch_norm_back_param = {.name = "batch_norm_back_param",
                                           .in_min = 1,
                                           .outputs = 2,
                                           .infer = back_param_infer,
                                           .portable = PX_PORTABLE(batch_norm_back_param)};

static void grad(px_graph *g, px_node *n)
{
    px_value *x = n->in[0], *sums = n->in[1], *gamma = n->in[2], *beta = n->in[3], *residual = n->in[4];
    px_value *d = n->out[0]->grad, *back;
    px_norm_attr a = *(const px_norm_attr *)n->attr;
    if (residual && px_epilogue_act(n)) {
        px_value *of = px_epilogue_slope_of(g, n);
        back = px_node_add(g, &px_op_batch_norm_back_masked, (px_value *[]){d, x, sums, gamma, beta, of}, 6, &a);
        if (px_graph_error(g))
            return;
        d = back->producer->out[1];
        a.epilogue = (px_epilogue){0}; /* d has passed the activation */
    } else {
        back = px_node_add(g, &px_op_batch_norm_back_sums, (px_value *[]){d, x, sums, gamma, beta}, 5, &a);
    }
    if (residual)
        px_add_grad(g, residual, d);
    px_value *dgamma = px_node_add(g, &px_op_batch_norm_back_param, &back, 1, NULL);
    if (px_graph_error(g))
        return;
    px_add_grad(g, gamma, dgamma);
    px_add_grad(g, beta, dgamma->producer->out[1]);
    if (!x->needs_grad)
        return;
    px_value *all = a.frozen ? back : px_all_reduce(g, back);
    px_add_grad(g, x, px_node_add(g, &px_op_batch_norm_back, (px_value *[]){d, x, sums, gamma, beta, all}, 6, &a));
}

/* ---- normalise ---- */

static void infer(px_graph *g, px_node *n)
{
    int64_t C = n->in[0]->shape.dim[1];
    if (!px_shape_equal(n->in[1]->shape, PX_SHAPE(2, C)) || !px_shape_equal(n->in[2]->shape, PX_SHAPE(C)) ||
        !px_shape_equal(n->in[3]->shape, PX_SHAPE(C)))
        px_graph_fail(g, "batch norm: the parameters do not have %d channels", (int)C);
    n->out[0]->shape = n->in[0]->shape;
}

/* x, sums, gamma, beta, residual -> y, argument */
const px_op px_op_batch_norm = {.name = "batch_norm",
                                .attr_size = sizeof(px_norm_attr),
                                .epilogue = {.residual = 4, .argument = 1},
                                .in_min = 5,
                                .infer = infer,
                                .grad = grad,
                                .portable = PX_PORTABLE(batch_norm),
                                .light = true};

px_value *px_batch_norm(px_graph *g, px_value *x, px_value *sums, px_value *gamma, px_value *beta, int64_t count,
                        double eps, bool frozen)
{
    px_norm_attr a = {.count = (double)count, .eps = eps, .frozen = frozen};
    return px_node_add(g, &px_op_batch_norm, (px_value *[]){x, sums, gamma, beta, NULL}, 5, &a);
}
