/* rows.c - the table of ops that are said in ONNX, and most of its rows: functions of numbers, products, norms, sums. */
#include "onnx/rows.h"
#include "base/error.h"
#include "ops/attr.h"
#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- functions of one and of two numbers ---- */

/* f(x) with the function's numbers a and b. */
typedef const char *form(px_onnx_writer *w, const char *x, double a, double b);

static const char *affine(px_onnx_writer *w, const char *x, double a, double b)
{
    x = a == 1 ? x : px_onnx_two(w, "Mul", x, px_onnx_number(w, a));
    return b == 0 ? x : px_onnx_two(w, "Add", x, px_onnx_number(w, b));
}

static const char *clamp(px_onnx_writer *w, const char *x, double a, double b)
{
    return px_onnx_emit(w, "Clip", (const char *[]){x, px_onnx_number(w, a), px_onnx_number(w, b)}, 3);
}

static const char *relu6(px_onnx_writer *w, const char *x, double a, double b)
{
    (void)a;
    (void)b;
    return clamp(w, x, 0, 6);
}

static const char *leaky_relu(px_onnx_writer *w, const char *x, double a, double b)
{
    (void)b;
    const char *y = px_onnx_one(w, "LeakyRelu", x);
    px_onnx_float(w, "alpha", a);
    return y;
}

static const char *hard_sigmoid(px_onnx_writer *w, const char *x, double a, double b)
{
    (void)a;
    (void)b;
    const char *y = px_onnx_one(w, "HardSigmoid", x);
    px_onnx_float(w, "alpha", 1.0 / 6);
    px_onnx_float(w, "beta", 0.5);
    return y;
}

/* x/2 (1 + erf(x / sqrt(2))), in the form that runtimes recognise */
static const char *gelu(px_onnx_writer *w, const char *x, double a, double b)
{
    (void)a;
    (void)b;
    const char *erf = px_onnx_one(w, "Erf", px_onnx_two(w, "Div", x, px_onnx_number(w, sqrt(2))));
    const char *twice = px_onnx_two(w, "Mul", x, px_onnx_two(w, "Add", erf, px_onnx_number(w, 1)));
    return px_onnx_two(w, "Mul", twice, px_onnx_number(w, 0.5));
}

static const char *silu(px_onnx_writer *w, const char *x, double a, double b)
{
    (void)a;
    (void)b;
    return px_onnx_two(w, "Mul", x, px_onnx_one(w, "Sigmoid", x));
}

static const char *square(px_onnx_writer *w, const char *x, double a, double b)
{
    (void)a;
    (void)b;
    return px_onnx_two(w, "Mul", x, x);
}

/* What ONNX has under a name of its own, or how it is made of other ops. */
static const struct {
    const char *name;
    form *made;
} functions[PX_FN_COUNT] = {
    [PX_FN_IDENTITY] = {"Identity", NULL},
    [PX_FN_AFFINE] = {NULL, affine},
    [PX_FN_RELU] = {"Relu", NULL},
    [PX_FN_RELU6] = {NULL, relu6},
    [PX_FN_LEAKY_RELU] = {NULL, leaky_relu},
    [PX_FN_SIGMOID] = {"Sigmoid", NULL},
    [PX_FN_HARD_SIGMOID] = {NULL, hard_sigmoid},
    [PX_FN_GELU] = {NULL, gelu},
    [PX_FN_SILU] = {NULL, silu},
    [PX_FN_HARD_SWISH] = {"HardSwish", NULL},
    [PX_FN_TANH] = {"Tanh", NULL},
    [PX_FN_EXP] = {"Exp", NULL},
    [PX_FN_LOG] = {"Log", NULL},
    [PX_FN_SQRT] = {"Sqrt", NULL},
    [PX_FN_SQUARE] = {NULL, square},
    [PX_FN_ABS] = {"Abs", NULL},
    [PX_FN_SIN] = {"Sin", NULL},
    [PX_FN_COS] = {"Cos", NULL},
    [PX_FN_CLAMP] = {NULL, clamp},
};

static const char *function(px_onnx_writer *w, const px_unary_attr *f, const char *x)
{
    if (functions[f->function].name)
        return px_onnx_one(w, functions[f->function].name, x);
    if (functions[f->function].made)
        return functions[f->function].made(w, x, f->a, f->b);
    px_onnx_refuse(w, "function number %d has no form in it", (int)f->function);
    return x;
}

static void unary(px_onnx_writer *w, const px_node *n)
{
    px_onnx_set(w, n->out[0], function(w, n->attr, px_onnx_name(w, n->in[0])));
}

static void binary(px_onnx_writer *w, const px_node *n)
{
    static const char *const names[] = {[PX_ADD] = "Add", [PX_SUB] = "Sub", [PX_MUL] = "Mul",    [PX_DIV] = "Div",
                                        [PX_MAX] = "Max", [PX_MIN] = "Min", [PX_EQUAL] = "Equal"};
    px_pair pair = ((const px_binary_attr *)n->attr)->function;
    const char *y = px_onnx_two(w, names[pair], px_onnx_name(w, n->in[0]), px_onnx_name(w, n->in[1]));
    if (pair == PX_EQUAL) {
        y = px_onnx_one(w, "Cast", y);
        px_onnx_int(w, "to", PX_ONNX_FLOAT);
    }
    px_onnx_set(w, n->out[0], px_onnx_epilogue(w, n, y));
}

static void add(px_onnx_writer *w, const px_node *n)
{
    px_onnx_set(w, n->out[0], px_onnx_two(w, "Add", px_onnx_name(w, n->in[0]), px_onnx_name(w, n->in[1])));
}

static void same(px_onnx_writer *w, const px_node *n)
{
    px_onnx_set(w, n->out[0], px_onnx_name(w, n->in[0]));
}

const char *px_onnx_epilogue(px_onnx_writer *w, const px_node *n, const char *v)
{
    const px_epilogue *e = n->attr;
    int residual = n->op->epilogue.residual;
    if (residual && n->in[residual])
        v = px_onnx_two(w, "Add", v, px_onnx_name(w, n->in[residual]));
    return e->act.function == PX_FN_IDENTITY ? v : function(w, &e->act, v);
}

static void finish(px_onnx_writer *w, const px_node *n, const char *v)
{
    px_onnx_set(w, n->out[0], px_onnx_epilogue(w, n, v));
}

/* ---- sliding windows ---- */

static void slide(px_onnx_writer *w, const px_sliding *s)
{
    const int64_t kernel[] = {s->kernel[0], s->kernel[1]}, stride[] = {s->stride[0], s->stride[1]},
                  pads[] = {s->before[0], s->before[1], s->after[0], s->after[1]},
                  dilation[] = {s->dilation[0], s->dilation[1]};
    px_onnx_ints(w, "kernel_shape", kernel, 2);
    px_onnx_ints(w, "strides", stride, 2);
    px_onnx_ints(w, "pads", pads, 4);
    px_onnx_ints(w, "dilations", dilation, 2);
}

static void conv2d(px_onnx_writer *w, const px_node *n)
{
    const px_conv_attr *a = n->attr;
    const char *in[] = {px_onnx_name(w, n->in[0]), px_onnx_name(w, n->in[1]),
                        n->in[2] ? px_onnx_name(w, n->in[2]) : NULL};
    const char *y = px_onnx_emit(w, "Conv", in, n->in[2] ? 3 : 2);
    slide(w, &a->slide);
    px_onnx_int(w, "group", a->groups);
    finish(w, n, y);
}

static void max_pool(px_onnx_writer *w, const px_node *n)
{
    const px_sliding *s = &((const px_pool_attr *)n->attr)->slide;
    for (int k = 0; k < 2; k++)
        if (s->after[k] >= s->kernel[k])
            px_onnx_refuse(w, "max_pool: in ceil_mode a padding of %d, more than the kernel of %d", s->after[k],
                           s->kernel[k]);
    const char *y = px_onnx_one(w, "MaxPool", px_onnx_name(w, n->in[0]));
    slide(w, s);
    px_onnx_set(w, n->out[0], y);
}

static void global_avg_pool(px_onnx_writer *w, const px_node *n)
{
    const char *y = px_onnx_one(w, "GlobalAveragePool", px_onnx_name(w, n->in[0]));
    px_onnx_set(w, n->out[0], px_onnx_reshape(w, y, n->out[0]->shape));
}

/* ---- products ---- */

static const char *transposed(px_onnx_writer *w, const char *x, int rank)
{
    int from[PX_RANK_MAX];
    for (int i = 0; i < rank; i++)
        from[i] = i;
    from[rank - 2] = rank - 1;
    from[rank - 1] = rank - 2;
    return px_onnx_permute(w, x, from, rank);
}

static const char *batched(px_onnx_writer *w, const px_node *n, const char *a, const char *b)
{
    const px_matmul_attr *at = n->attr;
    int rank = n->in[0]->shape.rank;
    a = at->transpose_a ? transposed(w, a, rank) : a;
    b = at->transpose_b ? transposed(w, b, rank) : b;
    const char *y = px_onnx_two(w, "MatMul", a, b);
    y = at->factor == 1 ? y : px_onnx_two(w, "Mul", y, px_onnx_number(w, at->factor));
    return n->in[2] ? px_onnx_two(w, "Add", y, px_onnx_name(w, n->in[2])) : y;
}

static void matmul(px_onnx_writer *w, const px_node *n)
{
    const px_matmul_attr *at = n->attr;
    const char *in[] = {px_onnx_name(w, n->in[0]), px_onnx_name(w, n->in[1]),
                        n->in[2] ? px_onnx_name(w, n->in[2]) : NULL};
    if (n->in[0]->shape.rank > 2) {
        finish(w, n, batched(w, n, in[0], in[1]));
        return;
    }
    const char *y = px_onnx_emit(w, "Gemm", in, n->in[2] ? 3 : 2);
    px_onnx_int(w, "transA", at->transpose_a);
    px_onnx_int(w, "transB", at->transpose_b);
    px_onnx_float(w, "alpha", at->factor);
    finish(w, n, y);
}

/* ---- norms ---- */

/* Running statistics: batch_norm reads the node's inputs. */
static void running_sums(px_onnx_writer *w, const px_node *n)
{
    (void)w;
    (void)n;
}

extern const px_op px_op_running_sums;

static void batch_norm(px_onnx_writer *w, const px_node *n)
{
    const px_norm_attr *a = n->attr;
    const px_node *sums = n->in[1]->producer;
    if (!sums || sums->op != &px_op_running_sums) {
        px_onnx_refuse(w, "batch_norm takes the batch's own statistics, which a model for inference cannot");
        return;
    }
    const char *in[] = {px_onnx_name(w, n->in[0]), px_onnx_name(w, n->in[2]), px_onnx_name(w, n->in[3]),
                        px_onnx_name(w, sums->in[0]), px_onnx_name(w, sums->in[1])};
    const char *y = px_onnx_emit(w, "BatchNormalization", in, 5);
    px_onnx_float(w, "epsilon", a->eps);
    finish(w, n, y);
}

static void layer_norm(px_onnx_writer *w, const px_node *n)
{
    const px_layer_norm_attr *a = n->attr;
    const char *in[] = {px_onnx_name(w, n->in[0]), px_onnx_name(w, n->in[1]), px_onnx_name(w, n->in[2])};
    const char *y = px_onnx_emit(w, "LayerNormalization", in, 3);
    px_onnx_int(w, "axis", -1);
    px_onnx_float(w, "epsilon", a->eps);
    finish(w, n, y);
}

/* Rows are divided by their length, or by 1e-12 if they are shorter. */
static void l2_normalize(px_onnx_writer *w, const px_node *n)
{
    static const int64_t last[] = {-1};
    const char *x = px_onnx_name(w, n->in[0]), *length = px_onnx_one(w, "ReduceL2", x);
    px_onnx_ints(w, "axes", last, 1);
    length = px_onnx_two(w, "Max", length, px_onnx_number(w, 1e-12));
    px_onnx_set(w, n->out[0], px_onnx_two(w, "Div", x, length));
}

/* ---- over axes ---- */

/* The operator set takes the axes of a sum as an input, those of the others as an attribute. */
static void reduce(px_onnx_writer *w, const px_node *n)
{
    static const char *const names[] = {[PX_SUM] = "ReduceSum",
                                        [PX_MEAN] = "ReduceMean",
                                        [PX_AMAX] = "ReduceMax",
                                        [PX_LOG_SUM_EXP] = "ReduceLogSumExp"};
    const px_reduce_attr *at = n->attr;
    const char *x = px_onnx_name(w, n->in[0]), *y;
    int64_t axes[PX_RANK_MAX];
    int count = 0;
    for (int i = 0; i < n->in[0]->shape.rank; i++)
        if (at->over[i])
            axes[count++] = i;
    if (count == 0 && at->kind == PX_LOG_SUM_EXP) {
        same(w, n);
        return;
    }
    if (at->kind == PX_SUM) {
        y = px_onnx_two(w, names[at->kind], x, px_onnx_vector(w, axes, count));
        px_onnx_int(w, "noop_with_empty_axes", 1);
    } else if (count == 0) {
        y = px_onnx_one(w, "Identity", x);
    } else {
        y = px_onnx_one(w, names[at->kind], x);
        px_onnx_ints(w, "axes", axes, count);
    }
    if (count > 0)
        px_onnx_int(w, "keepdims", at->keep);
    px_onnx_set(w, n->out[0], y);
}

static void argmax(px_onnx_writer *w, const px_node *n)
{
    const char *y = px_onnx_one(w, "ArgMax", px_onnx_name(w, n->in[0]));
    px_onnx_int(w, "axis", ((const px_argmax_attr *)n->attr)->axis);
    px_onnx_int(w, "keepdims", 0);
    y = px_onnx_one(w, "Cast", y);
    px_onnx_int(w, "to", PX_ONNX_INT32);
    px_onnx_set(w, n->out[0], y);
}

/* ---- moving ---- */

static void reshape(px_onnx_writer *w, const px_node *n)
{
    px_onnx_set(w, n->out[0], px_onnx_reshape(w, px_onnx_name(w, n->in[0]), n->out[0]->shape));
}

static void permute(px_onnx_writer *w, const px_node *n)
{
    const px_permute_attr *at = n->attr;
    px_onnx_set(w, n->out[0], px_onnx_permute(w, px_onnx_name(w, n->in[0]), at->from, n->in[0]->shape.rank));
}

static void concat(px_onnx_writer *w, const px_node *n)
{
    const char *in[PX_NODE_IN];
    for (int i = 0; i < n->inputs; i++)
        in[i] = px_onnx_name(w, n->in[i]);
    const char *y = px_onnx_emit(w, "Concat", in, n->inputs);
    px_onnx_int(w, "axis", ((const px_concat_attr *)n->attr)->axis);
    px_onnx_set(w, n->out[0], y);
}

/* ---- the table ---- */

extern const px_op px_op_add, px_op_unary, px_op_binary, px_op_reduce, px_op_sum, px_op_argmax, px_op_expand,
    px_op_permute, px_op_window, px_op_concat, px_op_reshape, px_op_conv2d, px_op_matmul, px_op_batch_norm,
    px_op_max_pool, px_op_resample, px_op_global_avg_pool, px_op_l2_normalize, px_op_layer_norm, px_op_attention,
    px_op_patchify, px_op_add_rows_at, px_op_gather_tokens, px_op_stop_gradient;

static const px_onnx_row rows[] = {
    {&px_op_add, add},
    {&px_op_unary, unary},
    {&px_op_binary, binary},
    {&px_op_reduce, reduce},
    {&px_op_sum, reduce},
    {&px_op_argmax, argmax},
    {&px_op_expand, px_onnx_expand},
    {&px_op_permute, permute},
    {&px_op_window, px_onnx_window},
    {&px_op_concat, concat},
    {&px_op_reshape, reshape},
    {&px_op_conv2d, conv2d},
    {&px_op_matmul, matmul},
    {&px_op_running_sums, running_sums},
    {&px_op_batch_norm, batch_norm},
    {&px_op_max_pool, max_pool},
    {&px_op_resample, px_onnx_resample},
    {&px_op_global_avg_pool, global_avg_pool},
    {&px_op_l2_normalize, l2_normalize},
    {&px_op_layer_norm, layer_norm},
    {&px_op_attention, px_onnx_attention},
    {&px_op_patchify, px_onnx_patchify},
    {&px_op_add_rows_at, px_onnx_add_rows_at},
    {&px_op_gather_tokens, px_onnx_gather_tokens},
    {&px_op_stop_gradient, same},
};

const px_onnx_row *px_onnx_row_of(const px_op *op)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].op == op)
            return &rows[i];
    return NULL;
}
