/* onednn.h - what the files share that prepare steps with oneDNN's kernels: onednn.c, onednn_conv.c, onednn_matmul.c,
 * onednn_pool.c. They call it by onednn_api.h, which is the same over its versions.
 *
 * A prepared step holds one primitive; a run gives it the addresses of its arguments and executes it. */
#ifndef PX_OPS_ONEDNN_H
#define PX_OPS_ONEDNN_H

#include "ops/fast.h"
#include "ops/onednn_api.h"

/* A value as `px_storage` says that it lies. */
px_layout px_dnnl_layout(px_shape, px_storage);
/* What we call a layout; oneDNN's own descriptions are kept by the plan. */
px_storage px_dnnl_storage(px_plan *, const px_value *, px_layout);
/* The same of an argument that oneDNN chose a layout for. */
px_storage px_dnnl_storage_of(px_plan *, const px_value *, const px_primitive_desc *, px_dnnl_arg);

typedef struct px_prepared {
    px_primitive *primitive;
    px_kernel *after; /* what else the step does, or NULL */
    int args;
    struct {
        char from; /* 'i'nput, 'o'utput, 's'cratch memory */
        int slot;
    } source[PX_PRIMITIVE_ARGS];
} px_prepared;

/* Makes the primitive; the caller adds its arguments. Takes over the description. */
px_prepared *px_dnnl_prepare(px_step *, px_primitive_desc *);
void px_dnnl_arg_from(px_prepared *, px_dnnl_arg, char from, int slot);

#endif
