/* grid_runs.c - see grid_runs.h. */
#include "cli/grid_runs.h"
#include "base/error.h"
#include "base/shell.h"
#include "cli/child.h"
#include "data/dataset.h"
#include "figures/compare.h"
#include "train/changes.h"
#include "train/checkpoint.h"
#include "train/model.h"
#include "train/settings.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ---- how far they are ---- */

static char *folder_of(const px_grid_job *j, int run)
{
    char *name = px_grid_name(j->grid, run), *folder = px_format("%s/%s", j->folder, name);
    free(name);
    return folder;
}

void px_grid_words_free(char **words)
{
    for (int i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

/* A checkpoint that cannot be read, or is of a version that did not keep its place, is one to go on with: `pretrain` tells
 * what is the matter. */
static px_grid_stage stage_of(const char *folder, double epochs)
{
    px_log quiet = px_log_make(stderr, true);
    px_checkpoint saved;
    if (!px_checkpoint_exists(folder))
        return PX_GRID_NEW;
    if (px_checkpoint_peek(folder, &saved, &quiet) != 0)
        return PX_GRID_BEGUN;
    bool done = saved.per_epoch > 0 &&
                (double)saved.place >= ceil(epochs * (double)saved.per_epoch - 1e-9); /* as the session */
    px_checkpoint_finish(&saved);
    return done ? PX_GRID_DONE : PX_GRID_BEGUN;
}

/* The configuration as a run keeps it: resolved for its images. A new string; NULL: there are no such images now, or not for it. */
static char *resolved(px_settings *s)
{
    px_dataset *data;
    char *text = NULL;
    if (px_dataset_open(&data, s->data.path, s->data.links ? PX_LINKS_FOLLOWED : PX_LINKS_REFUSED) != 0)
        return NULL;
    const px_split *whole = px_dataset_split(data, s->data.split);
    if (whole) {
        px_task task;
        px_split split = *whole;
        int64_t *index = px_split_limit(&split, s->data.limit);
        if (px_task_make(&task, s, data, &split, s->train.batch, 1) == 0)
            text = px_config_text(s->config);
        free(index);
    }
    px_dataset_close(data);
    return text;
}

/* A run that is done would not be trained again: its results must be those of this configuration. */
static int check_done(const char *folder, px_settings *s)
{
    /* A run keeps what precision=auto became where it ran. */
    const char *may_change[] = {s->train.precision == PX_PRECISION_AUTO ? "precision" : NULL, NULL};
    px_log quiet = px_log_make(stderr, true);
    px_checkpoint saved;
    char *now = resolved(s);
    int status = 0;
    if (now && px_checkpoint_peek(folder, &saved, &quiet) == 0) {
        if (px_changes_refuse(saved.config, now, may_change, folder) != 0)
            status = px_fail(PX_USAGE, "%s, or remove this run, which is done", px_error());
        px_checkpoint_finish(&saved);
    }
    free(now);
    return status;
}

int px_grid_look(const px_grid_job *j, px_grid_stage *stage, double *minutes)
{
    *minutes = 0;
    int status = 0;
    for (int i = 0; i < j->grid->runs && status == 0; i++) {
        px_settings s;
        int count = 0;
        char *folder = folder_of(j, i), **words = px_grid_settings(j->grid, i);
        while (words[count])
            count++;
        status = px_settings_load(&s, j->config, (const char *const *)words, count);
        if (status == 0) {
            status = px_schedule_check(&s.optim, s.train.epochs);
            stage[i] = stage_of(folder, s.train.epochs);
            if (status == 0 && stage[i] == PX_GRID_DONE)
                status = check_done(folder, &s);
            if (s.train.time_limit > 0 && (*minutes == 0 || s.train.time_limit < *minutes))
                *minutes = s.train.time_limit;
            px_settings_finish(&s);
        }
        px_grid_words_free(words);
        free(folder);
    }
    return status;
}

/* ---- commands ---- */

typedef struct words {
    char **word;
    int count;
} words;

static void add(words *w, char *text)
{
    w->word = px_realloc(w->word, (size_t)(w->count + 2) * sizeof *w->word);
    w->word[w->count++] = text;
    w->word[w->count] = NULL;
}

/* Whatever starts the ranks, this program, its command. */
static words begin(const px_grid_job *j, const char *command)
{
    words w = {0};
    char program[PATH_MAX];
    for (char *const *l = j->launch; *l; l++)
        add(&w, px_strdup(*l));
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    add(&w, length > 0 ? px_format("%.*s", (int)length, program) : px_strdup("pretext"));
    add(&w, px_strdup(command));
    for (int i = 0; i < j->plugin.count; i++) {
        add(&w, px_strdup("--plugin"));
        add(&w, px_strdup(j->plugin.word[i]));
    }
    return w;
}

char **px_grid_command(const px_grid_job *j, int run, double minutes)
{
    words w = begin(j, "pretrain");
    if (j->config)
        add(&w, px_strdup(j->config));
    char **settings = px_grid_settings(j->grid, run), *folder = folder_of(j, run);
    for (char **s = settings; *s; s++)
        add(&w, px_strdup(*s));
    if (minutes > 0)
        add(&w, px_format("time_limit=%.9g", minutes));
    add(&w, px_format("out=%s", folder));
    add(&w, px_strdup("--resume"));
    px_grid_words_free(settings);
    free(folder);
    return w.word;
}

static char **probe_command(const px_grid_job *j, int run)
{
    words w = begin(j, "probe");
    add(&w, folder_of(j, run));
    for (char *const *p = j->probe; *p; p++)
        add(&w, px_strdup(*p));
    return w.word;
}

int px_grid_list(const px_grid_job *j, const px_grid_stage *stage)
{
    static const char *const text[] = {"new", "begun", "done"};
    int first = 0;
    for (int i = 0; i < j->grid->runs; i++) {
        char *folder = folder_of(j, i);
        printf("%-6s %s\n", text[stage[i]], folder);
        free(folder);
    }
    while (first < j->grid->runs && stage[first] == PX_GRID_DONE)
        first++;
    char **command = first < j->grid->runs ? px_grid_command(j, first, 0) : NULL;
    for (int i = 0; command && command[i]; i++) {
        char *word = px_shell_word(command[i]);
        printf("%s%s", i ? " " : "\nThe next one is started by\n", word);
        free(word);
    }
    if (command)
        putchar('\n');
    px_grid_words_free(command);
    return 0;
}

/* ---- running them ---- */

typedef enum outcome { GOOD, FAILED, STOPPED } outcome;

/* Runs one command; tells if it failed. *first: the status of the first failure of all. */
static outcome execute(const px_grid_job *j, px_children *c, char **command, const char *what, const char *name,
                       int *first)
{
    int status;
    if (px_children_run(c, command, &status) != 0) {
        px_log_warning(j->log, "%s", px_error());
        status = PX_USAGE;
    }
    if (status == PX_STOPPED || (status != 0 && px_children_stopping(c)))
        return STOPPED;
    if (status == 0)
        return GOOD;
    px_log_warning(j->log, "%s of %s has failed with status %d; the others go on", what, name, status);
    if (*first == 0)
        *first = status;
    return FAILED;
}

/* The file in a run's folder that remembers that it was evaluated with these settings; its name has their checksum. */
static char *mark_of(const px_grid_job *j, int run)
{
    uLong sum = crc32_z(0, NULL, 0);
    for (char *const *p = j->probe; *p; p++)
        sum = crc32_z(sum, (const Bytef *)*p, strlen(*p) + 1);
    char *folder = folder_of(j, run), *mark = px_format("%s/probed-%08lx", folder, sum);
    free(folder);
    return mark;
}

/* Whether the run as it is now was evaluated in this way: after its last checkpoint. */
static bool is_probed(const px_grid_job *j, int run)
{
    struct stat mark, trained;
    char *path = mark_of(j, run), *folder = folder_of(j, run), *checkpoint = px_format("%s/checkpoint.h5", folder);
    bool probed = stat(path, &mark) == 0;
    if (probed && stat(checkpoint, &trained) == 0)
        probed = mark.st_mtim.tv_sec != trained.st_mtim.tv_sec ? mark.st_mtim.tv_sec > trained.st_mtim.tv_sec
                                                               : mark.st_mtim.tv_nsec >= trained.st_mtim.tv_nsec;
    free(path);
    free(folder);
    free(checkpoint);
    return probed;
}

/* Without the mark, which may fail on a full disk, it is evaluated again. */
static void mark_probed(const px_grid_job *j, int run)
{
    char *path = mark_of(j, run);
    FILE *out = fopen(path, "w");
    for (char *const *p = j->probe; out && *p; p++)
        fprintf(out, "%s\n", *p);
    if (!out || fclose(out) != 0)
        px_log_warning(j->log, "%s: cannot be written: %s", path, strerror(errno));
    free(path);
}

static outcome one_run(const px_grid_job *j, px_children *c, int run, px_grid_stage *stage, double minutes, int *first)
{
    char *name = px_grid_name(j->grid, run);
    bool trains = *stage != PX_GRID_DONE, probes = j->probe && (trains || !is_probed(j, run));
    outcome o = GOOD;
    if (trains || probes)
        px_log_line(j->log, "run %d of %d: %s", run + 1, j->grid->runs, name);
    if (trains) {
        char **command = px_grid_command(j, run, minutes);
        o = execute(j, c, command, "the training", name, first);
        px_grid_words_free(command);
        if (o == GOOD)
            *stage = PX_GRID_DONE;
    }
    if (o == GOOD && probes && !px_children_stopping(c)) {
        char **command = probe_command(j, run);
        o = execute(j, c, command, "the evaluation", name, first);
        px_grid_words_free(command);
        if (o == GOOD)
            mark_probed(j, run);
    }
    free(name);
    return o;
}

/* The table of the runs that have results. */
static void compare(const px_grid_job *j)
{
    int n = j->grid->runs, there = 0;
    char **paths = px_calloc((size_t)n + 1, sizeof *paths);
    px_comparison *c;
    for (int i = 0; i < n; i++) {
        char *folder = folder_of(j, i), *file = px_format("%s/run.h5", folder);
        if (access(file, R_OK) == 0)
            paths[there++] = folder;
        else
            free(folder);
        free(file);
    }
    if (there && px_comparison_read(&c, (const char *const *)paths, there) == 0) {
        px_comparison_print(c, PX_TABLE_TEXT, stdout);
        px_comparison_destroy(c);
    } else if (there) {
        px_log_warning(j->log, "no comparison: %s", px_error());
    }
    px_grid_words_free(paths);
}

int px_grid_start(const px_grid_job *j, px_grid_stage *stage, double minutes)
{
    int n = j->grid->runs, done = 0, failed = 0, first = 0, i = 0;
    outcome o = GOOD;
    double begun = px_now();
    px_children c;
    for (int k = 0; k < n; k++)
        done += stage[k] == PX_GRID_DONE;
    if (done)
        px_log_line(j->log, "%d of %d runs in %s are already done", done, n, j->folder);
    px_children_begin(&c, *j->launch != NULL);
    for (; i < n && o != STOPPED; i++) {
        double left = minutes > 0 ? minutes - (px_now() - begun) / 60 : 0;
        if (px_children_stopping(&c) || (minutes > 0 && left <= 0))
            o = STOPPED;
        else
            o = one_run(j, &c, i, &stage[i], left, &first);
        failed += o == FAILED;
    }
    px_children_end(&c);
    done = 0;
    for (int k = 0; k < n; k++)
        done += stage[k] == PX_GRID_DONE;
    if (o == STOPPED)
        return px_fail(PX_STOPPED, "stopped with %d of %d runs done; the same command goes on", done, n);
    compare(j);
    if (failed)
        return px_fail(first == PX_USAGE || first == PX_DATA || first == PX_DIVERGED ? (px_status)first : PX_FAIL,
                       "%d of %d runs failed; log.txt in their folders says why, and the same command tries them again",
                       failed, n);
    return 0;
}
