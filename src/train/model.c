/* model.c - see model.h. */
#include "train/model.h"
#include "base/error.h"
#include "graph/kernel.h"
#include "ops/ops.h"
#include "train/advice.h"
#include "train/online.h"

#include <stdlib.h>
#include <string.h>

static bool power_of_two(int n)
{
    return (n & (n - 1)) == 0;
}

static int check_shards(int shards, int ranks)
{
    if (!power_of_two(shards))
        return px_fail(PX_USAGE, "shards = %d is not a power of two, as shards=8 is", shards);
    if (!power_of_two(ranks) || ranks > shards)
        return px_fail(PX_USAGE, "reproducible=true: %d ranks cannot share shards = %d; use a power of two up to %d",
                       ranks, shards, shards);
    return 0;
}

int px_batch_parts(const px_settings *s, const px_comm *comm, int *parts, int *batch)
{
    int shards = s->train.shards;
    if (s->train.reproducible && check_shards(shards, comm->size) != 0)
        return -1;
    *parts = s->train.reproducible ? shards : comm->size;
    int all = *parts * s->train.accumulate;
    *batch = s->train.batch / all;
    int whole = s->train.batch / s->train.accumulate, repeats = s->data.repeats;
    if (s->train.batch % all == 0 && repeats > 1 && whole < 2 * repeats)
        return px_fail(PX_USAGE,
                       "data.repeats = %d: %d images%s are not two images with all their repeats, as with batch=%d",
                       repeats, whole, s->train.accumulate > 1 ? " in a micro-batch" : "",
                       (2 * repeats * s->train.accumulate + all - 1) / all * all);
    if (s->train.batch % all == 0)
        return 0;
    char others[96];
    return px_fail(PX_USAGE, "batch = %d cannot be divided among %d %s%s x %d micro-batch%s (accumulate)%s",
                   s->train.batch, *parts, s->train.reproducible ? "shard" : "rank", *parts == 1 ? "" : "s",
                   s->train.accumulate, s->train.accumulate == 1 ? "" : "es",
                   px_advise_multiple("batch", s->train.batch, all, others));
}

static bool all_labelled(const px_dataset *data, const px_split *split)
{
    for (int64_t i = 0; split && i < split->count; i++)
        if (px_dataset_label(data, split->index[i]) < 0)
            return false;
    return split != NULL;
}

int px_image_size_for(const px_backbone *b, int side)
{
    int patch = b->family->patch ? b->family->patch(b) : 1, unit = 8;
    while (unit % patch)
        unit += 8;
    if (side < 1 || side > 224)
        side = 224;
    return side < unit ? unit : side / unit * unit;
}

static int take_shown(px_task *t, const px_list *shown)
{
    if (shown->count != 0 && shown->count != 1 && shown->count != 3)
        return px_fail(PX_USAGE, "data.shown has %d channels, but pictures have 1 or 3", shown->count);
    t->shown_count = shown->count;
    for (int i = 0; i < shown->count; i++) {
        t->shown[i] = (int)shown->value[i];
        if (t->shown[i] >= t->channels)
            return px_fail(PX_USAGE, "data.shown: there is no channel %d; these images have %d, counted from 0",
                           t->shown[i], t->channels);
    }
    return 0;
}

int px_task_of(px_task *t, px_settings *s, const px_dataset_info *d, bool labelled, int batch, int ranks)
{
    const px_backbone_family *family = s->backbone->family;
    if (s->data.image_size == 0)
        s->data.image_size = d->height == 0 ? 224 : d->height > d->width ? d->height : d->width;
    *t = (px_task){.image_size = s->data.image_size,
                   .channels = d->channels,
                   .bits = d->bits,
                   .classes = d->classes,
                   .labelled = labelled,
                   .batch = batch,
                   .ranks = ranks,
                   .images = d->count,
                   .augment = s->train.augment == PX_AUGMENT_RECIPE};
    px_task_take_backbone(t, s->backbone, s->backbone_cfg);
    bool normalized;
    if (take_shown(t, &s->data.shown) != 0)
        return -1;
    if (px_settings_moments(s, d->mean, d->std, d->channels, &normalized) != 0)
        return -1;
    t->mean = normalized ? s->moments.mean : NULL;
    t->std = normalized ? s->moments.std : NULL;
    if (family->settle)
        family->settle(s->backbone_cfg, t->image_size);
    if (s->method->settle)
        s->method->settle(s->method_cfg, t, s->backbone);
    const char *why = family->check ? family->check(s->backbone, s->backbone_cfg, t->image_size, t->channels) : NULL;
    char others[96];
    if (why)
        return px_fail(PX_USAGE, "backbone %s, images of %d px: %s%s", s->backbone->name, t->image_size, why,
                       px_advise_size(s, "data.image_size", t->image_size, t->channels, others));
    return 0;
}

int px_task_make(px_task *t, px_settings *s, const px_dataset *data, const px_split *split, int batch, int ranks)
{
    const px_dataset_info *info = px_dataset_about(data);
    if (s->data.image_size == 0 && info->height == 0)
        s->data.image_size = px_image_size_for(s->backbone, px_dataset_side(data));
    if (px_task_of(t, s, info, all_labelled(data, split), batch, ranks) != 0)
        return -1;
    t->epoch_images = split ? split->count / s->train.batch * s->train.batch : 0;
    return 0;
}

static px_shape batch_shape(const px_view *v, int batch)
{
    px_shape one = px_view_shape(v), all = {.rank = 1 + one.rank, .dim = {(int64_t)v->copies * batch}};
    memcpy(all.dim + 1, one.dim, (size_t)one.rank * sizeof one.dim[0]);
    return all;
}

static void add_inputs(px_model *m, int batch)
{
    for (int i = 0; i < m->views.count; i++)
        m->input[i] =
            px_input(m->graph, m->views.view[i].name, m->views.view[i].dtype, batch_shape(&m->views.view[i], batch));
}

static int make_plan(px_model *m, const px_settings *s, px_plan_spec spec)
{
    spec.backend = px_backend_find(s->train.backend);
    m->plan = spec.backend ? px_plan_create(m->graph, &spec) : NULL;
    if (m->plan)
        return 0;
    px_model_finish(m);
    return -1;
}

int px_precision_settle(px_settings *s, const px_comm *comm)
{
    bool automatic = s->train.precision == PX_PRECISION_AUTO, bf16 = s->train.precision == PX_PRECISION_BF16;
    const px_backend *backend = px_backend_find(s->train.backend);
    if (!backend)
        return -1;
    if (bf16 && !px_backend_fast.bf16)
        return px_fail(
            PX_USAGE,
            "precision = bf16: this build of Pretext has no oneDNN, without which everything is computed in fp32");
    if (bf16 && !backend->bf16)
        return px_fail(PX_USAGE, "precision = bf16 needs backend=onednn: the portable kernels compute in fp32");
    if (!bf16 && !automatic)
        return 0;
    double able = backend->bf16 && px_bf16_native();
    px_all_reduce_f64(comm, &able, 1);
    bool all = able == comm->size;
    if (bf16 && !all)
        return px_fail(
            PX_USAGE,
            "precision = bf16: the processor of %s has no bf16 instructions; precision=fp32 (or auto) is faster",
            comm->size == 1    ? "this host"
            : px_bf16_native() ? "another rank"
                               : "this rank");
    s->train.precision = all ? PX_PRECISION_BF16 : PX_PRECISION_FP32;
    return 0;
}

/* The view whose side an option of the method's sets, as `small_size` sets that of "small"; NULL: there is none. */
static const px_view *sized_view(const px_model *m, const px_method *method)
{
    for (const px_option *o = method->options; o && o->name; o++)
        for (int i = 0; i < m->views.count; i++) {
            const px_view *v = &m->views.view[i];
            size_t length = strlen(v->name);
            if (v->rank == 3 && strncmp(o->name, v->name, length) == 0 && strcmp(o->name + length, "_size") == 0)
                return v;
        }
    return NULL;
}

/* The backbone must also take views of another size than the images. */
static int check_views(const px_model *m, const px_settings *s, const px_task *task)
{
    const px_backbone_family *family = s->backbone->family;
    const px_view *v = sized_view(m, s->method);
    const char *why = v && family->check ? family->check(s->backbone, s->backbone_cfg, v->dim[1], v->dim[0]) : NULL;
    if (!why)
        return 0;
    char others[96], *key = px_format("%s.%s_size", s->method->name, v->name);
    int status = px_fail(PX_USAGE, "method %s on %s, %s = %d px: %s%s", s->method->name, s->backbone->name, key,
                         v->dim[1], why, px_advise_size(s, key, v->dim[1], task->channels, others));
    free(key);
    return status;
}

/* What a method built is refused in one line that names it; so is a follower whose momentum is not a share. */
static int check_built(const px_model *m, const px_settings *s, const px_task *task)
{
    const px_view *v = sized_view(m, s->method);
    char *sized = v ? px_format(" with %s.%s_size = %d", s->method->name, v->name, v->dim[1]) : px_strdup("");
    char *why = px_graph_error(m->graph) ? px_strdup(px_graph_error(m->graph)) : NULL;
    for (int i = 0; i < px_graph_followers(m->graph) && !why; i++) {
        px_value *momentum;
        const char *name = px_graph_follower(m->graph, i, &momentum);
        int k = 0;
        while (k < m->scheduled_count && m->scheduled[k].value != momentum)
            k++;
        if (k == m->scheduled_count || m->scheduled[k].range != PX_SHARE)
            why = px_format("the momentum of %s must come from px_schedule, with the range PX_SHARE", name);
    }
    int status = why ? px_fail(PX_USAGE, "method %s on %s, images of %d px%s: %s", s->method->name, s->backbone->name,
                               task->image_size, sized, why)
                     : 0;
    free(why);
    free(sized);
    return status;
}

/* Changes of colours mean something for gray and RGB; methods call their probabilities so. */
static int check_colours(const px_settings *s, const px_task *task)
{
    static const char *const names[] = {"jitter", "gray"};
    const char *method = s->method->name;
    if (task->channels == 1 || task->channels == 3 || !task->augment)
        return 0;
    for (const px_option *o = s->method->options; o && o->name; o++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            double value = 0;
            if (strcmp(o->name, names[i]) == 0 && o->type == PX_OPTION_REAL)
                memcpy(&value, (const char *)s->method_cfg + o->offset, sizeof value);
            if (value > 0)
                return px_fail(PX_USAGE,
                               "%s.%s = %g changes colours, which is for images of 1 or 3 channels, but these have %d; "
                               "%s.%s=0 turns it off",
                               method, o->name, value, task->channels, method, o->name);
        }
    return 0;
}

/* Builds the model for one part of the batch. */
static int build_part(px_model *m, const px_settings *s, const px_task *task, int part, px_plan_spec spec)
{
    const char *why = s->method->check ? s->method->check(s->method_cfg, task, s->backbone) : NULL;
    *m = (px_model){.mean = task->mean, .std = task->std, .channels = task->channels};
    if (check_colours(s, task) != 0)
        return -1;
    if (why)
        return px_fail(PX_USAGE, "method %s on %s, images of %d px: %s", s->method->name, s->backbone->name,
                       task->image_size, why);
    double online = s->train.online_linear;
    if (online > 0 && px_online_check(task, online) != 0)
        return -1;
    m->graph = px_graph_create((px_mode){.real = PX_F32, .rank = part, .ranks = task->ranks});
    s->method->views(s->method_cfg, task, &m->views);
    if (online > 0)
        px_online_views(&m->views, task);
    if (check_views(m, s, task) != 0) {
        px_model_finish(m);
        return -1;
    }
    add_inputs(m, task->batch);
    px_build b = {.g = m->graph, .task = task, .backbone = s->backbone, .backbone_cfg = s->backbone_cfg};
    m->loss = s->method->build(s->method_cfg, &b);
    px_graph_output(m->graph, "loss", m->loss);
    if (online > 0)
        px_online_build(&b, online);
    memcpy(m->embedding, b.embedding, sizeof m->embedding);
    m->second = b.second;
    m->scheduled_count = b.scheduled_count;
    memcpy(m->scheduled, b.scheduled, sizeof m->scheduled);
    m->rules = b.rules;
    m->backbone = b.backbone_net;
    memcpy(m->rule, b.rule, sizeof m->rule);
    for (int i = 0; i < PX_WATCHED; i++)
        if (m->embedding[i])
            px_graph_read(m->graph, m->embedding[i]);
    if (m->second && m->second != m->embedding[PX_WATCHED_STUDENT])
        px_graph_read(m->graph, m->second);
    if (check_built(m, s, task) != 0) {
        px_model_finish(m);
        return -1;
    }
    px_graph_fuse(m->graph);
    px_graph_differentiate(m->graph, m->loss);
    px_graph_recompute(m->graph, s->train.recompute ? PX_RECOMPUTE_SEGMENTS : PX_RECOMPUTE_LIGHT);
    spec.precision = px_precision_dtype(&s->train);
    spec.memory_later = true;
    return make_plan(m, s, spec);
}

int px_model_plan(px_model *m, const px_settings *s, const px_task *task, const px_comm *comm, int k,
                  const px_model *first)
{
    px_plan_spec spec = {.comm = comm, .shards = s->train.reproducible ? task->ranks : 0};
    if (first)
        spec.with = first->plan;
    return build_part(m, s, task, comm->rank * (task->ranks / comm->size) + k, spec);
}

int px_model_pretrain(px_model *m, const px_settings *s, const px_task *task, const px_comm *comm)
{
    if (px_model_plan(m, s, task, comm, 0, NULL) != 0)
        return -1;
    px_plan_allocate(m->plan);
    return 0;
}

/* rows (views * batch, F), ordered as in px_views -> (batch, F), the mean over views */
static px_value *mean_over_views(px_graph *g, px_value *rows, int64_t views)
{
    if (views == 1 || px_graph_error(g))
        return rows;
    int64_t batch = rows->shape.dim[0] / views, F = rows->shape.dim[1];
    return px_reduce(g, PX_MEAN, px_reshape(g, rows, PX_SHAPE(views, batch, F)), (px_axes){1, {0}, false});
}

static void add_layer(px_model *m, const char *name, px_value *pooled, int views)
{
    px_value *features = mean_over_views(m->graph, pooled, views);
    px_graph_output(m->graph, name, features);
    m->layer[m->layers].name = name;
    m->layer[m->layers++].features = m->features = features;
}

int px_model_plan_encoder(px_model *m, const px_settings *s, const px_task *task, const px_encoder_spec *spec)
{
    const px_backbone_family *family = s->backbone->family;
    *m = (px_model){.graph = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1})};
    px_views_add(&m->views, "images", PX_F32, spec->views, 3, (int[]){task->channels, spec->size, spec->size});
    add_inputs(m, spec->batch);
    px_encoding e = family->build(m->graph, s->backbone, s->backbone_cfg, m->input[0]);
    int last = e.stages - family->pools_last;
    for (int i = 0; i < last && spec->layers; i++)
        add_layer(m, e.stage[i].name, family->pool(m->graph, s->backbone_cfg, e.stage[i].map), spec->views);
    add_layer(m, family->pools_last ? e.stage[last].name : "features", e.pooled, spec->views);
    px_graph_fuse(m->graph);
    return make_plan(m, s, (px_plan_spec){.precision = px_precision_dtype(&s->train), .memory_later = true});
}

int px_model_encoder(px_model *m, const px_settings *s, const px_task *task, const px_encoder_spec *spec)
{
    if (px_model_plan_encoder(m, s, task, spec) != 0)
        return -1;
    px_plan_allocate(m->plan);
    return 0;
}

void px_model_finish(px_model *m)
{
    px_plan_destroy(m->plan);
    px_graph_destroy(m->graph);
    *m = (px_model){0};
}

/* ---- values of another model ---- */

int *px_model_places(const px_model *part, const px_model *whole, const char *net, char **missing)
{
    int count = px_graph_params(part->graph), all = px_graph_params(whole->graph),
        *places = px_calloc((size_t)count + 1, sizeof places[0]);
    for (int i = 0; i < count; i++) {
        const px_param *p = px_graph_param(part->graph, i);
        char *name = *net ? px_format("%s.%s", net, p->name) : px_strdup(p->name);
        int at = 0;
        while (at < all && strcmp(px_graph_param(whole->graph, at)->name, name) != 0)
            at++;
        if (at == all || !px_shape_equal(px_graph_param(whole->graph, at)->value->shape, p->value->shape)) {
            *missing = name;
            free(places);
            return NULL;
        }
        places[i] = at;
        free(name);
    }
    return places;
}

static void copy_value(px_plan *to, int to_place, px_plan *from, int from_place, px_shape shape)
{
    float *plain = px_aligned_calloc((size_t)px_shape_count(shape) * sizeof plain[0]);
    px_plan_get_param(from, from_place, plain);
    px_plan_set_param(to, to_place, plain);
    free(plain);
}

void px_model_take(px_model *part, const px_model *whole, const int *places)
{
    for (int i = 0; i < px_graph_params(part->graph); i++)
        copy_value(part->plan, i, whole->plan, places[i], px_graph_param(part->graph, i)->value->shape);
}

void px_model_give(const px_model *part, px_model *whole, const int *places)
{
    for (int i = 0; i < px_graph_params(part->graph); i++)
        copy_value(whole->plan, places[i], part->plan, i, px_graph_param(part->graph, i)->value->shape);
}
