/* conv.c - convolutions by oneDNN. In a bf16 plan, activations and weights are bf16, and gradients of weights
 * are float. */
#include "backends/onednn/onednn.h"
#include "ops/epilogue.h"

#include <string.h>

/* Ranks a kernel by its name: none, through a plain matrix product, direct, on matrix units. For another format there
 * may be a better one. */
enum { NONE, PRODUCT, DIRECT, MATRIX_UNIT };

static int rank_of(const px_primitive_desc *d)
{
    const char *name = d ? px_dnnl_kernel(d) : NULL;
    if (!name)
        return NONE;
    const char *product = strstr(name, "gemm:");
    bool blocks = product && product - name >= 2 && strncmp(product - 2, "br", 2) == 0; /* "brgemm:" is a direct one */
    return product && !blocks ? PRODUCT : strstr(name, "amx") ? MATRIX_UNIT : DIRECT;
}

static bool has_matrix_units(const px_plan *p)
{
    return px_plan_precision(p) == PX_BF16 && px_plan_isa(p) >= PX_ISA_AMX;
}

/* Whether no other format can be better. */
static bool is_best(const px_plan *p, const px_primitive_desc *d)
{
    return rank_of(d) >= (has_matrix_units(p) ? MATRIX_UNIT : DIRECT);
}

/* Returns the better of two descriptions and destroys the other; either may be NULL, and the first wins a tie. */
static px_primitive_desc *better(px_primitive_desc *a, px_primitive_desc *b)
{
    bool second = rank_of(b) > rank_of(a);
    px_primitive_desc_destroy(second ? a : b);
    return second ? b : a;
}

/* A weight's shape, with groups as a separate axis if there are several. */
static px_shape weight_shape(const px_conv_attr *a, px_shape w)
{
    return a->groups == 1 ? w : PX_SHAPE(a->groups, w.dim[0] / a->groups, w.dim[1], w.dim[2], w.dim[3]);
}

static px_layout any_of(px_shape shape, px_dtype dtype)
{
    return (px_layout){shape, dtype, PX_ORDER_ANY, NULL};
}

static px_dnnl_conv conv_of(const px_conv_attr *a, px_layout src, px_layout weights, px_layout dst)
{
    return (px_dnnl_conv){.src = src, .weights = weights, .dst = dst, .slide = a->slide};
}

/* An activation's layout for a convolution: at the first try that of its storage, at the second any. */
static px_layout activation(const px_plan *p, const px_value *v, bool as_it_lies)
{
    px_dtype dtype = px_plan_precision(p);
    px_storage st = px_plan_format(p, v);
    if (!as_it_lies || (st.own && st.dtype != dtype))
        return any_of(v->shape, dtype);
    return px_dnnl_layout(v->shape, st.own ? st : px_storage_blocked(v, st.block, dtype));
}

/* Whether there is a kernel that is not slower than others here: for groups of few channels a product for each image and
 * group is. */
static bool is_worth_it(const px_conv_attr *a, px_shape w, const px_primitive_desc *d)
{
    enum { FEW_CHANNELS = 16 };
    return rank_of(d) > PRODUCT || (d && (a->groups == 1 || w.dim[1] >= FEW_CHANNELS));
}

static bool fits_our_kernels(px_storage st)
{
    return st.own == NULL;
}

/* oneDNN pads channels that its widest block does not divide (24, 40, 72), which no other kernel can read. Then the result is
 * asked for in blocks of 8, or plain where they do not divide its channels. In bf16, for which there are no blocks of 8, it is
 * plain; with AMX first with all channels of a place side by side. (Without AMX oneDNN 2.6's gradient of the data of 11 channels is
 * wrong so.) */
static int readable_block(const px_plan *p, const px_value *v, int attempt)
{
    int channels = (int)v->shape.dim[1];
    if (channels % 8)
        return 1;
    if (px_plan_precision(p) != PX_BF16)
        return 8;
    return has_matrix_units(p) && attempt == 0 ? channels : 1;
}

static px_layout made_readable(const px_plan *p, const px_value *made, int attempt)
{
    px_dtype dtype = px_plan_precision(p);
    return px_dnnl_layout(made->shape, px_storage_blocked(made, readable_block(p, made, attempt), dtype));
}

/* The layout of the activation that is read for it: in such blocks, too, but any where one of both would be plain. */
static px_layout read_for(const px_plan *p, const px_value *made, const px_value *read, int attempt)
{
    bool plain = readable_block(p, made, attempt) == 1 || readable_block(p, read, attempt) == 1;
    return plain ? any_of(read->shape, px_plan_precision(p)) : made_readable(p, read, attempt);
}

/* The kernel of `pass` between x and y, of which `made` is written, that other kernels can read. NULL: there is none. */
static px_primitive_desc *find_readable(const px_plan *p, px_pass pass, px_dnnl_conv c, const px_value *x,
                                        const px_value *y)
{
    bool forward = pass == PX_PASS_FORWARD;
    px_primitive_desc *d = NULL;
    for (int attempt = 0; attempt < 2 && !d; attempt++) {
        c.src = forward ? read_for(p, y, x, attempt) : made_readable(p, x, attempt);
        c.dst = forward ? made_readable(p, y, attempt) : read_for(p, x, y, attempt);
        d = px_dnnl_find_conv(pass, &c);
    }
    return d;
}

/* ---- the three kernels ---- */

static bool conv2d(px_plan *p, px_step *s)
{
    const px_node *n = s->node;
    const px_conv_attr *a = n->attr;
    const px_value *x = n->in[0], *w = n->in[1], *bias = n->in[2], *y = n->out[0];
    px_dtype dtype = px_plan_precision(p);
    px_layout row = bias ? (px_layout){bias->shape, PX_F32, PX_ORDER_PLAIN, NULL} : (px_layout){0};
    px_primitive_desc *d = NULL;
    for (int attempt = 0; attempt < 2 && !is_best(p, d); attempt++) {
        px_dnnl_conv c = conv_of(a, activation(p, x, attempt == 0), any_of(weight_shape(a, w->shape), dtype),
                                 any_of(y->shape, dtype));
        c.bias = bias ? &row : NULL;
        d = better(d, px_dnnl_find_conv(PX_PASS_FORWARD, &c));
    }
    if (d && !fits_our_kernels(px_dnnl_storage_of(p, y, d, PX_DNNL_DST))) {
        px_layout any = any_of(y->shape, dtype);
        px_dnnl_conv c = conv_of(a, any, any_of(weight_shape(a, w->shape), dtype), any);
        c.bias = bias ? &row : NULL;
        px_primitive_desc_destroy(d);
        d = find_readable(p, PX_PASS_FORWARD, c, x, y);
    }
    px_storage ys = d ? px_dnnl_storage_of(p, y, d, PX_DNNL_DST) : px_storage_plain(y);
    if (!is_worth_it(a, w->shape, d) || !fits_our_kernels(ys)) {
        px_primitive_desc_destroy(d);
        return false;
    }
    px_plan_need(p, s, 0, px_dnnl_storage_of(p, x, d, PX_DNNL_SRC));
    if (dtype == PX_BF16 && w->grad && px_plan_undecided(p, w)) { /* this kernel needs a copy in bf16 anyway */
        px_storage xs = px_dnnl_storage_of(p, x, d, PX_DNNL_SRC);
        px_plan_set_format(p, w, px_plan_wish(p, &px_op_conv2d_back_weight, n, xs, ys, w));
    }
    px_plan_need(p, s, 1, px_dnnl_storage_of(p, w, d, PX_DNNL_WEIGHTS));
    if (bias)
        px_plan_need(p, s, 2, px_storage_plain(bias));
    if (px_epilogue_residual(n))
        px_plan_need(p, s, px_epilogue_residual(n), ys);
    px_plan_make(p, s, 0, ys);
    if (px_epilogue_argument(n))
        px_plan_make(p, s, px_epilogue_argument(n), ys);
    px_prepared *k = px_dnnl_prepare(s, d);
    px_dnnl_arg_from(k, PX_DNNL_SRC, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_WEIGHTS, 'i', 1);
    if (bias)
        px_dnnl_arg_from(k, PX_DNNL_BIAS, 'i', 2);
    px_dnnl_arg_from(k, PX_DNNL_DST, 'o', px_epilogue_argument(n));
    px_dnnl_then_epilogue(k, s);
    return true;
}

static bool back_data(px_plan *p, px_step *s)
{
    const px_conv_attr *a = s->node->attr;
    const px_value *dy = s->node->in[0], *w = s->node->in[1], *x = s->node->in[2], *dx = s->node->out[0];
    px_layout weights = any_of(weight_shape(a, w->shape), px_plan_precision(p));
    px_primitive_desc *d = NULL;
    for (int attempt = 0; attempt < 2 && !is_best(p, d); attempt++) {
        px_dnnl_conv c = conv_of(a, activation(p, x, attempt == 0), weights, activation(p, dy, attempt == 0));
        d = better(d, px_dnnl_find_conv(PX_PASS_BACK_DATA, &c));
    }
    if (d && !fits_our_kernels(px_dnnl_storage_of(p, dx, d, PX_DNNL_DIFF_SRC))) {
        px_primitive_desc_destroy(d);
        d = find_readable(p, PX_PASS_BACK_DATA, conv_of(a, weights, weights, weights), x, dy);
    }
    px_storage dxs = d ? px_dnnl_storage_of(p, dx, d, PX_DNNL_DIFF_SRC) : px_storage_plain(dx);
    if (!is_worth_it(a, w->shape, d) || !fits_our_kernels(dxs)) {
        px_primitive_desc_destroy(d);
        return false;
    }
    px_plan_need(p, s, 0, px_dnnl_storage_of(p, dy, d, PX_DNNL_DIFF_DST));
    px_plan_need(p, s, 1, px_dnnl_storage_of(p, w, d, PX_DNNL_WEIGHTS));
    px_plan_make(p, s, 0, dxs);
    px_prepared *k = px_dnnl_prepare(s, d);
    px_dnnl_arg_from(k, PX_DNNL_DIFF_DST, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_WEIGHTS, 'i', 1);
    px_dnnl_arg_from(k, PX_DNNL_DIFF_SRC, 'o', 0);
    return true;
}

/* Of kernels that are at least of this rank. */
static bool back_weight_ranked(px_plan *p, px_step *s, int least)
{
    const px_conv_attr *a = s->node->attr;
    const px_value *x = s->node->in[0], *dy = s->node->in[1], *w = s->node->in[2], *dw = s->node->out[0];
    px_shape shape = weight_shape(a, w->shape);
    px_storage ws = px_plan_format(p, w);
    px_primitive_desc *d = NULL;
    /* First directly into the parameter's format, then into any. */
    for (int attempt = 0; attempt < 4 && !is_best(p, d); attempt++) {
        bool any = attempt % 2 == 1 || (a->groups > 1 && !ws.own);
        px_dnnl_conv c =
            conv_of(a, activation(p, x, attempt < 2), any ? any_of(shape, PX_F32) : px_dnnl_layout(shape, ws),
                    activation(p, dy, attempt < 2));
        d = better(d, px_dnnl_find_conv(PX_PASS_BACK_WEIGHTS, &c));
    }
    if (rank_of(d) < least || !is_worth_it(a, w->shape, d)) {
        px_primitive_desc_destroy(d);
        return false;
    }
    px_plan_need(p, s, 0, px_dnnl_storage_of(p, x, d, PX_DNNL_SRC));
    px_plan_need(p, s, 1, px_dnnl_storage_of(p, dy, d, PX_DNNL_DIFF_DST));
    px_plan_make(p, s, 0, px_dnnl_storage_of(p, dw, d, PX_DNNL_DIFF_WEIGHTS));
    px_prepared *k = px_dnnl_prepare(s, d);
    px_dnnl_arg_from(k, PX_DNNL_SRC, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_DIFF_DST, 'i', 1);
    px_dnnl_arg_from(k, PX_DNNL_DIFF_WEIGHTS, 'o', 0);
    return true;
}

static bool back_weight(px_plan *p, px_step *s)
{
    return back_weight_ranked(p, s, DIRECT);
}

static bool back_weight_product(px_plan *p, px_step *s)
{
    return back_weight_ranked(p, s, PRODUCT);
}

static bool wish(px_plan *p, const px_node *forward, px_storage in, px_storage out, px_storage *wish)
{
    const px_value *x = forward->in[0], *w = forward->in[1], *y = forward->out[0];
    const px_conv_attr *a = forward->attr;
    px_dnnl_conv c = conv_of(a, px_dnnl_layout(x->shape, in), any_of(weight_shape(a, w->shape), PX_F32),
                             px_dnnl_layout(y->shape, out));
    px_primitive_desc *back = px_dnnl_find_conv(PX_PASS_BACK_WEIGHTS, &c);
    bool takes = rank_of(back) >= DIRECT && is_worth_it(a, w->shape, back);
    if (takes)
        *wish = px_dnnl_storage_of(p, w, back, PX_DNNL_DIFF_WEIGHTS);
    px_primitive_desc_destroy(back);
    return takes;
}

const px_kernel_row px_row_conv2d_onednn = {.op = &px_op_conv2d, .prepare = conv2d};
const px_kernel_row px_row_conv2d_back_data_onednn = {.op = &px_op_conv2d_back_data, .prepare = back_data};
const px_kernel_row px_row_conv2d_back_weight_onednn = {
    .op = &px_op_conv2d_back_weight, .prepare = back_weight, .wish = wish};
/* Slow on small maps: one product for each image. */
const px_kernel_row px_row_conv2d_back_weight_onednn_product = {.op = &px_op_conv2d_back_weight,
                                                                .prepare = back_weight_product};
