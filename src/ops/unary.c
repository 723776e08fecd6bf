/* unary.c - functions of one number, applied to each element: one op, a table of functions (ops/functions.h). relu and gelu
 * are ops of their own, since norms and linear layers absorb them. */
#include "backends/portable/portable.h"
#include "graph/op.h"
#include "ops/attr.h"
#include "ops/functions.h"
#include "ops/ops.h"

/* What a function's slope is computed from. */
enum { A, X, Y };
#define SLOPE_OF(name, text, of, value, slope) [PX_FN_##name] = of,
static const unsigned char slope_of[PX_FN_COUNT] = {PX_FUNCTIONS(SLOPE_OF)};
#define TEXT(name, text, of, value, slope) [PX_FN_##name] = text,
static const char *const texts[PX_FN_COUNT] = {PX_FUNCTIONS(TEXT)};
#define TEXT_BACK(name, text, of, value, slope) [PX_FN_##name] = text "_back",
static const char *const texts_back[PX_FN_COUNT] = {PX_FUNCTIONS(TEXT_BACK)};

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

/* dy, x or y -> dx */
const px_op px_op_unary_back = {.name = "unary_back",
                                .text = text_back,
                                .attr_size = sizeof(px_unary_attr),
                                .in_min = 2,
                                .infer = infer,
                                .portable = PX_PORTABLE(unary_back),
                                .in_place = 1};

static void grad(px_graph *g, px_node *n)
{
    const px_unary_attr *at = n->attr;
    px_value *dy = n->out[0]->grad, *of = slope_of[at->function] == X ? n->in[0] : n->out[0];
    px_add_grad(g, n->in[0],
                slope_of[at->function] == A ? px_scale(g, dy, at->a)
                                            : px_node_add(g, &px_op_unary_back, (px_value *[]){dy, of}, 2, at));
}

const px_op px_op_unary = {.name = "unary",
                           .text = text,
                           .attr_size = sizeof(px_unary_attr),
                           .in_min = 1,
                           .infer = infer,
                           .grad = grad,
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
