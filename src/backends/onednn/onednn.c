/* onednn.c - what all steps by oneDNN have in common: formats and execution; and reorders.
 *
 * Formats: a primitive first tries the format of its input, then lets oneDNN choose. The chosen format becomes the
 * value's storage. */
#include "backends/onednn/onednn.h"
#include "backends/x86/kernels.h"
#include "base/cpu.h"
#include "base/error.h"
#include "ops/epilogue.h"

#include <stdlib.h>

bool px_bf16_native(void)
{
    return px_cpu_has(PX_ISA_AVX512_BF16);
}

/* ---- formats ---- */

px_layout px_dnnl_layout(px_shape shape, px_storage st)
{
    if (st.own)
        return px_layout_of_own(st.own);
    /* If all 8 or 16 channels form one block, both descriptions fit; oneDNN's best kernels are for the blocked one. */
    px_order order = st.block == 1    ? PX_ORDER_PLAIN
                     : st.block == 16 ? PX_ORDER_BLOCKS_OF_16
                     : st.block == 8  ? PX_ORDER_BLOCKS_OF_8
                                      : PX_ORDER_CHANNELS_LAST;
    return (px_layout){shape, st.dtype, order, NULL};
}

px_storage px_dnnl_storage(px_plan *p, const px_value *v, px_layout l)
{
    px_storage st = {l.dtype, 1, NULL, px_layout_bytes(l)};
    const int blocks[] = {1, 16, 8, v->shape.rank == 4 ? (int)v->shape.dim[1] : 1};
    for (int i = 0; i < 4; i++) {
        st.block = blocks[i];
        if (st.block > 1 && (v->shape.rank != 4 || v->shape.dim[1] % st.block))
            continue;
        if (px_layout_equal(px_dnnl_layout(v->shape, st), l))
            return st;
        px_layout channels_last = {v->shape, st.dtype, PX_ORDER_CHANNELS_LAST, NULL};
        if (st.block == v->shape.dim[1] && st.block > 1 && px_layout_equal(channels_last, l))
            return st;
    }
    st.block = 0;
    st.own = px_plan_adopt(p, px_own_create(l), px_own_destroy);
    return st;
}

px_storage px_dnnl_storage_of(px_plan *p, const px_value *v, const px_primitive_desc *d, px_dnnl_arg arg)
{
    return px_dnnl_storage(p, v, px_dnnl_layout_of(d, arg));
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
    void *at[PX_PRIMITIVE_ARGS];
    for (int i = 0; i < k->args; i++)
        at[i] = address(s, k, i);
    px_primitive_execute(k->primitive, at);
    if (k->after)
        k->after(s);
}

static void release(void *data)
{
    px_prepared *k = data;
    px_primitive_destroy(k->primitive);
    free(k);
}

void px_dnnl_arg_from(px_prepared *k, px_dnnl_arg arg, char from, int slot)
{
    px_primitive_add(k->primitive, arg);
    k->source[k->args].from = from;
    k->source[k->args++].slot = slot;
}

void px_dnnl_then_epilogue(px_prepared *k, const px_step *s)
{
    if (px_epilogue_act(s->node) || px_epilogue_residual(s->node))
        k->after = s->out_format[0].dtype == PX_BF16 ? px_fast_bf16_epilogue : px_fast_f32_epilogue;
}

px_prepared *px_dnnl_prepare(px_step *s, px_primitive_desc *d)
{
    px_prepared *k = px_calloc(1, sizeof *k);
    s->scratch_bytes = px_dnnl_bytes_of(d, PX_DNNL_SCRATCHPAD);
    s->kernel = px_dnnl_kernel(d);
    s->run = run;
    s->data = k;
    s->release = release;
    k->primitive = px_primitive_create(d);
    if (s->scratch_bytes)
        px_dnnl_arg_from(k, PX_DNNL_SCRATCHPAD, 's', 0);
    return k;
}

/* ---- reorder ---- */

/* In oneDNN's own formats a weight with several groups has one more axis than in the plain one, with the same elements
 * in the same order. */
static px_shape shape_in(px_shape shape, px_storage a, px_storage b)
{
    const void *own = a.own ? a.own : b.own;
    px_shape seen = own ? px_layout_of_own(own).shape : shape;
    return seen.rank != shape.rank ? seen : shape;
}

static void reorder(px_step *s, px_shape shape, px_storage from, px_storage to)
{
    shape = shape_in(shape, from, to);
    px_prepared *k = px_dnnl_prepare(s, px_dnnl_find_reorder(px_dnnl_layout(shape, from), px_dnnl_layout(shape, to)));
    px_dnnl_arg_from(k, PX_DNNL_SRC, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_DST, 'o', 0);
}

const px_backend px_backend_fast = {.name = "onednn",
                                    .rows = px_fast_rows,
                                    .in_double = &px_backend_openblas,
                                    .allocate = px_aligned_calloc,
                                    .release = free,
                                    .copy = px_host_copy,
                                    .follow = px_host_follow,
                                    .update = &px_update_fast,
                                    .bf16 = true,
                                    .reorder = reorder,
                                    .same = px_own_equal};
