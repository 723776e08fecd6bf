/* v3.c - the calls of oneDNN that differ in version 3. */
#include "backends/onednn/version.h"

#include <string.h>

/* ---- descriptions of tensors ---- */

void *px_dnnl_md_strided(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides)
{
    dnnl_memory_desc_t md;
    MUST(dnnl_memory_desc_create_with_strides(&md, rank, dims, type, strides));
    return md;
}

void *px_dnnl_md_tagged(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md;
    MUST(dnnl_memory_desc_create_with_tag(&md, rank, dims, type, tag));
    return md;
}

void *px_dnnl_md_copy(const void *md)
{
    dnnl_memory_desc_t copy;
    MUST(dnnl_memory_desc_clone(&copy, md));
    return copy;
}

void px_dnnl_md_destroy(void *md)
{
    if (md)
        MUST(dnnl_memory_desc_destroy(md));
}

int px_dnnl_md_dims(const void *md, dnnl_dims_t dims, dnnl_data_type_t *type)
{
    int rank;
    const dnnl_dims_t *own;
    MUST(dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &rank));
    MUST(dnnl_memory_desc_query(md, dnnl_query_dims, &own));
    MUST(dnnl_memory_desc_query(md, dnnl_query_data_type, type));
    memcpy(dims, *own, (size_t)rank * sizeof dims[0]);
    return rank;
}

/* ---- primitives ---- */

/* Scales would be an argument that is read at every execution; a linear function after the product is constant. */
void px_dnnl_attr_product(dnnl_primitive_attr_t attr, float factor, const void *residual, px_dnnl_function function)
{
    static const struct {
        dnnl_alg_kind_t kind;
        float alpha, beta;
    } functions[] = {[PX_DNNL_GELU] = {dnnl_eltwise_gelu_erf, 0, 0},
                     [PX_DNNL_SWISH] = {dnnl_eltwise_swish, 1, 0},
                     [PX_DNNL_HARD_SWISH] = {dnnl_eltwise_hardswish, 1.0f / 6, 0.5f}};
    dnnl_post_ops_t post;
    MUST(dnnl_post_ops_create(&post));
    if (factor != 1)
        MUST(dnnl_post_ops_append_eltwise(post, dnnl_eltwise_linear, factor, 0));
    if (residual)
        MUST(dnnl_post_ops_append_binary(post, dnnl_binary_add, residual));
    if (function != PX_DNNL_NONE)
        MUST(dnnl_post_ops_append_eltwise(post, functions[function].kind, functions[function].alpha,
                                          functions[function].beta));
    MUST(dnnl_primitive_attr_set_post_ops(attr, post));
    MUST(dnnl_post_ops_destroy(post));
}

dnnl_primitive_desc_t px_dnnl_describe_conv(px_pass pass, const px_dnnl_tensors *t, const px_dnnl_window *w,
                                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t d = NULL;
    dnnl_status_t status;
    if (pass == PX_PASS_FORWARD)
        status = dnnl_convolution_forward_primitive_desc_create(&d, px_dnnl_engine(), dnnl_forward_training,
                                                                dnnl_convolution_direct, t->src, t->weights, t->bias,
                                                                t->dst, w->stride, w->gap, w->before, w->after, attr);
    else if (pass == PX_PASS_BACK_DATA)
        status = dnnl_convolution_backward_data_primitive_desc_create(&d, px_dnnl_engine(), dnnl_convolution_direct,
                                                                      t->src, t->weights, t->dst, w->stride, w->gap,
                                                                      w->before, w->after, hint, attr);
    else
        status = dnnl_convolution_backward_weights_primitive_desc_create(&d, px_dnnl_engine(), dnnl_convolution_direct,
                                                                         t->src, t->weights, NULL, t->dst, w->stride,
                                                                         w->gap, w->before, w->after, hint, attr);
    return status == dnnl_success ? d : NULL;
}

dnnl_primitive_desc_t px_dnnl_describe_matmul(const px_dnnl_tensors *t, const_dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t d = NULL;
    dnnl_status_t status =
        dnnl_matmul_primitive_desc_create(&d, px_dnnl_engine(), t->src, t->weights, t->bias, t->dst, attr);
    return status == dnnl_success ? d : NULL;
}

dnnl_primitive_desc_t px_dnnl_describe_max_pool(px_pass pass, const px_dnnl_tensors *t, const px_dnnl_window *w,
                                                const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t d = NULL;
    dnnl_status_t status;
    if (pass == PX_PASS_FORWARD)
        status = dnnl_pooling_forward_primitive_desc_create(&d, px_dnnl_engine(), dnnl_forward_training,
                                                            dnnl_pooling_max, t->src, t->dst, w->stride, w->kernel,
                                                            w->gap, w->before, w->after, attr);
    else
        status =
            dnnl_pooling_backward_primitive_desc_create(&d, px_dnnl_engine(), dnnl_pooling_max, t->src, t->dst,
                                                        w->stride, w->kernel, w->gap, w->before, w->after, hint, attr);
    return status == dnnl_success ? d : NULL;
}
