/* average.c - see average.h. */
#include "graph/average.h"
#include "base/error.h"
#include "graph/graph_internal.h"

#include <string.h>

static bool is_taken(const px_graph *g, const char *name)
{
    for (int i = 0; i < g->params; i++)
        if (strcmp(g->param[i].name, name) == 0)
            return true;
    return false;
}

void px_net_average(px_net *leader, const char *name, px_value *momentum)
{
    px_graph *g = leader->g;
    px_net *n = px_net_follow(leader, name, momentum);
    for (int i = 0, count = g->params; i < count && !g->error; i++) {
        px_param p = g->param[i];
        px_value_kind kind = p.value->kind == PX_PARAMETER ? PX_FOLLOWER : PX_STATE;
        if (p.net != leader)
            continue;
        p.name = px_graph_keep(g, px_format("%s.%s", name, p.name));
        p.net = n;
        p.leader = i;
        p.follower = n->follower;
        if (is_taken(g, p.name))
            px_graph_fail(g, "there are two parameters named %s", p.name);
        else
            px_graph_add_param(g, kind, p.value->shape, p);
    }
    n->complete = true;
}
