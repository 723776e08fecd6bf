/* op.h - what an op is: a row of data and a few functions. For src/ops and src/graph; models use ops/ops.h.
 *
 * An op's file states its shape rule, gradient rule, cost and portable kernels side by side and ends with
 *     const px_op px_op_max_pool = {.name = "max_pool", .infer = infer, .grad = grad, ...};
 * Rows are listed in ops/table.c, which the tests walk. Faster kernels are rows of a backend (graph/kernel.h).
 */
#ifndef PX_GRAPH_OP_H
#define PX_GRAPH_OP_H

#include "graph/graph.h"

#include <stddef.h>

enum { PX_NODE_IN = 8, PX_NODE_OUT = 4 };

struct px_plan;
struct px_step;

/* Computes one step: s->in, s->out, s->node->attr. No allocation, no failure. */
typedef void px_kernel(const struct px_step *s);

/* Computes the same step of all shards (graph/plan.h) on this rank, together with those of the other ranks. */
typedef void px_together(const struct px_step *const s[], int shards);

/* Ops that take an epilogue, y = act(v + bias + residual), name the inputs and the output that belong to it. Their attribute
 * begins with a px_epilogue (ops/attr.h). */
typedef struct px_epilogue_slots {
    int residual; /* an optional input of the shape of output 0. 0: the op takes no epilogue */
    int argument; /* an output that exists only if backward reads it: v + bias + residual. 0: the op takes no activation */
    bool (*fits)(const px_node *); /* whether this node takes one; NULL: all do */
} px_epilogue_slots;

struct px_op {
    const char *name;
    const char *(*text)(const px_node *); /* what users see, where one op stands for many functions; NULL: the name */
    size_t attr_size;

    /* Sets shape and dtype of node->out[] (which exist, of the graph's real type by default) or calls px_graph_fail. */
    void (*infer)(px_graph *, px_node *);

    /* Calls px_add_grad(g, node->in[i], d) for inputs that need it, given node->out[k]->grad (NULL if no gradient
     * reaches it). NULL: not differentiable, gradients stop here. */
    void (*grad)(px_graph *, px_node *);

    /* Tries to fuse this node into an earlier one that makes one of its inputs; see px_graph_fuse. */
    bool (*fuse)(px_graph *, px_node *);
    px_epilogue_slots epilogue;

    double (*cost)(const px_node *); /* multiply-adds; NULL: too few to count */

    px_kernel *portable[2]; /* plain formats; float, double */
    /* The portable kernel for activations in bf16 (NULL: none), and which inputs and outputs are then in bf16 (bit i:
     * number i): it is used if one of these inputs is. The others are as for `portable`. */
    px_kernel *bf16;
    unsigned bf16_in, bf16_out;
    px_together *together; /* ops that talk to other ranks: what they do when the batch is cut into shards */

    /* Bytes of temporary memory that the portable kernels need (enough for double); NULL: none. */
    size_t (*scratch)(const px_node *);

    int in_place;                /* portable kernel: 1 + the input whose memory output 0 may take over; 0: none */
    bool shape_only[PX_NODE_IN]; /* of these inputs only the shape is used, not the values */
    bool reads_only[PX_NODE_IN]; /* of an op with an effect: these states are read, as they are then, and not changed */
    bool alias;                  /* output 0 is input 0 with another shape: no work at all */
    bool light;          /* one pass, bound by memory: backward may compute it again instead of storing its output */
    bool effect;         /* changes its inputs that are PX_STATE, or talks to other ranks: kept even if nobody reads its
                          * outputs */
    bool minus_infinity; /* writes -infinity on purpose: not a fault (px_fault) */
    int in_min, in_max;  /* number of inputs; in_max 0: exactly in_min */
    int outputs;         /* 0: one */
};

struct px_node {
    const px_op *op;
    int inputs, outputs;
    px_value *in[PX_NODE_IN]; /* NULL: an optional input that is absent */
    px_value *out[PX_NODE_OUT];
    void *attr; /* op->attr_size bytes */
    const char *scope;
    int segment;   /* number of the model's segment, counted by px_graph_cut */
    bool dead;     /* fused away */
    bool backward; /* made by px_graph_differentiate */
    bool after;    /* built between px_after_begin and px_after_end */
    bool again;    /* repeats an earlier computation: px_graph_recompute */
    bool apart;    /* sums gradients of a parameter: is not fused, since those are made by kernels of their own */
};

/* Adds a node and infers its shapes. Returns its first output, or the dummy after an error. `attr` is copied. */
px_value *px_node_add(px_graph *, const px_op *, px_value *const in[], int inputs, const void *attr);

/* Adds an output, of the graph's real type, to a node whose op has fewer of them. Returns it. */
px_value *px_node_more(px_graph *, px_node *, px_shape);

/* How a gradient rule hands over its result: contributions are summed. */
void px_add_grad(px_graph *, px_value *of, px_value *contribution);

/* Reorders the nodes. The array holds every one of them. */
void px_graph_set_order(px_graph *, px_node *const order[]);

const char *px_node_text(const px_node *); /* the op's name for users */

int px_graph_nodes(const px_graph *);
px_node *px_graph_node(const px_graph *, int i);
int px_graph_values(const px_graph *);
px_value *px_graph_value(const px_graph *, int i);
int px_graph_outputs(const px_graph *);
px_value *px_graph_output_at(const px_graph *, int i, const char **name); /* NULL: px_graph_read */

/* For `fuse`: `node` disappears. `by` now makes its output 0, the same px_value as before, and takes its place in the order.
 * False, and nothing has changed: somebody in between reads another output of `by`, or changes a state that `by` reads. */
bool px_node_absorb(px_graph *, px_node *node, px_node *by);
/* The node whose output 0 is v, if nobody but one node reads v: it is no output of the graph and nobody's gradient; else
 * NULL. */
px_node *px_sole_producer(const px_graph *, const px_value *v);

#endif
