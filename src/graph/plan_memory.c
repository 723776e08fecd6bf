/* plan_memory.c - planning: where buffers lie in memory, and which gradients are all-reduced together. */
#include "base/error.h"
#include "graph/arena.h"
#include "graph/plan_internal.h"

#include <stdlib.h>

static void touch(px_plan *p, int b, int step)
{
    if (b < 0)
        return;
    px_buffer *r = &p->buffer[px_buffer_root(p, b)];
    if (r->first < 0 || step < r->first)
        r->first = step;
    if (step > r->last)
        r->last = step;
}

static void find_lifetimes(px_plan *p)
{
    for (int i = 0; i < p->steps; i++) {
        for (int k = 0; k < PX_NODE_IN; k++)
            touch(p, p->step[i]->in_buffer[k], i);
        for (int k = 0; k < PX_NODE_OUT; k++)
            touch(p, p->step[i]->out_buffer[k], i);
    }
    for (int v = 0; v < px_graph_values(p->graph); v++)
        touch(p, p->read[v], p->steps);
}

/* A residual is added at the end, when the result already stands where it lies. */
static bool is_residual(const px_plan *p, const px_step *s, int buffer)
{
    int k = s->node ? s->node->op->epilogue.residual : 0;
    return k && s->in_buffer[k] >= 0 && px_buffer_root(p, s->in_buffer[k]) == buffer;
}

/* Lets outputs take over the memory of inputs that no later step reads. */
static void share_in_place(px_plan *p)
{
    for (int i = 0; i < p->steps; i++) {
        px_step *s = p->step[i];
        if (!s->in_place || s->out_buffer[0] < 0)
            continue;
        int from = px_buffer_root(p, s->in_buffer[s->in_place - 1]), to = px_buffer_root(p, s->out_buffer[0]);
        px_buffer *a = &p->buffer[from], *b = &p->buffer[to];
        if (from == to || is_residual(p, s, from) || a->place != PX_IN_ARENA || b->place != PX_IN_ARENA ||
            a->last != i || b->first != i || a->bytes != b->bytes)
            continue;
        a->last = b->last;
        b->into = from;
    }
}

static void place_arena(px_plan *p)
{
    px_span *span = px_calloc((size_t)p->buffers + (size_t)p->steps + 1, sizeof span[0]);
    int *owner = px_calloc((size_t)p->buffers + 1, sizeof owner[0]);
    int n = 0;
    for (int b = 0; b < p->buffers; b++)
        if (p->buffer[b].into < 0 && p->buffer[b].place == PX_IN_ARENA && p->buffer[b].first >= 0) {
            owner[n] = b;
            span[n++] = (px_span){.bytes = p->buffer[b].bytes, .first = p->buffer[b].first, .last = p->buffer[b].last};
        }
    int buffers = n;
    for (int i = 0; i < p->steps; i++)
        if (p->step[i]->scratch_bytes)
            span[n++] = (px_span){.bytes = p->step[i]->scratch_bytes, .first = i, .last = i};
    p->arena_bytes = px_arena_place(span, n);
    for (int i = 0; i < buffers; i++)
        p->buffer[owner[i]].offset = span[i].offset;
    for (int i = 0, k = buffers; i < p->steps; i++)
        if (p->step[i]->scratch_bytes)
            p->step[i]->scratch_offset = span[k++].offset;
    free(span);
    free(owner);
}

static size_t padded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static void place_params(px_plan *p)
{
    size_t real = px_dtype_size(px_graph_real(p->graph));
    p->span = px_calloc((size_t)px_graph_params(p->graph) + 1, sizeof p->span[0]);
    for (int i = 0; i < px_graph_params(p->graph); i++) {
        const px_param *q = px_graph_param(p->graph, i);
        size_t *end = q->value->kind == PX_PARAMETER ? &p->flat_bytes : &p->state_bytes,
               bytes = p->format[q->value->index].bytes;
        p->param_offset[i] = *end;
        if (q->value->kind == PX_PARAMETER)
            p->span[p->spans++] = (px_param_span){.name = q->name,
                                                  .offset = (int64_t)(*end / real),
                                                  .count = (int64_t)(bytes / real),
                                                  .exempt = q->flags & PX_EXEMPT};
        *end += padded(bytes);
    }
    const px_plan *with = p->spec.with;
    PX_CHECK(!with || (with->flat_bytes == p->flat_bytes && with->state_bytes == p->state_bytes));
    for (int b = 0; b < p->buffers; b++)
        if (p->buffer[b].place == PX_IN_WEIGHTS || p->buffer[b].place == PX_IN_GRADS ||
            p->buffer[b].place == PX_IN_STATES)
            p->buffer[b].offset = p->param_offset[p->buffer[b].value->param];
}

static void *address(const px_plan *p, int b)
{
    if (b < 0)
        return NULL;
    const px_buffer *r = &p->buffer[px_buffer_root(p, b)];
    switch (r->place) {
    case PX_IN_ARENA:
        return p->arena + r->offset;
    case PX_IN_CONSTANT:
        return (void *)(uintptr_t)r->value->data; /* kernels never write to inputs that are constants */
    case PX_IN_WEIGHTS:
        return p->weights + r->offset;
    case PX_IN_GRADS:
        return p->grads + r->offset;
    case PX_IN_STATES:
        return p->states + r->offset;
    case PX_IN_INPUT:
        return NULL; /* px_plan_bind */
    }
    return NULL;
}

static void resolve(px_plan *p)
{
    for (int i = 0; i < p->steps; i++) {
        px_step *s = p->step[i];
        if (s->scratch_bytes)
            s->scratch = p->arena + s->scratch_offset;
        for (int k = 0; k < PX_NODE_IN; k++)
            s->in[k] = address(p, s->in_buffer[k]);
        for (int k = 0; k < PX_NODE_OUT; k++)
            s->out[k] = address(p, s->out_buffer[k]);
    }
}

/* ---- gradient buckets ---- */

/* The last step that writes or reads the gradient of the parameter at `offset`, or -1. */
static int written_at(const px_plan *p, size_t offset)
{
    int last = -1;
    for (int b = 0; b < p->buffers; b++)
        if (p->buffer[b].place == PX_IN_GRADS && p->buffer[b].into < 0 && p->buffer[b].offset == offset)
            last = p->buffer[b].last > last ? p->buffer[b].last : last;
    return last < p->steps ? last : p->steps - 1;
}

/* Backward completes gradients from the last parameter to the first, so buckets are cut from the end of the flat
 * buffer. A bucket is sent after the last step that writes into it; two that complete at the same step are merged. */
static void cut_buckets(px_plan *p)
{
    size_t real = px_dtype_size(px_graph_real(p->graph));
    size_t goal = p->spec.bucket_bytes ? (size_t)p->spec.bucket_bytes : (size_t)4 << 20;
    int64_t *bound = px_calloc((size_t)p->spans + 2, sizeof bound[0]); /* descending */
    int *ready = px_calloc((size_t)p->spans + 1, sizeof ready[0]);
    int n = 0, latest = -1;
    int64_t end = (int64_t)(p->flat_bytes / real);
    bound[0] = end;
    for (int i = p->spans - 1; i >= 0; i--) {
        int step = written_at(p, (size_t)p->span[i].offset * real);
        latest = step > latest ? step : latest;
        if ((size_t)(bound[n] - p->span[i].offset) * real >= goal || i == 0) {
            if (n > 0 && latest <= ready[n - 1]) { /* ready no later than the one before: send both at once */
                bound[n] = p->span[i].offset;
            } else {
                ready[n++] = latest;
                bound[n] = p->span[i].offset;
            }
        }
    }
    p->buckets = n;
    p->bucket = px_calloc((size_t)n + 1, sizeof p->bucket[0]);
    for (int i = 0; i <= n; i++)
        p->bucket[n - i] = bound[i];
    for (int i = 0; i < n; i++)
        if (ready[i] >= 0)
            p->step[ready[i]]->bucket = n - 1 - i;
    free(bound);
    free(ready);
}

void px_plan_place(px_plan *p)
{
    find_lifetimes(p);
    place_params(p);
    cut_buckets(p);
    share_in_place(p);
    place_arena(p);
}

void px_plan_allocate(px_plan *p)
{
    const px_plan *with = p->spec.with;
    PX_CHECK(!p->arena && (!with || with->weights));
    const px_backend *b = p->spec.backend;
    p->weights = with ? with->weights : b->allocate(p->flat_bytes);
    p->states = with ? with->states : b->allocate(p->state_bytes);
    p->grads = b->allocate(p->flat_bytes);
    p->arena = b->allocate(p->arena_bytes);
    resolve(p);
}

px_plan_bytes px_plan_memory(const px_plan *p)
{
    bool own = !p->spec.with;
    return (px_plan_bytes){.weights = own ? p->flat_bytes : 0,
                           .states = own ? p->state_bytes : 0,
                           .grads = p->flat_bytes,
                           .arena = p->arena_bytes};
}
