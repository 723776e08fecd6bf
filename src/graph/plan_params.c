/* plan_params.c - the parameters and states of a plan: in and out, initial values, followers, rows of length 1. */
#include "base/error.h"
#include "base/rng.h"
#include "graph/plan_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- in and out ---- */

/* A single copy between formats, outside the list of steps. */
static void convert(px_plan *p, px_shape shape, px_storage from_format, const void *from, px_storage to_format,
                    void *to)
{
    px_step s = {
        .plan = p, .in = {(void *)(uintptr_t)from}, .out = {to}, .in_format = {from_format}, .out_format = {to_format}};
    p->spec.backend->reorder(&s, shape, from_format, to_format);
    void *scratch = s.scratch_bytes ? p->spec.backend->allocate(s.scratch_bytes) : NULL;
    s.scratch = scratch;
    s.run(&s);
    if (s.release)
        s.release(s.data);
    p->spec.backend->release(scratch);
}

static void get_from(px_plan *p, int param, const char *part, void *plain)
{
    const px_value *v = px_graph_param(p->graph, param)->value;
    convert(p, v->shape, p->format[v->index], part, px_storage_plain(v), plain);
}

static void set_in(px_plan *p, int param, char *part, const void *plain)
{
    const px_value *v = px_graph_param(p->graph, param)->value;
    convert(p, v->shape, px_storage_plain(v), plain, p->format[v->index], part);
}

static char *storage(px_plan *p, int param)
{
    return (px_graph_param(p->graph, param)->value->kind == PX_PARAMETER ? p->weights : p->states) +
           p->param_offset[param];
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
    get_from(p, param, p->grads + p->param_offset[param], plain);
}

void px_plan_get_like(px_plan *p, int param, const float *part, void *plain)
{
    get_from(p, param, (const char *)part, plain);
}

void px_plan_set_like(px_plan *p, int param, float *part, const void *plain)
{
    set_in(p, param, (char *)part, plain);
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

static void normalize_row(void *plain, bool wide, int64_t first, int64_t n)
{
    double square = 0;
    for (int64_t i = first; i < first + n; i++) {
        double x = wide ? ((double *)plain)[i] : ((float *)plain)[i];
        square += x * x;
    }
    for (int64_t i = first; i < first + n && square > 0; i++)
        put(plain, wide, i, (wide ? ((double *)plain)[i] : ((float *)plain)[i]) / sqrt(square));
}

static void fill_row(const px_param *q, px_rng *rng, int64_t first, int64_t n, void *plain)
{
    bool wide = q->value->dtype == PX_F64;
    for (int64_t i = first; i < first + n; i++)
        put(plain, wide, i, drawn(q->init, rng, i));
    if (q->init.kind == PX_INIT_UNIT_ROWS)
        normalize_row(plain, wide, first, n);
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

void px_plan_init_param(px_plan *p, int param, uint64_t seed)
{
    const px_param *q = px_graph_param(p->graph, param);
    void *plain = px_calloc((size_t)px_shape_count(q->value->shape) + 1, px_dtype_size(q->value->dtype));
    fill_initial(q, seed, plain);
    px_plan_set_param(p, param, plain);
    free(plain);
}

void px_plan_init_params(px_plan *p, uint64_t seed)
{
    for (int i = 0; i < px_graph_params(p->graph); i++)
        px_plan_init_param(p, i, seed);
    for (int i = 0; i < px_graph_followers(p->graph); i++)
        px_plan_follow(p, i, 0);
}

void px_plan_normalize(px_plan *p)
{
    for (int i = 0; i < px_graph_params(p->graph); i++) {
        const px_param *q = px_graph_param(p->graph, i);
        if (!(q->flags & PX_UNIT_ROWS))
            continue;
        int64_t count = px_shape_count(q->value->shape), n = count / q->value->shape.dim[0];
        bool wide = q->value->dtype == PX_F64;
        void *plain = px_aligned_calloc((size_t)count * px_dtype_size(q->value->dtype));
        px_plan_get_param(p, i, plain);
#pragma omp parallel for schedule(static)
        for (int64_t r = 0; r < count / n; r++)
            normalize_row(plain, wide, r * n, n);
        px_plan_set_param(p, i, plain);
        free(plain);
    }
}

/* ---- followers ---- */

static bool is_state(const px_plan *p, int param)
{
    return px_graph_param(p->graph, param)->value->kind == PX_STATE;
}

/* Neighbours that follow neighbours are one loop; between them is padding, which is zero. What a state follows is a state, too. */
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
        for (int k = i + 1;
             k < count && px_graph_param(p->graph, k)->follower == follower && is_state(p, k) == is_state(p, i) &&
             p->param_offset[k] - to == p->param_offset[px_graph_param(p->graph, k)->leader] - from;
             k++)
            last = k;
        const px_value *end = px_graph_param(p->graph, last)->value;
        size_t bytes = p->param_offset[last] + p->format[end->index].bytes - to;
        p->spec.backend->follow(p->states + to, storage(p, q->leader), (int64_t)(bytes / real), momentum,
                                real == sizeof(double));
    }
}
