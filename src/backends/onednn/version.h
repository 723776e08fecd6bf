/* version.h - where oneDNN's versions 2 and 3 differ; implemented in v2.c and v3.c.
 *
 * A tensor's descriptor is a struct in version 2 and an opaque one in version 3. Here it is `void *`, called `md`: made
 * by md_strided, md_tagged or md_copy and destroyed by md_destroy; `const void *` is borrowed. In both versions it can
 * be passed to all other functions of oneDNN that take a pointer to one. */
#ifndef PX_BACKENDS_ONEDNN_VERSION_H
#define PX_BACKENDS_ONEDNN_VERSION_H

#include "backends/onednn/api.h"

#include <oneapi/dnnl/dnnl.h>

void px_dnnl_must(dnnl_status_t, const char *what);
#define MUST(call) px_dnnl_must((call), #call)

dnnl_engine_t px_dnnl_engine(void);

void *px_dnnl_md_strided(int rank, const dnnl_dims_t dims, dnnl_data_type_t, const dnnl_dims_t strides);
void *px_dnnl_md_tagged(int rank, const dnnl_dims_t dims, dnnl_data_type_t, dnnl_format_tag_t);
void *px_dnnl_md_copy(const void *md);
void px_dnnl_md_destroy(void *md); /* accepts NULL */
/* Its extents, at most DNNL_MAX_NDIMS; returns their number. */
int px_dnnl_md_dims(const void *md, dnnl_dims_t dims, dnnl_data_type_t *);

/* For a matmul: multiplies the product by `factor`, adds the residual (md; or NULL), applies the function. The residual is
 * the first of these operations, or the only one with an argument: DNNL_ARG_ATTR_MULTIPLE_POST_OP(0). */
void px_dnnl_attr_product(dnnl_primitive_attr_t, float factor, const void *residual, px_dnnl_function);

typedef struct px_dnnl_window {
    dnnl_dims_t kernel, stride, before, after, gap; /* gap: between taps, 0 if they touch */
} px_dnnl_window;

typedef struct px_dnnl_tensors {
    void *src, *weights, *bias, *dst; /* md; NULL if there is none */
} px_dnnl_tensors;

/* NULL: there is no such kernel. `hint`: for a backward pass, forward's description. */
dnnl_primitive_desc_t px_dnnl_describe_conv(px_pass, const px_dnnl_tensors *, const px_dnnl_window *,
                                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t);
dnnl_primitive_desc_t px_dnnl_describe_matmul(const px_dnnl_tensors *, const_dnnl_primitive_attr_t);
dnnl_primitive_desc_t px_dnnl_describe_max_pool(px_pass, const px_dnnl_tensors *, const px_dnnl_window *,
                                                const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t);

#endif
