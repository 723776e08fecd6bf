/* trainer.c - the training loop: set-up, steps, what is kept of them (series, checkpoints, figures), the end. */
#include "train/trainer.h"
#include "base/crash.h"
#include "base/error.h"
#include "results/ledger.h"
#include "results/results.h"
#include "train/checkpoint.h"
#include "train/figures.h"
#include "train/forecast.h"
#include "train/introduce.h"
#include "train/made.h"
#include "train/meter.h"
#include "train/next.h"
#include "train/provenance.h"
#include "train/resume.h"
#include "train/series.h"
#include "train/session.h"
#include "train/stop.h"
#include "train/validate.h"
#include "train/weights.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHOW_SECONDS = 5, SKIPS_MAX = 10 };

#define ADVICE "a smaller optim.lr, a longer warm-up or optim.clip may help"

typedef struct trainer {
    px_settings *s;
    const px_comm *comm;
    px_log *log;
    px_session session;
    px_validation *validation; /* NULL: none is asked for */
    px_online_test online;
    char *asked;                /* the configuration as it was given */
    char *config;               /* resolved text */
    char *again;                /* the command that continues this run */
    px_results *results;        /* rank 0 */
    px_made made;               /* rank 0: what a failure before the first step removes again */
    int64_t first, step, steps; /* first: the first of this session */
    int64_t saved_step;         /* of the last checkpoint; -1: none */
    bool saving;                /* there is to be one after this step, on all ranks */
    int skips;                  /* steps left out in a row */
    int64_t left_out;           /* all steps left out in this session */
    double loss;                /* of the last step */
    px_series series;           /* of run.h5 */
    px_meter meter;             /* what this session costs, for /ledger */
    int session_number;         /* rank 0: its number there */
    double multiply_adds;       /* of a step, on this rank */
    /* times by px_now: begin of set-up, of the loop, the last checkpoint, when rows of run.h5 were last made visible */
    double started, begun, saved, shown;
    px_forecast forecast;
    double pace; /* seconds per step, smoothed, from which progress and the time left are computed */
} trainer;

/* ---- set-up ---- */

/* Rank 0: run.h5, locked against a second run in the folder; and log.txt. */
static int open_results(trainer *t, bool resume, const char *hosts, const char *command)
{
    const char *out = t->s->train.out;
    char *path = px_format("%s/run.h5", out);
    int status = px_made_begin(&t->made, out);
    if (status == 0)
        status = px_results_open(&t->results, path, PX_RESULTS_APPEND);
    if (status == 0)
        px_made_files(&t->made);
    if (status == 0 && !resume && (px_results_has(t->results, "/train/step") || px_checkpoint_exists(out)))
        status = px_fail(PX_USAGE, "%s already contains a run: continue it with --resume, or give another out=", out);
    if (status == 0)
        status = px_results_put_text(t->results, "/config", t->config);
    if (status == 0)
        status = px_results_series(t->results, "/train", t->series.name, t->series.count);
    if (status == 0)
        status = px_ledger_series(t->results);
    if (status == 0)
        status = px_provenance_write(t->results, t->comm, hosts, command, omp_get_max_threads());
    if (status == 0)
        t->session_number = px_ledger_sessions(t->results) + 1;
    free(path);
    path = px_format("%s/log.txt", out);
    if (status == 0)
        status = px_log_keep(t->log, path, command);
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
    if (px_resume_check(t->s, t->asked, t->config) != 0 ||
        px_checkpoint_load(out, t->session.model, t->session.optimizer, &saved, t->log) != 0)
        return -1;
    px_resume_tell(t->s, t->asked, t->config, t->log); /* changes are legitimate (more epochs), but never silent */
    t->step = t->saved_step = saved.step;
    px_session_continue(&t->session, t->step,
                        px_resume_place(&saved, t->session.per_epoch, t->session.split.count, t->log));
    t->steps = t->session.steps;
    px_checkpoint_finish(&saved);
    px_log_line(t->log, "resumed at step %" PRId64 " of %" PRId64, t->step, t->steps);
    return 0;
}

/* A run that continues from its checkpoint does not need init. */
static int start_weights(trainer *t, bool resume)
{
    const char *init = t->s->train.init;
    if (!init[0] || (resume && px_checkpoint_exists(t->s->train.out)))
        return 0;
    if (!px_weights_named(init))
        return px_fail(PX_USAGE,
                       "init = \"%s\" is not a weights file, W.safetensors or W.pth; 'pretext export RUN "
                       "out=W.safetensors' writes those of a run, then init=W.safetensors reads them",
                       init);
    return px_weights_load(t->session.model, t->s, &t->session.task, init, t->log);
}

/* ---- one step ---- */

/* How many steps of this session's kind are done where `t->step` steps of all kinds are. */
static int64_t place(const trainer *t)
{
    return t->step - t->session.shift;
}

/* The epochs that are done after the current step. */
static double epochs_done(const trainer *t)
{
    return (double)(place(t) + 1) / (double)t->session.per_epoch;
}

static void show_progress(trainer *t, double step_seconds)
{
    char left[32];
    t->pace = t->pace > 0 ? 0.95 * t->pace + 0.05 * step_seconds : step_seconds;
    double seconds = (double)(t->steps - t->step - 1) * t->pace;
    px_log_progress(t->log, "epoch %.1f/%g  step %" PRId64 "/%" PRId64 "  loss %.4f  %.0f images/s  %s left",
                    epochs_done(t), t->s->train.epochs, t->step + 1, t->steps, t->loss, t->s->train.batch / t->pace,
                    px_duration(seconds, left));
}

static int record(trainer *t, double lr, double norm, double seconds, double wait)
{
    px_step_numbers n = {.epoch = epochs_done(t),
                         .lr = lr,
                         .grad_norm = norm,
                         .images_per_second = t->s->train.batch / seconds,
                         .data_wait = wait / seconds,
                         .skipped = t->skips > 0};
    show_progress(t, seconds);
    return t->results ? px_series_record(&t->series, t->results, t->step, &n) : 0;
}

/* What the line of a crash says about the last checkpoint, which a crash cannot damage: a new one replaces it only when
 * it is complete. Only rank 0 knows that it was written. */
static void tell_saved(const trainer *t)
{
    const char *out = t->s->train.out;
    char *text = t->comm->rank > 0   ? px_format("the last checkpoint in %s, if there is one, is whole", out)
                 : t->saved_step < 0 ? px_format("there is no checkpoint in %s yet", out)
                                     : px_format("the checkpoint of step %" PRId64 " is whole; to continue: %s",
                                                 t->saved_step, t->again);
    px_crash_saved(text);
    free(text);
}

/* All ranks; rank 0 decides, writes, and fails for all if it must. */
static int save(trainer *t)
{
    const char *bad = t->results ? px_plan_not_finite(t->session.model->plan) : NULL;
    int writes = !bad;
    px_broadcast(t->comm, &writes, sizeof writes, 0);
    if (!t->results) {
        if (writes)
            px_checkpoint_hand_in(t->session.model, t->session.optimizer);
        t->saved_step = t->step;
        return 0;
    }
    if (bad) /* the update itself went too far: keep the last good checkpoint */
        return px_fail(PX_DIVERGED, "step %" PRId64 " of %" PRId64 ": after it %s is not finite; " ADVICE, t->step,
                       t->steps, bad);
    t->saved = t->shown = px_now();
    px_crash_doing("the checkpoint after the end", t->step);
    if (px_results_flush(t->results) != 0) {
        px_checkpoint_hand_in(t->session.model, t->session.optimizer);
        return -1;
    }
    if (px_checkpoint_save(t->s->train.out, t->session.model, t->session.optimizer,
                           (px_position){t->step, place(t), t->session.per_epoch}, t->config) != 0)
        return -1;
    t->saved_step = t->step;
    tell_saved(t);
    return 0;
}

/* All ranks: the step's loss or gradient (`what`) is not finite. Undoes the step; then it is left out, or the run ends
 * with a checkpoint from before it. */
static int not_finite(trainer *t, const char *what)
{
    char *where;
    if (px_session_diagnose(&t->session, t->step, &where) != 0)
        return -1;
    int good = !px_plan_not_finite(t->session.model->plan);
    bool skip = t->s->train.nonfinite == PX_NONFINITE_SKIP;
    px_broadcast(t->comm, &good, sizeof good, 0); /* what follows is for all, whatever a damaged rank sees */
    if (skip && good && t->skips < SKIPS_MAX) {
        t->skips++;
        t->left_out++;
        px_log_warning(t->log, "step %" PRId64 " of %" PRId64 " is left out: the %s is not finite; where it began: %s",
                       t->step + 1, t->steps, what, where);
        free(where);
        return 0;
    }
    char before[48] = "";
    if (t->skips)
        snprintf(before, sizeof before, ", with %d left out just before it", t->skips);
    int status = px_agree(t->comm, good && t->saved_step != t->step ? save(t) : 0);
    char *kept = good                ? px_strdup("checkpoint.h5 is from before this step")
                 : t->saved_step < 0 ? px_strdup("there is no checkpoint yet")
                                     : px_format("the last checkpoint is that of step %" PRId64, t->saved_step);
    if (status == 0)
        status = px_fail(
            PX_DIVERGED,
            "step %" PRId64 " of %" PRId64 ": the %s is not finite%s; where it began: %s; %s; " ADVICE "%s",
            t->step + 1, t->steps, what, before, where, kept, skip ? "" : ", nonfinite=skip leaves such steps out");
    free(where);
    free(kept);
    return status;
}

/* Collective: adds what this session has cost so far to /ledger. */
static int account(trainer *t)
{
    px_ledger so_far;
    px_meter_lap(&t->meter, PX_PART_OTHER, px_loader_worked(t->session.loader).seconds);
    px_meter_sum(&t->meter, &so_far);
    return t->results ? px_ledger_row(t->results, t->session_number, t->step, &so_far) : 0;
}

/* Collective: what is due of the validation, and of what is tested besides, after the update. */
static int validate(trainer *t)
{
    bool last = t->step + 1 == t->steps, validates = px_validation_is_due(t->validation, place(t), last),
         tests = px_online_test_is_due(&t->online, place(t), last);
    if (!validates && !tests)
        return 0;
    int status = 0;
    if (validates) {
        px_crash_doing("the validation", t->step + 1);
        status = px_validation_run(t->validation, t->log, epochs_done(t));
    }
    if (status == 0 && tests) {
        px_crash_doing("the online test of the backbone", t->step + 1);
        status = px_online_test_run(&t->online, t->log, epochs_done(t));
    }
    px_meter_lap(&t->meter, PX_PART_EVALUATION, px_loader_worked(t->session.loader).seconds);
    return status;
}

/* Rank 0 decides. */
static bool checkpoint_is_due(const trainer *t)
{
    return t->comm->rank == 0 && px_now() - t->saved > t->s->train.checkpoint_minutes * 60;
}

static int one_step(trainer *t, bool stop, bool *stopping)
{
    px_session *s = &t->session;
    const px_train_cfg *c = &t->s->train;
    double votes[PX_VOTES] = {stop, checkpoint_is_due(t)}, start = px_now(), waited = px_loader_waited(s->loader);
    s->look = px_series_looks(t->step, t->steps);
    if (px_session_gradients(s, t->step, votes) != 0)
        return -1;
    double lr = px_schedule_lr(&t->s->optim, place(t), s->per_epoch, c->epochs, c->batch);
    px_optimizer_decay(s->optimizer, px_schedule_decay(&t->s->optim, place(t), s->per_epoch, c->epochs));
    px_crash_doing("the update", t->step + 1);
    t->loss = s->scalars.mean[0];
    double norm = isfinite(t->loss) ? px_session_update(s, lr) : NAN;
    double seconds = px_now() - start, wait = px_loader_waited(s->loader) - waited;
    if (isfinite(norm))
        t->skips = 0;
    else if (not_finite(t, isfinite(t->loss) ? "gradient" : "loss") != 0)
        return -1;
    if (t->results && s->look && isfinite(norm))
        px_series_look(&t->series, t->step, t->log);
    *stopping = votes[PX_VOTE_STOP] > 0;
    t->saving = *stopping || votes[PX_VOTE_SAVE] > 0 || t->step + 1 == t->steps;
    if (validate(t) != 0)
        return -1;
    int status = record(t, lr, norm, seconds, wait);
    t->step++;
    t->meter.own.images += t->comm->rank == 0 ? c->batch : 0;
    t->meter.own.multiply_adds += t->multiply_adds;
    return status == 0 && s->look ? account(t) : status;
}

/* ---- the loop ---- */

static bool asked_to_stop(const trainer *t)
{
    double limit = t->s->train.time_limit * 60;
    return px_stop_signal() || (limit > 0 && px_now() - t->started > limit);
}

/* What is due after a step. Rows become visible between checkpoints, too, for plots of the live run. */
static int keep(trainer *t)
{
    if (t->saving)
        return save(t);
    if (!t->results || px_now() - t->shown < SHOW_SECONDS)
        return 0;
    t->shown = px_now();
    return px_results_flush(t->results);
}

/* If one rank alone fails (an image cannot be decoded, the disk is full), the others wait in a collective: main.c names
 * the rank and ends the job. */
static int loop(trainer *t)
{
    bool stopping = false;
    while (t->step < t->steps && !stopping) {
        if (one_step(t, asked_to_stop(t), &stopping) != 0 || ((stopping || t->step == t->steps) && account(t) != 0))
            return -1;
        char text[64];
        if (px_forecast_step(&t->forecast, px_now()))
            px_log_line(t->log, "this will take %s", px_forecast_text(&t->forecast, time(NULL), text));
        if (keep(t) != 0)
            return -1;
    }
    px_crash_doing("the end of the run", -1);
    px_log_progress_end(t->log);
    /* A rank that ends waits some seconds for the others (main.c): too short for rank 0 to write a large model. */
    if (stopping && px_agree(t->comm, 0) != 0)
        return -1;
    if (stopping && t->step < t->steps)
        return px_fail(PX_STOPPED, "stopped after step %" PRId64 " of %" PRId64 " with a checkpoint; to continue%s: %s",
                       t->step, t->steps, t->comm->local_size < t->comm->size ? ", on as many ranks" : "", t->again);
    return 0;
}

/* Each rank reads the checkpoint itself: if a file system shows them different ones, they must not go on. */
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

/* Checks in the order of a user's likely mistakes: configuration, data, folder, memory. */
static int set_up(trainer *t, bool resume, const char *command, const px_online_test_kind *online)
{
    const px_train_cfg *c = &t->s->train;
    int status = px_schedule_check(&t->s->optim, c->epochs);
    if (!c->out[0])
        status = px_fail(PX_USAGE, "out is not set: give the run's folder, as in out=runs/first");
    t->asked = px_config_text(t->s->config);
    if (px_agree(t->comm, status) != 0 ||
        px_session_create(&t->session, t->s, t->comm, &(px_session_spec){.online = online}) != 0)
        return -1;
    t->steps = t->session.steps;
    if (px_agree(t->comm, px_validation_create(&t->validation, &t->session)) != 0 ||
        px_agree(t->comm, px_online_test_begin(&t->online, online, &t->session, t->log)) != 0 ||
        px_agree(t->comm, px_series_list(&t->series, &t->session, t->validation, &t->online)) != 0)
        return -1;
    t->config = px_config_text(t->s->config);
    t->again = px_next_resume(program_invocation_name, t->s, t->comm);
    if (px_agree(t->comm, start_weights(t, resume)) != 0)
        return -1;
    char *hosts = px_provenance_hosts(t->comm);
    status = px_agree(t->comm, t->comm->rank == 0 ? open_results(t, resume, hosts, command) : 0);
    free(hosts);
    if (status != 0)
        return -1;
    if (px_agree(t->comm, resume ? restore(t) : 0) != 0 || px_agree(t->comm, same_step(t)) != 0)
        return -1;
    return px_agree(t->comm, t->results ? px_series_take_up(&t->series, t->results, t->step) : 0) == 0
               ? px_session_load(&t->session, t->step)
               : -1;
}

static void finish(trainer *t)
{
    px_made_keep(&t->made);
    px_validation_destroy(t->validation);
    px_online_test_end(&t->online);
    px_session_finish(&t->session);
    free(t->asked);
    free(t->config);
    free(t->again);
    px_series_finish(&t->series);
}

/* Stores the method's pictures of the last batch; run.h5 is opened again, since a live file accepts only rows. */
static int write_figures(trainer *t)
{
    px_figures f = {.task = &t->session.task, .model = t->session.model, .batch = t->session.batch};
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

static void propose(const trainer *t)
{
    char *why, *commands = px_next_commands(program_invocation_name, t->s, &t->session.task, t->session.data, &why);
    if (why)
        px_log_line(t->log, "no probe: %s", why);
    px_log_line(t->log, "next: %s", commands);
    free(commands);
    free(why);
}

/* Always shows the final state, even if progress lines were rare. */
static void conclude(const trainer *t)
{
    const char *out = t->s->train.out;
    char took[32];
    double seconds = px_now() - t->begun, images = (double)(t->step - t->first) * t->s->train.batch;
    if (t->step > t->first)
        px_log_line(t->log, "done: %" PRId64 " steps in %s, %.0f images/s, loss %.4f: %s", t->step - t->first,
                    px_duration(seconds, took), images / seconds, t->loss, out);
    else
        px_log_line(t->log, "nothing to do: %s already has all %" PRId64 " steps", out, t->steps);
    if (t->left_out)
        px_log_warning(t->log, "%" PRId64 " of these steps were left out because their loss or gradient was not finite",
                       t->left_out);
    propose(t);
}

int px_pretrain(px_settings *s, const px_comm *comm, px_log *log, bool resume, const char *command,
                const px_online_test_kind *online, double before)
{
    trainer t = {.s = s, .comm = comm, .log = log, .saved_step = -1, .started = px_now()};
    px_stop_watch();
    px_meter_begin(&t.meter, comm, before);
    px_crash_doing("the set-up", -1);
    int status = set_up(&t, resume, command, online);
    if (status != 0) {
        px_made_undo(&t.made, t.results);
        finish(&t);
        return -1;
    }
    px_introduce(&t.session, log);
    t.first = t.step;
    tell_saved(&t);
    t.begun = t.saved = t.shown = px_now();
    t.session.meter = &t.meter;
    t.multiply_adds = px_graph_multiply_adds(t.session.model->graph) * t.session.parts * s->train.accumulate;
    t.forecast = px_forecast_begin(t.steps - t.step, t.begun);
    status = loop(&t);
    bool whole = status == 0 || px_error_status() == PX_STOPPED;
    if (!whole && t.step == t.first && t.saved_step < 0)
        px_made_undo(&t.made, t.results);
    else if (t.results && px_results_close(t.results) != 0)
        status = -1;
    else if (t.results && whole && t.session.batch && s->method->figures && write_figures(&t) != 0)
        status = -1;
    if (whole)
        px_barrier(comm); /* rank 0 may still be writing */
    if (status == 0)
        conclude(&t);
    finish(&t);
    return status;
}
