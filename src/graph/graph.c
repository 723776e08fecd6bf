/* graph.c - building: values, nodes, scopes, the sticky error; fusing; the derivative. */
#include "graph/graph.h"
#include "base/error.h"
#include "graph/graph_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *px_graph_keep(px_graph *g, void *memory)
{
    g->memory = px_grow(g->memory, g->memories, sizeof g->memory[0]);
    return g->memory[g->memories++] = memory;
}

px_graph *px_graph_create(px_mode mode)
{
    px_dtype real = mode.real;
    PX_CHECK(real == PX_F32 || real == PX_F64);
    px_graph *g = px_calloc(1, sizeof *g);
    g->mode = mode;
    if (mode.ranks == 0)
        g->mode.ranks = 1;
    g->dummy = (px_value){.dtype = real, .kind = PX_CONSTANT, .param = -1, .index = -1, .shape = {.rank = 0}};
    return g;
}

void px_graph_destroy(px_graph *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->values; i++)
        free(g->value[i]);
    for (int i = 0; i < g->nodes; i++)
        free(g->node[i]);
    for (int i = 0; i < g->memories; i++)
        free(g->memory[i]);
    free(g->value);
    free(g->node);
    free(g->param);
    free(g->output);
    free(g->follower);
    free(g->memory);
    free(g->error);
    free(g);
}

px_mode px_graph_mode(const px_graph *g)
{
    return g->mode;
}

px_dtype px_graph_real(const px_graph *g)
{
    return g->mode.real;
}

const char *px_graph_error(const px_graph *g)
{
    return g->error;
}

px_value *px_graph_fail(px_graph *g, const char *format, ...)
{
    if (!g->error) {
        char text[400];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        g->error = g->scope[0] ? px_format("%s: %s", g->scope, text) : px_strdup(text);
    }
    return &g->dummy;
}

const char *px_graph_text(px_graph *g, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    PX_CHECK(n > 0 && (size_t)n < sizeof text);
    return px_graph_keep(g, px_strdup(text));
}

void px_scope_push(px_graph *g, const char *format, ...)
{
    size_t used = strlen(g->scope);
    if (used)
        g->scope[used++] = '.';
    va_list args;
    va_start(args, format);
    int n = vsnprintf(g->scope + used, sizeof g->scope - used, format, args);
    va_end(args);
    PX_CHECK(n > 0 && used + (size_t)n < sizeof g->scope && !strchr(g->scope + used, '.'));
}

void px_scope_pop(px_graph *g)
{
    char *dot = strrchr(g->scope, '.');
    *(dot ? dot : g->scope) = '\0';
}

px_value *px_graph_add_value(px_graph *g, px_value_kind kind, px_dtype dtype, px_shape shape, const char *name)
{
    px_value *v = px_calloc(1, sizeof *v);
    *v = (px_value){.shape = shape, .dtype = dtype, .kind = kind, .name = name, .index = g->values, .param = -1};
    g->value = px_grow(g->value, g->values, sizeof g->value[0]);
    return g->value[g->values++] = v;
}

px_value *px_input(px_graph *g, const char *name, px_dtype dtype, px_shape shape)
{
    return px_graph_add_value(g, PX_INPUT, dtype == PX_F32 ? g->mode.real : dtype, shape,
                              px_graph_keep(g, px_strdup(name)));
}

px_value *px_constant_i32(px_graph *g, px_shape shape, const int32_t *data)
{
    px_value *v = px_graph_add_value(g, PX_CONSTANT, PX_I32, shape, NULL);
    size_t bytes = (size_t)px_shape_count(shape) * sizeof data[0];
    v->data = memcpy(px_graph_keep(g, px_aligned_calloc(bytes)), data, bytes);
    return v;
}

/* Element i is data[i step]. */
static px_value *constant(px_graph *g, px_shape shape, const double *data, int64_t step)
{
    px_value *v = px_graph_add_value(g, PX_CONSTANT, g->mode.real, shape, NULL);
    int64_t n = px_shape_count(shape);
    void *copy = px_graph_keep(g, px_aligned_calloc((size_t)n * px_dtype_size(g->mode.real)));
    for (int64_t i = 0; i < n; i++) {
        if (g->mode.real == PX_F64)
            ((double *)copy)[i] = data[i * step];
        else
            ((float *)copy)[i] = (float)data[i * step];
    }
    v->data = copy;
    return v;
}

px_value *px_constant_real(px_graph *g, px_shape shape, const double *data)
{
    return constant(g, shape, data, 1);
}

px_value *px_constant_fill(px_graph *g, px_shape shape, double x)
{
    return constant(g, shape, &x, 0);
}

void px_after_begin(px_graph *g)
{
    g->after = true;
}

void px_after_end(px_graph *g)
{
    g->after = false;
}

px_value *px_graph_find_input(const px_graph *g, const char *name)
{
    for (int i = 0; i < g->values; i++)
        if (g->value[i]->kind == PX_INPUT && strcmp(g->value[i]->name, name) == 0)
            return g->value[i];
    return NULL;
}

static void add_output(px_graph *g, const char *name, px_value *v)
{
    if (v == &g->dummy)
        return;
    g->output = px_grow(g->output, g->outputs, sizeof g->output[0]);
    g->output[g->outputs++] = (px_output){name, v};
}

void px_graph_read(px_graph *g, px_value *v)
{
    add_output(g, NULL, v);
}

void px_graph_output(px_graph *g, const char *name, px_value *v)
{
    PX_CHECK(!px_graph_find_output(g, name));
    add_output(g, px_graph_keep(g, px_strdup(name)), v);
}

px_value *px_graph_find_output(const px_graph *g, const char *name)
{
    for (int i = 0; i < g->outputs; i++)
        if (g->output[i].name && strcmp(g->output[i].name, name) == 0)
            return g->output[i].value;
    return NULL;
}

int px_graph_outputs(const px_graph *g)
{
    return g->outputs;
}

px_value *px_graph_output_at(const px_graph *g, int i, const char **name)
{
    *name = g->output[i].name;
    return g->output[i].value;
}

const char *px_node_text(const px_node *n)
{
    return n->op->text ? n->op->text(n) : n->op->name;
}

int px_graph_nodes(const px_graph *g)
{
    return g->nodes;
}

px_node *px_graph_node(const px_graph *g, int i)
{
    return g->node[i];
}

int px_graph_values(const px_graph *g)
{
    return g->values;
}

px_value *px_graph_value(const px_graph *g, int i)
{
    return g->value[i];
}

px_value *px_node_add(px_graph *g, const px_op *op, px_value *const in[], int inputs, const void *attr)
{
    if (g->error)
        return &g->dummy;
    PX_CHECK(inputs >= op->in_min && inputs <= (op->in_max ? op->in_max : op->in_min));
    px_node *n = px_calloc(1, sizeof *n);
    n->op = op;
    n->inputs = inputs;
    n->outputs = op->outputs ? op->outputs : 1;
    n->scope = px_graph_keep(g, px_strdup(g->scope));
    n->segment = g->segment;
    n->after = g->after;
    PX_CHECK(attr || !op->attr_size);
    if (op->attr_size && attr)
        n->attr = memcpy(px_graph_keep(g, px_calloc(1, op->attr_size)), attr, op->attr_size);
    g->node = px_grow(g->node, g->nodes, sizeof g->node[0]);
    g->node[g->nodes++] = n;

    bool needs_grad = false;
    for (int i = 0; i < inputs; i++) {
        PX_CHECK(in[i] != &g->dummy);
        n->in[i] = in[i];
        if (in[i]) {
            in[i]->uses++;
            needs_grad |= in[i]->needs_grad;
        }
    }
    for (int i = 0; i < n->outputs; i++) {
        n->out[i] = px_graph_add_value(g, PX_ACTIVATION, g->mode.real, (px_shape){0}, NULL);
        n->out[i]->producer = n;
        n->out[i]->needs_grad = needs_grad && op->grad && !g->after;
    }
    op->infer(g, n);
    return g->error ? &g->dummy : n->out[0];
}

px_value *px_node_more(px_graph *g, px_node *n, px_shape shape)
{
    PX_CHECK(n->outputs < PX_NODE_OUT);
    px_value *v = px_graph_add_value(g, PX_ACTIVATION, g->mode.real, shape, NULL);
    v->producer = n;
    return n->out[n->outputs++] = v;
}

/* ---- fusing ---- */

px_node *px_sole_producer(const px_graph *g, const px_value *v)
{
    if (!v->producer || v->producer->out[0] != v || v->uses != 1)
        return NULL;
    for (int i = 0; i < g->outputs; i++)
        if (g->output[i].value == v)
            return NULL;
    for (int i = 0; i < g->values; i++)
        if (g->value[i]->grad == v)
            return NULL;
    return v->producer;
}

static int place_of(const px_graph *g, const px_node *n)
{
    int i = 0;
    while (g->node[i] != n)
        i++;
    return i;
}

static bool reads(const px_node *n, const px_value *v)
{
    for (int k = 0; k < n->inputs; k++)
        if (n->in[k] == v)
            return true;
    return false;
}

/* Whether `n` can come before `by`: it reads nothing that `by` makes, and changes no state that `by` reads. */
static bool can_pass(const px_node *n, const px_node *by)
{
    for (int out = 1; out < by->outputs; out++)
        if (reads(n, by->out[out]))
            return false;
    for (int k = 0; k < by->inputs && n->op->effect; k++)
        if (by->in[k] && by->in[k]->kind == PX_STATE && reads(n, by->in[k]))
            return false;
    return true;
}

bool px_node_absorb(px_graph *g, px_node *node, px_node *by)
{
    int at = place_of(g, node), old = place_of(g, by);
    PX_CHECK(old < at);
    for (int i = old + 1; i < at; i++)
        if (!g->node[i]->dead && !can_pass(g->node[i], by))
            return false;
    for (int k = 0; k < node->inputs; k++)
        if (node->in[k])
            node->in[k]->uses--;
    node->dead = true;
    /* Whoever has a pointer to the result, outside of the graph too, keeps the same one. */
    px_value *result = node->out[0];
    node->out[0] = by->out[0];
    node->out[0]->producer = node;
    by->out[0] = result;
    result->producer = by;
    /* At the later place all its inputs exist; its output has no use before that. */
    g->node[at] = by;
    g->node[old] = node;
    return true;
}

static void fuse_from(px_graph *g, int first)
{
    for (int i = first; i < g->nodes && !g->error; i++)
        if (!g->node[i]->dead && g->node[i]->op->fuse)
            g->node[i]->op->fuse(g, g->node[i]);
}

void px_graph_fuse(px_graph *g)
{
    g->fuses = true;
    fuse_from(g, 0);
}

void px_graph_cut(px_graph *g)
{
    g->segment++;
}

void px_graph_set_order(px_graph *g, px_node *const order[])
{
    memcpy(g->node, order, (size_t)g->nodes * sizeof order[0]);
}

void px_graph_want_grad(px_value *input)
{
    PX_CHECK(input->kind == PX_INPUT && input->uses == 0);
    input->needs_grad = true;
}

extern const px_op px_op_add;

void px_add_grad(px_graph *g, px_value *of, px_value *contribution)
{
    if (g->error || !of->needs_grad)
        return;
    PX_CHECK(px_shape_equal(of->shape, contribution->shape));
    if (!of->grad) {
        of->grad = contribution;
        return;
    }
    of->grad = px_node_add(g, &px_op_add, (px_value *[]){of->grad, contribution}, 2, NULL);
    if (!g->error)
        of->grad->producer->apart = of->kind != PX_ACTIVATION;
}

void px_graph_differentiate(px_graph *g, px_value *loss)
{
    if (g->error)
        return;
    if (px_shape_count(loss->shape) != 1 || !loss->needs_grad) {
        px_graph_fail(g, "the loss must be a single number that depends on parameters");
        return;
    }
    g->scope[0] = '\0';
    loss->grad = px_constant_fill(g, loss->shape, 1);
    int forward = g->nodes;
    for (int i = forward - 1; i >= 0 && !g->error; i--) {
        px_node *n = g->node[i];
        bool reached = false;
        for (int k = 0; k < n->outputs; k++)
            reached |= n->out[k]->needs_grad && n->out[k]->grad;
        if (reached && !n->dead) {
            snprintf(g->scope, sizeof g->scope, "%s", n->scope);
            n->op->grad(g, n);
        }
    }
    for (int i = forward; i < g->nodes; i++)
        g->node[i]->backward = true;
    if (g->fuses)
        fuse_from(g, forward);
    g->scope[0] = '\0';
}

double px_graph_multiply_adds(const px_graph *g)
{
    double sum = 0;
    for (int i = 0; i < g->nodes; i++)
        if (!g->node[i]->dead && !g->node[i]->again && g->node[i]->op->cost)
            sum += g->node[i]->op->cost(g->node[i]);
    return sum;
}

bool px_graph_line(const px_graph *g, int *i, px_layer_line *line)
{
    while (*i < g->nodes && (g->node[*i]->dead || g->node[*i]->op->alias))
        ++*i;
    if (*i >= g->nodes)
        return false;
    const px_node *n = g->node[(*i)++];
    *line = (px_layer_line){px_node_text(n), n->scope, n->out[0]->shape, n->op->cost ? n->op->cost(n) : 0};
    return true;
}
