/* matmul.c - matrix products by oneDNN.
 *
 * In a bf16 plan the products of layers (one operand is a parameter, or both are activations in bf16) read and write
 * bf16, but gradients of parameters are float; products within a loss stay in float. */
#include "backends/onednn/onednn.h"
#include "backends/x86/kernels.h"
#include "base/error.h"
#include "ops/epilogue.h"

/* op(v): a transposed operand is the same memory with its last two axes swapped in the layout. */
static px_layout operand(px_shape shape, px_dtype dtype, bool transposed)
{
    if (!transposed)
        return (px_layout){shape, dtype, PX_ORDER_PLAIN, NULL};
    int64_t rows = shape.dim[shape.rank - 2];
    shape.dim[shape.rank - 2] = shape.dim[shape.rank - 1];
    shape.dim[shape.rank - 1] = rows;
    return (px_layout){shape, dtype, PX_ORDER_TRANSPOSED, NULL};
}

/* Whether the primitive can do the whole epilogue; *function gets the activation. */
static bool takes_epilogue(const px_node *n, px_dnnl_function *function)
{
    const px_unary_attr *act = px_epilogue_act(n);
    *function = PX_DNNL_NONE;
    if (px_epilogue_argument(n) || ((const px_matmul_attr *)n->attr)->factor != 1)
        return false;
    if (act)
        *function = act->function == PX_FN_GELU         ? PX_DNNL_GELU
                    : act->function == PX_FN_SILU       ? PX_DNNL_SWISH
                    : act->function == PX_FN_HARD_SWISH ? PX_DNNL_HARD_SWISH
                                                        : PX_DNNL_NONE;
    return !act || *function != PX_DNNL_NONE;
}

/* y = act(x w + bias + residual) */
static bool product(px_plan *p, px_step *s)
{
    const px_node *n = s->node;
    const px_matmul_attr *a = n->attr;
    const px_value *x = n->in[0], *w = n->in[1], *bias = n->in[2], *y = n->out[0];
    int residual = px_epilogue_residual(n), argument = px_epilogue_argument(n);
    bool half = px_plan_precision(p) == PX_BF16 && (px_plan_is_bf16_operand(p, x) || px_plan_is_bf16_operand(p, w));
    px_dtype in = half ? PX_BF16 : PX_F32, out = px_plan_is_gradient(p, y) ? PX_F32 : in;
    px_layout row = {y->shape, PX_F32, PX_ORDER_PLAIN, NULL};
    for (int i = 0; i < row.shape.rank - 1; i++)
        row.shape.dim[i] = 1;
    px_dnnl_matmul m = {.src = operand(x->shape, in, a->transpose_a),
                        .weights = operand(w->shape, in, a->transpose_b),
                        .dst = {y->shape, out, PX_ORDER_PLAIN, NULL},
                        .bias = bias ? &row : NULL,
                        .factor = (float)a->factor};
    px_layout more = m.dst;
    px_dnnl_function function;
    bool whole = takes_epilogue(n, &function);
    px_dnnl_matmul with = m;
    with.function = function;
    with.residual = residual ? &more : NULL;
    px_primitive_desc *d = whole ? px_dnnl_find_matmul(&with) : NULL;
    whole = d != NULL;
    if (!d && !(d = px_dnnl_find_matmul(&m)))
        return false;
    px_plan_need(p, s, 0, px_storage_blocked(x, 1, in));
    px_plan_need(p, s, 1, px_storage_blocked(w, 1, in));
    if (bias)
        px_plan_need(p, s, 2, px_storage_plain(bias));
    if (residual)
        px_plan_need(p, s, residual, px_storage_blocked(y, 1, out));
    px_plan_make(p, s, 0, px_storage_blocked(y, 1, out));
    if (argument)
        px_plan_make(p, s, argument, px_storage_blocked(y, 1, out));
    px_prepared *k = px_dnnl_prepare(s, d);
    px_dnnl_arg_from(k, PX_DNNL_SRC, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_WEIGHTS, 'i', 1);
    if (bias)
        px_dnnl_arg_from(k, PX_DNNL_BIAS, 'i', 2);
    px_dnnl_arg_from(k, PX_DNNL_DST, 'o', argument);
    if (whole && residual)
        px_dnnl_arg_from(k, PX_DNNL_RESIDUAL, 'i', residual);
    if (!whole)
        px_dnnl_then_epilogue(k, s);
    return true;
}

const px_kernel_row px_row_matmul_onednn = {.op = &px_op_matmul, .prepare = product};
