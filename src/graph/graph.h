/* graph.h - a model described once: values, the ops between them, and the reverse-mode derivative in the same graph.
 *
 *     px_graph *g = px_graph_create((px_mode){.real = PX_F32});
 *     px_value *x = px_input(g, "views", PX_F32, PX_SHAPE(256, 3, 32, 32));
 *     px_scope_push(g, "fc");
 *     px_value *w = px_parameter(g, "weight", PX_SHAPE(10, 512), px_init_uniform(0.04), PX_DECAYS);   // fc.weight
 *     px_scope_pop(g);
 *     px_value *loss = ...;                       // ops.h
 *     px_graph_output(g, "loss", loss);
 *     px_graph_fuse(g);
 *     px_graph_differentiate(g, loss);
 *     if (px_graph_error(g)) ...                  // the first mistake of all the calls above
 *
 * Building has a sticky error: the first one is kept, every later call passes on a dummy value, and the caller checks
 * once. A graph owns its values and nodes: pointers to them are borrowed and valid until px_graph_destroy. Nothing here
 * computes; plan.h does.
 */
#ifndef PX_GRAPH_GRAPH_H
#define PX_GRAPH_GRAPH_H

#include "tensor/dtype.h"
#include "tensor/shape.h"

typedef struct px_graph px_graph;
typedef struct px_node px_node;
typedef struct px_op px_op;

typedef enum px_value_kind {
    PX_ACTIVATION, /* made by a node */
    PX_INPUT,      /* bound to the caller's memory before each run */
    PX_CONSTANT,   /* fixed when the graph is built */
    PX_PARAMETER,  /* trained */
    PX_STATE,      /* kept from step to step and saved, but not trained: running means, queues */
    PX_FOLLOWER,   /* a follower's parameter: saved, not trained; after each step it moves towards its leader's */
} px_value_kind;

typedef struct px_value {
    px_shape shape;
    px_dtype dtype;
    px_value_kind kind;
    const char *name;  /* parameters: the full dotted name; else NULL or a hint for printing */
    px_node *producer; /* NULL unless PX_ACTIVATION */
    int index;         /* among all values of the graph */
    int uses;          /* how many inputs of nodes read it */
    bool needs_grad;   /* a parameter lies upstream */
    struct px_value *grad;
    int param;        /* parameters and states: index into px_graph_param; else -1 */
    const void *data; /* constants: owned by the graph */
} px_value;

/* A parameter's initial values. */
typedef struct px_init {
    enum { PX_INIT_CONSTANT, PX_INIT_UNIFORM, PX_INIT_NORMAL, PX_INIT_UNIT_ROWS, PX_INIT_VALUES } kind;
    double scale;        /* the constant; the half width; the standard deviation */
    const float *values; /* PX_INIT_VALUES: one per element */
} px_init;
px_init px_init_constant(double);
px_init px_init_uniform(double half_width);
px_init px_init_normal(double deviation);
px_init px_init_unit_rows(void); /* random rows of length 1, in all directions alike */
px_init px_init_values(px_graph *, const float *values, int64_t count); /* copies */

enum px_param_flags {
    PX_DECAYS = 0,
    PX_EXEMPT = 1,      /* biases and parameters of norms: no weight decay, no LARS adaptation */
    PX_JOINS_LATER = 4, /* a network may first be applied without it: a mask token */
    PX_UNIT_ROWS = 2,   /* after each step its rows are scaled to length 1 (px_plan_normalize): prototypes */
};

typedef struct px_param {
    const char *name;
    px_value *value;
    px_init init;
    int flags;
    int leader, follower;     /* PX_FOLLOWER: the leader's number among the parameters, and the follower's; else -1 */
    const struct px_net *net; /* the network that made it, or NULL */
    int64_t grid[2];          /* positions: rows and columns (px_param_grid); else 0 */
} px_param;

/* Properties of the whole graph. */
typedef struct px_mode {
    px_dtype real;   /* type of all real activations and parameters: PX_F32, or PX_F64 for gradient checks */
    bool evaluation; /* batch norms use their running statistics and do not change them */
    int rank, ranks; /* ranks 0 means one */
} px_mode;

px_graph *px_graph_create(px_mode);
px_mode px_graph_mode(const px_graph *);
void px_graph_destroy(px_graph *);
px_dtype px_graph_real(const px_graph *);
const char *px_graph_error(const px_graph *); /* NULL: none */
px_value *px_graph_fail(px_graph *, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* returns the dummy */

/* Names of parameters are scoped: push "layer1", push "0", parameter "conv1.weight" is layer1.0.conv1.weight. */
void px_scope_push(px_graph *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void px_scope_pop(px_graph *);

/* ---- networks ----
 * A network's parameters are made when it is applied for the first time, and are the same each further time. What is
 * built between enter and leave belongs to it:
 *
 *     px_net *student = px_net_create(g, "projector");              // parameters projector.fc1.weight, ...
 *     px_net *teacher = px_net_follow(student, "teacher", momentum); // teacher.projector.fc1.weight, ...
 *     px_net_enter(student);
 *     y = px_linear_layer(g, "fc1", x, 128, true);
 *     px_net_leave(student);
 *
 * A network that cannot take an input of this size (a layer that wants other channels) is an error, at that place. */
typedef struct px_net px_net;

/* Owned by the graph. `scope`: "" or a name; within the current scope. */
px_net *px_net_create(px_graph *, const char *scope);

/* A network whose parameters begin as the leader's and after each step become momentum x their own + (1 - momentum) x the
 * leader's (px_plan_follow); no gradient reaches them. Its running statistics are its own. `momentum`: an input, a single
 * number. Networks that follow under the same name are one follower; the momentum must then be the same. The leader is
 * applied first. */
px_net *px_net_follow(px_net *leader, const char *name, px_value *momentum);
px_graph *px_net_enter(px_net *); /* returns the graph */
void px_net_leave(px_net *);
bool px_graph_follows(const px_graph *); /* whether a network that follows is entered: a teacher has no dropout */
int px_graph_followers(const px_graph *);
/* The name, and the momentum, of follower number i. */
const char *px_graph_follower(const px_graph *, int i, px_value **momentum);

/* ---- the phase after a step ----
 * Ops built between begin and end run after forward and backward, in their order. They may change states (px_enqueue):
 * whoever reads a state in forward or backward reads it as it was before. With accumulation, this happens after each
 * micro-batch. Outside of the phase an op must not change a state that another op reads (running statistics excepted,
 * which nobody reads in training): px_plan_create refuses such a graph. */
void px_after_begin(px_graph *);
void px_after_end(px_graph *);

px_value *px_input(px_graph *, const char *name, px_dtype, px_shape);
px_value *px_constant_i32(px_graph *, px_shape, const int32_t *data); /* copies */
px_value *px_constant_real(px_graph *, px_shape, const double *data); /* copies; -infinity in it is not a fault */
px_value *px_constant_fill(px_graph *, px_shape, double value);       /* real, all elements the same */
px_value *px_parameter(px_graph *, const char *name, px_shape, px_init, int flags);
px_value *px_state(px_graph *, const char *name, px_shape, px_init);
/* Whose shape the current network must give a parameter or state of this name: its own from an earlier application, or that of
 * the network which it follows. NULL: any. */
const px_param *px_param_known(px_graph *, const char *name);
/* Tells how many rows and columns a table of positions has, which its shape does not say (4 x 9, 6 x 6). */
void px_param_grid(px_graph *, const px_value *param, int64_t rows, int64_t columns);

/* Parameters and states in the order in which they were made. */
int px_graph_params(const px_graph *);
const px_param *px_graph_param(const px_graph *, int i);
px_value *px_graph_find_input(const px_graph *, const char *name);

/* Text that lives as long as the graph: the name of a layer or stage. */
const char *px_graph_text(px_graph *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Keeps a value readable after each run (px_plan_read). */
void px_graph_read(px_graph *, px_value *);
/* ... and gives it a name by which others find it. */
void px_graph_output(px_graph *, const char *name, px_value *);
px_value *px_graph_find_output(const px_graph *, const char *name);

/* Fuses activations and sums into the ops that make their inputs, if those inputs have no other use (ops/epilogue.h); also
 * in the gradient's part, later. Call it before differentiation. */
void px_graph_fuse(px_graph *);

/* Adds the ops that compute d loss / d p for every parameter p that the loss depends on (value->grad). `loss` is a
 * scalar. */
void px_graph_differentiate(px_graph *, px_value *loss);

/* Makes an input get a gradient as well (gradient checks). Call it before building ops on that input. */
void px_graph_want_grad(px_value *input);

/* Ends a segment of the model (a block), which px_graph_recompute may compute again from its inputs. */
void px_graph_cut(px_graph *);

typedef enum px_recompute {
    PX_RECOMPUTE_LIGHT,    /* outputs of cheap ops on stored activations (normalisation): 1 to 2 % more time */
    PX_RECOMPUTE_SEGMENTS, /* everything inside a segment; only its inputs are stored: about a third more time */
} px_recompute;

/* Trades time for memory (Chen et al. 2016, arXiv:1604.06174): backward computes activations again instead of reading
 * stored ones. Sums over ranks stay stored. Results have the same bits. Call it after differentiation. */
void px_graph_recompute(px_graph *, px_recompute);

/* One node as a line of a table. */
typedef struct px_layer_line {
    const char *op, *scope;
    px_shape shape; /* of output 0 */
    double multiply_adds;
} px_layer_line;

/* Walks the nodes that are not fused away: start with *i = 0; returns false at the end. */
bool px_graph_line(const px_graph *, int *i, px_layer_line *);
double px_graph_multiply_adds(const px_graph *); /* of all nodes so far, without those that compute something again */

#endif
