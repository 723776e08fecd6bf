/* matmul.c - matrix products by oneDNN.
 *
 * In a bf16 plan the products of layers (one operand is a parameter, or both are activations in bf16) read and write
 * bf16, but gradients of parameters are float; products within a loss stay in float. */
#include "backends/onednn/onednn.h"
#include "backends/x86/kernels.h"
#include "base/error.h"
#include "ops/attr.h"

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

/* oneDNN's relu (a post-op) would turn NaN into zero and so hide that a run has diverged. */
static void relu_of_product(const px_step *s)
{
    px_step relu = {.node = s->node, .in = {s->out[0]}, .out = {s->out[0]}};
    (s->out_format[0].dtype == PX_BF16 ? px_fast_bf16_relu : px_fast_f32_relu)(&relu);
}

/* y = act(x w + bias) into output `into` of the step. */
static px_prepared *product(px_plan *p, px_step *s, px_activation act, int into)
{
    const px_node *n = s->node;
    const px_matmul_attr *a = n->attr;
    const px_value *x = n->in[0], *w = n->in[1], *bias = n->in[2], *y = n->out[into];
    bool half = px_plan_precision(p) == PX_BF16 && (px_plan_is_bf16_operand(p, x) || px_plan_is_bf16_operand(p, w));
    px_dtype in = half ? PX_BF16 : PX_F32, out = px_plan_is_gradient(p, y) ? PX_F32 : in;
    px_layout row = {y->shape, PX_F32, PX_ORDER_PLAIN, NULL};
    for (int i = 0; i < row.shape.rank - 1; i++)
        row.shape.dim[i] = 1;
    px_dnnl_matmul m = {.src = operand(x->shape, in, a->transpose_a),
                        .weights = operand(w->shape, in, a->transpose_b),
                        .dst = {y->shape, out, PX_ORDER_PLAIN, NULL},
                        .bias = bias ? &row : NULL,
                        .factor = (float)a->factor,
                        .gelu = act == PX_ACT_GELU};
    px_primitive_desc *d = px_dnnl_find_matmul(&m);
    if (!d)
        return NULL;
    px_plan_need(p, s, 0, px_storage_blocked(x, 1, in));
    px_plan_need(p, s, 1, px_storage_blocked(w, 1, in));
    if (bias)
        px_plan_need(p, s, 2, px_storage_plain(bias));
    px_plan_make(p, s, into, px_storage_blocked(y, 1, out));
    px_prepared *k = px_dnnl_prepare(s, d);
    px_dnnl_arg_from(k, PX_DNNL_SRC, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_WEIGHTS, 'i', 1);
    if (bias)
        px_dnnl_arg_from(k, PX_DNNL_BIAS, 'i', 2);
    px_dnnl_arg_from(k, PX_DNNL_DST, 'o', into);
    k->after = act == PX_ACT_RELU ? relu_of_product : NULL;
    return k;
}

static bool matmul(px_plan *p, px_step *s)
{
    return product(p, s, ((const px_matmul_attr *)s->node->attr)->act, 0);
}

/* Without a gradient gelu's argument is not needed. */
static bool has_no_gradient(const px_plan *p, const px_step *s)
{
    (void)p;
    return s->node->out[1]->uses == 0;
}

const px_kernel_row px_row_matmul_onednn = {.op = &px_op_matmul, .prepare = matmul};
const px_kernel_row px_row_linear_gelu_onednn = {
    .op = &px_op_linear_gelu, .accepts = has_no_gradient, .prepare = matmul};

/* ---- linear_gelu in bf16 ---- */

static void gelu_of_product(const px_step *s)
{
    px_step gelu = {.node = s->node, .in = {s->out[1]}, .out = {s->out[0]}};
    px_fast_bf16_gelu(&gelu);
}

static bool has_gradient_in_bf16(const px_plan *p, const px_step *s)
{
    return s->node->out[1]->uses > 0 && px_plan_precision(p) == PX_BF16;
}

static bool linear_gelu(px_plan *p, px_step *s)
{
    px_prepared *k = product(p, s, PX_ACT_NONE, 1);
    if (!k)
        return false;
    PX_CHECK(s->out_format[1].dtype == PX_BF16);
    px_plan_make(p, s, 0, s->out_format[1]);
    k->after = gelu_of_product;
    return true;
}

const px_kernel_row px_row_linear_gelu_onednn_bf16 = {
    .op = &px_op_linear_gelu, .accepts = has_gradient_in_bf16, .prepare = linear_gelu};
