/* run.c - executing a plan, and what it tells about itself. */
#include "base/error.h"
#include "base/log.h"
#include "dist/shards.h"
#include "graph/plan_internal.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

void px_plan_destroy(px_plan *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->steps; i++) {
        if (p->step[i]->release)
            p->step[i]->release(p->step[i]->data);
        free(p->step[i]);
    }
    for (int i = 0; i < p->adoptions; i++)
        p->adopted[i].destroy(p->adopted[i].thing);
    free(p->adopted);
    free(p->step);
    free(p->buffer);
    free(p->copy);
    free(p->format);
    free(p->home);
    free(p->read);
    free(p->param_offset);
    free(p->bound);
    const px_backend *b = p->spec.backend;
    b->release(p->arena);
    if (!p->spec.with) {
        b->release(p->weights);
        b->release(p->states);
    }
    b->release(p->grads);
    free(p->span);
    free(p->bucket);
    free(p->seconds);
    b->release(p->states_saved);
    free(p);
}

void px_plan_bind(px_plan *p, const px_value *input, const void *data)
{
    PX_CHECK(input->kind == PX_INPUT);
    int home = p->home[input->index];
    if (home < 0)
        return; /* nobody reads it */
    for (int i = 0; i < p->steps; i++)
        for (int k = 0; k < PX_NODE_IN; k++)
            if (p->step[i]->in_buffer[k] >= 0 && px_buffer_root(p, p->step[i]->in_buffer[k]) == home)
                p->step[i]->in[k] = (void *)(uintptr_t)data; /* kernels never write to inputs of a graph */
}

void px_plan_draw_by(px_plan *p, px_draws draws)
{
    p->draws = draws;
}

px_draws px_plan_draws(const px_plan *p)
{
    return p->draws;
}

static void run_step(px_plan *p, int i)
{
    const px_step *s = p->step[i];
    double start = p->seconds ? px_now() : 0;
    if (s->run)
        s->run(s);
    if (p->seconds)
        p->seconds[i] += px_now() - start;
}

void px_plan_run(px_plan *p, const px_plan_hooks *hooks)
{
    px_search *search = hooks && hooks->fault ? px_search_begin(p, hooks->fault) : NULL;
    for (int i = 0; i < p->steps; i++) {
        const px_step *s = p->step[i];
        if (i == p->first_backward && hooks && hooks->backward)
            hooks->backward(hooks->context);
        run_step(p, i);
        if (search)
            px_search_step(search, i);
        if (hooks && hooks->bucket && s->bucket >= 0)
            hooks->bucket(hooks->context, s->bucket);
        if (hooks && hooks->between)
            hooks->between(hooks->context);
    }
    px_search_end(search);
}

/* Only states that ops with an effect write; not fixed ones (positions), nor large ones that change between steps. */
static void copy_states(px_plan *p, bool back)
{
    for (int i = 0; i < p->steps; i++) {
        const px_step *s = p->step[i];
        for (int k = 0; k < PX_NODE_IN && s->node && s->node->op->effect; k++) {
            const px_value *v = s->node->in[k];
            if (!v || v->kind != PX_STATE || s->node->op->reads_only[k])
                continue;
            char *live = p->states + p->param_offset[v->param], *saved = p->states_saved + p->param_offset[v->param];
            p->spec.backend->copy(back ? live : saved, back ? saved : live, p->format[v->index].bytes);
        }
    }
}

void px_plan_save_states(px_plan *p)
{
    if (!p->states_saved)
        p->states_saved = p->spec.backend->allocate(p->state_bytes);
    copy_states(p, false);
}

void px_plan_restore_states(px_plan *p)
{
    PX_CHECK(p->states_saved);
    copy_states(p, true);
}

/* ---- shards ---- */

static px_together *together(const px_plan *p, int i)
{
    return p->step[i]->node ? p->step[i]->node->op->together : NULL;
}

/* Shards share their states: only the first one changes them. */
static bool left_to_first(const px_step *s)
{
    return s->node && s->node->op->effect && !s->node->op->together;
}

/* Steps [from, to), in which shards do not communicate. omp_set_num_threads(1) holds only within the region. */
static void walk_apart(px_plan *const shard[], int count, int from, int to, px_search *const search[])
{
    int threads = omp_get_max_threads();
#pragma omp parallel for schedule(static) num_threads(threads < count ? threads : count)
    for (int k = 0; k < count; k++) {
        omp_set_num_threads(1);
        for (int i = from; i < to; i++)
            if (k == 0 || !left_to_first(shard[k]->step[i])) {
                run_step(shard[k], i);
                if (search[k])
                    px_search_step(search[k], i);
            }
    }
}

static void walk_together(px_plan *const shard[], int count, int i, px_search *const search[])
{
    const px_step *s[PX_SHARDS_MAX];
    double start = px_now();
    for (int k = 0; k < count; k++)
        s[k] = shard[k]->step[i];
    together(shard[0], i)(s, count);
    if (shard[0]->seconds)
        shard[0]->seconds[i] += px_now() - start;
    for (int k = 0; k < count; k++)
        if (search[k])
            px_search_step(search[k], i);
}

static void run_shards(px_plan *const shard[], int count, const px_plan_hooks *hooks)
{
    int steps = shard[0]->steps, to;
    px_search *search[PX_SHARDS_MAX] = {NULL};
    PX_CHECK(count <= PX_SHARDS_MAX);
    for (int k = 0; k < count && hooks->fault; k++)
        search[k] = px_search_begin(shard[k], &hooks->fault[k]);
    for (int from = 0; from < steps; from = to) {
        if (from == shard[0]->first_backward && hooks->backward)
            hooks->backward(hooks->context);
        if (together(shard[0], from)) {
            to = from + 1;
            walk_together(shard, count, from, search);
            continue;
        }
        for (to = from + 1;
             to < steps && !together(shard[0], to) && to != shard[0]->first_after && to != shard[0]->first_backward;)
            to++; /* what changes states begins when all shards have read them */
        walk_apart(shard, count, from, to, search);
    }
    for (int k = 0; k < count; k++)
        px_search_end(search[k]);
    for (int b = shard[0]->buckets - 1; b >= 0 && hooks->bucket; b--)
        hooks->bucket(hooks->context, b);
}

void px_plans_run(px_plan *const part[], int count, const px_plan_hooks *hooks)
{
    PX_CHECK(part[0]->spec.shards || count == 1);
    if (part[0]->spec.shards)
        run_shards(part, count, hooks);
    else
        px_plan_run(part[0], hooks);
}

const void *px_plan_read(const px_plan *p, const px_value *v)
{
    int b = v->index >= 0 ? p->read[v->index] : -1;
    PX_CHECK(b >= 0);
    const px_buffer *r = &p->buffer[px_buffer_root(p, b)];
    PX_CHECK(r->place == PX_IN_ARENA || r->place == PX_IN_GRADS);
    return r->place == PX_IN_ARENA ? p->arena + r->offset : p->grads + r->offset;
}

double px_plan_scalar(const px_plan *p, const px_value *v)
{
    const void *data = px_plan_read(p, v);
    PX_CHECK(px_shape_count(v->shape) == 1);
    return v->dtype == PX_F64   ? *(const double *)data
           : v->dtype == PX_F32 ? *(const float *)data
                                : *(const int32_t *)data;
}

/* ---- flat buffers ---- */

float *px_plan_weights(px_plan *p)
{
    PX_CHECK(px_graph_real(p->graph) == PX_F32);
    return (float *)p->weights;
}

float *px_plan_grads(px_plan *p)
{
    PX_CHECK(px_graph_real(p->graph) == PX_F32);
    return (float *)p->grads;
}

int64_t px_plan_flat_count(const px_plan *p)
{
    return (int64_t)(p->flat_bytes / px_dtype_size(px_graph_real(p->graph)));
}

const px_update *px_plan_update(const px_plan *p)
{
    return p->spec.backend->update;
}

const px_param_span *px_plan_spans(const px_plan *p, int *count)
{
    *count = p->spans;
    return p->span;
}

const int64_t *px_plan_buckets(const px_plan *p, int *count)
{
    *count = p->buckets;
    return p->bucket;
}

/* ---- about the plan ---- */

const px_comm *px_plan_comm(const px_plan *p)
{
    return p->spec.comm;
}

int px_plan_parts(const px_plan *p)
{
    return p->spec.shards ? p->spec.shards : p->spec.comm->size;
}

size_t px_plan_arena_bytes(const px_plan *p)
{
    return p->arena_bytes;
}

int px_plan_activation_reorders(const px_plan *p)
{
    return p->reorders - p->weight_reorders;
}

void px_plan_profile(px_plan *p, bool on)
{
    free(p->seconds);
    p->seconds = on ? px_calloc((size_t)p->steps + 1, sizeof p->seconds[0]) : NULL;
}

int px_plan_steps(const px_plan *p)
{
    return p->steps;
}

px_step_info px_plan_step_info(const px_plan *p, int step)
{
    const px_step *s = p->step[step];
    px_step_info info = {.op = "reorder",
                         .place = "",
                         .kernel = s->kernel ? s->kernel : "",
                         .row = s->row,
                         .seconds = p->seconds ? p->seconds[step] : 0};
    for (int i = 0; i < PX_NODE_IN; i++)
        info.bytes += (double)s->in_format[i].bytes;
    for (int i = 0; i < PX_NODE_OUT; i++)
        info.bytes += (double)s->out_format[i].bytes;
    if (s->node) {
        info.op = px_node_text(s->node);
        info.place = s->node->scope;
        info.shape = s->node->out[0]->shape;
        info.multiply_adds = s->node->op->cost ? s->node->op->cost(s->node) : 0;
        info.backward = s->node->backward;
    } else { /* a reorder is listed in the place of the step that needs it */
        int next = step + 1;
        while (next < p->steps && !p->step[next]->node)
            next++;
        info.backward = next == p->steps || p->step[next]->node->backward;
    }
    return info;
}

void px_plan_print(const px_plan *p, FILE *file)
{
    fprintf(file, "%4s  %-24s %-30s %-20s %-22s %6s %10s\n", "step", "op", "place", "shape", "kernel", "block", "ms");
    for (int i = 0; i < p->steps; i++) {
        px_step_info s = px_plan_step_info(p, i);
        char shape[64];
        fprintf(file, "%4d  %-24s %-30s %-20s %-22s %6d %10.3f\n", i, s.op, s.place, px_shape_text(s.shape, shape),
                s.kernel, p->step[i]->out_format[0].block, s.seconds * 1e3);
    }
    fprintf(file,
            "%d steps, %d reorders of activations, %d of weights, arena %.1f MiB, parameters %.1f MiB in %d buckets\n",
            p->steps, p->reorders - p->weight_reorders, p->weight_reorders, (double)p->arena_bytes / (1 << 20),
            (double)p->flat_bytes / (1 << 20), p->buckets);
}
