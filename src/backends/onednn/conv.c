/* conv.c - convolutions by oneDNN. In a bf16 plan, activations and weights are bf16, and gradients of weights
 * are float. */
#include "backends/onednn/onednn.h"
#include "backends/x86/kernels.h"
#include "base/cpu.h"
#include "ops/attr.h"

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
    return px_plan_precision(p) == PX_BF16 && px_cpu_has(PX_ISA_AMX);
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
    return (px_dnnl_conv){.src = src, .weights = weights, .dst = dst, .stride = a->stride, .pad = a->pad};
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

static bool fits_our_kernels(px_storage st)
{
    return st.own == NULL;
}

/* ---- the format of a weight and its gradient ---- */

static bool in_rows(px_storage st, const px_value *v)
{
    return st.dtype == PX_BF16 && !st.own && st.block == v->shape.dim[1];
}

/* Whether our own kernel computes the gradient of the weight `w`. It needs (N, H, W, C) and takes 50 to 90 % of
 * oneDNN's time, except with many taps and few channels. Inputs of the graph have another format, but forward had to
 * copy them as well. */
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

/* The layout in which our own kernels read a weight and write its gradient: (O, KH, KW, C) */
static px_layout amx_layout(px_shape w)
{
    return (px_layout){w, PX_F32, PX_ORDER_CHANNELS_LAST, NULL};
}

/* The format that the gradient of this convolution's weight will have, if the output's gradient has the output's
 * format. `d`: forward's description. */
static px_storage like_gradient(px_plan *p, const px_node *n, const px_primitive_desc *d, px_storage ys)
{
    const px_conv_attr *a = n->attr;
    const px_value *x = n->in[0], *w = n->in[1], *y = n->out[0];
    if (back_by_amx(p, a, x, y, ys, w->shape))
        return px_dnnl_storage(p, w, amx_layout(w->shape));
    px_dnnl_conv c = conv_of(a, px_dnnl_layout_of(d, PX_DNNL_SRC), any_of(weight_shape(a, w->shape), PX_F32),
                             px_dnnl_layout_of(d, PX_DNNL_DST));
    px_primitive_desc *back = px_dnnl_find_conv(PX_PASS_BACK_WEIGHTS, &c);
    px_storage st = back ? px_dnnl_storage_of(p, w, back, PX_DNNL_DIFF_WEIGHTS) : px_storage_plain(w);
    px_primitive_desc_destroy(back);
    return st;
}

/* ---- the three kernels ---- */

bool px_onednn_conv2d(px_plan *p, px_step *s)
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
    if (!d)
        return false;
    px_storage ys = px_dnnl_storage_of(p, y, d, PX_DNNL_DST);
    if (!fits_our_kernels(ys)) {
        px_primitive_desc_destroy(d);
        return false;
    }
    px_plan_need(p, s, 0, px_dnnl_storage_of(p, x, d, PX_DNNL_SRC));
    if (dtype == PX_BF16 && w->grad && px_plan_undecided(p, w)) /* this kernel needs a copy in bf16 anyway */
        px_plan_set_format(p, w, like_gradient(p, n, d, ys));
    px_plan_need(p, s, 1, px_dnnl_storage_of(p, w, d, PX_DNNL_WEIGHTS));
    if (bias)
        px_plan_need(p, s, 2, px_storage_plain(bias));
    px_plan_make(p, s, 0, ys);
    px_prepared *k = px_dnnl_prepare(s, d);
    px_dnnl_arg_from(k, PX_DNNL_SRC, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_WEIGHTS, 'i', 1);
    if (bias)
        px_dnnl_arg_from(k, PX_DNNL_BIAS, 'i', 2);
    px_dnnl_arg_from(k, PX_DNNL_DST, 'o', 0);
    return true;
}

#ifdef PX_AMX
/* Our kernel is for strides and small maps, where it takes a third to a half of oneDNN's time. */
static bool back_data_by_amx(px_plan *p, px_step *s)
{
    enum { SMALL_MAP = 64 };
    const px_value *dy = s->node->in[0], *w = s->node->in[1], *x = s->node->in[2], *dx = s->node->out[0];
    px_storage dys = px_plan_format(p, dy);
    const px_conv_attr *a = s->node->attr;
    if (!has_matrix_units(p) || a->groups > 1 || !in_rows(dys, dy) || !in_rows(px_plan_format(p, x), x) ||
        w->shape.dim[0] % 32 || w->shape.dim[1] % 32 || (a->stride == 1 && px_shape_tail(dy->shape, 2) > SMALL_MAP))
        return false;
    px_plan_need(p, s, 0, dys);
    px_plan_need(p, s, 1, px_dnnl_storage(p, w, amx_layout(w->shape)));
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
    px_layout weights = any_of(weight_shape(a, w->shape), px_plan_precision(p));
    px_primitive_desc *d = NULL;
#ifdef PX_AMX
    if (back_data_by_amx(p, s))
        return true;
#endif
    for (int attempt = 0; attempt < 2 && !is_best(p, d); attempt++) {
        px_dnnl_conv c = conv_of(a, activation(p, x, attempt == 0), weights, activation(p, dy, attempt == 0));
        d = better(d, px_dnnl_find_conv(PX_PASS_BACK_DATA, &c));
    }
    if (!d)
        return false;
    px_storage dxs = px_dnnl_storage_of(p, dx, d, PX_DNNL_DIFF_SRC);
    if (!fits_our_kernels(dxs)) {
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

#ifdef PX_AMX
static bool back_weight_by_amx(px_plan *p, px_step *s)
{
    const px_value *x = s->node->in[0], *dy = s->node->in[1], *dw = s->node->out[0];
    px_plan_need(p, s, 0, px_storage_blocked(x, (int)x->shape.dim[1], PX_BF16));
    px_plan_need(p, s, 1, px_plan_format(p, dy));
    px_plan_make(p, s, 0, px_dnnl_storage(p, dw, amx_layout(dw->shape)));
    s->scratch_bytes = px_amx_conv2d_back_weight_bytes(s->node);
    s->run = px_amx_conv2d_back_weight;
    s->kernel = "pretext:amx_bf16";
    return true;
}
#endif

/* oneDNN has only a product for each image: on small maps our kernel takes less time, and activations in any format. */
static bool back_weight_by_taps(px_plan *p, px_step *s)
{
    enum { SMALL_MAP = 64 };
    const px_conv_attr *a = s->node->attr;
    const px_value *x = s->node->in[0], *dy = s->node->in[1], *dw = s->node->out[0];
    px_storage xs = px_plan_format(p, x), dys = px_plan_format(p, dy);
    if (px_plan_precision(p) != PX_F32 || a->groups > 1 || px_shape_tail(dy->shape, 2) > SMALL_MAP || xs.own ||
        dys.own || (xs.block != 8 && xs.block != 16) || (dys.block != 8 && dys.block != 16))
        return false;
    px_plan_need(p, s, 0, xs);
    px_plan_need(p, s, 1, dys);
    px_plan_make(p, s, 0, px_storage_plain(dw));
    s->scratch_bytes = px_taps_conv2d_back_weight_bytes(s->node);
    s->run = px_taps_conv2d_back_weight;
    s->kernel = "pretext:taps";
    return true;
}

bool px_onednn_conv2d_back_weight(px_plan *p, px_step *s)
{
    const px_conv_attr *a = s->node->attr;
    const px_value *x = s->node->in[0], *dy = s->node->in[1], *w = s->node->in[2], *dw = s->node->out[0];
    px_shape shape = weight_shape(a, w->shape);
    px_storage ws = px_plan_format(p, w);
    px_primitive_desc *d = NULL;
#ifdef PX_AMX
    if (back_by_amx(p, a, x, dy, px_plan_format(p, dy), w->shape))
        return back_weight_by_amx(p, s);
#endif
    /* First directly into the parameter's format, then into any. */
    for (int attempt = 0; attempt < 4 && !is_best(p, d); attempt++) {
        bool any = attempt % 2 == 1 || (a->groups > 1 && !ws.own);
        px_dnnl_conv c =
            conv_of(a, activation(p, x, attempt < 2), any ? any_of(shape, PX_F32) : px_dnnl_layout(shape, ws),
                    activation(p, dy, attempt < 2));
        d = better(d, px_dnnl_find_conv(PX_PASS_BACK_WEIGHTS, &c));
    }
    if (rank_of(d) <= PRODUCT && back_weight_by_taps(p, s)) {
        px_primitive_desc_destroy(d);
        return true;
    }
    if (!d)
        return false;
    px_plan_need(p, s, 0, px_dnnl_storage_of(p, x, d, PX_DNNL_SRC));
    px_plan_need(p, s, 1, px_dnnl_storage_of(p, dy, d, PX_DNNL_DIFF_DST));
    px_plan_make(p, s, 0, px_dnnl_storage_of(p, dw, d, PX_DNNL_DIFF_WEIGHTS));
    px_prepared *k = px_dnnl_prepare(s, d);
    px_dnnl_arg_from(k, PX_DNNL_SRC, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_DIFF_DST, 'i', 1);
    px_dnnl_arg_from(k, PX_DNNL_DIFF_WEIGHTS, 'o', 0);
    return true;
}
