/* params.c - parameters and states by name, and the networks to which they belong. */
#include "base/error.h"
#include "graph/graph_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

px_init px_init_constant(double value)
{
    return (px_init){.kind = PX_INIT_CONSTANT, .scale = value};
}

px_init px_init_uniform(double half_width)
{
    return (px_init){.kind = PX_INIT_UNIFORM, .scale = half_width};
}

px_init px_init_normal(double deviation)
{
    return (px_init){.kind = PX_INIT_NORMAL, .scale = deviation};
}

px_init px_init_unit_rows(void)
{
    return (px_init){.kind = PX_INIT_UNIT_ROWS, .scale = 1};
}

px_init px_init_values(px_graph *g, const float *values, int64_t count)
{
    float *copy = px_graph_keep(g, px_calloc((size_t)count + 1, sizeof copy[0]));
    memcpy(copy, values, (size_t)count * sizeof copy[0]);
    return (px_init){.kind = PX_INIT_VALUES, .values = copy};
}

/* ---- parameters ---- */

static const px_param *find_param(const px_graph *g, const char *name)
{
    for (int i = 0; i < g->params; i++)
        if (strcmp(g->param[i].name, name) == 0)
            return &g->param[i];
    return NULL;
}

px_value *px_graph_add_param(px_graph *g, px_value_kind kind, px_shape shape, px_param p)
{
    px_value *v = px_graph_add_value(g, kind, g->mode.real, shape, p.name);
    v->param = g->params;
    v->needs_grad = kind == PX_PARAMETER;
    p.value = v;
    g->param = px_grow(g->param, g->params, sizeof g->param[0]);
    g->param[g->params++] = p;
    return v;
}

/* A parameter or state of a network that was applied before. */
static px_value *same_param(px_graph *g, const px_param *p, const char *name, px_shape shape)
{
    char here[64], there[64];
    if (!p)
        return px_graph_fail(g, "this network has no %s: it was built differently before", name);
    if (!px_shape_equal(p->value->shape, shape))
        return px_graph_fail(
            g,
            "%s would be %s for this input, but is %s: the network cannot be applied to inputs of both "
            "sizes",
            name, px_shape_text(shape, here), px_shape_text(p->value->shape, there));
    return p->value;
}

/* The same parameter of the network that the current one follows: its name is without the follower's. */
static const px_param *leading(px_graph *g, const char *name, px_shape shape)
{
    const px_param *p = find_param(g, name + strlen(g->follower[g->net->follower].name) + 1);
    char here[64], there[64];
    if (!p)
        px_graph_fail(g, "%s follows nothing: apply the network's leader first, and in the same way", name);
    else if (!px_shape_equal(p->value->shape, shape))
        px_graph_fail(g, "%s is %s, but the one that it follows is %s", name, px_shape_text(shape, here),
                      px_shape_text(p->value->shape, there));
    return g->error ? NULL : p;
}

static px_value *add_param(px_graph *g, px_value_kind kind, const char *name, px_shape shape, px_init init, int flags)
{
    if (g->error)
        return &g->dummy;
    char *whole = px_graph_keep(g, g->scope[0] ? px_format("%s.%s", g->scope, name) : px_strdup(name));
    const px_param *there = find_param(g, whole);
    if (g->net && g->net->complete && (there || !(flags & PX_JOINS_LATER)))
        return same_param(g, there, whole, shape);
    if (there)
        return px_graph_fail(g, "there are two parameters named %s", whole);
    px_param p = {.name = whole, .init = init, .flags = flags, .leader = -1, .follower = -1, .net = g->net};
    if (kind == PX_PARAMETER && g->net && g->net->leader) {
        const px_param *leader = leading(g, whole, shape);
        if (!leader)
            return &g->dummy;
        p.leader = leader->value->param;
        p.follower = g->net->follower;
        kind = PX_FOLLOWER;
    }
    return px_graph_add_param(g, kind, shape, p);
}

const px_param *px_param_known(px_graph *g, const char *name)
{
    char *whole = g->scope[0] ? px_format("%s.%s", g->scope, name) : px_strdup(name);
    const px_param *p = g->net && g->net->complete ? find_param(g, whole) : NULL;
    if (!p && g->net && g->net->leader)
        p = find_param(g, whole + strlen(g->follower[g->net->follower].name) + 1);
    free(whole);
    return p;
}

void px_param_grid(px_graph *g, const px_value *param, int64_t rows, int64_t columns)
{
    if (g->error)
        return;
    g->param[param->param].grid[0] = rows;
    g->param[param->param].grid[1] = columns;
}

px_value *px_parameter(px_graph *g, const char *name, px_shape shape, px_init init, int flags)
{
    return add_param(g, PX_PARAMETER, name, shape, init, flags);
}

px_value *px_state(px_graph *g, const char *name, px_shape shape, px_init init)
{
    return add_param(g, PX_STATE, name, shape, init, PX_EXEMPT);
}

int px_graph_params(const px_graph *g)
{
    return g->params;
}

const px_param *px_graph_param(const px_graph *g, int i)
{
    return &g->param[i];
}

/* ---- networks ---- */

static px_net *add_net(px_graph *g, const char *scope)
{
    px_net *n = px_graph_keep(g, px_calloc(1, sizeof *n));
    *n = (px_net){.g = g, .scope = px_graph_keep(g, px_strdup(scope)), .follower = -1};
    return n;
}

px_net *px_net_create(px_graph *g, const char *scope)
{
    char *whole = g->scope[0] && *scope ? px_format("%s.%s", g->scope, scope) : px_strdup(*scope ? scope : g->scope);
    px_net *n = add_net(g, whole);
    free(whole);
    return n;
}

px_net *px_net_follow(px_net *leader, const char *name, px_value *momentum)
{
    px_graph *g = leader->g;
    char *scope = *leader->scope ? px_format("%s.%s", name, leader->scope) : px_strdup(name);
    px_net *n = add_net(g, scope);
    free(scope);
    n->leader = leader;
    if (g->error)
        return n;
    if (leader->leader || !leader->complete)
        px_graph_fail(g, "%s must follow a network that was applied before and is trained", name);
    else if (momentum->kind != PX_INPUT || px_shape_count(momentum->shape) != 1)
        px_graph_fail(g, "%s: its momentum must be an input, a single number", name);
    for (int i = 0; i < g->followers; i++)
        if (strcmp(g->follower[i].name, name) == 0)
            n->follower = i;
    if (n->follower >= 0 && g->follower[n->follower].momentum != momentum)
        px_graph_fail(g, "%s follows with two different momentums", name);
    if (n->follower >= 0)
        return n;
    g->follower = px_grow(g->follower, g->followers, sizeof g->follower[0]);
    g->follower[g->followers] = (px_follower){px_graph_keep(g, px_strdup(name)), momentum};
    n->follower = g->followers++;
    return n;
}

px_graph *px_net_enter(px_net *n)
{
    px_graph *g = n->g;
    n->around = g->net;
    snprintf(n->before, sizeof n->before, "%s", g->scope);
    PX_CHECK((size_t)snprintf(g->scope, sizeof g->scope, "%s", n->scope) < sizeof g->scope);
    g->net = n;
    return g;
}

void px_net_leave(px_net *n)
{
    px_graph *g = n->g;
    PX_CHECK(g->net == n && strcmp(g->scope, n->scope) == 0);
    n->complete = true;
    g->net = n->around;
    memcpy(g->scope, n->before, sizeof g->scope);
}

bool px_graph_follows(const px_graph *g)
{
    const px_net *n = g->net;
    while (n && !n->leader)
        n = n->around;
    return n != NULL;
}

int px_graph_followers(const px_graph *g)
{
    return g->followers;
}

const char *px_graph_follower(const px_graph *g, int i, px_value **momentum)
{
    *momentum = g->follower[i].momentum;
    return g->follower[i].name;
}
