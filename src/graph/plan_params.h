/* plan_params.h - parameters and states of a plan: their values and gradients one by one, by their index in the graph, and
 * as flat buffers for optimizers and all-reduce; followers; states that are put back.
 *
 *     px_plan_init_params(p, seed);
 *     float *w = px_plan_weights(p), *dw = px_plan_grads(p);      // px_plan_flat_count(p) numbers each
 *     const px_param_span *span = px_plan_spans(p, &count);       // what is where in them
 */
#ifndef PX_GRAPH_PLAN_PARAMS_H
#define PX_GRAPH_PLAN_PARAMS_H

#include "graph/plan.h"
#include "tensor/span.h"
#include "tensor/update.h"

/* Parameters by their index in the graph (px_graph_param); `plain`: the usual order of axes, the graph's real type. */
void px_plan_get_param(px_plan *, int param, void *plain);
void px_plan_set_param(px_plan *, int param, const void *plain);
void px_plan_get_grad(px_plan *, int param, void *plain);
/* The same for a parameter's part (its span) of an array with the layout of the weights, as an optimizer's momentum. */
void px_plan_get_like(px_plan *, int param, const float *part, void *plain);
void px_plan_set_like(px_plan *, int param, float *part, const void *plain);

/* Random initial values, keyed by (seed, name): independent of the backend, the ranks and the rest of the graph. Of one
 * parameter; of all, and followers begin as their leaders. */
void px_plan_init_param(px_plan *, int param, uint64_t seed);
void px_plan_init_params(px_plan *, uint64_t seed);

/* Flat buffers of the trained parameters (PX_F32 graphs only): px_plan_flat_count numbers, zeros between parameters. */
float *px_plan_weights(px_plan *);
float *px_plan_grads(px_plan *);
int64_t px_plan_flat_count(const px_plan *);
/* One span per trained parameter, in order; borrowed. */
const px_param_span *px_plan_spans(const px_plan *, int *count);
/* The loops of the plan's backend, for an optimizer over them. */
const px_update *px_plan_update(const px_plan *);
/* Bounds of the buckets, for px_allreduce_create. */
const int64_t *px_plan_buckets(const px_plan *, int *count);

/* Moves the parameters of follower number `follower` (px_net_follow) towards their leaders': momentum x their own + (1 -
 * momentum) x the leader's. Momentum 0 copies them, as at the beginning. */
void px_plan_follow(px_plan *, int follower, double momentum);

/* Scales the rows of parameters that are PX_UNIT_ROWS to length 1: after the optimizer's step. */
void px_plan_normalize(px_plan *);

/* Copies the states that a run changes (running statistics), and restores them, as if the run had not happened. */
void px_plan_save_states(px_plan *);
void px_plan_restore_states(px_plan *);

#endif
