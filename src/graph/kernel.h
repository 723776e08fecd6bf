/* kernel.h - what a backend is made of, rows of kernels, and what a row asks of the plan while it prepares a step. For
 * backends/ and the planner; whoever runs plans needs plan.h alone.
 * (backends/rows.h shows how a row is written.) */
#ifndef PX_GRAPH_KERNEL_H
#define PX_GRAPH_KERNEL_H

#include "base/cpu.h"
#include "graph/plan.h"
#include "tensor/update.h"

typedef struct px_step px_step;

/* A value's format in memory. Four-dimensional activations are (N, C/block, H, W, block): block 1 is NCHW, block C is
 * NHWC, others divide C. All else is plain (block 1), or in a format that only the backend knows. */
typedef struct px_storage {
    px_dtype dtype;
    int block;
    const void *own; /* the backend's descriptor (px_backend.same), owned by the plan; NULL: as `block` says */
    size_t bytes;
} px_storage;

/* A kernel of a backend for an op. A plan asks the rows of its backend in their order, and takes the first that the
 * processor can run, that accepts the step and that could prepare it; else the op's portable kernel. */
struct px_kernel_row {
    const px_op *op;
    px_isa needs;                                      /* what the processor must have */
    px_isa below;                                      /* what it must not have; PX_ISA_BASE: no limit */
    bool (*accepts)(const px_plan *, const px_step *); /* changes nothing; NULL: any step */
    /* Requests formats for inputs and outputs, sets the kernel and its name. False: it cannot, and has requested
     * nothing. */
    bool (*prepare)(px_plan *, px_step *);
    /* For an op that makes the gradient of a parameter; NULL: no wish. Whether the row would take that gradient of
     * `forward`, if the input of `forward` had the format `in`, and its output and the output's gradient `out`; and in
     * which format it would then write the gradient, the best one for the parameter. */
    bool (*wish)(px_plan *, const px_node *forward, px_storage in, px_storage out, px_storage *wish);
};

/* Whether a processor of this level may run the row. */
static inline bool px_kernel_row_suits(const px_kernel_row *row, px_isa isa)
{
    return row->needs <= isa && (row->below == PX_ISA_BASE || isa < row->below);
}

struct px_backend {
    const char *name;
    const px_kernel_row *const *rows;   /* NULL-terminated; NULL: it has only the portable kernels */
    bool bf16;                          /* it has kernels for px_plan_spec.precision PX_BF16 */
    const struct px_backend *in_double; /* takes its place for graphs in PX_F64; NULL: itself */
    /* Memory for parameters, states, gradients and what is made in a step: zeros, 64-byte aligned. Can't fail. */
    void *(*allocate)(size_t bytes);
    void (*release)(void *); /* accepts NULL */
    void (*copy)(void *to, const void *from, size_t bytes);
    /* The n numbers at `to`, float or double, become momentum x themselves + (1 - momentum) x those of `leader`. */
    void (*follow)(void *to, const void *leader, int64_t n, double momentum, bool wide);
    const px_update *update; /* the optimizer's loops */
    /* Makes `step` copy in[0] to out[0] between the given formats of a tensor of this shape. */
    void (*reorder)(px_step *step, px_shape, px_storage from, px_storage to);
    bool (*same)(const void *own_a, const void *own_b);
};

struct px_step {
    px_kernel *run;
    const px_node *node; /* NULL: a reorder */
    void *in[PX_NODE_IN], *out[PX_NODE_OUT];
    void *scratch; /* 64-byte aligned */
    void *data;    /* private to the prepared kernel, freed by `release` */
    void (*release)(void *data);
    px_plan *plan;
    px_storage in_format[PX_NODE_IN], out_format[PX_NODE_OUT];
    const char *kernel;       /* its name, for listings; borrowed */
    const px_kernel_row *row; /* where it comes from; NULL: it is the portable one */
    /* planning */
    int in_buffer[PX_NODE_IN], out_buffer[PX_NODE_OUT];
    size_t scratch_bytes, scratch_offset; /* offset: within the arena */
    int in_place;                         /* 1 + input that output 0 may take over */
    int bucket;                           /* gradient bucket complete after this step, or -1 */
};

px_storage px_storage_plain(const px_value *);
px_storage px_storage_blocked(const px_value *, int block, px_dtype);
bool px_storage_equal(const px_plan *, px_storage, px_storage);
/* The format of `v`. That of a parameter is undecided (bytes 0) until its first px_plan_need. */
px_storage px_plan_format(const px_plan *, const px_value *v);
bool px_plan_undecided(const px_plan *, const px_value *v);
void px_plan_set_format(px_plan *, const px_value *v, px_storage); /* decides it before any px_plan_need */
px_dtype px_plan_precision(const px_plan *);                       /* of layers: PX_F32 or PX_BF16 */
px_isa px_plan_isa(const px_plan *);                               /* what the processor may be asked to do */
/* For a product of layers in a bf16 plan: whether v is a parameter, also with another shape, or in bf16. */
bool px_plan_is_bf16_operand(const px_plan *, const px_value *v);
/* The best format for a parameter of `forward`: that in which the op `back` will write its gradient (px_kernel_row). */
px_storage px_plan_wish(px_plan *, const px_op *back, const px_node *forward, px_storage in, px_storage out,
                        const px_value *parameter);
bool px_plan_is_gradient(const px_plan *, const px_value *v);   /* of a parameter, or the same reshaped */
void px_plan_need(px_plan *, px_step *, int input, px_storage); /* inserts a reorder if the format differs */
void px_plan_make(px_plan *, px_step *, int output, px_storage);
void *px_plan_adopt(px_plan *, void *thing, void (*destroy)(void *)); /* destroyed with the plan; returns it */

#endif
