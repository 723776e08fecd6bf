/* plot_evals.c - the list of evaluations in some runs, their names and colours. */
#include "base/error.h"
#include "eval/protocol.h"
#include "figures/plot_private.h"
#include "results/measured.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE = 48 }; /* characters of what tells evaluations apart */

/* What is known of a subject. Baselines are grey; as lines they are darker, since a line in the bars' grey would be too pale. */
static const struct {
    const char *name, *title;
    const char *bar, *line; /* colours; NULL: the run's */
    int dashes;
} subjects[] = {{"pretrained", "pretrained", NULL, NULL, 1},
                {"untrained", "untrained twin", "8C8C8C", "555555", 2},
                {"pixels", "raw pixels", "BFBFBF", "777777", 3},
                {"hog", "HOG", "A6977C", "8A7F6B", 5}};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

/* A subject's place in the list, whether it was measured once or, as SUBJECT@N, before; SUBJECTS if it is another. */
static int place(const char *word)
{
    size_t length = (size_t)px_measured_subject(word);
    int i = 0;
    while (i < SUBJECTS && (strlen(subjects[i].name) != length || strncmp(word, subjects[i].name, length) != 0))
        i++;
    return i;
}

/* The same, also of what was measured on held-out images, SUBJECT_holdout. */
static int kind_of(const plot_eval *e)
{
    int i = 0;
    while (i < SUBJECTS && strncmp(e->subject, subjects[i].name, strlen(subjects[i].name)) != 0)
        i++;
    return i;
}

bool px_plot_is_baseline(const char *subject)
{
    static const char *const names[] = {"untrained", "initial", "pixels", "hog"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(subject, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

bool px_plot_eval_counts(const plot_eval *e)
{
    return !px_plot_is_baseline(e->subject) && !strchr(e->subject, '@') && !strstr(e->subject, "_holdout");
}

static int in_order(const void *a, const void *b)
{
    const plot_eval *x = a, *y = b;
    int by = px_protocol_index(x->protocol) - px_protocol_index(y->protocol);
    if (by == 0)
        by = strcmp(x->protocol, y->protocol);
    if (by == 0)
        by = place(x->subject) - place(y->subject);
    if (by == 0)
        by = strcmp(x->subject, y->subject);
    return by ? by : x->run - y->run;
}

/* k = 20 (which is usually reported) if it was tried, else the first one. */
static void choose_k(const plot_run *run, plot_eval *e)
{
    int64_t dim[4];
    double *k = px_plot_data(run, 1, dim, "/eval/%s/%s/k", e->protocol, e->subject);
    for (int64_t i = 0; k && i < dim[0] && i < 1000; i++)
        if (k[i] >= 1 && k[i] < 1e9 && (e->k == 0 || k[i] == 20)) {
            e->k = (int)k[i];
            e->place = (int)i;
        }
    free(k);
}

const char *px_plot_main_number(const char *protocol)
{
    return px_protocol_numbers(px_protocols[px_protocol_index(protocol)])[0];
}

double px_plot_eval_number(const plot_run *run, const plot_eval *e, const char *name)
{
    int64_t dim[4];
    double *data = px_plot_data(run, e->k ? 1 : 0, dim, "/eval/%s/%s/%s", e->protocol, e->subject, name);
    double value = data && (!e->k || e->place < dim[0]) ? data[e->place] : NAN;
    free(data);
    return px_plot_drawable(value) ? value : NAN;
}

/* `before`: the number of other runs' evaluations. */
static void add_subjects(const plot_job *job, int run, const char *protocol, plot_eval **evals, int *count, int before)
{
    px_results *r = job->runs[run].results;
    char *group = px_format("/eval/%s", protocol), **names = NULL;
    int found = 0;
    px_results_list(r, group, &names, &found); /* fails for HDF5 data sets, which have no subjects */
    for (int i = 0; i < found; i++) {
        char *top1 = px_format("%s/%s/%s", group, names[i], px_plot_main_number(protocol));
        bool there = px_results_has(r, top1);
        if (there && *count - before >= PLOT_MOST_EVALS) {
            px_results_leave_out(r, "evaluations after the first %d", PLOT_MOST_EVALS);
        } else if (there) {
            *evals = px_realloc(*evals, (size_t)(*count + 1) * sizeof **evals);
            plot_eval *e = &(*evals)[(*count)++];
            *e = (plot_eval){.run = run, .protocol = px_strdup(protocol), .subject = px_strdup(names[i])};
            char *of = px_format("%s/%s", group, names[i]);
            e->measured = px_measured_get(r, of);
            free(of);
            choose_k(&job->runs[run], e);
        }
        free(top1);
        free(names[i]);
    }
    free(names);
    free(group);
}

plot_eval *px_plot_evals(const plot_job *job, int *count)
{
    plot_eval *evals = NULL;
    *count = 0;
    for (int run = 0; run < job->count; run++) {
        char **names = NULL;
        int found = 0, before = *count;
        if (px_results_has(job->runs[run].results, "/eval"))
            px_results_list(job->runs[run].results, "/eval", &names, &found);
        for (int i = 0; i < found; i++) {
            add_subjects(job, run, names[i], &evals, count, before);
            free(names[i]);
        }
        free(names);
    }
    if (evals)
        qsort(evals, (size_t)*count, sizeof *evals, in_order);
    px_plot_eval_notes(evals, *count);
    return evals;
}

static void finish_eval(plot_eval *e)
{
    free(e->protocol);
    free(e->subject);
    free(e->measured);
    free(e->note);
}

void px_plot_evals_free(plot_eval *evals, int count)
{
    for (int i = 0; i < count; i++)
        finish_eval(&evals[i]);
    free(evals);
}

int px_plot_evals_of_labels(plot_eval *evals, int count)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        const px_protocol *p = px_protocols[px_protocol_index(evals[i].protocol)];
        if (p && p->unlabelled)
            finish_eval(&evals[i]);
        else
            evals[kept++] = evals[i];
    }
    return kept;
}

static bool has_part(const plot_job *job, const plot_eval *e, const char *part)
{
    char *path = px_format("/eval/%s/%s/%s", e->protocol, e->subject, part);
    bool there = !*part || px_results_has(job->runs[e->run].results, path);
    free(path);
    return there;
}

const plot_eval *px_plot_eval_of(const plot_job *job, const plot_eval *evals, int count, plot_wanted wanted)
{
    const plot_eval *found = NULL;
    for (int i = 0; i < count; i++) {
        const plot_eval *e = &evals[i];
        bool better = !found || (!px_plot_eval_counts(found) && px_plot_eval_counts(e));
        if (better && e->run == wanted.run && strcmp(e->protocol, wanted.protocol) == 0 &&
            has_part(job, e, wanted.part))
            found = e;
    }
    return found;
}

char *px_plot_protocol_name(const plot_eval *e)
{
    const px_protocol *p = px_protocols[px_protocol_index(e->protocol)];
    char *name = px_plot_shorten(p ? p->label : e->protocol, PLOT_LABEL);
    if (!e->k)
        return name;
    char *longer = px_format("%s (k = %d)", name, e->k);
    free(name);
    return longer;
}

/* "simclr, pretrained"; with several runs "a, pretrained", after the run. What was measured several times has its note behind
 * it, which says more than a number. */
char *px_plot_subject_name(const plot_job *job, const plot_eval *e)
{
    int i = place(e->subject);
    const plot_run *run = &job->runs[e->run];
    const char *who = job->count > 1 ? run->label : i == 0 ? run->method : "";
    char *note = px_plot_shorten(e->note ? e->note : "", NOTE);
    char *bare = px_format("%.*s", *note ? px_measured_subject(e->subject) : INT_MAX, e->subject);
    bool plain = *note || px_measured_subject(e->subject) == (int)strlen(e->subject);
    char *name = px_plot_shorten(i < SUBJECTS && plain ? subjects[i].title : bare, PLOT_LABEL);
    char *longer = px_format("%s%s%s%s%s", who, *who ? ", " : "", name, *note ? "; " : "", note);
    free(note);
    free(bare);
    free(name);
    return longer;
}

char *px_plot_class_path(px_results *r, const plot_eval *e)
{
    char *path = px_format("/eval/%s/%s/class_names", e->protocol, e->subject);
    if (px_results_has(r, path))
        return path;
    free(path);
    return px_format("/eval/%s/class_names", e->protocol);
}

char *px_plot_eval_label(const plot_job *job, const plot_eval *e, bool with_protocol)
{
    char *subject = px_plot_subject_name(job, e);
    if (!with_protocol)
        return subject;
    char *protocol = px_plot_protocol_name(e), *label = px_format("%s: %s", protocol, subject);
    free(protocol);
    free(subject);
    return label;
}

const char *px_plot_eval_colour(const plot_eval *e)
{
    int i = kind_of(e);
    return i < SUBJECTS && subjects[i].bar ? subjects[i].bar : px_gnuplot_colour(e->run);
}

const char *px_plot_eval_line(const plot_eval *e, int *dashes)
{
    int i = kind_of(e);
    *dashes = i < SUBJECTS ? subjects[i].dashes : 1;
    return i < SUBJECTS && subjects[i].line ? subjects[i].line : px_gnuplot_colour(e->run);
}
