/* run.c - executing a plan, and access to what it holds. */
#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "dist/shards.h"
#include "graph/plan_internal.h"

#include <math.h>
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
    free(p->arena);
    if (!p->spec.with) {
        free(p->weights);
        free(p->states);
    }
    free(p->grads);
    free(p->span);
    free(p->bucket);
    free(p->seconds);
    free(p->states_saved);
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
            if (!v || v->kind != PX_STATE)
                continue;
            char *live = p->states + p->param_offset[v->param], *saved = p->states_saved + p->param_offset[v->param];
            memcpy(back ? live : saved, back ? saved : live, p->format[v->index].bytes);
        }
    }
}

void px_plan_save_states(px_plan *p)
{
    if (!p->states_saved)
        p->states_saved = px_aligned_calloc(p->state_bytes);
    copy_states(p, false);
}

void px_plan_restore_states(px_plan *p)
{
    PX_CHECK(p->states_saved);
    copy_states(p, true);
}

/* ---- followers ---- */

static void follow(void *to, const void *leader, int64_t n, double momentum, bool wide)
{
    float m = (float)momentum, rest = (float)(1 - momentum);
    if (wide) {
        double *y = to;
        const double *x = leader;
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < n; i++)
            y[i] = momentum * y[i] + (1 - momentum) * x[i];
    } else {
        float *y = to;
        const float *x = leader;
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < n; i++)
            y[i] = m * y[i] + rest * x[i];
    }
}

/* Neighbours that follow neighbours are one loop; between them is padding, which is zero. */
void px_plan_follow(px_plan *p, int follower, double momentum)
{
    size_t real = px_dtype_size(px_graph_real(p->graph));
    int count = px_graph_params(p->graph);
    for (int i = 0, last; i < count; i = last + 1) {
        const px_param *q = px_graph_param(p->graph, i);
        last = i;
        if (q->follower != follower)
            continue;
        size_t to = p->param_offset[i], from = p->param_offset[q->leader];
        for (int k = i + 1; k < count && px_graph_param(p->graph, k)->follower == follower &&
                            p->param_offset[k] - to == p->param_offset[px_graph_param(p->graph, k)->leader] - from;
             k++)
            last = k;
        const px_value *end = px_graph_param(p->graph, last)->value;
        size_t bytes = p->param_offset[last] + p->format[end->index].bytes - to;
        follow(p->states + to, p->weights + from, (int64_t)(bytes / real), momentum, real == sizeof(double));
    }
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

void px_shards_run(px_plan *const shard[], int count, px_fault *fault)
{
    int steps = shard[0]->steps, to;
    px_search *search[PX_SHARDS_MAX] = {NULL};
    PX_CHECK(count <= PX_SHARDS_MAX);
    for (int k = 0; k < count && fault; k++)
        search[k] = px_search_begin(shard[k], &fault[k]);
    for (int from = 0; from < steps; from = to) {
        if (together(shard[0], from)) {
            to = from + 1;
            walk_together(shard, count, from, search);
            continue;
        }
        for (to = from + 1; to < steps && !together(shard[0], to) && to != shard[0]->first_after;)
            to++; /* what changes states begins when all shards have read them */
        walk_apart(shard, count, from, to, search);
    }
    for (int k = 0; k < count; k++)
        px_search_end(search[k]);
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

/* ---- parameters ---- */

/* A single copy between formats, outside the list of steps. */
static void convert(px_plan *p, px_shape shape, px_storage from_format, const void *from, px_storage to_format,
                    void *to)
{
    px_step s = {
        .plan = p, .in = {(void *)(uintptr_t)from}, .out = {to}, .in_format = {from_format}, .out_format = {to_format}};
    p->spec.backend->reorder(&s, shape, from_format, to_format);
    void *scratch = s.scratch_bytes ? px_aligned_calloc(s.scratch_bytes) : NULL;
    s.scratch = scratch;
    s.run(&s);
    if (s.release)
        s.release(s.data);
    free(scratch);
}

static void get_from(px_plan *p, int param, const char *base, void *plain)
{
    const px_value *v = px_graph_param(p->graph, param)->value;
    convert(p, v->shape, p->format[v->index], base + p->param_offset[param], px_storage_plain(v), plain);
}

static void set_in(px_plan *p, int param, char *base, const void *plain)
{
    const px_value *v = px_graph_param(p->graph, param)->value;
    convert(p, v->shape, px_storage_plain(v), plain, p->format[v->index], base + p->param_offset[param]);
}

static char *storage(px_plan *p, int param)
{
    return px_graph_param(p->graph, param)->value->kind == PX_PARAMETER ? p->weights : p->states;
}

void px_plan_get_param(px_plan *p, int param, void *plain)
{
    get_from(p, param, storage(p, param), plain);
}

void px_plan_set_param(px_plan *p, int param, const void *plain)
{
    set_in(p, param, storage(p, param), plain);
}

void px_plan_get_grad(px_plan *p, int param, void *plain)
{
    PX_CHECK(px_graph_param(p->graph, param)->value->kind == PX_PARAMETER);
    get_from(p, param, p->grads, plain);
}

void px_plan_get_like(px_plan *p, int param, const float *flat, void *plain)
{
    get_from(p, param, (const char *)flat, plain);
}

void px_plan_set_like(px_plan *p, int param, float *flat, const void *plain)
{
    set_in(p, param, (char *)flat, plain);
}

/* Hashes a name: its bytes go through the random generator's permutation, 16 at a time. */
static uint64_t hash_name(const char *name)
{
    philox4x32_key_t key = {{0, 0}};
    philox4x32_ctr_t block = {{0}};
    for (size_t length = strlen(name), i = 0; i < length; i += 16) {
        memset(&block, 0, sizeof block);
        memcpy(&block, name + i, length - i < 16 ? length - i : 16);
        block = philox4x32(block, key);
        key.v[0] = block.v[0];
        key.v[1] = block.v[1];
    }
    return (uint64_t)block.v[2] << 32 | block.v[3];
}

static double drawn(px_init init, px_rng *rng, int64_t i)
{
    float scale = (float)init.scale;
    switch (init.kind) {
    case PX_INIT_UNIFORM:
        return px_rng_range(rng, -scale, scale);
    case PX_INIT_NORMAL:
    case PX_INIT_UNIT_ROWS:
        return scale * px_rng_normal(rng);
    case PX_INIT_VALUES:
        return init.values[i];
    case PX_INIT_CONSTANT:
        break;
    }
    return scale;
}

static void put(void *plain, bool wide, int64_t i, double x)
{
    if (wide)
        ((double *)plain)[i] = x;
    else
        ((float *)plain)[i] = (float)x;
}

static void fill_row(const px_param *q, px_rng *rng, int64_t first, int64_t n, void *plain)
{
    bool wide = q->value->dtype == PX_F64;
    double square = 0;
    for (int64_t i = first; i < first + n; i++) {
        double x = drawn(q->init, rng, i);
        square += x * x;
        put(plain, wide, i, x);
    }
    for (int64_t i = first; i < first + n && q->init.kind == PX_INIT_UNIT_ROWS; i++)
        put(plain, wide, i, (wide ? ((double *)plain)[i] : ((float *)plain)[i]) / sqrt(square));
}

static void fill_initial(const px_param *q, uint64_t seed, void *plain)
{
    int64_t count = px_shape_count(q->value->shape), rows = q->value->shape.rank ? q->value->shape.dim[0] : 1;
    uint64_t key = hash_name(q->name);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        px_rng rng = px_rng_make(seed, PX_RNG_INIT, key, (uint64_t)r);
        fill_row(q, &rng, r * (count / rows), count / rows, plain);
    }
}

void px_plan_init_params(px_plan *p, uint64_t seed)
{
    for (int i = 0; i < px_graph_params(p->graph); i++) {
        const px_param *q = px_graph_param(p->graph, i);
        void *plain = px_calloc((size_t)px_shape_count(q->value->shape) + 1, px_dtype_size(q->value->dtype));
        fill_initial(q, seed, plain);
        px_plan_set_param(p, i, plain);
        free(plain);
    }
    for (int i = 0; i < px_graph_followers(p->graph); i++)
        px_plan_follow(p, i, 0);
}

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
                         .seconds = p->seconds ? p->seconds[step] : 0};
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
