/* loss.c - row normalisation, masked similarities, cross-entropy, accuracy. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/ops.h"

static bool rows_fit(px_graph *g, px_node *n, int with)
{
    px_shape x = n->in[0]->shape;
    char t[64];
    if (x.rank == 2 &&
        (with < 0 || (n->in[with]->dtype == PX_I32 && px_shape_equal(n->in[with]->shape, PX_SHAPE(x.dim[0])))))
        return true;
    px_graph_fail(g, "%s: needs a matrix (N, M)%s, not %s", n->op->name, with < 0 ? "" : " and N i32 numbers",
                  px_shape_text(x, t));
    return false;
}

static void infer_like(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[0]->shape;
}

/* ---- l2_normalize ---- */

static void normalize_infer(px_graph *g, px_node *n)
{
    if (!rows_fit(g, n, -1))
        return;
    n->out[0]->shape = n->in[0]->shape;
    n->out[1]->shape = PX_SHAPE(n->in[0]->shape.dim[0]);
}

const px_op px_op_l2_normalize_back = {.name = "l2_normalize_back",
                                       .in_min = 3,
                                       .infer = infer_like,
                                       .portable = PX_PORTABLE(l2_normalize_back),
                                       .in_place = 1};

static void normalize_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->out[0], n->out[1]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_l2_normalize_back, in, 3, NULL));
}

/* x -> y, lengths of the rows */
const px_op px_op_l2_normalize = {.name = "l2_normalize",
                                  .in_min = 1,
                                  .outputs = 2,
                                  .infer = normalize_infer,
                                  .grad = normalize_grad,
                                  .portable = PX_PORTABLE(l2_normalize)};

px_value *px_l2_normalize(px_graph *g, px_value *x)
{
    return px_node_add(g, &px_op_l2_normalize, &x, 1, NULL);
}

/* ---- mask_diagonal ---- */

static void mask_infer(px_graph *g, px_node *n)
{
    if (rows_fit(g, n, 1))
        infer_like(g, n);
}

const px_op px_op_mask_diagonal_back = {.name = "mask_diagonal_back",
                                        .in_min = 2,
                                        .infer = infer_like,
                                        .portable = PX_PORTABLE(mask_diagonal_back),
                                        .in_place = 1};

static void mask_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[1]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_mask_diagonal_back, in, 2, NULL));
}

const px_op px_op_mask_diagonal = {.name = "mask_diagonal",
                                   .in_min = 2,
                                   .infer = mask_infer,
                                   .grad = mask_grad,
                                   .portable = PX_PORTABLE(mask_diagonal),
                                   .in_place = 1,
                                   .minus_infinity = true};

px_value *px_mask_diagonal(px_graph *g, px_value *x, px_value *place)
{
    return px_node_add(g, &px_op_mask_diagonal, (px_value *[]){x, place}, 2, NULL);
}

/* ---- cross_entropy ---- */

static void entropy_infer(px_graph *g, px_node *n)
{
    bool soft = n->in[1]->dtype != PX_I32 && px_shape_equal(n->in[0]->shape, n->in[1]->shape);
    if (soft && n->in[1]->needs_grad) {
        px_graph_fail(g, "cross_entropy: gives no gradient to its targets; px_stop_gradient them, or compose the loss");
        return;
    }
    if (!rows_fit(g, n, soft ? -1 : 1))
        return;
    n->out[0]->shape = (px_shape){.rank = 0};
    n->out[1]->shape = PX_SHAPE(n->in[0]->shape.dim[0]);
}

static void entropy_back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[1]->shape;
}

const px_op px_op_cross_entropy_back = {.name = "cross_entropy_back",
                                        .in_min = 4,
                                        .infer = entropy_back_infer,
                                        .portable = PX_PORTABLE(cross_entropy_back),
                                        .in_place = 2};

static void entropy_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0], n->in[1], n->out[1]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_cross_entropy_back, in, 4, NULL));
}

/* logits, target -> loss, log-sum-exp of the rows */
const px_op px_op_cross_entropy = {.name = "cross_entropy",
                                   .in_min = 2,
                                   .outputs = 2,
                                   .infer = entropy_infer,
                                   .grad = entropy_grad,
                                   .portable = PX_PORTABLE(cross_entropy)};

px_value *px_cross_entropy(px_graph *g, px_value *logits, px_value *target)
{
    return px_node_add(g, &px_op_cross_entropy, (px_value *[]){logits, target}, 2, NULL);
}

/* ---- accuracy ---- */

static void accuracy_infer(px_graph *g, px_node *n)
{
    if (rows_fit(g, n, 1))
        n->out[0]->shape = (px_shape){.rank = 0};
}

const px_op px_op_accuracy = {
    .name = "accuracy", .in_min = 2, .infer = accuracy_infer, .portable = PX_PORTABLE(accuracy)};

px_value *px_accuracy(px_graph *g, px_value *logits, px_value *target)
{
    return px_node_add(g, &px_op_accuracy, (px_value *[]){logits, target}, 2, NULL);
}

/* ---- mean_squared_error ---- */

static void squared_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    if (!px_shape_equal(n->in[0]->shape, n->in[1]->shape))
        px_graph_fail(g, "mean_squared_error: shapes %s and %s differ", px_shape_text(n->in[0]->shape, a),
                      px_shape_text(n->in[1]->shape, b));
    n->out[0]->shape = (px_shape){.rank = 0};
}

static void squared_back_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[1]->shape;
}

/* dloss, a, b -> da */
const px_op px_op_mean_squared_error_back = {.name = "mean_squared_error_back",
                                             .in_min = 3,
                                             .infer = squared_back_infer,
                                             .portable = PX_PORTABLE(mean_squared_error_back),
                                             .in_place = 2};

static void squared_grad(px_graph *g, px_node *n)
{
    for (int i = 0; i < 2; i++) {
        px_value *in[] = {n->out[0]->grad, n->in[i], n->in[1 - i]};
        if (n->in[i]->needs_grad)
            px_add_grad(g, n->in[i], px_node_add(g, &px_op_mean_squared_error_back, in, 3, NULL));
    }
}

const px_op px_op_mean_squared_error = {.name = "mean_squared_error",
                                        .in_min = 2,
                                        .infer = squared_infer,
                                        .grad = squared_grad,
                                        .portable = PX_PORTABLE(mean_squared_error)};

px_value *px_mean_squared_error(px_graph *g, px_value *a, px_value *b)
{
    return px_node_add(g, &px_op_mean_squared_error, (px_value *[]){a, b}, 2, NULL);
}

/* ---- standardize ---- */

static void standardize_infer(px_graph *g, px_node *n)
{
    if (n->in[0]->shape.rank < 1 || n->in[0]->shape.dim[n->in[0]->shape.rank - 1] < 2)
        px_graph_fail(g, "standardize: a variance needs at least two numbers");
    n->out[0]->shape = n->in[0]->shape;
}

/* dy, x -> dx */
const px_op px_op_standardize_back = {.name = "standardize_back",
                                      .attr_size = sizeof(double),
                                      .in_min = 2,
                                      .infer = infer_like,
                                      .portable = PX_PORTABLE(standardize_back),
                                      .in_place = 1};

static void standardize_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_standardize_back, in, 2, n->attr));
}

const px_op px_op_standardize = {.name = "standardize",
                                 .attr_size = sizeof(double),
                                 .in_min = 1,
                                 .infer = standardize_infer,
                                 .grad = standardize_grad,
                                 .portable = PX_PORTABLE(standardize),
                                 .in_place = 1};

px_value *px_standardize(px_graph *g, px_value *x, double eps)
{
    return px_node_add(g, &px_op_standardize, &x, 1, &eps);
}
