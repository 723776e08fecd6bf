/* plan.h - everything about a graph that can be decided in advance, and its execution.
 *
 *     px_plan_spec spec = {.backend = &px_backend_fast, .comm = &comm};
 *     px_plan *p = px_plan_create(g, &spec);                 // NULL: px_error()
 *     px_plan_init_params(p, seed);
 *     px_plan_bind(p, x, batch->tensor[0]);                  // inputs are read in place
 *     px_plan_run(p, NULL);
 *     double loss = px_plan_scalar(p, loss_value);
 *
 * Parameters, states and their gradients: plan_params.h. Values that are not finite: fault.h. What a backend's kernels are
 * and what they ask of a plan: kernel.h.
 *
 * The planner keeps only the nodes that outputs, gradients of parameters or effects need. It lets the backend choose
 * the format of every value, so that one op's output format is the next one's input format, and inserts reorders where
 * formats differ. It places all values in one arena by lifetime, in place where a kernel allows it, and stores
 * parameters in the format that their kernels read. A run walks a flat list of steps. The graph is borrowed and must
 * outlive the plan.
 */
#ifndef PX_GRAPH_PLAN_H
#define PX_GRAPH_PLAN_H

#include "dist/comm.h"
#include "graph/fault.h"
#include "graph/op.h"

#include <stdio.h>

typedef struct px_plan px_plan;
typedef struct px_backend px_backend;       /* kernel.h */
typedef struct px_kernel_row px_kernel_row; /* kernel.h */

/* The fast backend has oneDNN's kernels and ours and is called "onednn"; in a build without oneDNN it has only ours and
 * is called "own". For ops without a fast kernel it uses the portable ones. */
extern const px_backend px_backend_fast, px_backend_openblas;
bool px_bf16_native(void); /* whether the fast backend has kernels for bf16 and this processor has the instructions */
/* "auto" (the fast one), "onednn", "openblas"; NULL: unknown (PX_USAGE) */
const px_backend *px_backend_find(const char *name);

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

/* What the caller wants done during a run; functions may be NULL. */
typedef struct px_plan_hooks {
    void *context;
    void (*bucket)(void *context, int bucket); /* this gradient bucket (px_plan_buckets) is complete */
    void (*between)(void *context);            /* after each step: a chance for messages to make progress */
    void (*backward)(void *context);           /* before the first step of backward */
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

/* An output of the graph after a run: plain format, borrowed, valid until the next run. */
const void *px_plan_read(const px_plan *, const px_value *output);
double px_plan_scalar(const px_plan *, const px_value *output);

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
    double bytes;             /* of its inputs and outputs, each once, in the formats in which it takes them */
    bool backward;            /* made by differentiation */
    const px_kernel_row *row; /* of its kernel; NULL: portable, or a reorder */
} px_step_info;
int px_plan_steps(const px_plan *);
px_step_info px_plan_step_info(const px_plan *, int step);

#endif
