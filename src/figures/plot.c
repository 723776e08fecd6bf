/* plot.c - draws all figures of some runs; what they share: runs, labels, data, files. */
#include "base/error.h"
#include "base/folder.h"
#include "figures/plot_private.h"

#include <errno.h>
#include <libconfig.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- runs ---- */

enum {
    LONGEST_LABEL = 28, /* characters */
    FIGURE_NAME = 200,  /* bytes of a picture's name, without its ending */
};

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *px_run_file(const char *run)
{
    size_t length = strlen(run);
    while (length > 1 && run[length - 1] == '/')
        length--;
    if (!is_folder(run))
        return px_strdup(run);
    char *own = px_format("%.*s/run.h5", (int)length, run), *search = px_format("%.*s/search.h5", (int)length, run);
    bool searched = access(own, F_OK) != 0 && access(search, F_OK) == 0;
    free(searched ? own : search);
    return searched ? search : own;
}

int px_run_open(px_results **results, const char *run)
{
    char *file = px_run_file(run);
    int status = is_folder(run) && access(file, F_OK) != 0
                     ? px_fail(PX_DATA, "%s: is not a run: run.h5 is missing", run)
                     : px_results_open(results, file, PX_RESULTS_READ);
    free(file);
    return status;
}

int px_run_check(px_results *results, const char *run)
{
    if (px_results_has(results, "/train") || px_results_has(results, "/eval"))
        return 0;
    char *file = px_run_file(run);
    px_fail(PX_USAGE, "%s: is not a run: it has neither /train nor /eval", file);
    free(file);
    return -1;
}

char *px_run_folder(const char *run)
{
    char *file = px_run_file(run), *slash = strrchr(file, '/');
    if (!slash) {
        free(file);
        return px_strdup(".");
    }
    slash[slash == file] = '\0';
    return file;
}

/* The last `parts` components of a run's path, without /run.h5, /search.h5 and .h5. */
static char *short_name(const char *run, int parts)
{
    char *path = px_run_file(run), *end = path + strlen(path);
    if (end - path > 3 && strcmp(end - 3, ".h5") == 0)
        *(end -= 3) = '\0';
    if (end - path > 4 && strcmp(end - 4, "/run") == 0)
        *(end -= 4) = '\0';
    if (end - path > 7 && strcmp(end - 7, "/search") == 0)
        *(end -= 7) = '\0';
    const char *start = end;
    for (; start > path; start--)
        if (start[-1] == '/' && --parts == 0)
            break;
    char *name = px_strdup(start);
    free(path);
    return name;
}

char **px_run_names(const char *const paths[], int count)
{
    char **names = px_calloc((size_t)count + 1, sizeof *names);
    bool same = true;
    for (int parts = 1; same && parts < 16; parts++) {
        same = false;
        for (int i = 0; i < count; i++) {
            free(names[i]);
            names[i] = short_name(paths[i], parts);
            for (int j = 0; j < i; j++)
                same |= strcmp(names[i], names[j]) == 0;
        }
    }
    return names;
}

static void label_runs(plot_run *runs, const char *const paths[], int count)
{
    char **names = px_run_names(paths, count);
    for (int i = 0; i < count; i++)
        runs[i].name = names[i];
    free(names);
    char **labels = px_calloc((size_t)count + 1, sizeof *labels);
    for (int i = 0; i < count; i++)
        labels[i] = px_strdup(runs[i].name);
    px_plot_shorten_all(labels, count, LONGEST_LABEL);
    for (int i = 0; i < count; i++)
        runs[i].label = labels[i];
    free(labels);
}

bool px_plot_config(px_results *r, config_t *config)
{
    enum { LONGEST = 1 << 16 }; /* bytes: libconfig's time grows with the square of the number of keys */
    char *text = NULL;
    config_init(config);
    if (!px_results_has(r, "/config") || px_results_get_text(r, "/config", &text) != 0)
        return false;
    bool good = strlen(text) <= LONGEST;
    if (!good)
        px_results_leave_out(r, "/config of %zu bytes is not read: at most %d are", strlen(text), LONGEST);
    good = good && config_read_string(config, text) == CONFIG_TRUE;
    free(text);
    return good;
}

static void write_text(FILE *out, const char *text, const plot_setting_form *form)
{
    char *line = px_one_line(px_strdup(*text ? text : form->empty)); /* libconfig makes control characters of escapes */
    char *shown = form->most ? px_plot_shorten(line, form->most) : px_strdup(line);
    fputs(shown, out);
    free(shown);
    free(line);
}

void px_plot_setting(FILE *out, const config_setting_t *s, const plot_setting_form *form)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        fprintf(out, "%lld", config_setting_get_int64(s));
        break;
    case CONFIG_TYPE_FLOAT:
        fprintf(out, "%.*g", form->digits, config_setting_get_float(s));
        break;
    case CONFIG_TYPE_BOOL:
        fputs(config_setting_get_bool(s) ? "true" : "false", out);
        break;
    case CONFIG_TYPE_STRING:
        write_text(out, config_setting_get_string(s), form);
        break;
    default:
        fputc('[', out);
        for (int i = 0; i < config_setting_length(s); i++) {
            fputs(i ? ", " : "", out);
            px_plot_setting(out, config_setting_get_elem(s, (unsigned)i), form);
        }
        fputc(']', out);
    }
}

char *px_plot_own_folder(const char *path)
{
    char *file = px_run_file(path), *slash = strrchr(file, '/');
    bool own = strcmp(slash ? slash + 1 : file, "run.h5") == 0;
    free(file);
    return own ? px_run_folder(path) : NULL;
}

static char *configured_method(px_results *r)
{
    config_t config;
    const char *value;
    char *method = px_plot_config(r, &config) && config_lookup_string(&config, "method", &value) == CONFIG_TRUE
                       ? px_plot_shorten(value, PLOT_LABEL)
                       : px_strdup("");
    config_destroy(&config);
    return method;
}

static int open_runs(plot_job *job, const char *const paths[])
{
    for (int i = 0; i < job->count; i++) {
        if (px_run_open(&job->runs[i].results, paths[i]) != 0)
            return -1;
        job->runs[i].method = configured_method(job->runs[i].results);
        job->runs[i].folder = px_plot_own_folder(paths[i]);
    }
    label_runs(job->runs, paths, job->count);
    return 0;
}

/* Whether all have this group, and none anything of a run. */
static bool all_have(const plot_job *job, const char *group)
{
    for (int i = 0; i < job->count; i++) {
        px_results *r = job->runs[i].results;
        if (!px_results_has(r, group) || px_results_has(r, "/train") || px_results_has(r, "/eval"))
            return false;
    }
    return true;
}

/* The group of files of `pretext bench out=` and `pretext search`, of which figures of a training are not reported as missing;
 * NULL: they are others. */
static const char *only_group(const plot_job *job)
{
    return all_have(job, "/bench") ? "/bench" : all_have(job, "/candidates") ? "/candidates" : NULL;
}

static int draw_all(plot_job *job)
{
    const char *only = only_group(job);
    int bad = 0;
    for (int i = 0; bad == 0 && px_charts[i]; i++) {
        const char *group = px_charts[i]->group;
        job->chart = px_charts[i];
        if ((!only || strcmp(group, only) == 0) && (job->folder || !job->chart->image))
            bad = job->chart->draw(job);
    }
    return bad;
}

/* What was there but could not be drawn, of all runs: a line each, and a count of those beyond a few. */
static void tell_left_out(plot_job *job)
{
    enum { FEW = 10 };
    for (int i = 0; i < job->count; i++) {
        const char *const *lines;
        int count = px_results_left_out(job->runs[i].results, &lines);
        for (int k = 0; k < count && k < FEW; k++)
            px_plot_left_out(job, "%s", lines[k]);
        if (count > FEW)
            px_plot_left_out(job, "%s: %d more data that cannot be drawn", job->runs[i].label, count - FEW);
    }
}

int px_plot_as(px_picture_form form, const char *const runs[], int count, const char *folder, px_plot_outcome *outcome)
{
    *outcome = (px_plot_outcome){0};
    plot_job job = {.count = count, .folder = folder, .outcome = outcome};
    job.runs = px_calloc((size_t)count + 1, sizeof *job.runs);
    int bad = open_runs(&job, runs) != 0 || px_gnuplot_find(&job.gnuplot, form) != 0 ? -1 : 0, existed = 0;
    bool made = bad == 0 && folder && px_folder_make(folder, FIGURE_NAME + 16, &existed) == 0;
    bad = made || (bad == 0 && !folder) ? draw_all(&job) : -1;
    const char *const *lines;
    if (bad == 0 && outcome->drawn == 0 && job.refused)
        bad = px_fail(PX_FAIL, "%s", job.refused);
    else if (bad == 0 && outcome->drawn == 0)
        bad = px_results_left_out(job.runs[0].results, &lines) > 0
                  ? px_fail(PX_DATA, "nothing to draw: %s", lines[0])
                  : px_fail(PX_DATA,
                            "%s: nothing to draw: it has no training series, no evaluations and no measured step",
                            runs[0]);
    if (bad == 0)
        tell_left_out(&job);
    for (int i = 0; i < count; i++) {
        px_results_close(job.runs[i].results);
        free(job.runs[i].name);
        free(job.runs[i].label);
        free(job.runs[i].method);
        free(job.runs[i].folder);
    }
    free(job.runs);
    free(job.refused);
    if (bad && made && outcome->drawn == 0)
        px_folder_unmake(folder, existed);
    if (bad)
        px_plot_outcome_finish(outcome);
    return bad;
}

int px_plot_runs(const char *const runs[], int count, const char *folder, px_plot_outcome *outcome)
{
    return px_plot_as(PX_PICTURE_PNG, runs, count, folder, outcome);
}

static void add_line(char ***list, int *count, char *line)
{
    *list = px_realloc(*list, (size_t)(*count + 1) * sizeof **list);
    (*list)[(*count)++] = line;
}

void px_plot_outcome_finish(px_plot_outcome *o)
{
    for (int i = 0; i < o->drawn; i++)
        free(o->file[i]), free(o->picture[i].content);
    for (int i = 0; i < o->left_out; i++)
        free(o->missing[i]);
    free(o->file);
    free(o->picture);
    free(o->missing);
    *o = (px_plot_outcome){0};
}

/* ---- making a figure ---- */

static bool already_drawn(const plot_job *job, const char *path)
{
    for (int i = 0; i < job->outcome->drawn; i++)
        if (strcmp(job->outcome->file[i], path) == 0)
            return true;
    return false;
}

/* The names of runs, protocols and pictures may hold anything. Different ones may become the same: these are numbered. */
static char *figure_path(const plot_job *job, const char *name, int run)
{
    char *whole = run >= 0 && job->count > 1 ? px_format("%s_%s", job->runs[run].name, name) : px_strdup(name);
    if (strlen(whole) > FIGURE_NAME)
        whole[FIGURE_NAME] = '\0';
    for (char *c = px_one_line(whole); *c; c++)
        if (strchr("/\\ :*?\"<>|'`$", *c))
            *c = '_';
    char *path;
    for (int i = 1;; i++) {
        const char *folder = job->folder ? job->folder : "page";
        path = i == 1 ? px_format("%s/%s.%s", folder, whole, job->gnuplot.extension)
                      : px_format("%s/%s_%d.%s", folder, whole, i, job->gnuplot.extension);
        if (!already_drawn(job, path))
            break;
        free(path);
    }
    free(whole);
    return path;
}

plot_figure *px_plot_begin(const plot_job *job, const char *name, int run, int width, int height)
{
    plot_figure *f = px_calloc(1, sizeof *f);
    f->path = figure_path(job, name, run);
    f->run = run;
    f->width = width;
    f->height = height;
    f->script = open_memstream(&f->body, &f->size);
    return f;
}

int px_plot_end(plot_job *job, plot_figure *f)
{
    fclose(f->script);
    px_plot_outcome *o = job->outcome;
    px_plot_picture p = {job->chart, f->run, f->width, f->height, NULL};
    int bad;
    if (job->folder)
        bad = px_gnuplot_draw(&job->gnuplot, f->path, f->width, f->height, f->body);
    else
        bad = (p.content = px_gnuplot_picture(&job->gnuplot, f->path, f->width, f->height, f->body)) ? 0 : -1;
    if (bad == 0) {
        o->picture = px_realloc(o->picture, (size_t)(o->drawn + 1) * sizeof *o->picture);
        o->picture[o->drawn] = p;
        add_line(&o->file, &o->drawn, px_strdup(f->path));
    }
    if (bad && px_error_status() == PX_DATA) { /* the other figures can be drawn nevertheless */
        free(job->refused);
        job->refused = px_format("%s: %s", f->path, px_error());
        bad = px_plot_left_out(job, "%s", job->refused);
    }
    free(f->body);
    free(f->path);
    free(f);
    return bad;
}

int px_plot_left_out(plot_job *job, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    add_line(&job->outcome->missing, &job->outcome->left_out, px_one_line(px_strdup(text)));
    return 0;
}

double *px_plot_data(const plot_run *run, int rank, int64_t dim[4], const char *format, ...)
{
    char path[512];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    double *data = NULL;
    int found;
    if (!px_results_has(run->results, path) || px_results_get(run->results, path, &data, &found, dim) != 0)
        return NULL;
    if (found == rank || (rank < 2 && dim[0] == 1 && dim[1] * dim[2] * dim[3] == 1))
        return data;
    px_results_leave_out(run->results, "%s: the number of its axes is %d, not %d", path, found, rank);
    free(data);
    return NULL;
}

plot_progress px_plot_progress(const plot_run *run)
{
    int64_t dim[4];
    plot_progress p = {NAN, NAN};
    double *epoch = px_plot_data(run, 1, dim, "/train/epoch");
    for (int64_t i = 0; epoch && i < dim[0]; i++) /* a row per step */
        if (isfinite(epoch[i])) {
            p.step = isfinite(p.epochs) ? epoch[i] - p.epochs : epoch[i];
            p.epochs = epoch[i];
        }
    free(epoch);
    return p;
}

bool px_plot_is_whole(const plot_progress *p, double wanted)
{
    return p->epochs > wanted - p->step / 2;
}

char **px_plot_class_names(const plot_run *run, const char *path, int classes)
{
    char **names = NULL;
    int count = 0;
    if (px_results_has(run->results, path) && px_results_get_texts(run->results, path, &names, &count) == 0 &&
        count == classes)
        return names;
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    names = px_calloc((size_t)classes + 1, sizeof *names);
    for (int i = 0; i < classes; i++)
        names[i] = px_format("%d", i);
    return names;
}
