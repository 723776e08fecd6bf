/* trainer.c - the loop and what it owns. The order of set-up is that of a user's likely mistakes: configuration, data,
 * folder, memory. */
#include "train/trainer.h"
#include "base/error.h"
#include "data/loader.h"
#include "dist/allreduce.h"
#include "report/results.h"
#include "train/changes.h"
#include "train/checkpoint.h"
#include "train/figures.h"
#include "train/provenance.h"
#include "train/stop.h"
#include "train/weights.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* Scalars that the graph computes: the loss first, then the method's metrics; and the series that the loop adds. */
enum { SCALARS_MAX = 16, OWN_SERIES = 5, SHOW_SECONDS = 5 };

typedef struct trainer {
    px_settings *s;
    const px_comm *comm;
    px_log *log;
    char *config; /* resolved text */

    px_dataset *data;
    px_split split;       /* limited */
    int64_t *split_index; /* owned if limited */
    px_task task;
    px_model model;
    px_optimizer *optimizer;
    px_allreduce *reduce;
    float *sum; /* gradients of the micro-batches so far; NULL without accumulation */
    px_loader *loader;
    const px_batch *batch; /* the last one, the loader's */
    px_results *results;   /* rank 0 */

    int scalars;
    const char *scalar_name[SCALARS_MAX];
    px_value *scalar[SCALARS_MAX];

    int64_t step, steps, per_epoch;
    /* by px_now: when the run began, its last checkpoint, when rows of run.h5 were last made visible */
    double started, saved, shown;
    double pace; /* seconds a step, smoothed: what progress and the time left are told from */
} trainer;

/* ---- set-up ---- */

static int open_data(trainer *t)
{
    const px_data_cfg *d = &t->s->data;
    if (px_dataset_open(&t->data, d->path) != 0)
        return -1;
    const px_split *whole = px_dataset_split(t->data, d->split);
    if (!whole)
        return -1;
    t->split = *whole;
    if (d->limit > 0 && d->limit < whole->count) {
        t->split_index = px_calloc((size_t)d->limit, sizeof t->split_index[0]);
        for (int64_t i = 0; i < d->limit; i++)
            t->split_index[i] = whole->index[(int64_t)((double)i * (double)whole->count / (double)d->limit)];
        t->split.index = t->split_index;
        t->split.count = d->limit;
    }
    t->per_epoch = t->split.count / t->s->train.batch;
    if (t->per_epoch < 1)
        return px_fail(PX_USAGE, "batch = %d is larger than the split '%s' of %s, which holds %" PRId64 " images",
                       t->s->train.batch, d->split, d->path, t->split.count);
    t->steps = (int64_t)ceil(t->s->train.epochs * (double)t->per_epoch - 1e-9);
    return px_schedule_check(&t->s->optim, t->s->train.epochs);
}

static void find_scalars(trainer *t)
{
    px_graph *g = t->model.graph;
    t->scalar_name[0] = "loss";
    t->scalar[t->scalars++] = t->model.loss;
    for (int i = 0; i < px_graph_outputs(g); i++) {
        const char *name;
        px_value *v = px_graph_output_at(g, i, &name);
        if (strcmp(name, "loss") != 0 && px_shape_count(v->shape) == 1 && t->scalars < SCALARS_MAX) {
            t->scalar_name[t->scalars] = name;
            t->scalar[t->scalars++] = v;
        }
    }
}

static int build_model(trainer *t)
{
    int batch;
    if (px_local_batch(t->s, t->comm, &batch) != 0 ||
        px_task_make(&t->task, t->s, t->data, &t->split, batch, t->comm->size) != 0)
        return -1;
    t->config = px_config_text(t->s->config);
    if (px_model_pretrain(&t->model, t->s, &t->task, t->comm) != 0)
        return -1;
    int spans, buckets;
    const px_param_span *span = px_plan_spans(t->model.plan, &spans);
    const int64_t *bound = px_plan_buckets(t->model.plan, &buckets);
    if (px_optimizer_create(&t->optimizer, &t->s->optim, span, spans) != 0)
        return -1;
    px_plan_init_params(t->model.plan, (uint64_t)t->s->train.seed);
    t->reduce = px_allreduce_create(t->comm, px_plan_grads(t->model.plan), bound, buckets);
    if (t->s->train.accumulate > 1)
        t->sum = px_aligned_calloc((size_t)px_plan_flat_count(t->model.plan) * sizeof(float));
    find_scalars(t);
    return 0;
}

/* Series that the loop itself adds to the graph's scalars. */
static const char *const own_series[OWN_SERIES] = {"epoch", "lr", "grad_norm", "images_per_second", "data_wait"};

static int series_names(const trainer *t, const char *names[SCALARS_MAX + OWN_SERIES])
{
    int n = 0;
    for (int i = 0; i < t->scalars; i++)
        names[n++] = t->scalar_name[i];
    for (int i = 0; i < OWN_SERIES; i++)
        names[n++] = own_series[i];
    return n;
}

/* Rank 0: run.h5, locked against a second run in the folder. */
static int open_results(trainer *t, bool resume, const char *command)
{
    const char *out = t->s->train.out, *names[SCALARS_MAX + OWN_SERIES];
    char *path = px_format("%s/run.h5", out);
    int count = series_names(t, names);
    int status = px_folder_make(out);
    if (status == 0)
        status = px_results_open(&t->results, path, PX_RESULTS_APPEND);
    if (status == 0 && !resume && (px_results_has(t->results, "/train/step") || px_checkpoint_exists(out)))
        status = px_fail(PX_USAGE, "%s holds a run already: go on with it by --resume, or give another out=", out);
    if (status == 0)
        status = px_results_put_text(t->results, "/config", t->config);
    if (status == 0)
        status = px_results_series(t->results, "/train", names, count);
    if (status == 0)
        status = px_provenance_write(t->results, t->comm, command, omp_get_max_threads());
    free(path);
    return status;
}

static int restore(trainer *t)
{
    const char *out = t->s->train.out;
    px_checkpoint saved;
    if (!px_checkpoint_exists(out)) {
        px_log_line(t->log, "%s: no checkpoint yet, starting at the beginning", out);
        return 0;
    }
    if (px_checkpoint_load(out, &t->model, t->optimizer, &saved, t->log) != 0)
        return -1;
    t->step = saved.step;
    px_changes_tell(t->log, saved.config, t->config); /* legitimate (more epochs), but never silent */
    px_checkpoint_finish(&saved);
    px_log_line(t->log, "resumed at step %" PRId64 " of %" PRId64, t->step, t->steps);
    return 0;
}

/* A run that goes on from its checkpoint needs no beginning. */
static int start_weights(trainer *t, bool resume)
{
    const char *init = t->s->train.init;
    if (!init[0] || (resume && px_checkpoint_exists(t->s->train.out)))
        return 0;
    if (!px_weights_named(init))
        return px_fail(PX_USAGE,
                       "init = \"%s\" is no weights file, something.safetensors; 'pretext export RUN -o W.safetensors' "
                       "writes those of a run",
                       init);
    return px_weights_load(&t->model, t->s, &t->task, init, t->log);
}

static void make_views(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    const trainer *t = context;
    t->s->method->make_views(t->s->method_cfg, &t->task, rng, image, out);
}

static int start_loader(trainer *t)
{
    const px_train_cfg *c = &t->s->train;
    px_loader_spec spec = {.data = t->data,
                           .split = &t->split,
                           .views = &t->model.views,
                           .make = make_views,
                           .context = t,
                           .seed = (uint64_t)c->seed,
                           .global_batch = c->batch / c->accumulate,
                           .first = (int64_t)t->comm->rank * t->task.batch,
                           .batch = t->task.batch,
                           .shuffle = t->s->data.shuffle,
                           .whole = c->accumulate,
                           .workers = t->s->data.workers ? t->s->data.workers : omp_get_max_threads()};
    return px_loader_create(&t->loader, &spec, t->step * c->accumulate);
}

/* ---- one step ---- */

/* Adds what earlier micro-batches left to a complete bucket and sends it off. */
static void send_bucket(void *context, int bucket)
{
    trainer *t = context;
    int buckets;
    const int64_t *bound = px_plan_buckets(t->model.plan, &buckets);
    float *grad = px_plan_grads(t->model.plan);
#pragma omp parallel for simd schedule(static) if (t->sum)
    for (int64_t i = bound[bucket]; i < (t->sum ? bound[bucket + 1] : bound[bucket]); i++)
        grad[i] += t->sum[i];
    px_allreduce_start(t->reduce, bucket);
}

static void move_messages(void *context)
{
    px_allreduce_progress(((trainer *)context)->reduce);
}

static void keep_gradients(trainer *t, bool first)
{
    const float *grad = px_plan_grads(t->model.plan);
    int64_t n = px_plan_flat_count(t->model.plan);
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n; i++)
        t->sum[i] = first ? grad[i] : t->sum[i] + grad[i];
}

/* What dropout draws belongs to the samples: the same however many ranks and micro-batches share them. */
static void draw_for(trainer *t, int micro)
{
    int64_t share = (int64_t)t->task.batch, first = ((int64_t)micro * t->comm->size + t->comm->rank) * share;
    px_plan_draw_by(t->model.plan,
                    (px_draws){.seed = (uint64_t)t->s->train.seed, .step = t->step, .first = first, .batch = share});
}

/* Forward and backward of all micro-batches; `mean` gets the scalars' means over them and all ranks, mean[scalars] the
 * number of ranks that are asked to stop. */
static int run_graph(trainer *t, double mean[SCALARS_MAX + 1], bool stop)
{
    const px_plan_hooks hooks = {t, send_bucket, move_messages};
    int micro = t->s->train.accumulate;
    memset(mean, 0, (SCALARS_MAX + 1) * sizeof mean[0]);
    for (int k = 0; k < micro; k++) {
        const px_batch *batch = t->batch = px_loader_next(t->loader);
        if (!batch)
            return -1;
        for (int i = 0; i < t->model.views.count; i++)
            px_plan_bind(t->model.plan, t->model.input[i], batch->tensor[i]);
        draw_for(t, k);
        px_plan_run(t->model.plan, k == micro - 1 ? &hooks : NULL);
        if (k < micro - 1)
            keep_gradients(t, k == 0);
        for (int i = 0; i < t->scalars; i++)
            mean[i] += px_plan_scalar(t->model.plan, t->scalar[i]) / (micro * t->comm->size);
    }
    px_allreduce_finish(t->reduce);
    mean[t->scalars] = stop;
    px_all_reduce_f64(t->comm, mean, t->scalars + 1);
    return 0;
}

static void show_progress(trainer *t, const double *mean, double step_seconds)
{
    char left[32];
    t->pace = t->pace > 0 ? 0.95 * t->pace + 0.05 * step_seconds : step_seconds;
    double done = (double)(t->step + 1) / (double)t->per_epoch, seconds = (double)(t->steps - t->step - 1) * t->pace;
    px_log_progress(t->log, "epoch %.1f/%g  step %" PRId64 "/%" PRId64 "  loss %.4f  %.0f images/s  %s left", done,
                    t->s->train.epochs, t->step + 1, t->steps, mean[0], t->s->train.batch / t->pace,
                    px_duration(seconds, left));
}

static int record(trainer *t, const double *mean, double lr, double norm, double seconds, double wait)
{
    const char *names[SCALARS_MAX + OWN_SERIES];
    double values[SCALARS_MAX + OWN_SERIES];
    int n = series_names(t, names);
    memcpy(values, mean, (size_t)t->scalars * sizeof values[0]);
    const double own[OWN_SERIES] = {(double)(t->step + 1) / (double)t->per_epoch, lr, norm, t->s->train.batch / seconds,
                                    wait / seconds};
    memcpy(values + t->scalars, own, sizeof own);
    show_progress(t, mean, seconds);
    return t->results ? px_results_row(t->results, "/train", t->step, names, values, n) : 0;
}

static int diverged(const trainer *t, int64_t step, const char *what)
{
    return px_fail(PX_FAIL,
                   "step %" PRId64 " of %" PRId64
                   ": the %s is not finite; a smaller optim.lr, a longer warm-up or optim.clip may help",
                   step, t->steps, what);
}

static int one_step(trainer *t, bool stop, bool *stopping)
{
    double mean[SCALARS_MAX + 1], start = px_now(), waited = px_loader_waited(t->loader);
    const px_train_cfg *c = &t->s->train;
    if (run_graph(t, mean, stop) != 0)
        return -1;
    double lr = px_schedule_lr(&t->s->optim, t->step, t->per_epoch, c->epochs, c->batch);
    double norm = px_optimizer_step(t->optimizer, px_plan_weights(t->model.plan), px_plan_grads(t->model.plan),
                                    1.0 / (t->comm->size * c->accumulate), lr);
    if (!isfinite(mean[0]) || !isfinite(norm))
        return diverged(t, t->step + 1, isfinite(mean[0]) ? "gradient" : "loss");
    double seconds = px_now() - start, wait = px_loader_waited(t->loader) - waited;
    *stopping = mean[t->scalars] > 0;
    int status = record(t, mean, lr, norm, seconds, wait);
    t->step++;
    return status;
}

/* ---- the loop ---- */

/* Weights may overflow in the very update before a checkpoint; the last good one is then to stay. */
static bool finite_weights(const trainer *t)
{
    const float *weight = px_plan_weights(t->model.plan);
    int64_t n = px_plan_flat_count(t->model.plan), bad = 0;
#pragma omp parallel for simd schedule(static) reduction(+ : bad)
    for (int64_t i = 0; i < n; i++)
        bad += !(fabsf(weight[i]) <= FLT_MAX);
    return bad == 0;
}

static int save(trainer *t)
{
    if (!finite_weights(t))
        return diverged(t, t->step, "result");
    t->saved = t->shown = px_now();
    if (px_results_flush(t->results) != 0)
        return -1;
    return px_checkpoint_save(t->s->train.out, &t->model, t->optimizer, t->step, t->config);
}

static bool asked_to_stop(const trainer *t)
{
    double limit = t->s->train.time_limit * 60;
    return px_stop_signal() || (limit > 0 && px_now() - t->started > limit);
}

/* Rank 0: what is due after a step. Between checkpoints, plots of the live run shall see its rows. */
static int keep(trainer *t, bool stopping)
{
    if (stopping || t->step == t->steps || px_now() - t->saved > t->s->train.checkpoint_minutes * 60)
        return save(t);
    if (px_now() - t->shown < SHOW_SECONDS)
        return 0;
    t->shown = px_now();
    return px_results_flush(t->results);
}

/* A rank that fails alone (an image does not decode, the disk is full) leaves the others in a collective: main.c names
 * it and ends the job. */
static int loop(trainer *t)
{
    bool stopping = false;
    while (t->step < t->steps && !stopping) {
        if (one_step(t, asked_to_stop(t), &stopping) != 0)
            return -1;
        if (t->comm->rank == 0 && keep(t, stopping) != 0)
            return -1;
    }
    px_log_progress_end(t->log);
    /* Who comes to its end waits ten seconds for the others (main.c): too short for rank 0 to write a large model. */
    if (stopping && px_agree(t->comm, 0) != 0)
        return -1;
    if (stopping && t->step < t->steps)
        return px_fail(PX_STOPPED,
                       "stopped after step %" PRId64 " of %" PRId64 " with a checkpoint; go on with --resume", t->step,
                       t->steps);
    return 0;
}

/* Ranks read their checkpoints themselves: on a file system that shows them different ones they must not go on. */
static int same_step(trainer *t)
{
    int64_t first = t->step;
    px_broadcast(t->comm, &first, sizeof first, 0);
    return first == t->step
               ? 0
               : px_fail(PX_FAIL,
                         "resumes at step %" PRId64 ", rank 0 at step %" PRId64 ": they do not see the same checkpoint",
                         t->step, first);
}

static int set_up(trainer *t, bool resume, const char *command)
{
    if (!t->s->train.out[0])
        return px_agree(t->comm, px_fail(PX_USAGE, "out is not set: the folder of the run, as in out=runs/first"));
    if (px_agree(t->comm, px_precision_settle(t->s, t->comm)) != 0)
        return -1;
    if (px_agree(t->comm, open_data(t)) != 0 || px_agree(t->comm, build_model(t)) != 0 ||
        px_agree(t->comm, start_weights(t, resume)) != 0)
        return -1;
    if (px_agree(t->comm, t->comm->rank == 0 ? open_results(t, resume, command) : 0) != 0)
        return -1;
    if (px_agree(t->comm, resume ? restore(t) : 0) != 0 || px_agree(t->comm, same_step(t)) != 0)
        return -1;
    int status = t->results ? px_results_truncate(t->results, "/train", t->step) : 0;
    if (status == 0 && t->results)
        status = px_results_live(t->results);
    return px_agree(t->comm, status == 0 ? start_loader(t) : -1);
}

static void finish(trainer *t)
{
    px_loader_destroy(t->loader);
    px_allreduce_destroy(t->reduce);
    px_optimizer_destroy(t->optimizer);
    px_model_finish(&t->model);
    px_dataset_close(t->data);
    free(t->split_index);
    free(t->sum);
    free(t->config);
}

static void introduce(const trainer *t)
{
    int64_t parameters = 0;
    for (int i = 0; i < px_graph_params(t->model.graph); i++)
        if (px_graph_param(t->model.graph, i)->value->kind == PX_PARAMETER)
            parameters += px_shape_count(px_graph_param(t->model.graph, i)->value->shape);
    px_log_line(t->log,
                "%s on %s: %.2f M parameters, %" PRId64
                " images of %d px, batch %d = %d ranks x %d micro x %d, %" PRId64 " steps an epoch, %d threads a rank",
                t->s->method->name, t->s->backbone->name, (double)parameters / 1e6, t->split.count, t->task.image_size,
                t->s->train.batch, t->comm->size, t->s->train.accumulate, t->task.batch, t->per_epoch,
                omp_get_max_threads());
}

/* The method's pictures of the last batch; run.h5 is opened again for them, as a live file takes only rows. */
static int write_figures(trainer *t)
{
    px_figures f = {.task = &t->task, .model = &t->model, .batch = t->batch};
    char *path = px_format("%s/run.h5", t->s->train.out);
    int status = px_results_open(&f.results, path, PX_RESULTS_APPEND);
    free(path);
    if (status != 0)
        return -1;
    status = t->s->method->figures(t->s->method_cfg, &f);
    if (status == 0)
        return px_results_close(f.results);
    px_results_abandon(f.results);
    return -1;
}

int px_pretrain(px_settings *s, const px_comm *comm, px_log *log, bool resume, const char *command)
{
    trainer t = {.s = s, .comm = comm, .log = log, .started = px_now()};
    px_stop_watch();
    int status = set_up(&t, resume, command);
    if (status != 0) {
        px_results_abandon(t.results);
        finish(&t);
        return -1;
    }
    introduce(&t);
    t.saved = t.shown = px_now();
    status = loop(&t);
    bool whole = status == 0 || px_error_status() == PX_STOPPED;
    if (t.results && px_results_close(t.results) != 0)
        status = -1;
    else if (t.results && whole && t.batch && s->method->figures && write_figures(&t) != 0)
        status = -1;
    if (whole)
        px_barrier(comm); /* rank 0 may still have been writing */
    finish(&t);
    return status;
}
