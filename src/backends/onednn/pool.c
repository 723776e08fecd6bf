/* pool.c - max pooling by oneDNN, in its input's format and type. */
#include "backends/onednn/onednn.h"
#include "base/error.h"
#include "ops/attr.h"

static px_dnnl_pool pool_of(const px_pool_attr *a, px_layout src, px_layout dst)
{
    return (px_dnnl_pool){.src = src, .dst = dst, .slide = a->slide};
}

static bool max_pool(px_plan *p, px_step *s)
{
    const px_value *x = s->node->in[0], *y = s->node->out[0];
    px_storage st = px_plan_format(p, x);
    px_storage ys = px_storage_blocked(y, st.block, st.dtype);
    px_dnnl_pool pool = pool_of(s->node->attr, px_dnnl_layout(x->shape, st), px_dnnl_layout(y->shape, ys));
    px_primitive_desc *d = px_dnnl_find_max_pool(PX_PASS_FORWARD, &pool);
    if (!d)
        return false;
    px_plan_need(p, s, 0, st);
    px_plan_make(p, s, 0, ys);
    px_layout places = px_dnnl_layout_of(d, PX_DNNL_WORKSPACE);
    px_plan_make(
        p, s, 1,
        (px_storage){PX_U8, 0, px_plan_adopt(p, px_own_create(places), px_own_destroy), px_layout_bytes(places)});
    px_prepared *k = px_dnnl_prepare(s, d);
    px_dnnl_arg_from(k, PX_DNNL_SRC, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_DST, 'o', 0);
    px_dnnl_arg_from(k, PX_DNNL_WORKSPACE, 'o', 1);
    return true;
}

static bool max_pool_back(px_plan *p, px_step *s)
{
    const px_value *dy = s->node->in[0], *place = s->node->in[1], *x = s->node->in[2], *dx = s->node->out[0];
    px_storage places = px_plan_format(p, place), xs = px_plan_format(p, x);
    if (!places.own) /* forward used the portable kernel */
        return false;
    px_storage dys = px_storage_blocked(dy, xs.block, xs.dtype);
    px_dnnl_pool pool = pool_of(s->node->attr, px_dnnl_layout(x->shape, xs), px_dnnl_layout(dy->shape, dys));
    px_primitive_desc *d = px_dnnl_find_max_pool(PX_PASS_BACK_DATA, &pool);
    PX_CHECK(d); /* if there is a forward kernel, there is a backward one */
    PX_CHECK(px_own_equal(px_dnnl_layout_of(d, PX_DNNL_WORKSPACE).own, places.own));
    px_plan_need(p, s, 0, dys);
    px_plan_need(p, s, 1, places);
    px_plan_make(p, s, 0, px_storage_blocked(dx, xs.block, xs.dtype));
    px_prepared *k = px_dnnl_prepare(s, d);
    px_dnnl_arg_from(k, PX_DNNL_DIFF_DST, 'i', 0);
    px_dnnl_arg_from(k, PX_DNNL_WORKSPACE, 'i', 1);
    px_dnnl_arg_from(k, PX_DNNL_DIFF_SRC, 'o', 0);
    return true;
}

const px_kernel_row px_row_max_pool_onednn = {.op = &px_op_max_pool, .prepare = max_pool};
const px_kernel_row px_row_max_pool_back_onednn = {.op = &px_op_max_pool_back, .prepare = max_pool_back};
