/* validate.c - see validate.h. */
#include "train/validate.h"
#include "base/error.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128 }; /* images; the same on any number of ranks, so that their logits are */

const char *const px_validation_series[PX_VALIDATED] = {"val_accuracy", "val_seconds", "val_accuracy_average"};

struct px_validation {
    const px_session *session;
    px_model model; /* backbone and classifier, for evaluation; its parameters are copied from the session's */
    px_value *logits;
    int *trained; /* numbers of these parameters in the session's graph */
    int *average; /* ... in the network that is probed; NULL: it is the same */
    px_split split;
    px_recipe recipe;
    int64_t every; /* steps */
    px_validated now;
    double ended; /* px_now of the last validation, or of the creation */
};

/* ---- the model ---- */

static int plan_model(px_model *m, px_value **logits, const px_settings *s, const px_task *task)
{
    const px_backbone_family *family = s->backbone->family;
    *m = (px_model){.graph = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1})};
    px_views_add(&m->views, "image", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_views_add(&m->views, "label", PX_I32, 1, 0, NULL);
    m->input[0] =
        px_input(m->graph, "image", PX_F32, PX_SHAPE(BATCH, task->channels, task->image_size, task->image_size));
    px_encoding e = family->build(m->graph, s->backbone, s->backbone_cfg, m->input[0]);
    *logits = s->method->classify(s->method_cfg, m->graph, e.pooled, task->classes);
    px_graph_output(m->graph, "logits", *logits);
    px_graph_fuse(m->graph);
    const px_plan_spec spec = {
        .backend = px_backend_find(s->train.backend), .precision = px_precision_dtype(&s->train), .memory_later = true};
    m->plan = spec.backend ? px_plan_create(m->graph, &spec) : NULL;
    if (m->plan)
        return 0;
    px_model_finish(m);
    return -1;
}

double px_validation_bytes(const px_settings *s, const px_task *task)
{
    px_model m;
    px_value *logits;
    if (s->train.validate_epochs == 0 || !s->method->classify || plan_model(&m, &logits, s, task) != 0)
        return 0;
    px_plan_bytes plan = px_plan_memory(m.plan);
    double bytes =
        (double)plan.arena + (double)plan.weights + (double)plan.states + px_loader_bytes(&m.views, BATCH, 0);
    px_model_finish(&m);
    return bytes;
}

/* NULL: `classify` and `build` do not agree. */
static int *find_parameters(const px_model *m, const px_session *s, const char *net)
{
    char *missing = NULL;
    int *places = px_model_places(m, s->model, net, &missing);
    if (!places)
        px_fail(PX_USAGE, "validate_epochs: method %s trains no %s of that shape, with which it would classify",
                s->settings->method->name, missing);
    free(missing);
    return places;
}

/* ---- set-up ---- */

static int check(const px_session *s, const px_split **split)
{
    const px_train_cfg *c = &s->settings->train;
    if (!s->settings->method->classify)
        return px_fail(
            PX_USAGE,
            "validate_epochs = %g: method %s learns no classes, as supervised does; 'pretext probe' measures "
            "what its features are worth",
            c->validate_epochs, s->settings->method->name);
    *split = px_dataset_split_for(s->data, "validate_split", c->validate_split);
    if (!*split)
        return -1;
    if (strcmp(c->validate_split, s->settings->data.split) == 0)
        return px_fail(PX_USAGE, "validate_split = %s is the split that is trained on; choose another",
                       c->validate_split);
    if ((*split)->count == 0)
        return px_fail(PX_USAGE, "validate_split = %s has no images", c->validate_split);
    for (int64_t i = 0; i < (*split)->count; i++)
        if (px_dataset_label(s->data, (*split)->index[i]) < 0)
            return px_fail(PX_USAGE, "validate_split = %s: some of its images have no label", c->validate_split);
    return 0;
}

int px_validation_create(px_validation **out, const px_session *s)
{
    const px_settings *settings = s->settings;
    const px_split *split = NULL;
    *out = NULL;
    if (settings->train.validate_epochs == 0)
        return 0;
    if (check(s, &split) != 0)
        return -1;
    PX_CHECK(split);
    return px_validation_create_on(out, s, split);
}

int px_validation_create_on(px_validation **out, const px_session *s, const px_split *split)
{
    const px_settings *settings = s->settings;
    *out = NULL;
    px_validation *v = px_calloc(1, sizeof *v);
    *v = (px_validation){.session = s, .split = *split, .recipe = px_recipe_none(), .now = {NAN, NAN, NAN}};
    v->recipe.mean = s->task.mean;
    v->recipe.std = s->task.std;
    v->every = (int64_t)fmax(1, round(settings->train.validate_epochs * (double)s->per_epoch));
    const char *net = px_settings_net(settings, "");
    if (plan_model(&v->model, &v->logits, settings, &s->task) != 0 ||
        !(v->trained = find_parameters(&v->model, s, "")) ||
        (*net && !(v->average = find_parameters(&v->model, s, net)))) {
        px_validation_destroy(v);
        return -1;
    }
    px_plan_allocate(v->model.plan);
    v->ended = px_now();
    *out = v;
    return 0;
}

void px_validation_destroy(px_validation *v)
{
    if (!v)
        return;
    px_model_finish(&v->model);
    free(v->trained);
    free(v->average);
    free(v);
}

/* ---- one validation ---- */

static void make_views(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    const px_validation *v = context;
    px_recipe_apply(&v->recipe, rng, image, px_sample_plane(out, 0, 0), out->scratch);
    *px_sample_i32(out, 1, 0) = image->label;
}

/* Whom to tell what the network says of each image. */
typedef struct listener {
    px_validation_see *see;
    void *context;
} listener;

static void see_batch(const px_validation *v, const px_batch *batch, const listener *to)
{
    px_plan *plan = v->model.plan;
    int classes = (int)v->logits->shape.dim[1];
    px_plan_bind(plan, v->model.input[0], batch->tensor[0]);
    px_plan_run(plan, NULL);
    const float *row = px_plan_read(plan, v->logits);
    for (int i = 0; i < batch->valid; i++, row += classes)
        to->see(to->context, ((const int32_t *)batch->tensor[1])[i], row, classes);
}

static void count_right(void *context, int label, const float *logits, int classes)
{
    int64_t *right = context;
    int best = 0;
    for (int k = 1; k < classes; k++)
        best = logits[k] > logits[best] ? k : best;
    *right += best == label;
}

/* This rank's share: whole batches, the same ones for any number of ranks. */
static int see_share(px_validation *v, const listener *to)
{
    const px_session *s = v->session;
    int64_t batches = (v->split.count + BATCH - 1) / BATCH, ranks = s->comm->size, rank = s->comm->rank;
    int64_t first = batches * rank / ranks * BATCH, end = batches * (rank + 1) / ranks * BATCH;
    end = end < v->split.count ? end : v->split.count;
    px_split own = {v->split.name, v->split.index + first, end - first};
    px_loader *loader;
    px_loader_spec spec = {.data = s->data,
                           .split = &own,
                           .views = &v->model.views,
                           .make = make_views,
                           .context = v,
                           .global_batch = BATCH,
                           .batch = BATCH,
                           .keep_last = true,
                           .workers = s->settings->data.workers ? s->settings->data.workers : omp_get_max_threads(),
                           .timeout = s->settings->data.timeout};
    if (own.count <= 0)
        return 0;
    if (px_loader_create(&loader, &spec, 0) != 0)
        return -1;
    int status = 0;
    for (int64_t k = 0; k < px_loader_steps_per_epoch(loader) && status == 0; k++) {
        const px_batch *batch = px_loader_next(loader);
        status = batch ? 0 : -1;
        if (batch)
            see_batch(v, batch, to);
    }
    px_loader_destroy(loader);
    return status;
}

static int measure(px_validation *v, const int *parameters, double *accuracy)
{
    int64_t right = 0;
    px_model_take(&v->model, v->session->model, parameters);
    if (px_agree(v->session->comm, see_share(v, &(listener){count_right, &right})) != 0)
        return -1;
    double sum = (double)right;
    px_all_reduce_f64(v->session->comm, &sum, 1);
    *accuracy = sum / (double)v->split.count;
    return 0;
}

int px_validation_predict(px_validation *v, px_validation_see *see, void *context)
{
    px_model_take(&v->model, v->session->model, v->average ? v->average : v->trained);
    return px_agree(v->session->comm, see_share(v, &(listener){see, context}));
}

int px_validation_run(px_validation *v, px_log *log, double epochs_done)
{
    double begun = px_now(), since = begun - v->ended;
    if (measure(v, v->trained, &v->now.accuracy) != 0 || (v->average && measure(v, v->average, &v->now.average) != 0))
        return -1;
    v->ended = px_now();
    v->now.seconds = v->ended - begun;
    char average[96] = "";
    if (v->average)
        snprintf(average, sizeof average, ", of the average (%s) %.2f %%", px_settings_net(v->session->settings, ""),
                 100 * v->now.average);
    px_log_line(log, "epoch %.4g: accuracy on %s %.2f %%%s; %.1f s, after %.1f s of training", epochs_done,
                v->split.name, 100 * v->now.accuracy, average, v->now.seconds, since);
    return 0;
}

bool px_validation_is_due(const px_validation *v, int64_t place, bool last)
{
    return v && (last || (place + 1) % v->every == 0);
}

px_validated *px_validation_results(px_validation *v)
{
    return v ? &v->now : NULL;
}

int px_validation_series_count(const px_validation *v)
{
    return !v ? 0 : v->average ? PX_VALIDATED : PX_VALIDATED - 1;
}
