/* recompute.c - activations that backward computes again. */
#include "base/error.h"
#include "graph/op.h"

#include <stdlib.h>

typedef struct rewriting {
    px_graph *g;
    px_value **again; /* by value index: its second computation, or NULL */
    bool *kept;       /* by value index */
    px_node **order;
    int values, count;
} rewriting;

/* Whether a node can be repeated by one pass over stored values. */
static bool is_light(const px_node *n, const bool *kept)
{
    bool all_stay = true;
    for (int k = 0; k < n->inputs; k++)
        all_stay &= !n->in[k] || !n->in[k]->producer || kept[n->in[k]->index];
    return n->op->light && all_stay;
}

/* Forward values that stay stored: read by another segment, agreed on between ranks, or read by the caller. */
static bool *find_kept(const px_graph *g, px_recompute what)
{
    bool *kept = px_calloc((size_t)px_graph_values(g) + 1, sizeof kept[0]);
    for (int i = 0; i < px_graph_nodes(g); i++) {
        const px_node *n = px_graph_node(g, i);
        bool stays = n->backward || n->op->effect || (what == PX_RECOMPUTE_LIGHT && !is_light(n, kept));
        for (int k = 0; k < n->outputs; k++)
            kept[n->out[k]->index] |= stays;
        for (int k = 0; k < n->inputs && !n->dead && !n->backward; k++)
            if (what == PX_RECOMPUTE_SEGMENTS && n->in[k] && n->in[k]->producer &&
                n->in[k]->producer->segment != n->segment)
                kept[n->in[k]->index] = true;
    }
    for (int i = 0; i < px_graph_outputs(g); i++) {
        const char *name;
        kept[px_graph_output_at(g, i, &name)->index] = true;
    }
    return kept;
}

/* v itself, or its second computation, whose nodes are then already in `order`. */
static px_value *value_again(rewriting *r, px_value *v)
{
    if (!v || !v->producer || v->index >= r->values || r->kept[v->index])
        return v;
    px_node *n = v->producer;
    if (!r->again[v->index]) {
        px_value *in[PX_NODE_IN];
        for (int k = 0; k < n->inputs; k++)
            in[k] = value_again(r, n->in[k]);
        px_value *first = px_node_add(r->g, n->op, in, n->inputs, n->attr);
        PX_CHECK(!px_graph_error(r->g));
        px_node *copy = first->producer;
        while (copy->outputs < n->outputs)
            px_node_more(r->g, copy, n->out[copy->outputs]->shape);
        for (int k = 0; k < n->outputs; k++)
            copy->out[k]->uses = n->out[k]->uses;
        copy->scope = n->scope;
        copy->segment = n->segment;
        copy->backward = copy->again = true;
        for (int k = 0; k < n->outputs; k++)
            r->again[n->out[k]->index] = copy->out[k];
        r->order[r->count++] = copy;
    }
    return r->again[v->index];
}

/* The first computation's `uses` stay unchanged: they decide which kernels are chosen, and both computations must use
 * the same kernels. */
static void read_again(rewriting *r, px_node *n)
{
    for (int k = 0; k < n->inputs; k++) {
        if (!n->op->shape_only[k])
            n->in[k] = value_again(r, n->in[k]);
    }
}

void px_graph_recompute(px_graph *g, px_recompute what)
{
    int nodes = px_graph_nodes(g), values = px_graph_values(g);
    if (px_graph_error(g))
        return;
    rewriting r = {.g = g, .values = values, .kept = find_kept(g, what)};
    r.again = px_calloc((size_t)values + 1, sizeof r.again[0]);
    r.order = px_calloc(2 * (size_t)nodes + 1, sizeof r.order[0]);
    for (int i = 0; i < nodes; i++) {
        px_node *n = px_graph_node(g, i);
        if (n->backward && !n->dead)
            read_again(&r, n);
        r.order[r.count++] = n;
    }
    PX_CHECK(r.count == px_graph_nodes(g));
    px_graph_set_order(g, r.order);
    free(r.again);
    free(r.kept);
    free(r.order);
}
