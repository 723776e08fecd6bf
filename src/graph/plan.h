/* plan.h - everything about a graph that can be decided ahead, and its execution.
 *
 *     px_plan_spec spec = {.backend = &px_backend_fast, .comm = &comm};
 *     px_plan *p = px_plan_create(g, &spec);                 // NULL: px_error()
 *     px_plan_init_params(p, seed);
 *     px_plan_bind(p, x, batch->tensor[0]);                  // inputs are read where they lie
 *     px_plan_run(p, NULL);
 *     double loss = px_plan_scalar(p, loss_value);
 *     ... px_plan_weights(p), px_plan_grads(p): one flat buffer each, px_plan_spans says what is where
 *
 * The planner keeps only nodes that outputs, gradients of parameters or effects need; lets the backend choose the
 * format of every value, so that formats flow from op to op, and inserts reorders where they do not; puts all values in
 * one arena by lifetime, in place where a kernel allows it; and leaves parameters in the format that their kernels
 * read. A run is a walk over a flat list of steps. The graph is borrowed and must outlive the plan.
 */
#ifndef PX_GRAPH_PLAN_H
#define PX_GRAPH_PLAN_H

#include "dist/comm.h"
#include "graph/op.h"
#include "optim/optim.h"

#include <stdio.h>

typedef struct px_plan px_plan;
typedef struct px_step px_step;

/* How a value lies in memory. Four-dimensional activations are (N, C/block, H, W, block): block 1 is NCHW, block C is
 * NHWC, 8 or 16 are oneDNN's nChw8c and nChw16c (only where they divide C). All else is plain (block 1), or the own
 * format of a kernel library. */
typedef struct px_storage {
    px_dtype dtype;
    int block;
    const void *own; /* the library's description, kept by the plan; NULL: as `block` says */
    size_t bytes;
} px_storage;

typedef struct px_backend {
    const char *name;
    bool fast; /* ask px_op.prepare; else the portable kernels */
    /* Makes `step` copy in[0] to out[0] between the given formats of a tensor of this shape. */
    void (*reorder)(px_step *step, px_shape, px_storage from, px_storage to);
    bool (*same)(const void *own_a, const void *own_b);
} px_backend;
/* The fast one has oneDNN's kernels and ours, and is called "onednn"; in a build without oneDNN ours alone, called "own".
 * Where it has none the portable kernels serve. */
extern const px_backend px_backend_fast, px_backend_openblas;
bool px_bf16_native(void); /* has the fast backend kernels for bf16, and this processor instructions for it? */
/* "auto" (the fast one), "onednn", "openblas"; NULL: PX_USAGE */
const px_backend *px_backend_find(const char *name);

struct px_step {
    px_kernel *run;
    const px_node *node; /* NULL: a reorder */
    void *in[PX_NODE_IN], *out[PX_NODE_OUT];
    void *scratch; /* 64-byte aligned */
    void *data;    /* the prepared kernel's own, released by `release` */
    void (*release)(void *data);
    px_plan *plan;
    px_storage in_format[PX_NODE_IN], out_format[PX_NODE_OUT];
    const char *kernel; /* its name, for listings; borrowed */
    /* planning */
    int in_buffer[PX_NODE_IN], out_buffer[PX_NODE_OUT];
    size_t scratch_bytes, scratch_offset; /* offset: within the arena */
    int in_place;                         /* 1 + input that output 0 may take over */
    int bucket;                           /* gradient bucket complete after this step, or -1 */
};

typedef struct px_plan_spec {
    const px_backend *backend;
    const px_comm *comm;  /* NULL: one rank */
    int64_t bucket_bytes; /* of the gradient all-reduce; 0: 4 MiB */
    /* PX_BF16: convolutions and linear layers take and give bf16, and activations stay so between them; parameters,
     * their gradients, statistics and losses are PX_F32. Else (0) everything is of the graph's real type. */
    px_dtype precision;
    /* Not 0: the plan is of one of so many shards of the batch, and its kernels run on one thread (px_shards_run). */
    int shards;
    px_plan *with;     /* NULL, or another shard's plan on this rank, whose parameters and states serve this one, too */
    bool memory_later; /* px_plan_create only decides; px_plan_allocate comes before all other use */
} px_plan_spec;

px_plan *px_plan_create(px_graph *, const px_plan_spec *);

/* Takes the plan's memory, if it was left for later; that of `with` comes first. This function can't fail. */
void px_plan_allocate(px_plan *);

/* What the plan needs, known before it is taken. */
typedef struct px_plan_bytes {
    size_t weights, states; /* 0 where those of `with` serve */
    size_t grads;
    size_t arena; /* activations, their gradients, reordered weights, kernels' scratch: all that one step makes */
} px_plan_bytes;
px_plan_bytes px_plan_memory(const px_plan *);
void px_plan_destroy(px_plan *);

/* `data` must stay valid until the next bind or the last run. */
void px_plan_bind(px_plan *, const px_value *input, const void *data);

/* What random numbers that a graph draws (dropout) are keyed by; all zero until it is set. Row r of this rank's samples
 * is sample first + r % batch of the global batch, in its view r / batch; batch 0: sample r. */
typedef struct px_draws {
    uint64_t seed;
    int64_t step, first, batch;
} px_draws;
void px_plan_draw_by(px_plan *, px_draws);
px_draws px_plan_draws(const px_plan *);

/* The first value of a run that is not finite (infinite, or no number). Text is borrowed from the plan. */
typedef struct px_fault {
    enum { PX_FAULT_NONE, PX_FAULT_PARAMETER, PX_FAULT_INPUT, PX_FAULT_STEP } at;
    int step;                        /* PX_FAULT_STEP: which, by px_plan_step_info; else -1, before all steps */
    const char *op, *place, *kernel; /* PX_FAULT_STEP */
    bool backward;
    const char *name;     /* of the parameter or running statistic, or the input; PX_FAULT_STEP: the parameter that the
                             * step reads, or NULL */
    int64_t bad, count;   /* so many of the value's elements */
    const char *gradient; /* the first parameter whose gradient was not finite, or NULL */
} px_fault;

/* "output of conv2d in layer1.0 (forward, kernel jit:avx2), 3 of 512 values, parameter layer1.0.conv1.weight".
 * Yours. */
char *px_fault_text(const px_fault *);

/* What the caller does while the steps are walked; functions may be NULL. */
typedef struct px_plan_hooks {
    void *context;
    void (*bucket)(void *context, int bucket); /* that bucket of the gradients (px_plan_buckets) is complete */
    void (*between)(void *context);            /* after each step: a chance for messages to make progress */
    /* NULL, or what each step makes is looked through, which takes time. One that holds a fault already, of an earlier
     * run, keeps it. */
    px_fault *fault;
} px_plan_hooks;

/* Walks the steps. `hooks` may be NULL. */
void px_plan_run(px_plan *, const px_plan_hooks *hooks);

/* A batch cut into a fixed number of shards, each computed by one thread with the same kernels; what crosses samples is
 * summed along one tree (dist/shards.h): the same bits on any number of ranks and threads. Walks the plans of all of
 * this rank's shards, the first of which owns parameters and states. Each has gradients of its own after it. `fault`:
 * NULL, or one of each shard, as in px_plan_hooks. */
void px_shards_run(px_plan *const shard[], int count, px_fault *fault);

/* The first parameter or state that is not finite, or NULL. Borrowed. */
const char *px_plan_not_finite(const px_plan *);

/* Takes a copy of the states that a run changes (running statistics), and puts it back: the run did not happen. */
void px_plan_keep_states(px_plan *);
void px_plan_return_states(px_plan *);

/* An output of the graph after a run: plain format, borrowed, valid until the next run. */
const void *px_plan_read(const px_plan *, const px_value *output);
double px_plan_scalar(const px_plan *, const px_value *output);

/* Parameters by their place in the graph (px_graph_param); `plain`: usual order of axes, the graph's real type. */
void px_plan_get_param(px_plan *, int param, void *plain);
void px_plan_set_param(px_plan *, int param, const void *plain);
void px_plan_get_grad(px_plan *, int param, void *plain);
/* The same for an array that is laid out like the weights (an optimizer's momentum). */
void px_plan_get_like(px_plan *, int param, const float *flat, void *plain);
void px_plan_set_like(px_plan *, int param, float *flat, const void *plain);

/* Random initial values, keyed by (seed, name): the same whatever the backend, the ranks and the rest of the graph. */
void px_plan_init_params(px_plan *, uint64_t seed);

/* Flat buffers of the trained parameters (graphs of PX_F32): px_plan_flat_count numbers, zeros between parameters. */
float *px_plan_weights(px_plan *);
float *px_plan_grads(px_plan *);
int64_t px_plan_flat_count(const px_plan *);
/* One span a trained parameter, in order; borrowed. */
const px_param_span *px_plan_spans(const px_plan *, int *count);
/* Bounds of the buckets, for px_allreduce_create. */
const int64_t *px_plan_buckets(const px_plan *, int *count);

const px_comm *px_plan_comm(const px_plan *);
int px_plan_parts(const px_plan *); /* of a step's batch: shards, or ranks */
size_t px_plan_arena_bytes(const px_plan *);
int px_plan_activation_reorders(const px_plan *);
void px_plan_print(const px_plan *, FILE *);

/* Measures the seconds of each step, from zero, while it is on. */
void px_plan_profile(px_plan *, bool on);

typedef struct px_step_info {
    const char *op, *place, *kernel;
    px_shape shape; /* of output 0 */
    double seconds; /* since px_plan_profile */
    double multiply_adds;
    bool backward; /* made by differentiation */
} px_step_info;
int px_plan_steps(const px_plan *);
px_step_info px_plan_step_info(const px_plan *, int step);

/* ---- for px_prepare ---- */
px_storage px_storage_plain(const px_value *);
px_storage px_storage_blocked(const px_value *, int block, px_dtype);
bool px_storage_equal(const px_plan *, px_storage, px_storage);
/* How `v` is stored so far. A parameter that nobody has used yet is undecided (bytes 0) until a first px_plan_need. */
px_storage px_plan_format(const px_plan *, const px_value *v);
bool px_plan_undecided(const px_plan *, const px_value *v);
void px_plan_keep_as(px_plan *, const px_value *v, px_storage); /* decides it, ahead of px_plan_need */
px_dtype px_plan_precision(const px_plan *);                    /* of layers: PX_F32 or PX_BF16 */
bool px_plan_is_gradient(const px_plan *, const px_value *v);   /* of a parameter, or the same reshaped */
void px_plan_need(px_plan *, px_step *, int input, px_storage); /* inserts a reorder where it differs */
void px_plan_make(px_plan *, px_step *, int output, px_storage);
void *px_plan_keep(px_plan *, void *thing, void (*destroy)(void *)); /* destroyed with the plan; returns it */

#endif
