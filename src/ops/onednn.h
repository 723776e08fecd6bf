/* onednn.h - what the files share that call oneDNN (2.6's C API): onednn.c, onednn_conv.c, onednn_matmul.c,
 * onednn_pool.c. Another version's API has these places to go.
 *
 * A prepared step holds one primitive and the memories of its arguments; a run sets their addresses and executes.
 * Reference implementations are refused: they are a hundred times slower than the portable kernels. */
#ifndef PX_OPS_ONEDNN_H
#define PX_OPS_ONEDNN_H

#include "ops/fast.h"

#include <dnnl.h>

void px_dnnl_must(dnnl_status_t, const char *what);
#define MUST(call) px_dnnl_must((call), #call)

dnnl_engine_t px_dnnl_engine(void);
bool px_dnnl_isa_has(dnnl_cpu_isa_t); /* has this processor these instructions, or more? */

/* ---- memory descriptions ---- */
dnnl_memory_desc_t px_dnnl_plain(px_shape, px_dtype); /* row-major, whatever the rank */
dnnl_memory_desc_t px_dnnl_any(px_shape, px_dtype);   /* for the primitive to choose */
dnnl_memory_desc_t px_dnnl_md(px_shape, px_storage);
/* What we call a format that oneDNN chose. Its own descriptions are kept by the plan. */
px_storage px_dnnl_storage(px_plan *, const px_value *, const dnnl_memory_desc_t *);

/* ---- prepared primitives ---- */
enum { PX_DNNL_ARGS = 6 };

typedef struct px_prepared {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    px_kernel *after; /* what else the step does, or NULL */
    int args;
    dnnl_exec_arg_t arg[PX_DNNL_ARGS];
    struct {
        char from; /* 'i'nput, 'o'utput, 's'cratch memory */
        int slot;
    } source[PX_DNNL_ARGS];
} px_prepared;

/* Makes the primitive; the caller adds its arguments. Takes over the description. */
px_prepared *px_dnnl_prepare(px_step *, dnnl_primitive_desc_t);
void px_dnnl_arg(px_prepared *, int arg, const dnnl_memory_desc_t *, char from, int slot);

dnnl_primitive_attr_t px_dnnl_attr(void);
/* A primitive of this description that is not a reference implementation, or NULL. `attr` and `hint` may be NULL. */
dnnl_primitive_desc_t px_dnnl_find(const void *op_desc, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t hint);

#endif
