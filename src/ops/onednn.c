/* onednn.c - what all of oneDNN's primitives have in common: the engine, formats, execution; and reorders.
 *
 * Formats: a primitive first tries the format that its input has, then lets oneDNN choose; whatever it picks becomes
 * the value's storage. */
#include "ops/onednn.h"
#include "base/error.h"

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

/* The CPU engine has no state; one for the life of the program. */
dnnl_engine_t px_dnnl_engine(void)
{
    static dnnl_engine_t cpu;
    if (!cpu)
        MUST(dnnl_engine_create(&cpu, dnnl_cpu, 0));
    return cpu;
}

/* oneDNN's values are sets of bits: a later instruction set has those of the ones that it includes. */
bool px_dnnl_isa_has(dnnl_cpu_isa_t isa)
{
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

bool px_bf16_native(void)
{
    return px_dnnl_isa_has(dnnl_cpu_isa_avx512_core_bf16);
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

dnnl_memory_desc_t px_dnnl_plain(px_shape shape, px_dtype dtype)
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

dnnl_memory_desc_t px_dnnl_any(px_shape shape, px_dtype dtype)
{
    dnnl_dims_t dims;
    int rank = dims_of(shape, dims);
    dnnl_memory_desc_t md;
    MUST(dnnl_memory_desc_init_by_tag(&md, rank, dims, type_of(dtype), dnnl_format_tag_any));
    return md;
}

dnnl_memory_desc_t px_dnnl_md(px_shape shape, px_storage st)
{
    if (st.own)
        return *(const dnnl_memory_desc_t *)st.own;
    if (st.block == 1)
        return px_dnnl_plain(shape, st.dtype);
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

static px_dtype dtype_of(dnnl_data_type_t t)
{
    for (int i = 0; i < PX_DTYPES; i++)
        if (i != PX_F64 && type_of(i) == t)
            return i;
    PX_CHECK(false);
    return PX_F32;
}

px_storage px_dnnl_storage(px_plan *p, const px_value *v, const dnnl_memory_desc_t *md)
{
    px_storage st = {dtype_of(md->data_type), 1, NULL, dnnl_memory_desc_get_size(md)};
    const int blocks[] = {1, 16, 8, v->shape.rank == 4 ? (int)v->shape.dim[1] : 1};
    for (int i = 0; i < 4; i++) {
        st.block = blocks[i];
        if (st.block > 1 && (v->shape.rank != 4 || v->shape.dim[1] % st.block))
            continue;
        dnnl_memory_desc_t as = px_dnnl_md(v->shape, st);
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

static void *address(const px_step *s, const px_prepared *k, int arg)
{
    int slot = k->source[arg].slot;
    switch (k->source[arg].from) {
    case 'i':
        return s->in[slot];
    case 'o':
        return s->out[slot];
    default:
        return s->scratch;
    }
}

static void run(const px_step *s)
{
    px_prepared *k = s->data;
    for (int i = 0; i < k->args; i++)
        MUST(dnnl_memory_set_data_handle(k->arg[i].memory, address(s, k, i)));
    MUST(dnnl_primitive_execute(k->primitive, k->stream, k->args, k->arg));
    MUST(dnnl_stream_wait(k->stream));
    if (k->after)
        k->after(s);
}

static void release(void *data)
{
    px_prepared *k = data;
    for (int i = 0; i < k->args; i++)
        dnnl_memory_destroy(k->arg[i].memory);
    dnnl_primitive_destroy(k->primitive);
    dnnl_stream_destroy(k->stream);
    free(k);
}

void px_dnnl_arg(px_prepared *k, int arg, const dnnl_memory_desc_t *md, char from, int slot)
{
    PX_CHECK(k->args < PX_DNNL_ARGS);
    k->arg[k->args].arg = arg;
    MUST(dnnl_memory_create(&k->arg[k->args].memory, md, px_dnnl_engine(), DNNL_MEMORY_NONE));
    k->source[k->args].from = from;
    k->source[k->args++].slot = slot;
}

px_prepared *px_dnnl_prepare(px_step *s, dnnl_primitive_desc_t pd)
{
    px_prepared *k = px_calloc(1, sizeof *k);
    MUST(dnnl_primitive_create(&k->primitive, pd));
    MUST(dnnl_stream_create(&k->stream, px_dnnl_engine(), dnnl_stream_default_flags));
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    size_t bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    s->scratch_bytes = bytes;
    if (bytes)
        px_dnnl_arg(k, DNNL_ARG_SCRATCHPAD, scratch, 's', 0);
    const char *name = "onednn";
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name);
    s->kernel = name; /* a literal of oneDNN's */
    s->run = run;
    s->data = k;
    s->release = release;
    dnnl_primitive_desc_destroy(pd);
    return k;
}

dnnl_primitive_attr_t px_dnnl_attr(void)
{
    dnnl_primitive_attr_t attr;
    MUST(dnnl_primitive_attr_create(&attr));
    MUST(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    return attr;
}

dnnl_primitive_desc_t px_dnnl_find(const void *op_desc, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t hint)
{
    dnnl_primitive_attr_t made = attr ? NULL : px_dnnl_attr();
    dnnl_primitive_desc_t pd = NULL;
    const char *name = "";
    if (dnnl_primitive_desc_create(&pd, op_desc, attr ? attr : made, px_dnnl_engine(), hint) != dnnl_success)
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
    dnnl_memory_desc_t src = px_dnnl_md(shape, from), dst = px_dnnl_md(shape, to);
    dnnl_primitive_desc_t pd;
    dnnl_primitive_attr_t attr = px_dnnl_attr();
    MUST(dnnl_reorder_primitive_desc_create(&pd, &src, px_dnnl_engine(), &dst, px_dnnl_engine(), attr));
    dnnl_primitive_attr_destroy(attr);
    px_prepared *k = px_dnnl_prepare(s, pd);
    px_dnnl_arg(k, DNNL_ARG_FROM, &src, 'i', 0);
    px_dnnl_arg(k, DNNL_ARG_TO, &dst, 'o', 0);
}

const px_backend px_backend_onednn = {.name = "onednn", .fast = true, .reorder = reorder, .same = same};
