/* tokens.c - sequences of tokens (B, T, D): cutting images into patches, and what is chosen by places that differ from sample
 * to sample. All these ops mostly move memory, so both backends use the portable kernels. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"

static px_shape tokens(px_shape of, int64_t T)
{
    return PX_SHAPE(of.dim[0], T, of.dim[2]);
}

static bool wants_tokens(px_graph *g, px_node *n)
{
    char t[64];
    if (n->in[0]->shape.rank == 3)
        return true;
    px_graph_fail(g, "%s: needs tokens (B, T, D), not %s", n->op->name, px_shape_text(n->in[0]->shape, t));
    n->out[0]->shape = n->in[0]->shape;
    return false;
}

/* Checks input `at` of the node: places in each of B samples. */
static bool places_fit(px_graph *g, px_node *n, int at, int64_t B)
{
    char x[64], p[64];
    px_shape place = n->in[at]->shape;
    if (place.rank == 2 && place.dim[0] == B && n->in[at]->dtype == PX_I32)
        return true;
    px_graph_fail(g, "%s: places %s do not fit %s", n->op->name, px_shape_text(place, p),
                  px_shape_text(n->in[0]->shape, x));
    return false;
}

/* ---- patches ---- */

static void unpatchify_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[1]->shape;
}

/* dy, x, places (or NULL) -> dx; a patch that was taken several times gets the sum. Only the shape of x is used. */
const px_op px_op_unpatchify = {.name = "unpatchify",
                                .shape_only = {[1] = true},
                                .attr_size = sizeof(px_patch_attr),
                                .in_min = 3,
                                .infer = unpatchify_infer,
                                .portable = PX_PORTABLE(unpatchify)};

static void patchify_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0], n->in[1]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_unpatchify, in, 3, n->attr));
}

static void patchify_infer(px_graph *g, px_node *n)
{
    int64_t p = ((const px_patch_attr *)n->attr)->patch;
    px_shape x = n->in[0]->shape;
    if (x.rank != 4 || p < 1 || x.dim[2] % p || x.dim[3] % p) {
        char t[64];
        px_graph_fail(g, "patchify: %s cannot be cut into patches of %d x %d", px_shape_text(x, t), (int)p, (int)p);
        return;
    }
    int64_t count = x.dim[2] / p * (x.dim[3] / p);
    if (n->in[1] && places_fit(g, n, 1, x.dim[0]))
        count = n->in[1]->shape.dim[1];
    n->out[0]->shape = PX_SHAPE(x.dim[0], count, x.dim[1] * p * p);
}

/* x, places (or NULL: all) -> patches */
const px_op px_op_patchify = {.name = "patchify",
                              .attr_size = sizeof(px_patch_attr),
                              .in_min = 2,
                              .infer = patchify_infer,
                              .grad = patchify_grad,
                              .portable = PX_PORTABLE(patchify)};

px_value *px_patchify_at(px_graph *g, px_value *x, px_value *places, int patch, bool channels_last)
{
    px_patch_attr a = {patch, channels_last};
    return px_node_add(g, &px_op_patchify, (px_value *[]){x, places}, 2, &a);
}

px_value *px_patchify(px_graph *g, px_value *x, int patch, bool channels_last)
{
    return px_patchify_at(g, x, NULL, patch, channels_last);
}

/* ---- rows of a table, at places ---- */

static void sum_rows_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = *(const px_shape *)n->attr;
}

/* dy (B, K, D), places -> a table of the given shape: each row of dy is added to the row that its place names */
const px_op px_op_sum_rows_at = {.name = "sum_rows_at",
                                 .attr_size = sizeof(px_shape),
                                 .in_min = 2,
                                 .infer = sum_rows_infer,
                                 .portable = PX_PORTABLE(sum_rows_at),
                                 .bf16 = px_bf16_sum_rows_at,
                                 .bf16_in = 1};

static void add_rows_grad(px_graph *g, px_node *n)
{
    px_value *table = n->in[1], *dy = n->out[0]->grad;
    px_add_grad(g, n->in[0], dy);
    if (table->needs_grad)
        px_add_grad(g, table, px_node_add(g, &px_op_sum_rows_at, (px_value *[]){dy, n->in[2]}, 2, &table->shape));
}

static void add_rows_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    px_shape x = n->in[0]->shape, table = n->in[1]->shape;
    if (wants_tokens(g, n) && places_fit(g, n, 2, x.dim[0]) &&
        (n->in[2]->shape.dim[1] != x.dim[1] || px_shape_count(table) % x.dim[2] != 0))
        px_graph_fail(g, "add_rows_at: rows of %s cannot be added to %s", px_shape_text(table, a), px_shape_text(x, b));
    n->out[0]->shape = x;
}

/* x, table, places -> y */
const px_op px_op_add_rows_at = {.name = "add_rows_at",
                                 .in_min = 3,
                                 .infer = add_rows_infer,
                                 .grad = add_rows_grad,
                                 .portable = PX_PORTABLE(add_rows_at),
                                 .bf16 = px_bf16_add_rows_at,
                                 .bf16_in = 1,
                                 .bf16_out = 1,
                                 .in_place = 1};

px_value *px_add_rows_at(px_graph *g, px_value *x, px_value *table, px_value *places)
{
    return px_node_add(g, &px_op_add_rows_at, (px_value *[]){x, table, places}, 3, NULL);
}

/* ---- some of the tokens ---- */

/* dy, places, x -> dx; a token that several places read gets the sum. Only the shape of x is used. */
static void scatter_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[2]->shape;
}

const px_op px_op_scatter_tokens = {.name = "scatter_tokens",
                                    .shape_only = {[2] = true},
                                    .in_min = 3,
                                    .infer = scatter_infer,
                                    .portable = PX_PORTABLE(scatter_tokens),
                                    .bf16 = px_bf16_scatter_tokens,
                                    .bf16_in = 1,
                                    .bf16_out = 1};

static void gather_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[1], n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_scatter_tokens, in, 3, NULL));
}

static void gather_infer(px_graph *g, px_node *n)
{
    px_shape x = n->in[0]->shape;
    if (wants_tokens(g, n) && places_fit(g, n, 1, x.dim[0]))
        n->out[0]->shape = tokens(x, n->in[1]->shape.dim[1]);
}

const px_op px_op_gather_tokens = {.name = "gather_tokens",
                                   .in_min = 2,
                                   .infer = gather_infer,
                                   .grad = gather_grad,
                                   .portable = PX_PORTABLE(gather_tokens),
                                   .bf16 = px_bf16_gather_tokens,
                                   .bf16_in = 1,
                                   .bf16_out = 1};

px_value *px_gather_tokens(px_graph *g, px_value *x, px_value *places)
{
    return px_node_add(g, &px_op_gather_tokens, (px_value *[]){x, places}, 2, NULL);
}

/* ---- a token in front of all others ---- */

px_value *px_prepend_token(px_graph *g, px_value *x, px_value *token)
{
    if (px_graph_error(g))
        return x;
    px_value *one = px_expand(g, px_reshape(g, token, PX_SHAPE(1, 1, x->shape.dim[x->shape.rank - 1])),
                              PX_SHAPE(x->shape.dim[0], 1, x->shape.dim[x->shape.rank - 1]));
    return px_concat(g, 1, (px_value *[]){one, x}, 2);
}
