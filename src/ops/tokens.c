/* tokens.c - sequences of tokens (B, T, D): cutting images into patches, choosing, adding and averaging tokens. All
 * these ops mostly move memory, so both backends use the portable kernels. */
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/ops.h"
#include "ops/portable/portable.h"

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

/* ---- the same rows for every sample ---- */

static void sum_samples_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = *(const px_shape *)n->attr;
}

/* dy (B, ...) -> its sum over B, of the given shape. With places, dy is (B, K, D), and each of its rows is added to the
 * row of the sum that its place names. */
const px_op px_op_sum_samples = {.name = "sum_samples",
                                 .attr_size = sizeof(px_shape),
                                 .in_min = 2,
                                 .infer = sum_samples_infer,
                                 .portable = PX_PORTABLE(sum_samples),
                                 .bf16 = px_bf16_sum_samples,
                                 .bf16_in = 1};

static void add_sum(px_graph *g, px_value *of, px_value *dy, px_value *places)
{
    if (of->needs_grad)
        px_add_grad(g, of, px_node_add(g, &px_op_sum_samples, (px_value *[]){dy, places}, 2, &of->shape));
}

static void add_rows_grad(px_graph *g, px_node *n)
{
    px_add_grad(g, n->in[0], n->out[0]->grad);
    add_sum(g, n->in[1], n->out[0]->grad, n->in[2]);
}

static void add_rows_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    px_shape x = n->in[0]->shape, table = n->in[1]->shape;
    px_value *places = n->in[2];
    bool fits = x.rank >= 2 && px_shape_count(table) == px_shape_tail(x, 1);
    if (places && places_fit(g, n, 2, x.dim[0]))
        fits = x.rank == 3 && places->shape.dim[1] == x.dim[1] && px_shape_count(table) % x.dim[2] == 0;
    if (!fits)
        px_graph_fail(g, "add_rows: %s cannot be added to each sample of %s", px_shape_text(table, a),
                      px_shape_text(x, b));
    n->out[0]->shape = x;
}

/* x, table, places (or NULL) -> y */
const px_op px_op_add_rows = {.name = "add_rows",
                              .in_min = 3,
                              .infer = add_rows_infer,
                              .grad = add_rows_grad,
                              .portable = PX_PORTABLE(add_rows),
                              .bf16 = px_bf16_add_rows,
                              .bf16_in = 1,
                              .bf16_out = 1,
                              .in_place = 1};

px_value *px_add_rows_at(px_graph *g, px_value *x, px_value *table, px_value *places)
{
    return px_node_add(g, &px_op_add_rows, (px_value *[]){x, table, places}, 3, NULL);
}

px_value *px_add_rows(px_graph *g, px_value *x, px_value *table)
{
    return px_add_rows_at(g, x, table, NULL);
}

/* ---- some of the tokens ---- */

static void spread_infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[1]->shape;
}

/* dy, x -> dx, zero outside the slice; only the shape of x is used */
const px_op px_op_slice_tokens_back = {.name = "slice_tokens_back",
                                       .shape_only = {[1] = true},
                                       .attr_size = sizeof(px_slice_attr),
                                       .in_min = 2,
                                       .infer = spread_infer,
                                       .portable = PX_PORTABLE(slice_tokens_back),
                                       .bf16 = px_bf16_slice_tokens_back,
                                       .bf16_in = 1,
                                       .bf16_out = 1};

static void slice_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_slice_tokens_back, in, 2, n->attr));
}

static void slice_infer(px_graph *g, px_node *n)
{
    const px_slice_attr *a = n->attr;
    if (!wants_tokens(g, n))
        return;
    if (a->first < 0 || a->count < 1 || a->first + a->count > n->in[0]->shape.dim[1])
        px_graph_fail(g, "slice_tokens: there are no tokens %d to %d among %d", (int)a->first,
                      (int)(a->first + a->count - 1), (int)n->in[0]->shape.dim[1]);
    n->out[0]->shape = tokens(n->in[0]->shape, a->count);
}

const px_op px_op_slice_tokens = {.name = "slice_tokens",
                                  .attr_size = sizeof(px_slice_attr),
                                  .in_min = 1,
                                  .infer = slice_infer,
                                  .grad = slice_grad,
                                  .portable = PX_PORTABLE(slice_tokens),
                                  .bf16 = px_bf16_slice_tokens,
                                  .bf16_in = 1,
                                  .bf16_out = 1};

px_value *px_slice_tokens(px_graph *g, px_value *x, int64_t first, int64_t count)
{
    px_slice_attr a = {first, count};
    return px_node_add(g, &px_op_slice_tokens, &x, 1, &a);
}

px_value *px_take_token(px_graph *g, px_value *x, int64_t token)
{
    px_value *one = px_slice_tokens(g, x, token, 1);
    return px_graph_error(g) ? one : px_reshape(g, one, PX_SHAPE(x->shape.dim[0], x->shape.dim[2]));
}

/* x (B, T, D), token of D numbers -> (B, T + 1, D) */
static void prepend_grad(px_graph *g, px_node *n)
{
    px_value *x = n->in[0], *dy = n->out[0]->grad;
    if (x->needs_grad)
        px_add_grad(g, x, px_slice_tokens(g, dy, 1, x->shape.dim[1]));
    if (n->in[1]->needs_grad)
        add_sum(g, n->in[1], px_slice_tokens(g, dy, 0, 1), NULL);
}

static void prepend_infer(px_graph *g, px_node *n)
{
    char a[64], b[64];
    if (!wants_tokens(g, n))
        return;
    px_shape x = n->in[0]->shape, token = n->in[1]->shape;
    if (px_shape_count(token) != x.dim[2])
        px_graph_fail(g, "prepend_token: a token %s does not fit %s", px_shape_text(token, a), px_shape_text(x, b));
    n->out[0]->shape = tokens(x, x.dim[1] + 1);
}

const px_op px_op_prepend_token = {.name = "prepend_token",
                                   .in_min = 2,
                                   .infer = prepend_infer,
                                   .grad = prepend_grad,
                                   .portable = PX_PORTABLE(prepend_token),
                                   .bf16 = px_bf16_prepend_token,
                                   .bf16_in = 1,
                                   .bf16_out = 1};

px_value *px_prepend_token(px_graph *g, px_value *x, px_value *token)
{
    return px_node_add(g, &px_op_prepend_token, (px_value *[]){x, token}, 2, NULL);
}

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

/* ---- mean ---- */

const px_op px_op_token_mean_back = {.name = "token_mean_back",
                                     .shape_only = {[1] = true},
                                     .attr_size = sizeof(px_slice_attr),
                                     .in_min = 2,
                                     .infer = spread_infer,
                                     .portable = PX_PORTABLE(token_mean_back),
                                     .bf16 = px_bf16_token_mean_back,
                                     .bf16_in = 1,
                                     .bf16_out = 1};

static void mean_grad(px_graph *g, px_node *n)
{
    px_value *in[] = {n->out[0]->grad, n->in[0]};
    px_add_grad(g, n->in[0], px_node_add(g, &px_op_token_mean_back, in, 2, n->attr));
}

static void mean_infer(px_graph *g, px_node *n)
{
    const px_slice_attr *a = n->attr;
    px_shape x = n->in[0]->shape;
    if (!wants_tokens(g, n))
        return;
    if (a->first < 0 || a->count < 1)
        px_graph_fail(g, "token_mean: no tokens are left from number %d on", (int)a->first);
    n->out[0]->shape = PX_SHAPE(x.dim[0], x.dim[2]);
}

const px_op px_op_token_mean = {.name = "token_mean",
                                .attr_size = sizeof(px_slice_attr),
                                .in_min = 1,
                                .infer = mean_infer,
                                .grad = mean_grad,
                                .portable = PX_PORTABLE(token_mean),
                                .bf16 = px_bf16_token_mean,
                                .bf16_in = 1,
                                .bf16_out = 1};

px_value *px_token_mean(px_graph *g, px_value *x, int64_t first)
{
    px_slice_attr a = {first, x->shape.dim[1] - first};
    return px_node_add(g, &px_op_token_mean, &x, 1, &a);
}
