/* plan.h - everything about a graph that can be decided in advance, and its execution.
 *
 *     px_plan_spec spec = {.backend = &px_backend_fast, .comm = &comm};
 *     px_plan *p = px_plan_create(g, &spec);                 // NULL: px_error()
 *     px_plan_init_params(p, seed);
 *     px_plan_bind(p, x, batch->tensor[0]);                  // inputs are read in place
 *     px_plan_run(p, NULL);
 *     double loss = px_plan_scalar(p, loss_value);
 *     ... px_plan_weights(p), px_plan_grads(p): one flat buffer each; px_plan_spans tells what is where
 *
 * The planner keeps only the nodes that outputs, gradients of parameters or effects need. It lets the backend choose
 * the format of every value, so that one op's output format is the next one's input format, and inserts reorders where
 * formats differ. It places all values in one arena by lifetime, in place where a kernel allows it, and stores
 * parameters in the format that their kernels read. A run walks a flat list of steps. The graph is borrowed and must
 * outlive the plan.
 */
#ifndef PX_GRAPH_PLAN_H
#define PX_GRAPH_PLAN_H

#include "base/cpu.h"
#include "dist/comm.h"
#include "graph/op.h"
#include "tensor/span.h"

#include <stdio.h>

typedef struct px_plan px_plan;
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
typedef struct px_kernel_row {
    const px_op *op;
    px_isa needs;                                      /* what the processor must have */
    bool (*accepts)(const px_plan *, const px_step *); /* changes nothing; NULL: any step */
    /* Requests formats for inputs and outputs, sets the kernel and its name. False: it cannot, and has requested
     * nothing. */
    bool (*prepare)(px_plan *, px_step *);
    /* For an op that makes the gradient of a parameter; NULL: no wish. Whether the row would take that gradient of
     * `forward`, if the input of `forward` had the format `in`, and its output and the output's gradient `out`; and in
     * which format it would then write the gradient, the best one for the parameter. */
    bool (*wish)(px_plan *, const px_node *forward, px_storage in, px_storage out, px_storage *wish);
} px_kernel_row;

typedef struct px_backend {
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
    /* Makes `step` copy in[0] to out[0] between the given formats of a tensor of this shape. */
    void (*reorder)(px_step *step, px_shape, px_storage from, px_storage to);
    bool (*same)(const void *own_a, const void *own_b);
} px_backend;
/* The fast backend has oneDNN's kernels and ours and is called "onednn"; in a build without oneDNN it has only ours and
 * is called "own". For ops without a fast kernel it uses the portable ones. */
extern const px_backend px_backend_fast, px_backend_openblas;
bool px_bf16_native(void); /* whether the fast backend has kernels for bf16 and this processor has the instructions */
/* "auto" (the fast one), "onednn", "openblas"; NULL: unknown (PX_USAGE) */
const px_backend *px_backend_find(const char *name);

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

typedef struct px_plan_spec {
    const px_backend *backend;
    const px_comm *comm;  /* NULL: one rank */
    int64_t bucket_bytes; /* size of the gradient all-reduce's buckets; 0: 4 MiB */
    /* PX_BF16: convolutions and linear layers read and write bf16, and activations between them stay in bf16;
     * parameters, their gradients, statistics and losses are PX_F32. Else (0) all values have the graph's real type. */
    px_dtype precision;
    /* Not 0: the batch is cut into this many shards, the plan computes one of them, and its kernels run on one thread
     * (px_plans_run). */
    int shards;
    px_plan *with;     /* NULL, or another shard's plan on this rank, whose parameters and states this one shares */
    bool memory_later; /* px_plan_create allocates nothing; call px_plan_allocate before any other use */
} px_plan_spec;

px_plan *px_plan_create(px_graph *, const px_plan_spec *);

/* Allocates the plan's memory, for `memory_later`; that of `with` must come first. This function can't fail. */
void px_plan_allocate(px_plan *);

/* Bytes that the plan needs, known before they are allocated. */
typedef struct px_plan_bytes {
    size_t weights, states; /* 0 if shared with `with` */
    size_t grads;
    size_t arena; /* everything made in a step: activations, their gradients, reordered weights, kernels' scratch */
} px_plan_bytes;
px_plan_bytes px_plan_memory(const px_plan *);
void px_plan_destroy(px_plan *);

/* `data` is read in place and must stay valid until the next bind or the last run. */
void px_plan_bind(px_plan *, const px_value *input, const void *data);

/* The key of the random numbers that a graph draws (dropout); all zero until set. Row r of this rank's samples is
 * sample first + r % batch of the global batch, in its view r / batch; with batch 0 it is sample r. */
typedef struct px_draws {
    uint64_t seed;
    int64_t step, first, batch;
} px_draws;
void px_plan_draw_by(px_plan *, px_draws);
px_draws px_plan_draws(const px_plan *);

/* The first value of a run that is not finite (infinite or NaN). Strings are borrowed from the plan. */
typedef struct px_fault {
    enum { PX_FAULT_NONE, PX_FAULT_PARAMETER, PX_FAULT_INPUT, PX_FAULT_STEP } at;
    int step;                        /* PX_FAULT_STEP: its index (px_plan_step_info); else -1, before all steps */
    const char *op, *place, *kernel; /* PX_FAULT_STEP */
    bool backward;
    const char *name;     /* of the parameter, running statistic or input; PX_FAULT_STEP: of the parameter that the step
                             * reads, or NULL */
    int64_t bad, count;   /* `bad` of the value's `count` elements are not finite */
    const char *gradient; /* the first parameter whose gradient was not finite, or NULL */
} px_fault;

/* "output of conv2d in layer1.0 (forward, kernel jit:avx2), 3 of 512 values, parameter layer1.0.conv1.weight".
 * The caller frees it. */
char *px_fault_text(const px_fault *);

/* What the caller wants done during a run; functions may be NULL. */
typedef struct px_plan_hooks {
    void *context;
    void (*bucket)(void *context, int bucket); /* this gradient bucket (px_plan_buckets) is complete */
    void (*between)(void *context);            /* after each step: a chance for messages to make progress */
    /* Not NULL: the outputs of each step are checked, which takes time. A fault that it holds from an earlier run
     * stays. */
    px_fault *fault;
} px_plan_hooks;

/* Executes all steps. `hooks` may be NULL. */
void px_plan_run(px_plan *, const px_plan_hooks *hooks);

/* Executes the plans of all of this rank's parts of a batch: one, or all of its shards. The first one owns parameters and
 * states; each has its own gradients. hooks->fault is NULL, or one per part.
 *
 * Shards are for reproducible mode: the batch is cut into a fixed number of them, each computed by one thread with the same
 * kernels; sums over samples follow one tree (dist/shards.h). So the results have the same bits on any number of ranks and
 * threads. Their buckets are complete together, at the end. */
void px_plans_run(px_plan *const part[], int count, const px_plan_hooks *hooks);

/* The name of the first parameter or state that is not finite, or NULL. Borrowed. */
const char *px_plan_not_finite(const px_plan *);

/* Moves the parameters of follower number `follower` (px_net_follow) towards their leaders': momentum x their own + (1 -
 * momentum) x the leader's. Momentum 0 copies them, as at the beginning. */
void px_plan_follow(px_plan *, int follower, double momentum);

/* Scales the rows of parameters that are PX_UNIT_ROWS to length 1: after the optimizer's step. */
void px_plan_normalize(px_plan *);

/* Copies the states that a run changes (running statistics), and restores them, as if the run had not happened. */
void px_plan_save_states(px_plan *);
void px_plan_restore_states(px_plan *);

/* An output of the graph after a run: plain format, borrowed, valid until the next run. */
const void *px_plan_read(const px_plan *, const px_value *output);
double px_plan_scalar(const px_plan *, const px_value *output);

/* Parameters by their index in the graph (px_graph_param); `plain`: the usual order of axes, the graph's real type. */
void px_plan_get_param(px_plan *, int param, void *plain);
void px_plan_set_param(px_plan *, int param, const void *plain);
void px_plan_get_grad(px_plan *, int param, void *plain);
/* The same for an array with the layout of the weights (an optimizer's momentum). */
void px_plan_get_like(px_plan *, int param, const float *flat, void *plain);
void px_plan_set_like(px_plan *, int param, float *flat, const void *plain);

/* Random initial values, keyed by (seed, name): independent of the backend, the ranks and the rest of the graph. */
void px_plan_init_params(px_plan *, uint64_t seed);

/* Flat buffers of the trained parameters (PX_F32 graphs only): px_plan_flat_count numbers, zeros between parameters. */
float *px_plan_weights(px_plan *);
float *px_plan_grads(px_plan *);
int64_t px_plan_flat_count(const px_plan *);
/* One span per trained parameter, in order; borrowed. */
const px_param_span *px_plan_spans(const px_plan *, int *count);
/* Bounds of the buckets, for px_allreduce_create. */
const int64_t *px_plan_buckets(const px_plan *, int *count);

const px_comm *px_plan_comm(const px_plan *);
int px_plan_parts(const px_plan *); /* how many shards, or else ranks, share a step's batch */
size_t px_plan_arena_bytes(const px_plan *);
int px_plan_activation_reorders(const px_plan *);
void px_plan_print(const px_plan *, FILE *);

/* Starts (from zero) or stops measuring each step's seconds. */
void px_plan_profile(px_plan *, bool on);

typedef struct px_step_info {
    const char *op, *place, *kernel;
    px_shape shape; /* of output 0 */
    double seconds; /* in all runs since px_plan_profile */
    double multiply_adds;
    bool backward;            /* made by differentiation */
    const px_kernel_row *row; /* of its kernel; NULL: portable, or a reorder */
} px_step_info;
int px_plan_steps(const px_plan *);
px_step_info px_plan_step_info(const px_plan *, int step);

/* ---- for the rows of kernels ---- */
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
