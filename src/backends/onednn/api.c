/* api.c - what oneDNN's versions 2 and 3 have in common: the engine, layouts, execution. */
#include "backends/onednn/api.h"
#include "backends/onednn/version.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- engine ---- */

void px_dnnl_must(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "pretext: oneDNN failed with status %d: %s\n", (int)status, what);
    px_check_failed(__FILE__, __LINE__, what);
}

/* The CPU engine has no state, so one serves the whole program. */
dnnl_engine_t px_dnnl_engine(void)
{
    static dnnl_engine_t cpu;
    if (!cpu)
        MUST(dnnl_engine_create(&cpu, dnnl_cpu, 0));
    return cpu;
}

/* ---- layouts ---- */

static dnnl_data_type_t type_of(px_dtype t)
{
    static const dnnl_data_type_t type[PX_DTYPES] = {
        [PX_F32] = dnnl_f32, [PX_BF16] = dnnl_bf16, [PX_I32] = dnnl_s32, [PX_U8] = dnnl_u8};
    PX_CHECK(type[t] != dnnl_data_type_undef);
    return type[t];
}

static px_dtype dtype_of(dnnl_data_type_t t)
{
    for (int i = 0; i < PX_DTYPES; i++)
        if (i != PX_F64 && type_of(i) == t)
            return i;
    PX_CHECK(false);
    return PX_F32;
}

static dnnl_format_tag_t tag_of(px_order order)
{
    switch (order) {
    case PX_ORDER_ANY:
        return dnnl_format_tag_any;
    case PX_ORDER_CHANNELS_LAST:
        return dnnl_nhwc;
    case PX_ORDER_BLOCKS_OF_8:
        return dnnl_nChw8c;
    case PX_ORDER_BLOCKS_OF_16:
        return dnnl_nChw16c;
    default:
        return dnnl_format_tag_undef;
    }
}

/* A new descriptor; the caller destroys it. */
static void *md_of(px_layout l)
{
    if (l.order == PX_ORDER_OWN)
        return px_dnnl_md_copy(l.own);
    int rank = l.shape.rank ? l.shape.rank : 1; /* oneDNN has no scalars */
    dnnl_dims_t dims = {1}, strides;
    for (int i = 0; i < l.shape.rank; i++)
        dims[i] = l.shape.dim[i];
    if (l.order != PX_ORDER_PLAIN && l.order != PX_ORDER_TRANSPOSED)
        return px_dnnl_md_tagged(rank, dims, type_of(l.dtype), tag_of(l.order));
    int last = rank - 1, before = rank - 2;
    if (l.order == PX_ORDER_TRANSPOSED) {
        last = rank - 2;
        before = rank - 1;
    }
    strides[last] = 1;
    if (rank > 1)
        strides[before] = dims[last];
    for (int64_t i = rank - 3, inner = rank > 1 ? dims[rank - 1] * dims[rank - 2] : 0; i >= 0; inner *= dims[i--])
        strides[i] = inner;
    return px_dnnl_md_strided(rank, dims, type_of(l.dtype), strides);
}

bool px_layout_equal(px_layout a, px_layout b)
{
    void *x = md_of(a), *y = md_of(b);
    bool equal = dnnl_memory_desc_equal(x, y);
    px_dnnl_md_destroy(x);
    px_dnnl_md_destroy(y);
    return equal;
}

size_t px_layout_bytes(px_layout l)
{
    void *md = md_of(l);
    size_t bytes = dnnl_memory_desc_get_size(md);
    px_dnnl_md_destroy(md);
    return bytes;
}

px_layout px_layout_of_own(const void *own)
{
    dnnl_dims_t dims;
    dnnl_data_type_t type;
    int rank = px_dnnl_md_dims(own, dims, &type);
    PX_CHECK(rank <= PX_RANK_MAX);
    return (px_layout){px_shape_make(dims, rank), dtype_of(type), PX_ORDER_OWN, own};
}

void *px_own_create(px_layout l)
{
    return md_of(l);
}

void px_own_destroy(void *own)
{
    px_dnnl_md_destroy(own);
}

bool px_own_equal(const void *a, const void *b)
{
    return dnnl_memory_desc_equal(a, b);
}

/* ---- descriptions of primitives ---- */

static const struct {
    int index; /* DNNL_ARG_..., for execution */
    dnnl_query_t query;
} args[PX_DNNL_ARGS] = {
    [PX_DNNL_SRC] = {DNNL_ARG_SRC, dnnl_query_src_md},
    [PX_DNNL_WEIGHTS] = {DNNL_ARG_WEIGHTS, dnnl_query_weights_md},
    [PX_DNNL_BIAS] = {DNNL_ARG_BIAS, dnnl_query_exec_arg_md},
    [PX_DNNL_DST] = {DNNL_ARG_DST, dnnl_query_dst_md},
    [PX_DNNL_DIFF_SRC] = {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md},
    [PX_DNNL_DIFF_WEIGHTS] = {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md},
    [PX_DNNL_DIFF_DST] = {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md},
    [PX_DNNL_WORKSPACE] = {DNNL_ARG_WORKSPACE, dnnl_query_workspace_md},
    [PX_DNNL_RESIDUAL] = {DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, dnnl_query_exec_arg_md},
    [PX_DNNL_SCRATCHPAD] = {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md},
};

/* Borrowed; of size 0 if there is no such argument. */
static const void *md_in(const px_primitive_desc *d, px_dnnl_arg arg)
{
    bool by_index = args[arg].query == dnnl_query_exec_arg_md;
    return dnnl_primitive_desc_query_md(d, args[arg].query, by_index ? args[arg].index : 0);
}

const char *px_dnnl_kernel(const px_primitive_desc *d)
{
    const char *name = "onednn";
    dnnl_primitive_desc_query(d, dnnl_query_impl_info_str, 0, &name);
    return name;
}

px_layout px_dnnl_layout_of(const px_primitive_desc *d, px_dnnl_arg arg)
{
    return px_layout_of_own(md_in(d, arg));
}

size_t px_dnnl_bytes_of(const px_primitive_desc *d, px_dnnl_arg arg)
{
    const void *md = md_in(d, arg);
    return md ? dnnl_memory_desc_get_size(md) : 0;
}

void px_primitive_desc_destroy(px_primitive_desc *d)
{
    if (d)
        MUST(dnnl_primitive_desc_destroy(d));
}

/* Scratch memory comes from the plan's arena. */
static dnnl_primitive_attr_t new_attr(void)
{
    dnnl_primitive_attr_t attr;
    MUST(dnnl_primitive_attr_create(&attr));
    MUST(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    return attr;
}

/* Whether it is a reference implementation: "ref:any", "ref_int8:any", "gemm:ref". */
static px_primitive_desc *unless_reference(px_primitive_desc *d)
{
    if (!d || !strstr(px_dnnl_kernel(d), "ref"))
        return d;
    px_primitive_desc_destroy(d);
    return NULL;
}

/* ---- their kinds ---- */

static px_dnnl_tensors tensors_of(px_layout src, const px_layout *weights, const px_layout *bias, px_layout dst)
{
    return (px_dnnl_tensors){md_of(src), weights ? md_of(*weights) : NULL, bias ? md_of(*bias) : NULL, md_of(dst)};
}

static void tensors_finish(px_dnnl_tensors *t)
{
    px_dnnl_md_destroy(t->src);
    px_dnnl_md_destroy(t->weights);
    px_dnnl_md_destroy(t->bias);
    px_dnnl_md_destroy(t->dst);
}

static px_dnnl_window window_of(const px_sliding *s)
{
    px_dnnl_window w = {0};
    for (int k = 0; k < 2; k++) {
        w.kernel[k] = s->kernel[k];
        w.stride[k] = s->stride[k];
        w.before[k] = s->before[k];
        w.after[k] = s->after[k];
        w.gap[k] = s->dilation[k] - 1;
    }
    return w;
}

/* A backward pass needs, as a hint, forward's description in these layouts; without one there is no kernel. */
px_primitive_desc *px_dnnl_find_conv(px_pass pass, const px_dnnl_conv *c)
{
    px_primitive_desc *hint = NULL, *found = NULL;
    if (pass != PX_PASS_FORWARD) {
        px_dnnl_conv forward = *c;
        forward.weights = (px_layout){c->weights.shape, c->src.dtype, PX_ORDER_ANY, NULL};
        hint = px_dnnl_find_conv(PX_PASS_FORWARD, &forward);
        if (!hint)
            return NULL;
    }
    px_dnnl_tensors t = tensors_of(c->src, &c->weights, c->bias, c->dst);
    px_dnnl_window w = window_of(&c->slide);
    dnnl_primitive_attr_t attr = new_attr();
    found = unless_reference(px_dnnl_describe_conv(pass, &t, &w, hint, attr));
    MUST(dnnl_primitive_attr_destroy(attr));
    tensors_finish(&t);
    px_primitive_desc_destroy(hint);
    return found;
}

px_primitive_desc *px_dnnl_find_matmul(const px_dnnl_matmul *m)
{
    PX_CHECK((!m->bias && !m->residual) || m->factor == 1);
    px_dnnl_tensors t = tensors_of(m->src, &m->weights, m->bias, m->dst);
    dnnl_primitive_attr_t attr = new_attr();
    void *residual = m->residual ? md_of(*m->residual) : NULL;
    px_dnnl_attr_product(attr, m->factor, residual, m->function);
    px_primitive_desc *found = unless_reference(px_dnnl_describe_matmul(&t, attr));
    px_dnnl_md_destroy(residual);
    MUST(dnnl_primitive_attr_destroy(attr));
    tensors_finish(&t);
    return found;
}

px_primitive_desc *px_dnnl_find_max_pool(px_pass pass, const px_dnnl_pool *p)
{
    px_primitive_desc *hint = NULL;
    if (pass != PX_PASS_FORWARD && !(hint = px_dnnl_find_max_pool(PX_PASS_FORWARD, p)))
        return NULL;
    px_dnnl_tensors t = tensors_of(p->src, NULL, NULL, p->dst);
    px_dnnl_window w = window_of(&p->slide);
    dnnl_primitive_attr_t attr = new_attr();
    px_primitive_desc *found = unless_reference(px_dnnl_describe_max_pool(pass, &t, &w, hint, attr));
    MUST(dnnl_primitive_attr_destroy(attr));
    tensors_finish(&t);
    px_primitive_desc_destroy(hint);
    return found;
}

px_primitive_desc *px_dnnl_find_reorder(px_layout from, px_layout to)
{
    px_dnnl_tensors t = tensors_of(from, NULL, NULL, to);
    dnnl_primitive_attr_t attr = new_attr();
    px_primitive_desc *d;
    MUST(dnnl_reorder_primitive_desc_create(&d, t.src, px_dnnl_engine(), t.dst, px_dnnl_engine(), attr));
    MUST(dnnl_primitive_attr_destroy(attr));
    tensors_finish(&t);
    return d;
}

/* ---- primitives ---- */

struct px_primitive {
    px_primitive_desc *desc;
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    int args;
    dnnl_exec_arg_t arg[PX_PRIMITIVE_ARGS];
};

px_primitive *px_primitive_create(px_primitive_desc *d)
{
    px_primitive *k = px_calloc(1, sizeof *k);
    k->desc = d;
    MUST(dnnl_primitive_create(&k->primitive, d));
    MUST(dnnl_stream_create(&k->stream, px_dnnl_engine(), dnnl_stream_default_flags));
    return k;
}

void px_primitive_destroy(px_primitive *k)
{
    if (!k)
        return;
    for (int i = 0; i < k->args; i++)
        MUST(dnnl_memory_destroy(k->arg[i].memory));
    MUST(dnnl_primitive_destroy(k->primitive));
    MUST(dnnl_stream_destroy(k->stream));
    px_primitive_desc_destroy(k->desc);
    free(k);
}

void px_primitive_add(px_primitive *k, px_dnnl_arg arg)
{
    PX_CHECK(k->args < PX_PRIMITIVE_ARGS);
    dnnl_exec_arg_t *a = &k->arg[k->args++];
    a->arg = args[arg].index;
    MUST(dnnl_memory_create(&a->memory, md_in(k->desc, arg), px_dnnl_engine(), DNNL_MEMORY_NONE));
}

void px_primitive_execute(px_primitive *k, void *const address[])
{
    for (int i = 0; i < k->args; i++)
        MUST(dnnl_memory_set_data_handle(k->arg[i].memory, address[i]));
    MUST(dnnl_primitive_execute(k->primitive, k->stream, k->args, k->arg));
    MUST(dnnl_stream_wait(k->stream));
}
