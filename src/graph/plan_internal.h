/* plan_internal.h - the plan's insides, shared by plan.c and plan_memory.c (planning), run.c (execution, access) and
 * fault.c. */
#ifndef PX_GRAPH_PLAN_INTERNAL_H
#define PX_GRAPH_PLAN_INTERNAL_H

#include "graph/kernel.h"
#include "graph/plan_params.h"

typedef enum px_place {
    PX_IN_ARENA,
    PX_IN_INPUT, /* the caller's memory: index is the value's */
    PX_IN_CONSTANT,
    PX_IN_WEIGHTS, /* offset into the flat buffer */
    PX_IN_GRADS,
    PX_IN_STATES,
} px_place;

typedef struct px_buffer {
    px_place place;
    size_t bytes, offset; /* offset: within the arena or the flat buffer */
    int first, last;      /* steps; first -1: never used */
    int into;             /* the buffer whose memory this one shares, or -1 */
    const px_value *value;
} px_buffer;

/* A copy of a value in a format other than its own. */
typedef struct px_copy {
    const px_value *value;
    px_storage format;
    int buffer;
} px_copy;

/* Something that is destroyed with the plan. */
typedef struct px_adopted {
    void *thing;
    void (*destroy)(void *);
} px_adopted;

struct px_plan {
    px_graph *graph;
    px_plan_spec spec;
    px_comm self;
    px_isa isa; /* what the processor has */
    px_step **step;
    px_buffer *buffer;
    px_copy *copy;
    int steps, buffers, copies, reorders, weight_reorders;
    int first_backward; /* the first step that differentiation made, or INT_MAX */
    int first_after;    /* the first step of the phase after the step */

    px_storage *format;   /* by value index: how it is stored; bytes 0: undecided */
    int *home;            /* by value index: its buffer, or -1 */
    int *read;            /* by value index: an output's buffer in plain format, or -1 */
    size_t *param_offset; /* by param: bytes into weights (and grads) or states */
    bool *bound;          /* by value index: computed directly into the gradient buffer */

    char *arena, *weights, *grads, *states;
    size_t arena_bytes, flat_bytes, state_bytes;
    px_param_span *span;
    int spans;
    int64_t *bucket; /* bounds, in elements */
    int buckets;
    px_adopted *adopted; /* px_plan_adopt */
    int adoptions;
    px_draws draws;
    double *seconds;    /* by step; NULL: no profile */
    char *states_saved; /* px_plan_save_states */
};

int px_buffer_root(const px_plan *, int buffer);
void px_plan_place(px_plan *); /* gives all buffers and steps their place in memory; gradients their buckets */

/* The search for a fault in a run (fault.c). */
typedef struct px_search px_search;
px_search *px_search_begin(const px_plan *, px_fault *);
void px_search_step(px_search *, int step); /* after the step ran */
void px_search_end(px_search *);

#endif
