/* graph_internal.h - the insides, shared by graph.c (values, nodes, derivative), params.c (parameters, networks), average.c. */
#ifndef PX_GRAPH_GRAPH_INTERNAL_H
#define PX_GRAPH_GRAPH_INTERNAL_H

#include "graph/op.h"

typedef struct px_output {
    const char *name;
    px_value *value;
} px_output;

struct px_net {
    px_graph *g;
    const char *scope;
    px_net *leader;   /* NULL: it has parameters of its own */
    int follower;     /* its number among the followers, or -1 */
    bool complete;    /* it was applied before: its parameters exist */
    px_net *around;   /* while it is entered: the network in which it is */
    char before[256]; /* ... and the scope */
};

typedef struct px_follower {
    const char *name;
    px_value *momentum;
} px_follower;

struct px_graph {
    px_mode mode;
    char *error;
    px_value dummy;
    px_value **value;
    px_node **node;
    px_param *param;
    px_output *output;
    void **memory; /* strings, attributes and constants to free */
    px_follower *follower;
    int values, nodes, params, outputs, memories, followers;
    int segment;
    bool after;
    bool fuses;  /* px_graph_fuse was called */
    px_net *net; /* the one that is entered, or NULL */
    char scope[256];
};

/* Frees `memory` with the graph; returns it. */
void *px_graph_keep(px_graph *, void *memory);

/* `name` is borrowed. */
px_value *px_graph_add_value(px_graph *, px_value_kind, px_dtype, px_shape, const char *name);

/* A parameter, follower or state with the name, flags and so on of `p`, whose value is made. */
px_value *px_graph_add_param(px_graph *, px_value_kind, px_shape, px_param p);

#endif
