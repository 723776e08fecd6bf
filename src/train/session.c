/* session.c - see session.h. Set-up is in the order of a user's likely mistakes: configuration, data, memory. */
#include "train/session.h"
#include "base/crash.h"
#include "base/error.h"
#include "base/log.h"
#include "train/online.h"

#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* ---- set-up ---- */

/* `images`: those of the session; NULL: data.split's. */
static int open_data(px_session *s, const px_split *images)
{
    const px_data_cfg *d = &s->settings->data;
    int batch = s->settings->train.batch;
    if (px_dataset_open(&s->data, d->path, d->links ? PX_LINKS_FOLLOWED : PX_LINKS_REFUSED) != 0)
        return -1;
    if (!images) {
        if (s->comm->rank == 0)
            px_dataset_tell(s->data);
        const px_split *whole = px_dataset_split_for(s->data, "data.split", d->split);
        if (!whole)
            return -1;
        s->split = *whole;
        s->split_index = px_split_limit(&s->split, d->limit);
    } else {
        s->split = *images;
    }
    if (s->split.count == 0)
        return px_fail(PX_USAGE, "%s: split \"%s\" has no images", d->path, d->split);
    s->per_epoch = s->split.count / batch;
    if (s->per_epoch < 1)
        return px_fail(PX_USAGE,
                       "batch = %d is larger than the split '%s' of %s, which has %" PRId64 " images%s; batch=%" PRId64
                       " or less would work",
                       batch, d->split, d->path, s->split.count, d->limit ? " with this data.limit" : "",
                       s->split.count);
    s->steps = (int64_t)ceil(s->settings->train.epochs * (double)s->per_epoch - 1e-9);
    return 0;
}

static int make_task(px_session *s, const px_dataset_info *instead)
{
    int batch, parts;
    if (px_batch_parts(s->settings, s->comm, &parts, &batch) != 0)
        return -1;
    s->parts = parts / s->comm->size;
    PX_CHECK(s->data || instead);
    return s->data ? px_task_make(&s->task, s->settings, s->data, &s->split, batch, parts)
                   : px_task_of(&s->task, s->settings, instead, instead->classes > 0, batch, parts);
}

/* Makes the plans of all of this rank's parts of the batch, without memory. */
static int plan_parts(px_session *s)
{
    s->model = px_calloc((size_t)s->parts, sizeof s->model[0]);
    s->plan = px_calloc((size_t)s->parts, sizeof s->plan[0]);
    for (int k = 0; k < s->parts; k++) {
        if (px_model_plan(&s->model[k], s->settings, &s->task, s->comm, k, k ? s->model : NULL) != 0)
            return -1;
        s->plan[k] = s->model[k].plan;
    }
    return 0;
}

/* Whether ranks have a part each of the optimizer. Over a network the gather of weights would cost what the gather of gradients now
 * hides behind backward; and a tree gives every rank all gradients. */
static bool divides(const px_session *s)
{
    const px_train_cfg *c = &s->settings->train;
    bool by_itself = s->comm->local_size == s->comm->size && !c->reproducible;
    return s->comm->size > 1 &&
           (c->divide_optimizer == PX_DIVIDE_YES || (c->divide_optimizer == PX_DIVIDE_AUTO && by_itself));
}

static int check_need(px_session *s, const px_backbone_cfg *unsettled, const px_session_spec *spec)
{
    px_train_need_case about = {.settings = s->settings,
                                .unsettled = unsettled,
                                .task = &s->task,
                                .info = s->data ? px_dataset_about(s->data) : spec->instead,
                                .loading = {s->parts, s->task.batch, s->split.count, divides(s) ? s->comm->size : 1},
                                .comm = s->comm,
                                .prefix = spec->prefix,
                                .online = spec->online,
                                .side = s->data ? px_dataset_side(s->data) : 0};
    s->need = px_train_need_of(s->model, s->settings, &s->task, about.loading, about.online);
    return px_train_need_check(&s->need, &about);
}

/* Decides everything and allocates nothing. */
static int design(px_session *s, const px_session_spec *spec)
{
    size_t bytes = s->settings->backbone->family->cfg_size;
    px_backbone_cfg *unsettled = memcpy(px_calloc(1, bytes + 1), s->settings->backbone_cfg, bytes);
    int status = make_task(s, spec->instead);
    if (status == 0)
        status = plan_parts(s);
    if (status == 0)
        status = check_need(s, unsettled, spec);
    free(unsettled);
    return status;
}

static void schedule(px_session *s, int64_t step)
{
    int64_t steps = s->steps - s->shift;
    double progress = steps > 0 ? (double)(step - s->shift) / (double)steps : 0;
    double epoch = s->per_epoch > 0 ? (double)(step - s->shift) / (double)s->per_epoch : 0;
    for (int i = 0; i < s->model->scheduled_count; i++)
        s->scheduled[i] = (float)px_scheduled_at(&s->model->scheduled[i], progress, epoch);
}

/* The value, in this step, of the input of a scheduled number. */
static const float *scheduled(const px_session *s, const px_value *input)
{
    int i = 0;
    while (i < s->model->scheduled_count && s->model->scheduled[i].value->index != input->index)
        i++;
    PX_CHECK(i < s->model->scheduled_count);
    return &s->scheduled[i];
}

static void find_embeddings(px_session *s)
{
    int batch = s->settings->train.batch;
    for (int w = 0; w < PX_WATCHED; w++) {
        const px_value *v = s->model->embedding[w];
        if (!v || v->shape.rank != 2 || v->shape.dim[0] < s->task.batch)
            continue;
        s->rows = batch < PX_ROWS_MAX ? batch : PX_ROWS_MAX;
        s->row[w] = px_aligned_calloc((size_t)(s->rows * v->shape.dim[1]) * sizeof(float));
    }
    if (s->model->second && s->row[PX_WATCHED_STUDENT])
        s->second = px_aligned_calloc((size_t)(s->rows * s->model->second->shape.dim[1]) * sizeof(float));
}

/* The way in which gradients are summed: over shards by a tree, else over ranks by a ring; and who updates what. */
static void choose_reducer(px_session *s)
{
    px_gradients of = {.part = s->grad, .parts = s->parts};
    int micros = s->settings->train.accumulate;
    of.bound = px_plan_buckets(s->plan[0], &of.buckets);
    if (divides(s)) {
        s->division = px_division_create(s->comm, of.bound, of.buckets);
        px_optimizer_divide(s->optimizer, s->division);
    }
    s->reducer =
        s->settings->train.reproducible ? px_reducer_tree(s->comm, of) : px_reducer_ring(s->comm, of, s->division);
    if (micros > 1)
        s->reducer = px_reducer_micros(s->reducer, of, micros);
}

/* Allocates the memory and initialises what the first step needs. */
static int furnish(px_session *s)
{
    int spans;
    const px_param_span *span = px_plan_spans(s->plan[0], &spans);
    s->grad = px_calloc((size_t)s->parts, sizeof s->grad[0]);
    for (int k = 0; k < s->parts; k++) {
        px_plan_allocate(s->plan[k]);
        s->grad[k] = px_plan_grads(s->plan[k]);
    }
    if (px_optimizer_create(&s->optimizer, &s->settings->optim, span, spans, px_plan_update(s->plan[0])) != 0 ||
        px_model_treat(s->model, s->settings, s->per_epoch, s->optimizer) != 0)
        return -1;
    px_optimizer_steady(s->optimizer, px_schedule_peak(&s->settings->optim, s->settings->train.batch));
    px_plan_init_params(s->plan[0], (uint64_t)s->settings->train.seed);
    choose_reducer(s);
    px_scalars_find(&s->scalars, s->model, s->parts, s->scheduled);
    find_embeddings(s);
    return 0;
}

int px_session_create(px_session *s, px_settings *settings, const px_comm *comm, const px_session_spec *spec)
{
    spec = spec ? spec : &(px_session_spec){0};
    *s = (px_session){.settings = settings, .comm = comm};
    bool loads = settings->data.path[0] || !spec->instead;
    if (px_agree(comm, px_precision_settle(settings, comm)) == 0 &&
        px_agree(comm, loads ? open_data(s, spec->images) : 0) == 0 && px_agree(comm, design(s, spec)) == 0 &&
        px_agree(comm, furnish(s)) == 0)
        return 0;
    px_session_finish(s);
    return -1;
}

void px_session_finish(px_session *s)
{
    px_loader_destroy(s->loader);
    px_reducer_destroy(s->reducer);
    px_optimizer_destroy(s->optimizer);
    px_division_destroy(s->division);
    px_scalars_finish(&s->scalars);
    for (int k = s->parts - 1; k >= 0 && s->model; k--)
        px_model_finish(&s->model[k]); /* the first one last: it owns what the others share */
    free(s->model);
    free(s->plan);
    free(s->grad);
    px_dataset_close(s->data);
    free(s->split_index);
    for (int w = 0; w < PX_WATCHED; w++)
        free(s->row[w]);
    free(s->second);
    *s = (px_session){0};
}

void px_session_views(const px_session *s, px_rng *rng, const px_image *image, px_sample *out)
{
    s->settings->method->make_views(s->settings->method_cfg, &s->task, rng, image, out);
    if (s->settings->train.online_linear > 0)
        px_online_target(&s->model->views, &s->task, image, out);
}

static void make_views(const void *session, px_rng *rng, const px_image *image, px_sample *out)
{
    px_session_views(session, rng, image, out);
}

void px_session_continue(px_session *s, int64_t step, int64_t place)
{
    int64_t shift = step - place;
    px_optimizer_shift(s->optimizer, shift - s->shift);
    s->steps += shift - s->shift;
    s->shift = shift;
}

int px_session_load(px_session *s, int64_t step)
{
    const px_train_cfg *c = &s->settings->train;
    const px_data_cfg *d = &s->settings->data;
    px_loader_spec spec = {.data = s->data,
                           .split = &s->split,
                           .views = &s->model->views,
                           .make = make_views,
                           .context = s,
                           .seed = (uint64_t)c->seed,
                           .global_batch = c->batch / c->accumulate,
                           .first = (int64_t)s->comm->rank * s->parts * s->task.batch,
                           .batch = s->parts * s->task.batch,
                           .parts = s->parts,
                           .repeats = d->repeats,
                           .shuffle = d->shuffle,
                           .whole = c->accumulate,
                           .workers = d->workers ? d->workers : omp_get_max_threads(),
                           .timeout = d->timeout};
    return px_agree(s->comm, px_loader_create(&s->loader, &spec, (step - s->shift) * c->accumulate));
}

/* ---- one step ---- */

/* What passed since the last lap belongs to this part of the step. */
static void lap(px_session *s, px_part part)
{
    if (s->meter)
        px_meter_lap(s->meter, part, s->loader ? px_loader_worked(s->loader).seconds : 0);
}

/* The plan's hooks, in which `context` is the session. */
static void bucket_is_ready(void *context, int bucket)
{
    px_reducer_ready(((px_session *)context)->reducer, bucket);
}

static void move_messages(void *context)
{
    px_reducer_progress(((px_session *)context)->reducer);
}

static void backward_begins(void *context)
{
    lap(context, PX_PART_FORWARD);
}

/* Dropout's random numbers belong to samples, whatever the number of ranks and micro-batches. */
static void draw_for(px_session *s, int k, int64_t step, int micro)
{
    int64_t share = s->task.batch, first = ((int64_t)micro * s->task.ranks + s->comm->rank * s->parts + k) * share;
    uint64_t seed = (uint64_t)s->settings->train.seed;
    px_plan_draw_by(s->plan[k], (px_draws){.seed = seed, .step = step, .first = first, .batch = share});
}

static void bind_views(px_session *s, int k)
{
    const px_model *m = &s->model[k];
    PX_CHECK(s->batch); /* px_session_load succeeded */
    for (int i = 0; i < m->views.count; i++) {
        size_t at = (size_t)k * px_view_bytes(&m->views.view[i], s->task.batch);
        px_plan_bind(m->plan, m->input[i], (const char *)s->batch->tensor[i] + at);
    }
    for (int i = 0; i < m->scheduled_count; i++)
        px_plan_bind(m->plan, m->scheduled[i].value, &s->scheduled[i]);
}

/* Forward and backward of one micro-batch. */
static int run_micro(px_session *s, int64_t step, int micro)
{
    const px_plan_hooks hooks = {.context = s,
                                 .bucket = bucket_is_ready,
                                 .between = move_messages,
                                 .backward = backward_begins,
                                 .fault = s->fault};
    px_crash_doing("the wait for images", step + 1);
    lap(s, PX_PART_OTHER);
    if (s->loader)
        s->batch = px_loader_next(s->loader);
    int status = s->batch ? 0 : -1;
    if (!s->begun) /* the first one together, so that rank 0 can remove what it made for a run that did not begin */
        status = px_agree(s->comm, status);
    if (status != 0)
        return -1;
    s->begun = true;
    lap(s, PX_PART_WAITING);
    for (int k = 0; k < s->parts; k++) {
        bind_views(s, k);
        draw_for(s, k, step, micro);
        if (s->fault && s->fault[k].at == PX_FAULT_NONE)
            s->fault_micro[k] = micro;
    }
    px_crash_doing("the forward and backward passes", step + 1);
    px_plans_run(s->plan, s->parts, &hooks);
    lap(s, PX_PART_BACKWARD);
    return 0;
}

/* A kind of rows that are looked at: where they are in the graph, and where they are kept. */
typedef struct kept {
    const px_value *value;
    int64_t offset; /* of their first row in the value */
    float *row;     /* NULL: they are not looked at in this step */
} kept;

enum { KEPT = PX_WATCHED + 1 }; /* the watched ones, and the second views */

static kept kept_rows(const px_session *s, int k)
{
    const px_model *m = s->model;
    if (k < PX_WATCHED)
        return (kept){m->embedding[k], 0, s->look ? s->row[k] : NULL};
    return (kept){m->second, m->second == m->embedding[PX_WATCHED_STUDENT] ? s->task.batch : 0,
                  s->look ? s->second : NULL};
}

static int64_t floats_of(const px_session *s, const kept *k)
{
    return s->rows * k->value->shape.dim[1];
}

/* Copies the rows that this rank has in this micro-batch; the others stay 0. */
static void keep_rows(px_session *s, const kept *of)
{
    int64_t width = of->value->shape.dim[1];
    for (int k = 0; k < s->parts; k++) {
        const px_plan *plan = s->plan[k];
        const float *x = (const float *)px_plan_read(plan, of->value) + of->offset * width;
        px_draws place = px_plan_draws(plan);
        for (int64_t i = 0; i < place.batch && place.first + i < s->rows; i++)
            memcpy(of->row + (place.first + i) * width, x + i * width, (size_t)width * sizeof x[0]);
    }
}

int px_session_gradients(px_session *s, int64_t step, double votes[PX_VOTES])
{
    int micros = s->settings->train.accumulate;
    px_scalars_begin(&s->scalars);
    px_plan_save_states(s->plan[0]);
    schedule(s, step);
    kept of[KEPT];
    for (int k = 0; k < KEPT; k++) {
        of[k] = kept_rows(s, k);
        if (of[k].row)
            memset(of[k].row, 0, (size_t)floats_of(s, &of[k]) * sizeof(float));
    }
    for (int k = 0; k < micros; k++) {
        if (run_micro(s, step, k) != 0)
            return -1;
        px_scalars_add(&s->scalars, s->model, s->task.ranks * micros);
        for (int w = 0; w < KEPT; w++)
            if (of[w].row)
                keep_rows(s, &of[w]);
    }
    px_crash_doing("the sum of the ranks' gradients", step + 1);
    px_reducer_finish(s->reducer);
    px_scalars_sum(&s->scalars, s->reducer, votes);
    for (int k = 0; k < KEPT; k++)
        if (of[k].row) /* each row comes from one rank only, so the sum is exact */
            px_all_reduce_f32(s->comm, of[k].row, floats_of(s, &of[k]));
    lap(s, PX_PART_BACKWARD); /* the traffic itself, wherever it was, is communication already: px_meter_lap */
    return 0;
}

double px_session_update(px_session *s, double lr)
{
    px_plan *plan = s->model->plan;
    double scale = 1.0 / (s->task.ranks * s->settings->train.accumulate);
    double norm = px_optimizer_step(s->optimizer, px_plan_weights(plan), px_plan_grads(plan), scale, lr);
    if (isfinite(norm))
        px_plan_normalize(plan);
    for (int i = 0; i < px_graph_followers(s->model->graph) && isfinite(norm); i++) {
        px_value *momentum;
        px_graph_follower(s->model->graph, i, &momentum);
        px_plan_follow(plan, i, *scheduled(s, momentum));
    }
    lap(s, PX_PART_OPTIMIZER);
    return norm;
}

/* ---- diagnosis of a bad step ---- */

/* The place of a fault in the order of execution: micro-batch, then step of the plan. INT64_MAX: no fault. */
static int64_t place_of(const px_session *s, int part)
{
    const px_fault *f = &s->fault[part];
    return f->at == PX_FAULT_NONE ? INT64_MAX
                                  : s->fault_micro[part] * (px_plan_steps(s->model->plan) + 1LL) + f->step + 1;
}

/* Every rank has found its first fault, or none; they agree on the earliest one. */
static char *agree_on_fault(const px_session *s)
{
    int part = 0, first = 0;
    for (int k = 1; k < s->parts; k++)
        part = place_of(s, k) < place_of(s, part) ? k : part;
    int64_t own = place_of(s, part), *all = px_calloc((size_t)s->comm->size, sizeof all[0]);
    px_all_gather_bytes(s->comm, &own, all, sizeof own);
    for (int i = 1; i < s->comm->size; i++)
        first = all[i] < all[first] ? i : first;
    bool any = all[first] != INT64_MAX;
    free(all);
    if (!any)
        return NULL;
    char *text = s->comm->rank == first ? px_fault_text(&s->fault[part]) : NULL, *whole;
    int64_t bytes = text ? (int64_t)strlen(text) + 1 : 0;
    px_broadcast(s->comm, &bytes, sizeof bytes, first);
    if (!text)
        text = px_calloc((size_t)bytes, 1);
    px_broadcast(s->comm, text, bytes, first);
    whole = s->comm->size > 1 ? px_format("rank %d, %s", first, text) : px_strdup(text);
    free(text);
    return whole;
}

/* Where it began if not on a rank: in the sums of gradients. */
static char *fault_of_sums(const px_session *s)
{
    int spans;
    const px_param_span *span = px_plan_spans(s->model->plan, &spans);
    float *grad = px_plan_grads(s->model->plan);
    if (s->division)
        px_division_spread(s->division, grad);
    for (int i = 0; i < spans; i++)
        for (int64_t k = 0; k < span[i].count; k++)
            if (!isfinite(grad[span[i].offset + k]))
                return px_format("the sum of the gradients of %s over ranks and micro-batches", span[i].name);
    return px_strdup("nowhere: when the step was repeated, all of it was finite, which suggests a hardware fault");
}

int px_session_diagnose(px_session *s, int64_t step, char **where)
{
    double votes[PX_VOTES] = {0};
    px_plan_restore_states(s->model->plan);
    px_loader_destroy(s->loader); /* a batch is a function of the step, so the loader makes the same ones again */
    s->loader = NULL;
    if (px_session_load(s, step) != 0)
        return -1;
    s->fault = px_calloc((size_t)s->parts, sizeof s->fault[0]);
    s->fault_micro = px_calloc((size_t)s->parts, sizeof s->fault_micro[0]);
    int status = px_session_gradients(s, step, votes);
    if (status == 0) {
        *where = agree_on_fault(s);
        if (!*where)
            *where = fault_of_sums(s);
    }
    free(s->fault);
    free(s->fault_micro);
    s->fault = NULL;
    px_plan_restore_states(s->model->plan);
    return status;
}
