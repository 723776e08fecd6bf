/* plan.c - planning: which nodes, which kernels, which formats. */
#include "base/error.h"
#include "graph/plan_internal.h"

#include <limits.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* ---- formats ---- */

px_storage px_storage_plain(const px_value *v)
{
    return (px_storage){v->dtype, 1, NULL, (size_t)px_shape_count(v->shape) * px_dtype_size(v->dtype)};
}

px_storage px_storage_blocked(const px_value *v, int block, px_dtype dtype)
{
    PX_CHECK(block == 1 || (v->shape.rank == 4 && v->shape.dim[1] % block == 0));
    return (px_storage){dtype, block, NULL, (size_t)px_shape_count(v->shape) * px_dtype_size(dtype)};
}

bool px_storage_equal(const px_plan *p, px_storage a, px_storage b)
{
    if (a.dtype != b.dtype || a.bytes != b.bytes || (a.own == NULL) != (b.own == NULL))
        return false;
    return a.own ? p->spec.backend->same(a.own, b.own) : a.block == b.block;
}

px_storage px_plan_format(const px_plan *p, const px_value *v)
{
    return px_plan_undecided(p, v) ? px_storage_plain(v) : p->format[v->index];
}

bool px_plan_undecided(const px_plan *p, const px_value *v)
{
    return p->format[v->index].bytes == 0;
}

/* The parameter that v, a parameter or a follower's, is led by, or v's own number. */
static int leader_of(const px_plan *p, const px_value *v)
{
    int leader = px_graph_param(p->graph, v->param)->leader;
    return leader >= 0 ? leader : v->param;
}

/* A parameter and those that follow it have one format, so that following is one loop over memory. */
static void decide(px_plan *p, const px_value *v, px_storage format)
{
    p->format[v->index] = format;
    for (int i = 0; v->param >= 0 && i < px_graph_params(p->graph); i++) {
        const px_value *other = px_graph_param(p->graph, i)->value;
        if (other->kind != PX_STATE && leader_of(p, other) == leader_of(p, v))
            p->format[other->index] = format;
    }
}

void px_plan_set_format(px_plan *p, const px_value *v, px_storage format)
{
    PX_CHECK(v->param >= 0 && px_plan_undecided(p, v) && format.dtype == v->dtype);
    decide(p, v, format);
}

px_isa px_plan_isa(const px_plan *p)
{
    return p->isa;
}

px_dtype px_plan_precision(const px_plan *p)
{
    return p->spec.precision == PX_BF16 ? PX_BF16 : px_graph_real(p->graph);
}

bool px_plan_is_bf16_operand(const px_plan *p, const px_value *v)
{
    while (v->producer && v->producer->op->alias)
        v = v->producer->in[0];
    return v->kind == PX_PARAMETER || v->kind == PX_FOLLOWER || px_plan_format(p, v).dtype == PX_BF16;
}

bool px_plan_is_gradient(const px_plan *p, const px_value *v)
{
    for (int i = 0; i < px_graph_params(p->graph); i++) {
        const px_value *grad = px_graph_param(p->graph, i)->value->grad;
        while (grad && grad != v && grad->producer && grad->producer->op->alias)
            grad = grad->producer->in[0];
        if (grad == v)
            return true;
    }
    return false;
}

/* ---- steps and buffers ---- */

static px_step *add_step(px_plan *p, const px_node *node)
{
    px_step *s = px_calloc(1, sizeof *s);
    s->node = node;
    s->plan = p;
    s->bucket = -1;
    for (int i = 0; i < PX_NODE_IN; i++)
        s->in_buffer[i] = -1;
    for (int i = 0; i < PX_NODE_OUT; i++)
        s->out_buffer[i] = -1;
    return s;
}

/* A step joins the list only when it is complete, after the reorders that it requested. */
static void commit_step(px_plan *p, px_step *s)
{
    p->step = px_grow(p->step, p->steps, sizeof p->step[0]);
    p->step[p->steps++] = s;
}

static int add_buffer(px_plan *p, px_place place, size_t bytes, const px_value *value)
{
    p->buffer = px_grow(p->buffer, p->buffers, sizeof p->buffer[0]);
    p->buffer[p->buffers] =
        (px_buffer){.place = place, .bytes = bytes, .first = -1, .last = -1, .into = -1, .value = value};
    return p->buffers++;
}

int px_buffer_root(const px_plan *p, int b)
{
    while (p->buffer[b].into >= 0)
        b = p->buffer[b].into;
    return b;
}

static px_place place_of(const px_value *v)
{
    switch (v->kind) {
    case PX_INPUT:
        return PX_IN_INPUT;
    case PX_CONSTANT:
        return PX_IN_CONSTANT;
    case PX_PARAMETER:
        return PX_IN_WEIGHTS;
    case PX_STATE:
    case PX_FOLLOWER:
        return PX_IN_STATES;
    default:
        return PX_IN_ARENA;
    }
}

/* The buffer of a value in the value's own format, created on first use. */
static int home(px_plan *p, const px_value *v)
{
    if (p->home[v->index] < 0) {
        if (px_plan_undecided(p, v))
            decide(p, v, px_storage_plain(v));
        p->home[v->index] = add_buffer(p, place_of(v), p->format[v->index].bytes, v);
    }
    return p->home[v->index];
}

static void add_reorder(px_plan *p, px_shape shape, int from_buffer, px_storage from, int to_buffer, px_storage to)
{
    px_step *s = add_step(p, NULL);
    s->in_buffer[0] = from_buffer;
    s->out_buffer[0] = to_buffer;
    s->in_format[0] = from;
    s->out_format[0] = to;
    s->kernel = "reorder";
    p->spec.backend->reorder(s, shape, from, to);
    commit_step(p, s);
    p->reorders++;
}

void px_plan_need(px_plan *p, px_step *s, int input, px_storage format)
{
    const px_value *v = s->node->in[input];
    s->in_format[input] = format;
    if (px_plan_undecided(p, v)) /* a parameter keeps its precision */
        decide(p, v, format.dtype == v->dtype ? format : px_storage_plain(v));
    int at_home = home(p, v);
    if (px_storage_equal(p, p->format[v->index], format)) {
        s->in_buffer[input] = at_home;
        return;
    }
    for (int i = 0; i < p->copies && s->in_buffer[input] < 0; i++)
        if (p->copy[i].value == v && px_storage_equal(p, p->copy[i].format, format))
            s->in_buffer[input] = p->copy[i].buffer;
    if (s->in_buffer[input] >= 0)
        return;
    int b = add_buffer(p, PX_IN_ARENA, format.bytes, v);
    add_reorder(p, v->shape, at_home, p->format[v->index], b, format);
    p->weight_reorders += v->kind == PX_PARAMETER || v->kind == PX_FOLLOWER;
    p->copy = px_grow(p->copy, p->copies, sizeof p->copy[0]);
    p->copy[p->copies++] = (px_copy){v, format, b};
    s->in_buffer[input] = b;
}

void px_plan_make(px_plan *p, px_step *s, int output, px_storage format)
{
    const px_value *v = s->node->out[output];
    s->out_format[output] = format;
    p->format[v->index] = format;
    s->out_buffer[output] = home(p, v);
}

void *px_plan_adopt(px_plan *p, void *thing, void (*destroy)(void *))
{
    p->adopted = px_grow(p->adopted, p->adoptions, sizeof p->adopted[0]);
    p->adopted[p->adoptions++] = (px_adopted){thing, destroy};
    return thing;
}

/* ---- one node ---- */

/* The row after `row`, or with NULL the first, that has a kernel for this op which the processor can run; NULL: none */
static const px_kernel_row *const *next_row(const px_plan *p, const px_op *op, const px_kernel_row *const *row)
{
    row = row ? row + 1 : p->spec.backend->rows;
    while (row && *row && ((*row)->op != op || !px_kernel_row_suits(*row, p->isa)))
        row++;
    return row && *row ? row : NULL;
}

/* Fast kernels need not know of axes without elements. Further outputs of an op may be empty in usual steps: attention without
 * a bias has no gradient of it. */
static bool is_empty(const px_node *n)
{
    bool empty = px_shape_count(n->out[0]->shape) == 0;
    for (int i = 0; i < n->inputs; i++)
        empty = empty || (n->in[i] && px_shape_count(n->in[i]->shape) == 0);
    return empty;
}

static bool prepare_by_row(px_plan *p, px_step *s)
{
    if (is_empty(s->node))
        return false;
    for (const px_kernel_row *const *r = NULL; (r = next_row(p, s->node->op, r));)
        if ((!(*r)->accepts || (*r)->accepts(p, s)) && (*r)->prepare(p, s)) {
            s->row = *r;
            return true;
        }
    return false;
}

px_storage px_plan_wish(px_plan *p, const px_op *back, const px_node *forward, px_storage in, px_storage out,
                        const px_value *parameter)
{
    px_storage wish = px_storage_plain(parameter);
    for (const px_kernel_row *const *r = NULL; (r = next_row(p, back, r));)
        if ((*r)->wish && (*r)->wish(p, forward, in, out, &wish))
            break;
    return wish;
}

static void prepare_portable(px_plan *p, px_step *s)
{
    const px_node *n = s->node;
    bool bf16 = false;
    for (int i = 0; i < n->inputs && n->op->bf16; i++)
        bf16 = bf16 || (n->op->bf16_in >> i & 1 && n->in[i] && px_plan_format(p, n->in[i]).dtype == PX_BF16);
    unsigned in = bf16 ? n->op->bf16_in : 0, out = bf16 ? n->op->bf16_out : 0;
    s->run = bf16 ? n->op->bf16 : n->op->portable[px_graph_real(p->graph) == PX_F64];
    s->in_place = n->op->in_place;
    s->scratch_bytes = n->op->scratch ? n->op->scratch(n) : 0;
    s->kernel = "portable";
    PX_CHECK(s->run || n->op->alias);
    for (int i = 0; i < n->inputs; i++)
        if (n->in[i] && !n->op->shape_only[i])
            px_plan_need(p, s, i, in >> i & 1 ? px_storage_blocked(n->in[i], 1, PX_BF16) : px_storage_plain(n->in[i]));
    for (int i = 0; i < n->outputs; i++)
        px_plan_make(p, s, i, out >> i & 1 ? px_storage_blocked(n->out[i], 1, PX_BF16) : px_storage_plain(n->out[i]));
}

/* Makes gradients end up in the gradient buffer: computed there if the formats agree, else reordered into it. */
static void bind_gradients(px_plan *p, const px_node *n)
{
    for (int k = 0; k < n->outputs; k++) {
        const px_value *v = n->out[k];
        for (int i = 0; i < px_graph_params(p->graph); i++) {
            const px_param *q = px_graph_param(p->graph, i);
            if (q->value->grad != v)
                continue;
            px_storage to = px_plan_format(p, q->value);
            px_buffer *b = &p->buffer[p->home[v->index]];
            if (!p->bound[v->index] && !n->op->alias && px_storage_equal(p, p->format[v->index], to)) {
                b->place = PX_IN_GRADS;
                b->value = q->value;
                p->bound[v->index] = true;
            } else {
                int to_buffer = add_buffer(p, PX_IN_GRADS, to.bytes, q->value);
                add_reorder(p, v->shape, p->home[v->index], p->format[v->index], to_buffer, to);
                p->weight_reorders++;
            }
        }
    }
}

static void plan_node(px_plan *p, const px_node *n)
{
    px_step *s = add_step(p, n);
    if (!prepare_by_row(p, s))
        prepare_portable(p, s);
    if (n->op->alias)
        p->buffer[s->out_buffer[0]].into = s->in_buffer[0];
    commit_step(p, s);
    bind_gradients(p, n);
}

/* ---- which nodes ---- */

static void mark(const px_value *v, bool *needed)
{
    if (v)
        needed[v->index] = true;
}

static bool *needed_values(const px_plan *p)
{
    px_graph *g = p->graph;
    bool *needed = px_calloc((size_t)px_graph_values(g) + 1, sizeof needed[0]);
    for (int i = 0; i < px_graph_outputs(g); i++) {
        const char *name;
        mark(px_graph_output_at(g, i, &name), needed);
    }
    for (int i = 0; i < px_graph_params(g); i++)
        mark(px_graph_param(g, i)->value->grad, needed);
    for (int i = 0; i < px_graph_values(g); i++)
        if (px_graph_value(g, i)->kind == PX_INPUT)
            mark(px_graph_value(g, i)->grad, needed);
    for (int i = px_graph_nodes(g) - 1; i >= 0; i--) {
        const px_node *n = px_graph_node(g, i);
        bool live = n->op->effect;
        for (int k = 0; k < n->outputs; k++)
            live |= needed[n->out[k]->index];
        for (int k = 0; live && !n->dead && k < n->inputs; k++)
            if (!n->op->shape_only[k])
                mark(n->in[k], needed);
        for (int k = 0; live && !n->dead && k < n->outputs; k++)
            mark(n->out[k], needed);
    }
    return needed;
}

/* A shard's kernels are built for one thread. */
static void plan_nodes(px_plan *p)
{
    bool *needed = needed_values(p);
    int threads = omp_get_max_threads();
    if (p->spec.shards)
        omp_set_num_threads(1);
    p->first_backward = INT_MAX;
    for (int after = 0; after < 2; after++) {
        p->first_after = after ? p->steps : INT_MAX;
        for (int i = 0; i < px_graph_nodes(p->graph); i++) {
            const px_node *n = px_graph_node(p->graph, i);
            if (n->dead || n->after != after || !needed[n->out[0]->index])
                continue;
            if (n->backward && p->steps < p->first_backward)
                p->first_backward = p->steps;
            plan_node(p, n);
        }
    }
    omp_set_num_threads(threads);
    free(needed);
}

/* ---- states and their writer ---- */

static bool reads(const px_node *n, const px_value *v)
{
    for (int k = 0; k < n->inputs; k++)
        if (n->in[k] == v && !n->op->shape_only[k])
            return true;
    return false;
}

/* Ops with an effect change the states that they read, unless their row says otherwise. */
static bool changes(const px_node *n, const px_value *v)
{
    for (int k = 0; k < n->inputs; k++)
        if (n->in[k] == v && n->op->effect && !n->op->reads_only[k])
            return true;
    return false;
}

/* Why the order of readers and writers of a state is not clear, or NULL. Running statistics have several writers if a
 * network is applied several times, and none of them reads what the others wrote. */
static const char *unclear(const px_graph *g, const px_value *state)
{
    int before = 0, after = 0, readers = 0;
    for (int i = 0; i < px_graph_nodes(g); i++) {
        const px_node *n = px_graph_node(g, i);
        if (n->dead || !reads(n, state))
            continue;
        before += changes(n, state) && !n->after;
        after += changes(n, state) && n->after;
        readers += !changes(n, state);
    }
    if (before > 0 && readers > 0)
        return "is changed within the step, and also read: change it after the step (px_after_begin)";
    if (after > 1 || (after > 0 && before > 0))
        return "is changed by two ops, whose order is not clear";
    return NULL;
}

static int check_states(const px_graph *g)
{
    for (int i = 0; i < px_graph_params(g); i++) {
        const px_param *p = px_graph_param(g, i);
        const char *why = p->value->kind == PX_STATE ? unclear(g, p->value) : NULL;
        if (why)
            return px_fail(PX_USAGE, "state %s %s", p->name, why);
    }
    return 0;
}

/* ---- the whole plan ---- */

/* Keeps a value until the end of the run, in plain format. */
static void make_readable(px_plan *p, const px_value *v)
{
    int b = home(p, v);
    px_storage plain = px_storage_plain(v);
    if (!px_storage_equal(p, p->format[v->index], plain)) {
        int to = add_buffer(p, PX_IN_ARENA, plain.bytes, v);
        add_reorder(p, v->shape, b, p->format[v->index], to, plain);
        b = to;
    }
    p->read[v->index] = b;
}

static void read_outputs(px_plan *p)
{
    for (int i = 0; i < px_graph_outputs(p->graph); i++) {
        const char *name;
        make_readable(p, px_graph_output_at(p->graph, i, &name));
    }
    for (int i = 0; i < px_graph_values(p->graph); i++) {
        const px_value *v = px_graph_value(p->graph, i);
        if (v->kind == PX_INPUT && v->grad)
            make_readable(p, v->grad);
    }
}

px_plan *px_plan_create(px_graph *g, const px_plan_spec *spec)
{
    if (px_graph_error(g))
        return px_fail_null(PX_USAGE, "%s", px_graph_error(g));
    if (check_states(g) != 0)
        return NULL;
    px_plan *p = px_calloc(1, sizeof *p);
    p->graph = g;
    p->spec = *spec;
    p->self = px_comm_self();
    if (!p->spec.comm)
        p->spec.comm = &p->self;
    if (px_graph_real(g) == PX_F64 && spec->backend->in_double)
        p->spec.backend = spec->backend->in_double;
    PX_CHECK(spec->precision != PX_BF16 || p->spec.backend->bf16);
    p->isa = px_cpu_isa();
    size_t values = (size_t)px_graph_values(g) + 1;
    p->format = px_calloc(values, sizeof p->format[0]);
    p->home = px_calloc(values, sizeof p->home[0]);
    p->read = px_calloc(values, sizeof p->read[0]);
    p->bound = px_calloc(values, sizeof p->bound[0]);
    p->param_offset = px_calloc((size_t)px_graph_params(g) + 1, sizeof p->param_offset[0]);
    memset(p->home, -1, values * sizeof p->home[0]);
    memset(p->read, -1, values * sizeof p->read[0]);

    for (int i = 0; i < px_graph_values(g); i++) {
        const px_value *v = px_graph_value(g, i);
        bool own = v->kind == PX_ACTIVATION || v->kind == PX_PARAMETER || v->kind == PX_FOLLOWER;
        if (!own) /* memory that others fill is plain */
            p->format[i] = px_storage_plain(v);
    }
    plan_nodes(p);
    read_outputs(p);
    for (int i = 0; i < px_graph_params(g); i++) /* unused ones, too */
        home(p, px_graph_param(g, i)->value);
    px_plan_place(p);
    if (!spec->memory_later)
        px_plan_allocate(p);
    return p;
}
