/* heads.c - see heads.h. */
#include "nn/heads.h"
#include "ops/ops.h"

#include <math.h>

static px_value *project(px_graph *g, const px_prototype_head *head, px_value *x)
{
    return px_l2_normalize(g, px_mlp_layers(g, &head->mlp, x));
}

static px_value *score(px_graph *g, const px_prototype_head *head, px_value *z)
{
    int width = head->mlp.out;
    px_scope_push(g, "last_layer");
    px_init init = px_init_uniform(1 / sqrt((double)width));
    px_value *v = px_parameter(g, "weight_v", PX_SHAPE(head->prototypes, width), init, PX_DECAYS);
    px_scope_pop(g);
    return px_linear(g, z, px_l2_normalize(g, v), NULL);
}

px_prototype_scores px_score_prototypes(px_net *net, const px_prototype_head *head, px_value *x)
{
    px_graph *g = px_net_enter(net);
    px_prototype_scores s = {.z = project(g, head, x)};
    s.scores = score(g, head, s.z);
    px_net_leave(net);
    return s;
}

px_value *px_prototype_project(px_net *net, const px_prototype_head *head, px_value *x)
{
    px_value *z = project(px_net_enter(net), head, x);
    px_net_leave(net);
    return z;
}

px_value *px_prototype_score(px_net *net, const px_prototype_head *head, px_value *z)
{
    px_value *scores = score(px_net_enter(net), head, z);
    px_net_leave(net);
    return scores;
}
