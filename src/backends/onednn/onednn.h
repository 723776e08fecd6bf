/* onednn.h - shared by the files that prepare steps with oneDNN's kernels: onednn.c, conv.c, matmul.c, pool.c. They call
 * oneDNN through api.h, which is the same for all its versions.
 *
 * A prepared step holds one primitive; a run gives it the addresses of its arguments and executes it. */
#ifndef PX_BACKENDS_ONEDNN_H
#define PX_BACKENDS_ONEDNN_H

#include "backends/onednn/api.h"
#include "backends/rows.h"

/* The layout of a value in this storage. */
px_layout px_dnnl_layout(px_shape, px_storage);
/* The storage for a layout; the plan owns oneDNN's descriptors. */
px_storage px_dnnl_storage(px_plan *, const px_value *, px_layout);
/* The storage for the layout that oneDNN chose for an argument. */
px_storage px_dnnl_storage_of(px_plan *, const px_value *, const px_primitive_desc *, px_dnnl_arg);

typedef struct px_prepared {
    px_primitive *primitive;
    px_kernel *after; /* runs after the primitive; or NULL */
    int args;
    struct {
        char from; /* 'i'nput, 'o'utput, 's'cratch memory */
        int slot;
    } source[PX_PRIMITIVE_ARGS];
} px_prepared;

/* Creates the primitive, to which the caller adds arguments. Takes ownership of the description. */
px_prepared *px_dnnl_prepare(px_step *, px_primitive_desc *);
void px_dnnl_arg_from(px_prepared *, px_dnnl_arg, char from, int slot);
/* Residual and activation of the step's node, if it has any, follow in one pass of our own. The primitive writes into the
 * argument's output if there is one (number px_epilogue_argument), else into output 0. */
void px_dnnl_then_epilogue(px_prepared *, const px_step *);

#endif
