/* compare_runs.c - reads what a comparison needs of one run. */
#include "base/error.h"
#include "figures/compare_private.h"
#include "figures/plot_private.h"
#include "results/measured.h"

#include <libconfig.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool px_compare_matters(const char *key)
{
    static const char *const others[] = {"out",           "seed",
                                         "threads",       "checkpoint_minutes",
                                         "time_limit",    "rank_timeout",
                                         "data.workers",  "data.timeout",
                                         "data.shown",    "backend",
                                         "isa",           "recompute",
                                         "online_linear", "online_knn_epochs",
                                         "online_images", "validate_epochs",
                                         "validate_split"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(key, others[i]) == 0)
            return false;
    return true;
}

static const char *value_of(const cmp_run *r, const char *key)
{
    for (int i = 0; i < r->settings; i++)
        if (strcmp(r->setting[i].key, key) == 0)
            return r->setting[i].value;
    return "";
}

/* Whether a setting is of the training: of the run as a whole, the optimizer or the method; or of the images that it saw. */
static bool is_of_training(const cmp_run *r, const char *key)
{
    static const char *const others[] = {"method", "backbone", "out", "seed"}, *const images[] = {
                                                                                   "data.split", "data.limit",
                                                                                   "data.shuffle", "data.repeats"};
    const char *method = value_of(r, "method");
    size_t length = strcspn(key, ".");
    if (!key[length]) {
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (strcmp(key, others[i]) == 0)
                return false;
        return true;
    }
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        if (strcmp(key, images[i]) == 0)
            return true;
    return (length == 5 && memcmp(key, "optim", 5) == 0) ||
           (strlen(method) == length && memcmp(key, method, length) == 0);
}

const char *px_compare_setting(const cmp_run *r, const char *key)
{
    return r->weights && is_of_training(r, key) ? "" : value_of(r, key);
}

/* ---- configuration ---- */

/* Each is looked for among those of the other runs; ours have far fewer. */
enum { MOST_SETTINGS = 1000 };

static void add_settings(cmp_run *r, const config_setting_t *group, const char *prefix)
{
    for (int i = 0; i < config_setting_length(group) && r->settings < MOST_SETTINGS; i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(s);
        char *key = px_format("%s%s%s", prefix, *prefix ? "." : "", name ? name : "");
        if (config_setting_is_group(s)) {
            if (!*prefix) /* ours has one level */
                add_settings(r, s, key);
            free(key);
            continue;
        }
        size_t size;
        r->setting = px_realloc(r->setting, (size_t)(r->settings + 1) * sizeof *r->setting);
        cmp_setting *to = &r->setting[r->settings++];
        to->key = key;
        FILE *text = open_memstream(&to->value, &size);
        PX_CHECK(text);
        px_plot_setting(text, s, &(plot_setting_form){.digits = 9, .empty = ""});
        fclose(text);
    }
}

/* ---- evaluations ---- */

/* The best of an array of shares. */
static double best_of(const plot_run *run, const plot_eval *e)
{
    int64_t dim[4];
    double best = NAN, *x = px_plot_data(run, 1, dim, "/eval/%s/%s/holdout_top1", e->protocol, e->subject);
    for (int64_t i = 0; x && i < dim[0]; i++)
        best = fmax(best, x[i]);
    free(x);
    return best;
}

/* The last measurement of a kind comes before those that were set aside as SUBJECT@N. */
static int by_age(const void *a, const void *b)
{
    const plot_eval *x = *(const plot_eval *const *)a, *y = *(const plot_eval *const *)b;
    bool old_x = strchr(x->subject, '@') != NULL, old_y = strchr(y->subject, '@') != NULL;
    return old_x != old_y ? old_x - old_y : (x > y) - (x < y);
}

static double half_of(const plot_run *run, const plot_eval *e)
{
    char *name = px_format("%s_interval", px_plot_main_number(e->protocol));
    double half = px_plot_eval_number(run, e, name);
    free(name);
    return half;
}

static void read_evals(cmp_run *r, const plot_run *from)
{
    int count;
    plot_eval *evals = px_plot_evals(&(plot_job){.runs = (plot_run *)(uintptr_t)from, .count = 1}, &count);
    const plot_eval **sorted = px_calloc((size_t)count + 1, sizeof *sorted);
    for (int i = 0; i < count; i++)
        sorted[i] = &evals[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_age);
    r->eval = px_calloc((size_t)count + 1, sizeof *r->eval);
    for (int i = 0; i < count; i++) {
        const plot_eval *e = sorted[i];
        double share = px_plot_eval_number(from, e, px_plot_main_number(e->protocol));
        if (!isfinite(share))
            continue;
        char *group = px_format("/eval/%s/%s", e->protocol, e->subject);
        r->eval[r->evals++] =
            (cmp_eval){.protocol = px_one_line(px_strdup(e->protocol)),
                       .subject = px_one_line(px_format("%.*s", px_measured_subject(e->subject), e->subject)),
                       .measured = px_measured_get(from->results, group),
                       .k = e->k,
                       .number = px_plot_main_number(e->protocol),
                       .share = share,
                       .half = half_of(from, e),
                       .holdout = best_of(from, e)};
        char *origin =
            r->eval[r->evals - 1].measured ? px_measured_value(r->eval[r->evals - 1].measured, "weights") : NULL;
        r->weights |= origin && strcmp(origin, "checkpoint") != 0 && strcmp(origin, "initial") != 0;
        free(origin);
        free(group);
    }
    free(sorted);
    px_plot_evals_free(evals, count);
}

/* ---- one run ---- */

/* How many steps it has done; -1: it was not trained here. */
static int64_t steps_of(const plot_run *run)
{
    int64_t dim[4];
    double *step = px_plot_data(run, 1, dim, "/train/step"), last = step && dim[0] > 0 ? step[dim[0] - 1] : -1;
    free(step);
    return last >= 0 && last < 1e15 ? (int64_t)last + 1 : -1;
}

int px_compare_read_run(cmp_run *r, char *name, const char *path)
{
    *r = (cmp_run){.name = px_one_line(name)};
    plot_run from = {.name = name, .label = name, .method = name};
    int status = px_run_open(&from.results, path);
    if (status == 0)
        status = px_run_check(from.results, path);
    if (status == 0) {
        config_t config;
        if (px_plot_config(from.results, &config))
            add_settings(r, config_root_setting(&config), "");
        config_destroy(&config);
        read_evals(r, &from);
        r->epochs = px_plot_progress(&from).epochs;
        r->steps = steps_of(&from);
        if (px_ledger_read(from.results, &r->cost) != 0)
            r->cost = (px_ledger_total){.sessions = 0};
    }
    px_results_close(from.results);
    return status;
}

void px_compare_run_finish(cmp_run *r)
{
    for (int i = 0; i < r->settings; i++) {
        free(r->setting[i].key);
        free(r->setting[i].value);
    }
    for (int i = 0; i < r->evals; i++) {
        free(r->eval[i].protocol);
        free(r->eval[i].subject);
        free(r->eval[i].measured);
    }
    free(r->setting);
    free(r->eval);
    free(r->name);
}
