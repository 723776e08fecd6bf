/* fault.c - finds the first value of a run that is not finite: parameters and inputs are checked before the first step,
 * then the outputs of each step. */
#include "base/error.h"
#include "graph/plan_internal.h"
#include "tensor/bf16.h"

#include <float.h>
#include <stdlib.h>

struct px_search {
    const px_plan *plan;
    px_fault *fault;
    bool *minus; /* by value index: holds -infinity on purpose */
};

typedef struct tally {
    int64_t bad, minus; /* NaN and +infinity; -infinity */
} tally;

static inline double element(const void *data, px_dtype dtype, int64_t i)
{
    return dtype == PX_F32    ? ((const float *)data)[i]
           : dtype == PX_BF16 ? px_bf16_float(((const px_bf16 *)data)[i])
                              : ((const double *)data)[i];
}

/* Called with a constant type, for which the compiler makes a loop of vectors. A double beyond the range of float counts as
 * infinite: it is about to become a float. */
static inline tally look_between(const void *data, px_dtype dtype, int64_t from, int64_t to)
{
    int low = 0, bad = 0;
#pragma omp simd reduction(+ : low, bad)
    for (int64_t i = from; i < to; i++) {
        double x = element(data, dtype, i);
        low += x < -(double)FLT_MAX;
        bad += !(x <= (double)FLT_MAX);
    }
    return (tally){bad, low};
}

static tally look(const void *data, px_storage format)
{
    enum { PIECE = 1 << 14 };
    int64_t n = (int64_t)(format.bytes / px_dtype_size(format.dtype)), bad = 0, minus = 0;
    if (format.dtype != PX_F32 && format.dtype != PX_F64 && format.dtype != PX_BF16)
        return (tally){0};
#pragma omp parallel for schedule(static) reduction(+ : bad, minus)
    for (int64_t from = 0; from < n; from += PIECE) {
        int64_t to = from + PIECE < n ? from + PIECE : n;
        tally t = format.dtype == PX_F32    ? look_between(data, PX_F32, from, to)
                  : format.dtype == PX_BF16 ? look_between(data, PX_BF16, from, to)
                                            : look_between(data, PX_F64, from, to);
        bad += t.bad;
        minus += t.minus;
    }
    return (tally){bad, minus};
}

static void found(px_search *s, px_fault what, int64_t bad, px_storage format)
{
    if (s->fault->at != PX_FAULT_NONE)
        return;
    what.bad = bad;
    what.count = (int64_t)(format.bytes / px_dtype_size(format.dtype));
    *s->fault = what;
}

static int64_t look_at_parameter(const px_plan *p, int param)
{
    const px_value *v = px_graph_param(p->graph, param)->value;
    tally t = look((v->kind == PX_PARAMETER ? p->weights : p->states) + p->param_offset[param], p->format[v->index]);
    return t.bad + t.minus;
}

const char *px_plan_not_finite(const px_plan *p)
{
    for (int i = 0; i < px_graph_params(p->graph); i++)
        if (look_at_parameter(p, i) > 0)
            return px_graph_param(p->graph, i)->name;
    return NULL;
}

static void look_at_parameters(px_search *s)
{
    for (int i = 0; i < px_graph_params(s->plan->graph); i++) {
        const px_param *q = px_graph_param(s->plan->graph, i);
        int64_t bad = look_at_parameter(s->plan, i);
        if (bad > 0)
            found(s, (px_fault){.at = PX_FAULT_PARAMETER, .step = -1, .name = q->name}, bad,
                  s->plan->format[q->value->index]);
    }
}

/* The pointers to bound inputs are in the steps that read them. */
static void look_at_inputs(px_search *s)
{
    const px_plan *p = s->plan;
    bool *seen = px_calloc((size_t)p->buffers + 1, sizeof seen[0]);
    for (int i = 0; i < p->steps; i++)
        for (int k = 0; k < PX_NODE_IN; k++) {
            int b = p->step[i]->in_buffer[k] < 0 ? -1 : px_buffer_root(p, p->step[i]->in_buffer[k]);
            if (b < 0 || p->buffer[b].place != PX_IN_INPUT || seen[b])
                continue;
            seen[b] = true;
            px_storage format = px_storage_plain(p->buffer[b].value);
            tally t = look(p->step[i]->in[k], format);
            if (t.bad + t.minus > 0)
                found(s, (px_fault){.at = PX_FAULT_INPUT, .step = -1, .name = p->buffer[b].value->name},
                      t.bad + t.minus, format);
        }
    free(seen);
}

/* What a mask hides. */
static void look_at_constants(px_search *s)
{
    for (int i = 0; i < px_graph_values(s->plan->graph); i++) {
        const px_value *v = px_graph_value(s->plan->graph, i);
        if (v->kind == PX_CONSTANT)
            s->minus[i] = look(v->data, px_storage_plain(v)).minus > 0;
    }
}

px_search *px_search_begin(const px_plan *p, px_fault *fault)
{
    px_search *s = px_calloc(1, sizeof *s);
    *s = (px_search){.plan = p, .fault = fault};
    s->minus = px_calloc((size_t)px_graph_values(p->graph) + 1, sizeof s->minus[0]);
    look_at_parameters(s);
    look_at_inputs(s);
    look_at_constants(s);
    return s;
}

void px_search_end(px_search *s)
{
    if (s)
        free(s->minus);
    free(s);
}

/* The value behind a step's input or output, whatever its format. */
static const px_value *value_of(const px_plan *p, int buffer)
{
    return buffer < 0 ? NULL : p->buffer[buffer].value;
}

static px_fault describe(const px_plan *p, int step)
{
    px_step_info info = px_plan_step_info(p, step);
    const px_step *s = p->step[step];
    px_fault f = {.at = PX_FAULT_STEP, .step = step, .op = info.op, .kernel = info.kernel, .backward = info.backward};
    while (step < p->steps - 1 && !p->step[step]->node) /* a reorder belongs to the step that it is for */
        step++;
    f.place = px_plan_step_info(p, step).place;
    for (int k = 0; k < PX_NODE_IN && !f.name; k++) {
        const px_value *v = value_of(p, s->in_buffer[k] < 0 ? -1 : px_buffer_root(p, s->in_buffer[k]));
        f.name = v && (v->kind == PX_PARAMETER || v->kind == PX_FOLLOWER) ? v->name : NULL;
    }
    return f;
}

void px_search_step(px_search *s, int step)
{
    const px_plan *p = s->plan;
    const px_step *at = p->step[step];
    bool meant = at->node && at->node->op->minus_infinity;
    for (int k = 0; k < PX_NODE_IN; k++) {
        const px_value *v = value_of(p, at->in_buffer[k]);
        meant |= v && s->minus[v->index];
    }
    for (int k = 0; k < PX_NODE_OUT; k++) {
        const px_buffer *b = at->out_buffer[k] < 0 ? NULL : &p->buffer[px_buffer_root(p, at->out_buffer[k])];
        bool gradient = b && b->place == PX_IN_GRADS;
        /* An output that nobody reads may be unwritten; after the first fault only gradients matter. */
        if (!b || (b->last <= step && !gradient) ||
            (s->fault->at != PX_FAULT_NONE && (!gradient || s->fault->gradient)))
            continue;
        bool alias = at->node && at->node->op->alias; /* of a bound input: only its reader knows where it is */
        tally t = look(alias ? at->in[0] : at->out[k], at->out_format[k]);
        s->minus[value_of(p, at->out_buffer[k])->index] |= meant && t.minus > 0;
        if (t.bad + (meant ? 0 : t.minus) == 0)
            continue;
        found(s, describe(p, step), t.bad + (meant ? 0 : t.minus), at->out_format[k]);
        if (gradient && !s->fault->gradient)
            s->fault->gradient = b->value->name;
    }
}

char *px_fault_text(const px_fault *f)
{
    char *value = f->at == PX_FAULT_STEP ? px_format("output of %s%s%s (%s, kernel %s)", f->op, *f->place ? " in " : "",
                                                     f->place, f->backward ? "backward" : "forward", f->kernel)
                                         : px_format("%s %s", f->at == PX_FAULT_INPUT ? "input" : "parameter", f->name);
    bool reads = f->at == PX_FAULT_STEP && f->name;
    char *text = px_format("%s, %lld of %lld values%s%s%s%s", value, (long long)f->bad, (long long)f->count,
                           reads ? ", parameter " : "", reads ? f->name : "",
                           f->gradient ? "; the first gradient that is not finite is that of " : "",
                           f->gradient ? f->gradient : "");
    free(value);
    return text;
}
