/* onednn_pool.c - max pooling by oneDNN, in the format and type of what comes in. */
#include "base/error.h"
#include "ops/attr.h"
#include "ops/onednn.h"

#include <string.h>

static dnnl_primitive_desc_t pool_forward(const px_pool_attr *a, const dnnl_memory_desc_t *src,
                                          const dnnl_memory_desc_t *dst)
{
    dnnl_dims_t stride = {a->stride, a->stride}, kernel = {a->kernel, a->kernel}, dilation = {0, 0},
                pad = {a->pad, a->pad};
    dnnl_pooling_v2_desc_t d;
    if (dnnl_pooling_v2_forward_desc_init(&d, dnnl_forward_training, dnnl_pooling_max, src, dst, stride, kernel,
                                          dilation, pad, pad) != dnnl_success)
        return NULL;
    return px_dnnl_find(&d, NULL, NULL);
}

bool px_onednn_max_pool(px_plan *p, px_step *s)
{
    const px_value *x = s->node->in[0], *y = s->node->out[0];
    px_storage st = px_plan_format(p, x);
    px_storage ys = px_storage_blocked(y, st.block, st.dtype);
    dnnl_memory_desc_t src = px_dnnl_md(x->shape, st), dst = px_dnnl_md(y->shape, ys);
    dnnl_primitive_desc_t pd = pool_forward(s->node->attr, &src, &dst);
    if (!pd)
        return false;
    dnnl_memory_desc_t ws = *dnnl_primitive_desc_query_md(pd, dnnl_query_workspace_md, 0);
    px_plan_need(p, s, 0, st);
    px_plan_make(p, s, 0, ys);
    px_storage places = {PX_U8, 0, memcpy(px_plan_keep(p, px_calloc(1, sizeof ws)), &ws, sizeof ws),
                         dnnl_memory_desc_get_size(&ws)};
    px_plan_make(p, s, 1, places);
    px_prepared *k = px_dnnl_prepare(s, pd);
    px_dnnl_arg(k, DNNL_ARG_SRC, &src, 'i', 0);
    px_dnnl_arg(k, DNNL_ARG_DST, &dst, 'o', 0);
    px_dnnl_arg(k, DNNL_ARG_WORKSPACE, &ws, 'o', 1);
    return true;
}

bool px_onednn_max_pool_back(px_plan *p, px_step *s)
{
    const px_pool_attr *a = s->node->attr;
    const px_value *dy = s->node->in[0], *place = s->node->in[1], *x = s->node->in[2], *dx = s->node->out[0];
    px_storage ws = px_plan_format(p, place), xs = px_plan_format(p, x);
    if (!ws.own) /* forward went to the portable kernel */
        return false;
    px_storage dys = px_storage_blocked(dy, xs.block, xs.dtype);
    dnnl_memory_desc_t src = px_dnnl_md(x->shape, xs), dst = px_dnnl_md(dy->shape, dys),
                       work = *(const dnnl_memory_desc_t *)ws.own;
    dnnl_primitive_desc_t hint = pool_forward(a, &src, &dst), pd = NULL;
    dnnl_dims_t stride = {a->stride, a->stride}, kernel = {a->kernel, a->kernel}, dilation = {0, 0},
                pad = {a->pad, a->pad};
    dnnl_pooling_v2_desc_t d;
    MUST(dnnl_pooling_v2_backward_desc_init(&d, dnnl_pooling_max, &src, &dst, stride, kernel, dilation, pad, pad));
    if (hint) {
        pd = px_dnnl_find(&d, NULL, hint);
        dnnl_primitive_desc_destroy(hint);
    }
    PX_CHECK(pd); /* where forward exists, so does backward */
    px_plan_need(p, s, 0, dys);
    px_plan_need(p, s, 1, ws);
    px_plan_make(p, s, 0, px_storage_blocked(dx, xs.block, xs.dtype));
    px_prepared *k = px_dnnl_prepare(s, pd);
    px_dnnl_arg(k, DNNL_ARG_DIFF_DST, &dst, 'i', 0);
    px_dnnl_arg(k, DNNL_ARG_WORKSPACE, &work, 'i', 1);
    px_dnnl_arg(k, DNNL_ARG_DIFF_SRC, &src, 'o', 0);
    return true;
}
