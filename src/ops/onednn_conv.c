/* onednn_conv.c - convolutions by oneDNN. In a bf16 plan activations and weights go in as bf16; the gradients of
 * weights come out as float. */
#include "ops/attr.h"
#include "ops/fast/kernels.h"
#include "ops/onednn.h"

#include <string.h>

/* How good a kernel is by its name: none, by way of a plain matrix product, direct, on matrix units. Another format may
 * have a better one. */
enum { NONE, PRODUCT, DIRECT, MATRIX_UNIT };

static int rank_of(dnnl_primitive_desc_t pd)
{
    const char *name = "";
    if (!pd)
        return NONE;
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name);
    return strstr(name, "gemm:") ? PRODUCT : strstr(name, "amx") ? MATRIX_UNIT : DIRECT;
}

static bool has_matrix_units(const px_plan *p)
{
    return px_plan_precision(p) == PX_BF16 && px_dnnl_isa_has(dnnl_cpu_isa_avx512_core_amx);
}

/* Is there no use in trying another format? */
static bool is_best(const px_plan *p, dnnl_primitive_desc_t pd)
{
    return rank_of(pd) >= (has_matrix_units(p) ? MATRIX_UNIT : DIRECT);
}

/* Keeps the better of two descriptions, either of which may be NULL; the first wins a tie. */
static dnnl_primitive_desc_t better(dnnl_primitive_desc_t a, dnnl_primitive_desc_t b)
{
    bool second = rank_of(b) > rank_of(a);
    if (a && b)
        dnnl_primitive_desc_destroy(second ? a : b);
    return second ? b : a;
}

static const dnnl_memory_desc_t *query(dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(pd, what, 0);
}

/* The geometry that all three directions share. */
typedef struct conv_shape {
    dnnl_dims_t stride, dilation, pad;
    px_shape weight; /* with groups as an axis of its own where there are several */
} conv_shape;

static conv_shape conv_shape_of(const px_conv_attr *a, px_shape w)
{
    conv_shape c = {.stride = {a->stride, a->stride}, .dilation = {0, 0}, .pad = {a->pad, a->pad}, .weight = w};
    if (a->groups > 1)
        c.weight = PX_SHAPE(a->groups, w.dim[0] / a->groups, w.dim[1], w.dim[2], w.dim[3]);
    return c;
}

/* How an activation goes to a convolution: as it lies, for the first try; any, for the second. */
static dnnl_memory_desc_t activation_md(const px_plan *p, const px_value *v, bool as_it_lies)
{
    px_dtype dtype = px_plan_precision(p);
    px_storage st = px_plan_format(p, v);
    if (!as_it_lies || (st.own && st.dtype != dtype))
        return px_dnnl_any(v->shape, dtype);
    return px_dnnl_md(v->shape, st.own ? st : px_storage_blocked(v, st.block, dtype));
}

static bool fits_our_kernels(px_storage st)
{
    return st.own == NULL;
}

/* Forward description for the given source; also the hint of the backward ones. */
static dnnl_primitive_desc_t conv_forward(const px_conv_attr *a, const dnnl_memory_desc_t *src,
                                          const dnnl_memory_desc_t *weight, const dnnl_memory_desc_t *bias,
                                          const dnnl_memory_desc_t *dst, px_shape w)
{
    conv_shape c = conv_shape_of(a, w);
    dnnl_convolution_desc_t d;
    if (dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct, src, weight,
                                                   bias, dst, c.stride, c.dilation, c.pad, c.pad) != dnnl_success)
        return NULL;
    return px_dnnl_find(&d, NULL, NULL);
}

/* A forward description for these formats of x and y, as a hint. */
static dnnl_primitive_desc_t hint_for(const px_plan *p, const px_conv_attr *a, const dnnl_memory_desc_t *src,
                                      const dnnl_memory_desc_t *dst, px_shape w)
{
    dnnl_memory_desc_t any_weight = px_dnnl_any(conv_shape_of(a, w).weight, px_plan_precision(p));
    return conv_forward(a, src, &any_weight, NULL, dst, w);
}

/* ---- the format of a weight and its gradient ---- */

static bool in_rows(px_storage st, const px_value *v)
{
    return st.dtype == PX_BF16 && !st.own && st.block == v->shape.dim[1];
}

/* Does our own kernel make the gradient of the weight `w`? It takes (N, H, W, C) and a half to nine tenths of the time
 * of oneDNN's; not so where many taps see few channels. What the graph is given lies otherwise, but forward had to copy
 * it, too. */
static bool back_by_amx(const px_plan *p, const px_conv_attr *a, const px_value *x, const px_value *dy, px_storage dys,
                        px_shape w)
{
#ifdef PX_AMX
    enum { FEW_CHANNELS = 16 };
    return has_matrix_units(p) && a->groups == 1 && in_rows(dys, dy) &&
           (in_rows(px_plan_format(p, x), x) || x->kind == PX_INPUT) &&
           (x->shape.dim[1] >= FEW_CHANNELS || px_amx_is_narrow(w));
#else
    (void)p, (void)a, (void)x, (void)dy, (void)dys, (void)w, (void)in_rows;
    return false;
#endif
}

/* A weight as our own kernels read it and make its gradient: (O, KH, KW, C) */
static dnnl_memory_desc_t amx_md(px_shape w)
{
    int64_t C = w.dim[1], KH = w.dim[2], KW = w.dim[3];
    dnnl_memory_desc_t md;
    MUST(dnnl_memory_desc_init_by_strides(&md, 4, (dnnl_dims_t){w.dim[0], C, KH, KW}, dnnl_f32,
                                          (dnnl_dims_t){KH * KW * C, 1, KW * C, C}));
    return md;
}

/* oneDNN's kernel for a gradient in the format `diff`. */
static dnnl_primitive_desc_t back_weight(const px_plan *p, const px_conv_attr *a, const dnnl_memory_desc_t *src,
                                         const dnnl_memory_desc_t *diff, const dnnl_memory_desc_t *dst, px_shape w)
{
    conv_shape c = conv_shape_of(a, w);
    dnnl_primitive_desc_t pd = NULL, hint = hint_for(p, a, src, dst, w);
    dnnl_convolution_desc_t d;
    if (hint && dnnl_dilated_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, src, diff, NULL, dst,
                                                                    c.stride, c.dilation, c.pad, c.pad) == dnnl_success)
        pd = px_dnnl_find(&d, NULL, hint);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return pd;
}

/* The format in which the gradient of this convolution's weight will come, if that of its output comes like the output.
 * `pd`: forward. */
static px_storage like_gradient(px_plan *p, const px_node *n, dnnl_primitive_desc_t pd, px_storage ys)
{
    const px_conv_attr *a = n->attr;
    const px_value *x = n->in[0], *w = n->in[1], *y = n->out[0];
    if (back_by_amx(p, a, x, y, ys, w->shape)) {
        dnnl_memory_desc_t md = amx_md(w->shape);
        return px_dnnl_storage(p, w, &md);
    }
    dnnl_memory_desc_t any = px_dnnl_any(conv_shape_of(a, w->shape).weight, PX_F32);
    dnnl_primitive_desc_t back =
        back_weight(p, a, query(pd, dnnl_query_src_md), &any, query(pd, dnnl_query_dst_md), w->shape);
    px_storage st = back ? px_dnnl_storage(p, w, query(back, dnnl_query_diff_weights_md)) : px_storage_plain(w);
    if (back)
        dnnl_primitive_desc_destroy(back);
    return st;
}

/* ---- the three kernels ---- */

bool px_onednn_conv2d(px_plan *p, px_step *s)
{
    const px_node *n = s->node;
    const px_conv_attr *a = n->attr;
    const px_value *x = n->in[0], *w = n->in[1], *bias = n->in[2], *y = n->out[0];
    conv_shape c = conv_shape_of(a, w->shape);
    px_dtype dtype = px_plan_precision(p);
    dnnl_memory_desc_t any_weight = px_dnnl_any(c.weight, dtype), any_dst = px_dnnl_any(y->shape, dtype), bias_md;
    if (bias)
        bias_md = px_dnnl_plain(bias->shape, PX_F32);
    dnnl_primitive_desc_t pd = NULL;
    for (int attempt = 0; attempt < 2 && !is_best(p, pd); attempt++) {
        dnnl_memory_desc_t src = activation_md(p, x, attempt == 0);
        pd = better(pd, conv_forward(a, &src, &any_weight, bias ? &bias_md : NULL, &any_dst, w->shape));
    }
    if (!pd)
        return false;
    const dnnl_memory_desc_t *src = query(pd, dnnl_query_src_md), *weight = query(pd, dnnl_query_weights_md),
                             *dst = query(pd, dnnl_query_dst_md);
    px_storage xs = px_dnnl_storage(p, x, src), ys = px_dnnl_storage(p, y, dst);
    if (!fits_our_kernels(ys)) {
        dnnl_primitive_desc_destroy(pd);
        return false;
    }
    px_plan_need(p, s, 0, xs);
    if (dtype == PX_BF16 && w->grad && px_plan_undecided(p, w)) /* it is copied for this kernel in any case */
        px_plan_keep_as(p, w, like_gradient(p, n, pd, ys));
    px_plan_need(p, s, 1, px_dnnl_storage(p, w, weight));
    if (bias)
        px_plan_need(p, s, 2, px_storage_plain(bias));
    px_plan_make(p, s, 0, ys);
    dnnl_memory_desc_t md[] = {*src, *weight, *dst};
    px_prepared *k = px_dnnl_prepare(s, pd);
    px_dnnl_arg(k, DNNL_ARG_SRC, &md[0], 'i', 0);
    px_dnnl_arg(k, DNNL_ARG_WEIGHTS, &md[1], 'i', 1);
    if (bias)
        px_dnnl_arg(k, DNNL_ARG_BIAS, &bias_md, 'i', 2);
    px_dnnl_arg(k, DNNL_ARG_DST, &md[2], 'o', 0);
    return true;
}

#ifdef PX_AMX
/* Ours is for strides and small maps: there it takes a third to a half of the time of oneDNN's. */
static bool back_data_by_amx(px_plan *p, px_step *s)
{
    enum { SMALL_MAP = 64 };
    const px_value *dy = s->node->in[0], *w = s->node->in[1], *x = s->node->in[2], *dx = s->node->out[0];
    px_storage dys = px_plan_format(p, dy);
    const px_conv_attr *a = s->node->attr;
    if (!has_matrix_units(p) || a->groups > 1 || !in_rows(dys, dy) || !in_rows(px_plan_format(p, x), x) ||
        w->shape.dim[0] % 32 || w->shape.dim[1] % 32 || (a->stride == 1 && px_shape_tail(dy->shape, 2) > SMALL_MAP))
        return false;
    dnnl_memory_desc_t weight = amx_md(w->shape);
    px_plan_need(p, s, 0, dys);
    px_plan_need(p, s, 1, px_dnnl_storage(p, w, &weight));
    px_plan_make(p, s, 0, px_storage_blocked(dx, (int)x->shape.dim[1], PX_BF16));
    s->scratch_bytes = px_amx_conv2d_back_data_bytes(s->node);
    s->run = px_amx_conv2d_back_data;
    s->kernel = "pretext:amx_bf16";
    return true;
}
#endif

bool px_onednn_conv2d_back_data(px_plan *p, px_step *s)
{
    const px_conv_attr *a = s->node->attr;
    const px_value *dy = s->node->in[0], *w = s->node->in[1], *x = s->node->in[2], *dx = s->node->out[0];
    conv_shape c = conv_shape_of(a, w->shape);
    dnnl_memory_desc_t any_weight = px_dnnl_any(c.weight, px_plan_precision(p));
    dnnl_primitive_desc_t pd = NULL;
#ifdef PX_AMX
    if (back_data_by_amx(p, s))
        return true;
#endif
    for (int attempt = 0; attempt < 2 && !is_best(p, pd); attempt++) {
        dnnl_memory_desc_t src = activation_md(p, x, attempt == 0), dst = activation_md(p, dy, attempt == 0);
        dnnl_primitive_desc_t hint = hint_for(p, a, &src, &dst, w->shape);
        dnnl_convolution_desc_t d;
        if (hint &&
            dnnl_dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &src, &any_weight, &dst,
                                                             c.stride, c.dilation, c.pad, c.pad) == dnnl_success)
            pd = better(pd, px_dnnl_find(&d, NULL, hint));
        if (hint)
            dnnl_primitive_desc_destroy(hint);
    }
    if (!pd)
        return false;
    dnnl_memory_desc_t md[] = {*query(pd, dnnl_query_diff_dst_md), *query(pd, dnnl_query_weights_md),
                               *query(pd, dnnl_query_diff_src_md)};
    px_storage dxs = px_dnnl_storage(p, dx, &md[2]);
    if (!fits_our_kernels(dxs)) {
        dnnl_primitive_desc_destroy(pd);
        return false;
    }
    px_plan_need(p, s, 0, px_dnnl_storage(p, dy, &md[0]));
    px_plan_need(p, s, 1, px_dnnl_storage(p, w, &md[1]));
    px_plan_make(p, s, 0, dxs);
    px_prepared *k = px_dnnl_prepare(s, pd);
    px_dnnl_arg(k, DNNL_ARG_DIFF_DST, &md[0], 'i', 0);
    px_dnnl_arg(k, DNNL_ARG_WEIGHTS, &md[1], 'i', 1);
    px_dnnl_arg(k, DNNL_ARG_DIFF_SRC, &md[2], 'o', 0);
    return true;
}

#ifdef PX_AMX
static bool back_weight_by_amx(px_plan *p, px_step *s)
{
    const px_value *x = s->node->in[0], *dy = s->node->in[1], *dw = s->node->out[0];
    dnnl_memory_desc_t weight = amx_md(dw->shape);
    px_plan_need(p, s, 0, px_storage_blocked(x, (int)x->shape.dim[1], PX_BF16));
    px_plan_need(p, s, 1, px_plan_format(p, dy));
    px_plan_make(p, s, 0, px_dnnl_storage(p, dw, &weight));
    s->scratch_bytes = px_amx_conv2d_back_weight_bytes(s->node);
    s->run = px_amx_conv2d_back_weight;
    s->kernel = "pretext:amx_bf16";
    return true;
}
#endif

bool px_onednn_conv2d_back_weight(px_plan *p, px_step *s)
{
    const px_conv_attr *a = s->node->attr;
    const px_value *x = s->node->in[0], *dy = s->node->in[1], *w = s->node->in[2], *dw = s->node->out[0];
    conv_shape c = conv_shape_of(a, w->shape);
    dnnl_primitive_desc_t pd = NULL;
#ifdef PX_AMX
    if (back_by_amx(p, a, x, dy, px_plan_format(p, dy), w->shape))
        return back_weight_by_amx(p, s);
#endif
    /* First straight into the format of the parameter, then into any. */
    for (int attempt = 0; attempt < 4 && !is_best(p, pd); attempt++) {
        dnnl_memory_desc_t src = activation_md(p, x, attempt < 2), dst = activation_md(p, dy, attempt < 2), diff;
        px_storage ws = px_plan_format(p, w);
        bool any = attempt % 2 == 1 || (a->groups > 1 && !ws.own);
        diff = any ? px_dnnl_any(c.weight, PX_F32) : px_dnnl_md(c.weight, ws);
        pd = better(pd, back_weight(p, a, &src, &diff, &dst, w->shape));
    }
    if (!pd)
        return false;
    dnnl_memory_desc_t md[] = {*query(pd, dnnl_query_src_md), *query(pd, dnnl_query_diff_dst_md),
                               *query(pd, dnnl_query_diff_weights_md)};
    px_plan_need(p, s, 0, px_dnnl_storage(p, x, &md[0]));
    px_plan_need(p, s, 1, px_dnnl_storage(p, dy, &md[1]));
    px_plan_make(p, s, 0, px_dnnl_storage(p, dw, &md[2]));
    px_prepared *k = px_dnnl_prepare(s, pd);
    px_dnnl_arg(k, DNNL_ARG_SRC, &md[0], 'i', 0);
    px_dnnl_arg(k, DNNL_ARG_DIFF_DST, &md[1], 'i', 1);
    px_dnnl_arg(k, DNNL_ARG_DIFF_WEIGHTS, &md[2], 'o', 0);
    return true;
}
