/* unary.c - functions of one number, applied to each element: one op, a table of functions (ops/functions.h). Layers and norms
 * absorb them (epilogue.h). */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/epilogue.h"
#include "ops/functions.h"
#include "ops/ops.h"

#define SLOPE_OF(name, text, of, value, slope) [PX_FN_##name] = PX_SLOPE_##of,
px_slope px_slope_of(px_function f)
{
    static const px_slope of[] = {PX_FUNCTIONS(SLOPE_OF)};
    return of[f];
}

#define TEXT(name, text, of, value, slope) [PX_FN_##name] = text,
static const char *const texts[PX_FN_COUNT] = {PX_FUNCTIONS(TEXT)};
#define TEXT_BACK(name, text, of, value, slope) [PX_FN_##name] = text "_back",
static const char *const texts_back[PX_FN_COUNT] = {PX_FUNCTIONS(TEXT_BACK)};
#define TEXT_BACK_SUMS(name, text, of, value, slope) [PX_FN_##name] = text "_back_sums",
static const char *const texts_back_sums[PX_FN_COUNT] = {PX_FUNCTIONS(TEXT_BACK_SUMS)};

static void infer(px_graph *g, px_node *n)
{
    (void)g;
    n->out[0]->shape = n->in[0]->shape;
}

static const char *text(const px_node *n)
{
    return texts[((const px_unary_attr *)n->attr)->function];
}

static const char *text_back(const px_node *n)
{
    return texts_back[((const px_unary_attr *)n->attr)->function];
}

static const char *text_back_sums(const px_node *n)
{
    return texts_back_sums[((const px_unary_attr *)n->attr)->function];
}

/* dy, x or y -> dx */
const px_op px_op_unary_back = {.name = "unary_back",
                                .text = text_back,
                                .attr_size = sizeof(px_unary_attr),
                                .in_min = 2,
                                .infer = infer,
                                .portable = PX_PORTABLE(unary_back),
                                .in_place = 1};

px_value *px_unary_back(px_graph *g, px_value *dy, px_value *of, const px_unary_attr *at)
{
    if (px_slope_of(at->function) == PX_SLOPE_A)
        return at->function == PX_FN_AFFINE ? px_scale(g, dy, at->a) : dy;
    return px_node_add(g, &px_op_unary_back, (px_value *[]){dy, of}, 2, at);
}

static void back_sums_infer(px_graph *g, px_node *n)
{
    infer(g, n);
    n->out[1]->shape = PX_SHAPE(n->in[0]->shape.dim[1]);
}

/* dy, x or y (N, C) -> dx, and (C): the sums of dx over its rows, which are the gradient of a bias */
const px_op px_op_unary_back_sums = {.name = "unary_back_sums",
                                     .text = text_back_sums,
                                     .attr_size = sizeof(px_unary_attr),
                                     .in_min = 2,
                                     .outputs = 2,
                                     .infer = back_sums_infer,
                                     .portable = PX_PORTABLE(unary_back_sums),
                                     .in_place = 1};

px_value *px_unary_back_sums(px_graph *g, px_value *dy, px_value *of, const px_unary_attr *at, px_value **sums)
{
    px_value *dx = px_node_add(g, &px_op_unary_back_sums, (px_value *[]){dy, of}, 2, at);
    *sums = px_graph_error(g) ? dx : dx->producer->out[1];
    return dx;
}

static void grad(px_graph *g, px_node *n)
{
    const px_unary_attr *at = n->attr;
    px_value *of = px_slope_of(at->function) == PX_SLOPE_X ? n->in[0] : n->out[0];
    px_add_grad(g, n->in[0], px_unary_back(g, n->out[0]->grad, of, at));
}

const px_op px_op_unary = {.name = "unary",
                           .text = text,
                           .attr_size = sizeof(px_unary_attr),
                           .in_min = 1,
                           .infer = infer,
                           .grad = grad,
                           .fuse = px_epilogue_fuse,
                           .portable = PX_PORTABLE(unary),
                           .in_place = 1};

px_value *px_unary(px_graph *g, px_function function, px_value *x, double a, double b)
{
    return px_node_add(g, &px_op_unary, &x, 1, &(px_unary_attr){function, a, b});
}

px_value *px_scale(px_graph *g, px_value *x, double factor)
{
    return px_unary(g, PX_FN_AFFINE, x, factor, 0);
}

px_value *px_relu(px_graph *g, px_value *x)
{
    return px_unary(g, PX_FN_RELU, x, 0, 0);
}

px_value *px_gelu(px_graph *g, px_value *x)
{
    return px_unary(g, PX_FN_GELU, x, 0, 0);
}
