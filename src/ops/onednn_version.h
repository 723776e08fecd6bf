/* onednn_version.h - what oneDNN's versions 2 and 3 say differently; onednn_v2.c or onednn_v3.c has it.
 *
 * A description of a tensor is a struct in version 2 and a hidden one in version 3. Here it is `void *` (written `md`):
 * made by md_strided, md_tagged or md_copy, and destroyed by md_destroy; `const void *` is borrowed. All other functions
 * of oneDNN that take a pointer to one can be given it in both versions. */
#ifndef PX_OPS_ONEDNN_VERSION_H
#define PX_OPS_ONEDNN_VERSION_H

#include "ops/onednn_api.h"

#include <oneapi/dnnl/dnnl.h>

void px_dnnl_must(dnnl_status_t, const char *what);
#define MUST(call) px_dnnl_must((call), #call)

dnnl_engine_t px_dnnl_engine(void);

void *px_dnnl_md_strided(int rank, const dnnl_dims_t dims, dnnl_data_type_t, const dnnl_dims_t strides);
void *px_dnnl_md_tagged(int rank, const dnnl_dims_t dims, dnnl_data_type_t, dnnl_format_tag_t);
void *px_dnnl_md_copy(const void *md);
void px_dnnl_md_destroy(void *md); /* NULL is fine */
/* Its extents, at most DNNL_MAX_NDIMS; returns how many. */
int px_dnnl_md_dims(const void *md, dnnl_dims_t dims, dnnl_data_type_t *);

/* Of a matmul: the product is multiplied by `factor`, then goes through gelu. */
void px_dnnl_attr_product(dnnl_primitive_attr_t, float factor, bool gelu);

typedef struct px_dnnl_window {
    dnnl_dims_t kernel, stride, pad;
} px_dnnl_window;

typedef struct px_dnnl_tensors {
    void *src, *weights, *bias, *dst; /* md; NULL where there is none */
} px_dnnl_tensors;

/* NULL: there is no such kernel. `hint`: forward's description, of a backward pass. */
dnnl_primitive_desc_t px_dnnl_describe_conv(px_pass, const px_dnnl_tensors *, const px_dnnl_window *,
                                            const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t);
dnnl_primitive_desc_t px_dnnl_describe_matmul(const px_dnnl_tensors *, const_dnnl_primitive_attr_t);
dnnl_primitive_desc_t px_dnnl_describe_max_pool(px_pass, const px_dnnl_tensors *, const px_dnnl_window *,
                                                const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t);

#endif
