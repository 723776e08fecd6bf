/* onednn.c - every call of oneDNN (2.6's C API), so that another version's API has one place to go.
 *
 * A prepared step holds one primitive and the memories of its arguments; a run sets their addresses and executes.
 * Formats: a convolution first tries the format that its input has, then lets oneDNN choose; whatever it picks becomes
 * the value's storage. Reference implementations are refused: they are a hundred times slower than the portable
 * kernels. */
#include "base/error.h"
#include "ops/attr.h"
#include "ops/fast.h"

#include <dnnl.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 6 };

/* ---- engine ---- */

static void must(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "pretext: oneDNN failed with status %d: %s\n", (int)status, what);
    px_check_failed(__FILE__, __LINE__, what);
}
#define MUST(call) must((call), #call)

/* The CPU engine has no state; one for the life of the program. */
static dnnl_engine_t engine(void)
{
    static dnnl_engine_t cpu;
    if (!cpu)
        MUST(dnnl_engine_create(&cpu, dnnl_cpu, 0));
    return cpu;
}

/* ---- memory descriptions ---- */

static dnnl_data_type_t type_of(px_dtype t)
{
    static const dnnl_data_type_t type[PX_DTYPES] = {
        [PX_F32] = dnnl_f32, [PX_BF16] = dnnl_bf16, [PX_I32] = dnnl_s32, [PX_U8] = dnnl_u8};
    PX_CHECK(type[t] != dnnl_data_type_undef);
    return type[t];
}

static int dims_of(px_shape shape, dnnl_dims_t dims)
{
    for (int i = 0; i < shape.rank; i++)
        dims[i] = shape.dim[i];
    if (shape.rank == 0)
        dims[0] = 1;
    return shape.rank ? shape.rank : 1;
}

/* Row-major, whatever the rank. */
static dnnl_memory_desc_t plain_md(px_shape shape, px_dtype dtype)
{
    dnnl_dims_t dims, strides;
    int rank = dims_of(shape, dims);
    strides[rank - 1] = 1;
    for (int i = rank - 2; i >= 0; i--)
        strides[i] = strides[i + 1] * dims[i + 1];
    dnnl_memory_desc_t md;
    MUST(dnnl_memory_desc_init_by_strides(&md, rank, dims, type_of(dtype), strides));
    return md;
}

static dnnl_memory_desc_t any_md(px_shape shape, px_dtype dtype)
{
    dnnl_dims_t dims;
    int rank = dims_of(shape, dims);
    dnnl_memory_desc_t md;
    MUST(dnnl_memory_desc_init_by_tag(&md, rank, dims, type_of(dtype), dnnl_format_tag_any));
    return md;
}

static dnnl_memory_desc_t md_of(px_shape shape, px_storage st)
{
    if (st.own)
        return *(const dnnl_memory_desc_t *)st.own;
    if (st.block == 1)
        return plain_md(shape, st.dtype);
    dnnl_dims_t dims;
    dims_of(shape, dims);
    /* A block of all 8 or 16 channels is both; oneDNN has its best kernels for the blocked one. */
    dnnl_format_tag_t tag = st.block == 16 ? dnnl_nChw16c : st.block == 8 ? dnnl_nChw8c : dnnl_nhwc;
    dnnl_memory_desc_t md;
    MUST(dnnl_memory_desc_init_by_tag(&md, 4, dims, type_of(st.dtype), tag));
    return md;
}

static bool is_nhwc(px_shape shape, px_dtype dtype, const dnnl_memory_desc_t *md)
{
    dnnl_dims_t dims;
    dims_of(shape, dims);
    dnnl_memory_desc_t nhwc;
    MUST(dnnl_memory_desc_init_by_tag(&nhwc, 4, dims, type_of(dtype), dnnl_nhwc));
    return dnnl_memory_desc_equal(&nhwc, md);
}

/* What we call a format that oneDNN chose. Its own descriptions are kept by the plan. */
static px_storage storage_of(px_plan *p, const px_value *v, px_dtype dtype, const dnnl_memory_desc_t *md)
{
    px_storage st = {dtype, 1, NULL, dnnl_memory_desc_get_size(md)};
    const int blocks[] = {1, 16, 8, v->shape.rank == 4 ? (int)v->shape.dim[1] : 1};
    for (int i = 0; i < 4; i++) {
        st.block = blocks[i];
        if (st.block > 1 && (v->shape.rank != 4 || v->shape.dim[1] % st.block))
            continue;
        dnnl_memory_desc_t as = md_of(v->shape, st);
        if (dnnl_memory_desc_equal(&as, md))
            return st;
        if (st.block == v->shape.dim[1] && st.block > 1 && is_nhwc(v->shape, st.dtype, md))
            return st;
    }
    st.block = 0;
    st.own = memcpy(px_plan_keep(p, px_calloc(1, sizeof *md)), md, sizeof *md);
    return st;
}

static bool same(const void *a, const void *b)
{
    return dnnl_memory_desc_equal(a, b);
}

/* ---- prepared primitives ---- */

typedef struct prepared {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    int args;
    dnnl_exec_arg_t arg[ARGS_MAX];
    struct {
        char from; /* 'i'nput, 'o'utput, 's'cratch */
        int slot;
    } source[ARGS_MAX];
} prepared;

static void run(const px_step *s)
{
    prepared *k = s->data;
    for (int i = 0; i < k->args; i++) {
        int slot = k->source[i].slot;
        void *at = k->source[i].from == 'i' ? s->in[slot] : k->source[i].from == 'o' ? s->out[slot] : s->scratch;
        MUST(dnnl_memory_set_data_handle(k->arg[i].memory, at));
    }
    MUST(dnnl_primitive_execute(k->primitive, k->stream, k->args, k->arg));
    MUST(dnnl_stream_wait(k->stream));
}

static void release(void *data)
{
    prepared *k = data;
    for (int i = 0; i < k->args; i++)
        dnnl_memory_destroy(k->arg[i].memory);
    dnnl_primitive_destroy(k->primitive);
    dnnl_stream_destroy(k->stream);
    free(k);
}

static void add_arg(prepared *k, int arg, const dnnl_memory_desc_t *md, char from, int slot)
{
    PX_CHECK(k->args < ARGS_MAX);
    k->arg[k->args].arg = arg;
    MUST(dnnl_memory_create(&k->arg[k->args].memory, md, engine(), DNNL_MEMORY_NONE));
    k->source[k->args].from = from;
    k->source[k->args++].slot = slot;
}

/* Makes the primitive; the caller adds its arguments. Takes over `pd`. */
static prepared *prepare(px_step *s, dnnl_primitive_desc_t pd)
{
    prepared *k = px_calloc(1, sizeof *k);
    MUST(dnnl_primitive_create(&k->primitive, pd));
    MUST(dnnl_stream_create(&k->stream, engine(), dnnl_stream_default_flags));
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    s->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    if (s->scratch_bytes)
        add_arg(k, DNNL_ARG_SCRATCHPAD, scratch, 's', 0);
    const char *name = "onednn";
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name);
    s->kernel = name; /* a literal of oneDNN's */
    s->run = run;
    s->data = k;
    s->release = release;
    dnnl_primitive_desc_destroy(pd);
    return k;
}

static dnnl_primitive_attr_t new_attr(void)
{
    dnnl_primitive_attr_t attr;
    MUST(dnnl_primitive_attr_create(&attr));
    MUST(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    return attr;
}

/* A primitive of this description that is not a reference implementation, or NULL. */
static dnnl_primitive_desc_t find(const void *op_desc, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t hint)
{
    dnnl_primitive_attr_t made = attr ? NULL : new_attr();
    dnnl_primitive_desc_t pd = NULL;
    const char *name = "";
    if (dnnl_primitive_desc_create(&pd, op_desc, attr ? attr : made, engine(), hint) != dnnl_success)
        pd = NULL;
    if (made)
        dnnl_primitive_attr_destroy(made);
    if (pd) {
        dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name);
        if (strncmp(name, "ref", 3) == 0) {
            dnnl_primitive_desc_destroy(pd);
            pd = NULL;
        }
    }
    return pd;
}

/* Kernels by way of a plain matrix product are the second choice: another format may have a direct one. */
static bool is_direct(dnnl_primitive_desc_t pd)
{
    const char *name = "";
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name);
    return !strstr(name, "gemm:");
}

/* Keeps the better of two descriptions, either of which may be NULL; the first wins a tie. */
static dnnl_primitive_desc_t better(dnnl_primitive_desc_t a, dnnl_primitive_desc_t b)
{
    bool second = !a || (b && !is_direct(a) && is_direct(b));
    if (a && b)
        dnnl_primitive_desc_destroy(second ? a : b);
    return second ? b : a;
}

static const dnnl_memory_desc_t *query(dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(pd, what, 0);
}

/* ---- reorder ---- */

/* A weight of several groups has one axis more in oneDNN's own formats than in its plain one: the same elements in the
 * same order. */
static px_shape shape_in(px_shape shape, px_storage a, px_storage b)
{
    const dnnl_memory_desc_t *own = a.own ? a.own : b.own;
    return own && own->ndims != shape.rank ? px_shape_make(own->dims, own->ndims) : shape;
}

static void reorder(px_step *s, px_shape shape, px_storage from, px_storage to)
{
    shape = shape_in(shape, from, to);
    dnnl_memory_desc_t src = md_of(shape, from), dst = md_of(shape, to);
    dnnl_primitive_desc_t pd;
    dnnl_primitive_attr_t attr = new_attr();
    MUST(dnnl_reorder_primitive_desc_create(&pd, &src, engine(), &dst, engine(), attr));
    dnnl_primitive_attr_destroy(attr);
    prepared *k = prepare(s, pd);
    add_arg(k, DNNL_ARG_FROM, &src, 'i', 0);
    add_arg(k, DNNL_ARG_TO, &dst, 'o', 0);
}

const px_backend px_backend_onednn = {.name = "onednn", .fast = true, .reorder = reorder, .same = same};

/* ---- convolution ---- */

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

/* How an activation goes to a convolution: as it is, for the first try; any, for the second. */
static dnnl_memory_desc_t activation_md(const px_plan *p, const px_value *v, bool as_it_is)
{
    return as_it_is ? md_of(v->shape, px_plan_format(p, v)) : any_md(v->shape, PX_F32);
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
    return find(&d, NULL, NULL);
}

bool px_onednn_conv2d(px_plan *p, px_step *s)
{
    const px_node *n = s->node;
    const px_conv_attr *a = n->attr;
    const px_value *x = n->in[0], *w = n->in[1], *bias = n->in[2], *y = n->out[0];
    conv_shape c = conv_shape_of(a, w->shape);
    dnnl_memory_desc_t any_weight = any_md(c.weight, PX_F32), any_dst = any_md(y->shape, PX_F32), bias_md;
    if (bias)
        bias_md = plain_md(bias->shape, PX_F32);
    dnnl_primitive_desc_t pd = NULL;
    for (int attempt = 0; attempt < 2 && !(pd && is_direct(pd)); attempt++) {
        dnnl_memory_desc_t src = activation_md(p, x, attempt == 0);
        pd = better(pd, conv_forward(a, &src, &any_weight, bias ? &bias_md : NULL, &any_dst, w->shape));
    }
    if (!pd)
        return false;
    const dnnl_memory_desc_t *src = query(pd, dnnl_query_src_md), *weight = query(pd, dnnl_query_weights_md),
                             *dst = query(pd, dnnl_query_dst_md);
    px_storage xs = storage_of(p, x, PX_F32, src), ys = storage_of(p, y, PX_F32, dst);
    if (!fits_our_kernels(ys)) {
        dnnl_primitive_desc_destroy(pd);
        return false;
    }
    px_plan_need(p, s, 0, xs);
    px_plan_need(p, s, 1, storage_of(p, w, PX_F32, weight));
    if (bias)
        px_plan_need(p, s, 2, px_storage_plain(bias));
    px_plan_make(p, s, 0, ys);
    dnnl_memory_desc_t md[] = {*src, *weight, *dst};
    prepared *k = prepare(s, pd);
    add_arg(k, DNNL_ARG_SRC, &md[0], 'i', 0);
    add_arg(k, DNNL_ARG_WEIGHTS, &md[1], 'i', 1);
    if (bias)
        add_arg(k, DNNL_ARG_BIAS, &bias_md, 'i', 2);
    add_arg(k, DNNL_ARG_DST, &md[2], 'o', 0);
    return true;
}

/* A forward description in the formats that x and y have by now, as a hint. */
static dnnl_primitive_desc_t hint_for(const px_conv_attr *a, const dnnl_memory_desc_t *src,
                                      const dnnl_memory_desc_t *dst, px_shape w)
{
    dnnl_memory_desc_t any_weight = any_md(conv_shape_of(a, w).weight, PX_F32);
    return conv_forward(a, src, &any_weight, NULL, dst, w);
}

bool px_onednn_conv2d_back_data(px_plan *p, px_step *s)
{
    const px_conv_attr *a = s->node->attr;
    const px_value *dy = s->node->in[0], *w = s->node->in[1], *x = s->node->in[2], *dx = s->node->out[0];
    conv_shape c = conv_shape_of(a, w->shape);
    dnnl_memory_desc_t any_weight = any_md(c.weight, PX_F32);
    dnnl_primitive_desc_t pd = NULL;
    for (int attempt = 0; attempt < 2 && !(pd && is_direct(pd)); attempt++) {
        dnnl_memory_desc_t src = activation_md(p, x, attempt == 0), dst = activation_md(p, dy, attempt == 0);
        dnnl_primitive_desc_t hint = hint_for(a, &src, &dst, w->shape);
        dnnl_convolution_desc_t d;
        if (hint &&
            dnnl_dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &src, &any_weight, &dst,
                                                             c.stride, c.dilation, c.pad, c.pad) == dnnl_success)
            pd = better(pd, find(&d, NULL, hint));
        if (hint)
            dnnl_primitive_desc_destroy(hint);
    }
    if (!pd)
        return false;
    dnnl_memory_desc_t md[] = {*query(pd, dnnl_query_diff_dst_md), *query(pd, dnnl_query_weights_md),
                               *query(pd, dnnl_query_diff_src_md)};
    px_storage dxs = storage_of(p, dx, PX_F32, &md[2]);
    if (!fits_our_kernels(dxs)) {
        dnnl_primitive_desc_destroy(pd);
        return false;
    }
    px_plan_need(p, s, 0, storage_of(p, dy, PX_F32, &md[0]));
    px_plan_need(p, s, 1, storage_of(p, w, PX_F32, &md[1]));
    px_plan_make(p, s, 0, dxs);
    prepared *k = prepare(s, pd);
    add_arg(k, DNNL_ARG_DIFF_DST, &md[0], 'i', 0);
    add_arg(k, DNNL_ARG_WEIGHTS, &md[1], 'i', 1);
    add_arg(k, DNNL_ARG_DIFF_SRC, &md[2], 'o', 0);
    return true;
}

bool px_onednn_conv2d_back_weight(px_plan *p, px_step *s)
{
    const px_conv_attr *a = s->node->attr;
    const px_value *x = s->node->in[0], *dy = s->node->in[1], *w = s->node->in[2], *dw = s->node->out[0];
    conv_shape c = conv_shape_of(a, w->shape);
    dnnl_primitive_desc_t pd = NULL;
    /* First straight into the format of the parameter, then into any. */
    for (int attempt = 0; attempt < 4 && !(pd && is_direct(pd)); attempt++) {
        dnnl_memory_desc_t src = activation_md(p, x, attempt < 2), dst = activation_md(p, dy, attempt < 2), diff;
        px_storage ws = px_plan_format(p, w);
        bool any = attempt % 2 == 1 || (a->groups > 1 && !ws.own);
        diff = any ? any_md(c.weight, PX_F32) : md_of(c.weight, ws);
        dnnl_primitive_desc_t hint = hint_for(a, &src, &dst, w->shape);
        dnnl_convolution_desc_t d;
        if (hint &&
            dnnl_dilated_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &src, &diff, NULL, &dst,
                                                                c.stride, c.dilation, c.pad, c.pad) == dnnl_success)
            pd = better(pd, find(&d, NULL, hint));
        if (hint)
            dnnl_primitive_desc_destroy(hint);
    }
    if (!pd)
        return false;
    dnnl_memory_desc_t md[] = {*query(pd, dnnl_query_src_md), *query(pd, dnnl_query_diff_dst_md),
                               *query(pd, dnnl_query_diff_weights_md)};
    px_plan_need(p, s, 0, storage_of(p, x, PX_F32, &md[0]));
    px_plan_need(p, s, 1, storage_of(p, dy, PX_F32, &md[1]));
    px_plan_make(p, s, 0, storage_of(p, dw, PX_F32, &md[2]));
    prepared *k = prepare(s, pd);
    add_arg(k, DNNL_ARG_SRC, &md[0], 'i', 0);
    add_arg(k, DNNL_ARG_DIFF_DST, &md[1], 'i', 1);
    add_arg(k, DNNL_ARG_DIFF_WEIGHTS, &md[2], 'o', 0);
    return true;
}

/* ---- matrix product ---- */

/* Rows and columns of op(v): a transposed operand is the same memory with its last two strides swapped. */
static dnnl_memory_desc_t matrix_md(px_shape shape, bool transposed)
{
    dnnl_memory_desc_t plain = plain_md(shape, PX_F32), md = plain;
    if (transposed) {
        int perm[DNNL_MAX_NDIMS];
        for (int i = 0; i < shape.rank; i++)
            perm[i] = i;
        perm[shape.rank - 2] = shape.rank - 1;
        perm[shape.rank - 1] = shape.rank - 2;
        MUST(dnnl_memory_desc_permute_axes(&md, &plain, perm));
    }
    return md;
}

bool px_onednn_matmul(px_plan *p, px_step *s)
{
    const px_node *n = s->node;
    const px_matmul_attr *a = n->attr;
    const px_value *bias = n->in[2];
    PX_CHECK(!bias || a->factor == 1);
    dnnl_memory_desc_t src = matrix_md(n->in[0]->shape, a->transpose_a),
                       weight = matrix_md(n->in[1]->shape, a->transpose_b), dst = plain_md(n->out[0]->shape, PX_F32),
                       bias_md;
    if (bias) {
        px_shape row = n->out[0]->shape;
        for (int i = 0; i < row.rank - 1; i++)
            row.dim[i] = 1;
        bias_md = plain_md(row, PX_F32);
    }
    dnnl_primitive_attr_t attr = new_attr();
    dnnl_post_ops_t post = NULL;
    float factor = (float)a->factor;
    if (a->factor != 1)
        MUST(dnnl_primitive_attr_set_output_scales(attr, 1, 0, &factor));
    if (a->act != PX_ACT_NONE) {
        MUST(dnnl_post_ops_create(&post));
        MUST(dnnl_post_ops_append_eltwise(post, 1, a->act == PX_ACT_RELU ? dnnl_eltwise_relu : dnnl_eltwise_gelu_erf, 0,
                                          0));
        MUST(dnnl_primitive_attr_set_post_ops(attr, post));
    }
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t pd = NULL;
    if (dnnl_matmul_desc_init(&d, &src, &weight, bias ? &bias_md : NULL, &dst) == dnnl_success)
        pd = find(&d, attr, NULL);
    dnnl_primitive_attr_destroy(attr);
    if (post)
        dnnl_post_ops_destroy(post);
    if (!pd)
        return false;
    for (int i = 0; i < n->inputs; i++)
        if (n->in[i])
            px_plan_need(p, s, i, px_storage_plain(n->in[i]));
    px_plan_make(p, s, 0, px_storage_plain(n->out[0]));
    prepared *k = prepare(s, pd);
    add_arg(k, DNNL_ARG_SRC, &src, 'i', 0);
    add_arg(k, DNNL_ARG_WEIGHTS, &weight, 'i', 1);
    if (bias)
        add_arg(k, DNNL_ARG_BIAS, &bias_md, 'i', 2);
    add_arg(k, DNNL_ARG_DST, &dst, 'o', 0);
    return true;
}

/* ---- max pooling ---- */

static dnnl_primitive_desc_t pool_forward(const px_pool_attr *a, const dnnl_memory_desc_t *src,
                                          const dnnl_memory_desc_t *dst)
{
    dnnl_dims_t stride = {a->stride, a->stride}, kernel = {a->kernel, a->kernel}, dilation = {0, 0},
                pad = {a->pad, a->pad};
    dnnl_pooling_v2_desc_t d;
    if (dnnl_pooling_v2_forward_desc_init(&d, dnnl_forward_training, dnnl_pooling_max, src, dst, stride, kernel,
                                          dilation, pad, pad) != dnnl_success)
        return NULL;
    return find(&d, NULL, NULL);
}

bool px_onednn_max_pool(px_plan *p, px_step *s)
{
    const px_value *x = s->node->in[0], *y = s->node->out[0];
    px_storage st = px_plan_format(p, x);
    px_storage ys = px_storage_blocked(y, st.block);
    dnnl_memory_desc_t src = md_of(x->shape, st), dst = md_of(y->shape, ys);
    dnnl_primitive_desc_t pd = pool_forward(s->node->attr, &src, &dst);
    if (!pd)
        return false;
    dnnl_memory_desc_t ws = *query(pd, dnnl_query_workspace_md);
    px_plan_need(p, s, 0, st);
    px_plan_make(p, s, 0, ys);
    px_storage places = {PX_U8, 0, memcpy(px_plan_keep(p, px_calloc(1, sizeof ws)), &ws, sizeof ws),
                         dnnl_memory_desc_get_size(&ws)};
    px_plan_make(p, s, 1, places);
    prepared *k = prepare(s, pd);
    add_arg(k, DNNL_ARG_SRC, &src, 'i', 0);
    add_arg(k, DNNL_ARG_DST, &dst, 'o', 0);
    add_arg(k, DNNL_ARG_WORKSPACE, &ws, 'o', 1);
    return true;
}

bool px_onednn_max_pool_back(px_plan *p, px_step *s)
{
    const px_pool_attr *a = s->node->attr;
    const px_value *dy = s->node->in[0], *place = s->node->in[1], *x = s->node->in[2], *dx = s->node->out[0];
    px_storage ws = px_plan_format(p, place), xs = px_plan_format(p, x);
    if (!ws.own) /* forward went to the portable kernel */
        return false;
    px_storage dys = px_storage_blocked(dy, xs.block);
    dnnl_memory_desc_t src = md_of(x->shape, xs), dst = md_of(dy->shape, dys),
                       work = *(const dnnl_memory_desc_t *)ws.own;
    dnnl_primitive_desc_t hint = pool_forward(a, &src, &dst), pd = NULL;
    dnnl_dims_t stride = {a->stride, a->stride}, kernel = {a->kernel, a->kernel}, dilation = {0, 0},
                pad = {a->pad, a->pad};
    dnnl_pooling_v2_desc_t d;
    MUST(dnnl_pooling_v2_backward_desc_init(&d, dnnl_pooling_max, &src, &dst, stride, kernel, dilation, pad, pad));
    if (hint) {
        pd = find(&d, NULL, hint);
        dnnl_primitive_desc_destroy(hint);
    }
    PX_CHECK(pd); /* where forward exists, so does backward */
    px_plan_need(p, s, 0, dys);
    px_plan_need(p, s, 1, ws);
    px_plan_make(p, s, 0, px_storage_blocked(dx, xs.block));
    prepared *k = prepare(s, pd);
    add_arg(k, DNNL_ARG_DIFF_DST, &dst, 'i', 0);
    add_arg(k, DNNL_ARG_WORKSPACE, &work, 'i', 1);
    add_arg(k, DNNL_ARG_DIFF_SRC, &src, 'o', 0);
    return true;
}
