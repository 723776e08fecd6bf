/* v2.c - the calls of oneDNN that differ in version 2 (from 2.6 on). */
#include "backends/onednn/version.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* ---- descriptions of tensors ---- */

void *px_dnnl_md_strided(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides)
{
    dnnl_memory_desc_t *md = px_calloc(1, sizeof *md);
    MUST(dnnl_memory_desc_init_by_strides(md, rank, dims, type, strides));
    return md;
}

void *px_dnnl_md_tagged(int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t *md = px_calloc(1, sizeof *md);
    MUST(dnnl_memory_desc_init_by_tag(md, rank, dims, type, tag));
    return md;
}

void *px_dnnl_md_copy(const void *md)
{
    return memcpy(px_calloc(1, sizeof(dnnl_memory_desc_t)), md, sizeof(dnnl_memory_desc_t));
}

void px_dnnl_md_destroy(void *md)
{
    free(md);
}

int px_dnnl_md_dims(const void *md, dnnl_dims_t dims, dnnl_data_type_t *type)
{
    const dnnl_memory_desc_t *d = md;
    memcpy(dims, d->dims, sizeof d->dims);
    *type = d->data_type;
    return d->ndims;
}

/* ---- primitives: first describes the operation, then chooses a kernel ---- */

void px_dnnl_attr_product(dnnl_primitive_attr_t attr, float factor, const void *residual, px_dnnl_function function)
{
    static const dnnl_alg_kind_t kinds[] = {[PX_DNNL_GELU] = dnnl_eltwise_gelu_erf,
                                            [PX_DNNL_SWISH] = dnnl_eltwise_swish,
                                            [PX_DNNL_HARD_SWISH] = dnnl_eltwise_hardswish};
    dnnl_post_ops_t post;
    if (factor != 1)
        MUST(dnnl_primitive_attr_set_output_scales(attr, 1, 0, &factor));
    MUST(dnnl_post_ops_create(&post));
    if (residual)
        MUST(dnnl_post_ops_append_binary(post, dnnl_binary_add, residual));
    if (function != PX_DNNL_NONE)
        MUST(dnnl_post_ops_append_eltwise(post, 1, kinds[function], 1, 0));
    MUST(dnnl_primitive_attr_set_post_ops(attr, post));
    MUST(dnnl_post_ops_destroy(post));
}

static dnnl_primitive_desc_t kernel_for(dnnl_status_t status, const void *what, const_dnnl_primitive_desc_t hint,
                                        const_dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t d = NULL;
    if (status != dnnl_success || dnnl_primitive_desc_create(&d, what, attr, px_dnnl_engine(), hint) != dnnl_success)
        return NULL;
    return d;
}

dnnl_primitive_desc_t px_dnnl_describe_conv(px_pass pass, const px_dnnl_tensors *t, const px_dnnl_window *w,
                                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t c;
    dnnl_status_t status;
    if (pass == PX_PASS_FORWARD)
        status = dnnl_dilated_convolution_forward_desc_init(&c, dnnl_forward_training, dnnl_convolution_direct, t->src,
                                                            t->weights, t->bias, t->dst, w->stride, w->gap, w->before,
                                                            w->after);
    else if (pass == PX_PASS_BACK_DATA)
        status = dnnl_dilated_convolution_backward_data_desc_init(&c, dnnl_convolution_direct, t->src, t->weights,
                                                                  t->dst, w->stride, w->gap, w->before, w->after);
    else
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &c, dnnl_convolution_direct, t->src, t->weights, NULL, t->dst, w->stride, w->gap, w->before, w->after);
    return kernel_for(status, &c, hint, attr);
}

dnnl_primitive_desc_t px_dnnl_describe_matmul(const px_dnnl_tensors *t, const_dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t m;
    return kernel_for(dnnl_matmul_desc_init(&m, t->src, t->weights, t->bias, t->dst), &m, NULL, attr);
}

dnnl_primitive_desc_t px_dnnl_describe_max_pool(px_pass pass, const px_dnnl_tensors *t, const px_dnnl_window *w,
                                                const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr)
{
    dnnl_pooling_v2_desc_t p;
    dnnl_status_t status;
    if (pass == PX_PASS_FORWARD)
        status = dnnl_pooling_v2_forward_desc_init(&p, dnnl_forward_training, dnnl_pooling_max, t->src, t->dst,
                                                   w->stride, w->kernel, w->gap, w->before, w->after);
    else
        status = dnnl_pooling_v2_backward_desc_init(&p, dnnl_pooling_max, t->src, t->dst, w->stride, w->kernel, w->gap,
                                                    w->before, w->after);
    return kernel_for(status, &p, hint, attr);
}
