/* kept_tuning.c - see kept_tuning.h. */
#include "eval/kept_tuning.h"

#include "base/error.h"
#include "base/folder.h"
#include "train/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_ROOM = 64 };

/* "/eval/finetune/pretrained/seeds/1": "pretrained-seeds-1". A new string. */
static char *name_of(const char *group)
{
    char *name = px_strdup(group + strlen("/eval/finetune/"));
    for (char *at = name; (at = strchr(at, '/'));)
        *at = '-';
    return name;
}

/* What is measured stands at the subject's group, also for one of its repeats. A new string; NULL: it is not known. */
static char *measured_of(const px_trial *t)
{
    char *group = px_strdup(t->group), *repeat = strstr(group, "/seeds/"), *measured = NULL;
    if (repeat)
        *repeat = '\0';
    if (px_results_get_attribute_text(t->results, group, "measured", &measured) != 0)
        measured = NULL;
    free(group);
    return measured;
}

void px_kept_tuning_begin(px_kept_tuning *k, const px_trial *t)
{
    char *name = name_of(t->group);
    *k = (px_kept_tuning){.trial = t, .folder = px_format("%s/finetune/%s", t->folder, name), .saved = px_now()};
    free(name);
    char *measured = t->results ? measured_of(t) : NULL;
    if (measured)
        k->identity = px_format("%sseed = %lld\n", measured, (long long)t->seed);
    free(measured);
}

void px_kept_tuning_finish(px_kept_tuning *k)
{
    free(k->folder);
    free(k->identity);
    *k = (px_kept_tuning){0};
}

/* ---- the text beside the parameters: the identity, then the losses ---- */

static const char losses_key[] = "losses =";

static char *text_of(const px_kept_tuning *k, const double *loss, int epochs)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    fprintf(out, "%s%s", k->identity, losses_key);
    for (int i = 0; i < epochs; i++)
        fprintf(out, " %.17g", loss[i]);
    fputc('\n', out);
    fclose(out);
    return text;
}

/* Whether a text is of the same identity and has so many losses, which it then reads. */
static bool read_text(const char *text, const char *identity, double *loss, int epochs)
{
    size_t length = strlen(identity);
    if (strncmp(text, identity, length) != 0 || strncmp(text + length, losses_key, strlen(losses_key)) != 0)
        return false;
    const char *at = text + length + strlen(losses_key);
    for (int i = 0; i < epochs; i++) {
        char *end;
        loss[i] = strtod(at, &end);
        if (end == at)
            return false;
        at = end;
    }
    return true;
}

/* ---- taking it up ---- */

/* Rank 0: whether there is one of this identity. */
static bool is_there(const px_kept_tuning *k, double *loss, int epochs)
{
    px_checkpoint saved;
    if (!k->identity || !px_checkpoint_exists(k->folder))
        return false;
    if (px_checkpoint_peek(k->folder, &saved, k->trial->log) != 0) {
        px_log_warning(k->trial->log, "fine-tuning begins anew: %s", px_error());
        return false;
    }
    bool same = read_text(saved.config, k->identity, loss, epochs);
    px_checkpoint_finish(&saved);
    return same;
}

int px_kept_tuning_take(px_kept_tuning *k, px_session *s, int64_t *step, double *loss, int epochs)
{
    const px_comm *comm = k->trial->comm;
    double *kept = px_calloc((size_t)epochs, sizeof *kept);
    px_checkpoint saved = {0};
    int there = comm->rank == 0 && is_there(k, kept, epochs);
    px_broadcast(comm, &there, sizeof there, 0);
    px_broadcast(comm, kept, epochs * (int64_t)sizeof *kept, 0);
    int status = 0;
    if (there)
        status = px_agree(comm, px_checkpoint_load(k->folder, s->model, s->optimizer, &saved, k->trial->log));
    *step = 0;
    if (there && status == 0) {
        *step = saved.step;
        memcpy(loss, kept, (size_t)epochs * sizeof *kept);
        px_session_continue(s, saved.step, saved.step);
        px_log_line(k->trial->log, "fine-tuning goes on at step %lld of %lld", (long long)saved.step,
                    (long long)s->steps);
    }
    px_checkpoint_finish(&saved);
    free(kept);
    return status;
}

/* ---- keeping it ---- */

void px_kept_tuning_save(px_kept_tuning *k, px_session *s, int64_t step, const double *loss, int epochs)
{
    double minutes = k->trial->checkpoint_minutes;
    int existed;
    if (!k->identity || k->failed || minutes < 0 || px_now() - k->saved < 60 * minutes)
        return;
    char *text = text_of(k, loss, epochs);
    if (px_folder_make(k->folder, NAME_ROOM, &existed) != 0 ||
        px_checkpoint_save(k->folder, s->model, s->optimizer, (px_position){step, step, s->per_epoch}, text) != 0) {
        px_log_warning(k->trial->log, "the fine-tuning is not kept, and if interrupted begins anew: %s", px_error());
        k->failed = true;
    }
    k->saved = px_now();
    free(text);
}

void px_kept_tuning_drop(const px_kept_tuning *k)
{
    static const char *const names[] = {"/checkpoint.h5", "/checkpoint.previous.h5", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = px_format("%s%s", k->folder, names[i]);
        (void)remove(path);
        free(path);
    }
    char *all = px_format("%s/finetune", k->trial->folder);
    (void)rmdir(all); /* if nothing else is kept */
    free(all);
}
