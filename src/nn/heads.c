/* heads.c - see heads.h. */
#include "nn/heads.h"
#include "ops/ops.h"

#include <math.h>

px_prototype_scores px_score_prototypes(px_net *net, const px_prototype_head *head, px_value *x)
{
    px_graph *g = px_net_enter(net);
    int width = head->mlp.out;
    px_prototype_scores s = {.z = px_l2_normalize(g, px_mlp_layers(g, &head->mlp, x))};
    px_scope_push(g, "last_layer");
    px_init init = px_init_uniform(1 / sqrt((double)width));
    px_value *v = px_parameter(g, "weight_v", PX_SHAPE(head->prototypes, width), init, PX_DECAYS);
    px_scope_pop(g);
    s.scores = px_linear(g, s.z, px_l2_normalize(g, v), NULL);
    px_net_leave(net);
    return s;
}
