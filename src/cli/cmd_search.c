/* cmd_search.c - pretext search: tries cells of the NASNet space, each by a short run of pretraining and the k nearest neighbours
 * at its end. One candidate per rank: ranks train alone, and meet after each generation. */
#include "base/error.h"
#include "base/folder.h"
#include "cli/candidate.h"
#include "cli/evolution.h"
#include "cli/job.h"
#include "cli/search_file.h"
#include "cli/share.h"
#include "eval/online_knn.h"
#include "results/results.h"
#include "train/meter.h"
#include "train/stop.h"
#include "train/trainer.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct search_flags {
    px_words plugin;
} search_flags;

static const px_flag flags[] = {PX_PLUGIN_FLAG(search_flags), {0}};

static const px_option options[] = {
    PX_OPTION(px_search_cfg, candidates, "64", 2, 100000,
              "cells that are tried: random ones and, behind the population, by turns random and evolved ones"),
    PX_OPTION(px_search_cfg, population, "16", 2, 10000,
              "members of the population; the first are random (Real et al. 2019: 100)"),
    PX_OPTION(px_search_cfg, sample, "4", 1, 10000,
              "members among which the best becomes a parent, a quarter of the population (Real et al. 2019: 25)"),
    PX_OPTION(px_search_cfg, generation, "8", 1, 10000,
              "candidates that are trained before the next are chosen, half of them evolved: at least as many as ranks "
              "(2: as Real et al. 2019)"),
    PX_OPTION(px_search_cfg, blocks, "5", 1, PX_CELL_BLOCKS, "blocks of a cell (both papers: 5)"),
    PX_OPTION(px_search_cfg, seed, "1", 0, 9e15, "of the cells; that of the runs is seed"),
    PX_OPTION_TEXT(
        px_search_cfg, skip, "",
        "numbers of candidates, as \"3,17\", that are not trained and have no score: they need more memory than "
        "there is, for example"),
    {0}};

static const px_keys keys[] = {
    {"", px_train_options, NULL}, {"data", px_data_options, NULL}, {"optim", px_optim_options, NULL}, {0}};

enum { OWN = 4 }; /* settings of a candidate, at most */

typedef struct search {
    px_job *job;
    px_search_cfg cfg;
    px_config *own;
    const char **given; /* assignments that are not search.*; borrowed strings; behind them is room for OWN */
    int count;
    char *config; /* CONFIG's path, or NULL */
    const char *folder;
    px_candidate *all;
    int done;
    px_search_file *file; /* rank 0 */
    int existed;          /* rank 0: bytes of `folder` that name folders which were there */
    bool trained;         /* a candidate, by this rank */
    double begun, limit;  /* time_limit in seconds, for all candidates together; 0: none */
} search;

/* ---- one candidate ---- */

/* The settings of its run. 0, and px_settings_finish is due; or -1. */
static int settings_of(const search *s, int number, px_settings *settings)
{
    char *normal = px_cell_text(&s->all[number].normal), *reduction = px_cell_text(&s->all[number].reduction);
    char *own[OWN] = {px_format("nasnet.normal=%s", normal), px_format("nasnet.reduction=%s", reduction),
                      px_format("out=%s/%04d", s->folder, number), NULL};
    int count = s->count, status = px_settings_load(settings, s->config, s->given, count);
    if (status == 0 && strcmp(settings->backbone->family->name, "nasnet") != 0) {
        status = px_fail(PX_USAGE, "backbone = %s has no cells to search for: backbone=nasnet_mobile",
                         settings->backbone->name);
        px_settings_finish(settings);
    } else if (status == 0) {
        if (settings->train.online_knn_epochs == 0) /* the score; once is enough */
            own[OWN - 1] = px_format("online_knn_epochs=%.17g", settings->train.epochs);
        px_settings_finish(settings);
        for (int i = 0; i < OWN && own[i]; i++)
            s->given[count++] = own[i];
        status = px_settings_load(settings, s->config, s->given, count);
    }
    for (int i = 0; i < OWN; i++)
        free(own[i]);
    free(normal);
    free(reduction);
    return status;
}

static int stopped(const search *s, int number)
{
    return px_fail(PX_STOPPED, "stopped at candidate %d of %d; to continue: the same command", number,
                   s->cfg.candidates);
}

/* Adds to the message whose failure it is and how to go on. A search's first start fails for what all candidates share; a full
 * disk is no candidate's fault. */
static int failed(const search *s, int number)
{
    px_status status = px_error_status();
    if (s->done == 0 && !s->trained)
        return px_fail(status, "candidate %d: %s", number, px_error());
    if (status == PX_FAIL)
        return px_fail(status, "candidate %d: %s; the same command tries it again and keeps the others", number,
                       px_error());
    return px_fail(
        status,
        "candidate %d: %s; the same command tries it again and keeps the others, search.skip=%s%s%d leaves it out",
        number, px_error(), s->cfg.skip, *s->cfg.skip ? "," : "", number);
}

/* Whether the numbers of search.skip have this one. */
static bool is_skipped(const search *s, int number)
{
    for (const char *at = s->cfg.skip; *at; at += *at == ',') {
        char *end;
        if (strtol(at, &end, 10) == number)
            return true;
        at = end;
    }
    return false;
}

/* Trains it on this rank alone, or goes on with that. What does not stay finite has no score, as a result of its own. */
static int train(search *s, px_settings *settings, int number, FILE *nowhere)
{
    px_candidate *c = &s->all[number];
    double begun = px_process_seconds();
    if (s->limit > 0) /* of all candidates together */
        settings->train.time_limit = fmax(s->limit - (px_now() - s->begun), 0.01) / 60;
    px_comm self = px_comm_self();
    self.local_size = s->job->comm.local_size; /* all ranks of a host need its memory at the same time */
    px_log log = px_log_make(nowhere, false);  /* for the run's log.txt */
    int status = px_pretrain(settings, &self, &log, true, s->job->command, &px_online_knn, begun);
    px_log_close(&log);
    if (status == 0) {
        status = px_candidate_read_run(c, settings->train.out);
    } else if (px_error_status() == PX_DIVERGED) {
        c->core_seconds = px_process_seconds() - begun; /* its ledger may not have them */
        status = 0;
    }
    s->trained |= status == 0;
    return status;
}

/* All of a candidate's results; of one that is left out there are none. */
static int try_one(search *s, int number, FILE *nowhere)
{
    px_candidate *c = &s->all[number];
    px_settings settings;
    if (is_skipped(s, number)) {
        c->multiply_adds = c->parameters = NAN;
        return 0;
    }
    int status = settings_of(s, number, &settings);
    if (status == 0) {
        status = train(s, &settings, number, nowhere);
        if (status == 0)
            status = px_candidate_measure(c, &settings);
        px_settings_finish(&settings);
    }
    if (status == 0)
        return 0;
    return px_error_status() == PX_STOPPED ? stopped(s, number) : failed(s, number); /* not by the run's own command */
}

/* ---- generations ---- */

/* All ranks get the results of all[first : end], each of which one rank has. */
static void share(search *s, int first, int end)
{
    enum { NUMBERS = 4 };
    const px_comm *comm = &s->job->comm;
    double *numbers = px_calloc((size_t)(end - first) * NUMBERS, sizeof *numbers);
    for (int i = first; i < end; i++) {
        double *n = numbers + (ptrdiff_t)(i - first) * NUMBERS;
        const px_candidate *c = &s->all[i];
        if ((i - first) % comm->size == comm->rank)
            memcpy(n, (double[NUMBERS]){c->score, c->multiply_adds, c->parameters, c->core_seconds},
                   NUMBERS * sizeof *n);
    }
    px_all_reduce_f64(comm, numbers, (int64_t)(end - first) * NUMBERS);
    for (int i = first; i < end; i++) {
        const double *n = numbers + (ptrdiff_t)(i - first) * NUMBERS;
        px_candidate *c = &s->all[i];
        c->score = n[0];
        c->multiply_adds = n[1];
        c->parameters = n[2];
        c->core_seconds = n[3];
    }
    free(numbers);
}

static void tell(search *s, int first, int end)
{
    for (int i = first; i < end; i++) {
        const px_candidate *c = &s->all[i];
        char from[32] = "random", score[32] = "did not stay finite";
        if (c->evolved)
            snprintf(from, sizeof from, "from %d", c->parent);
        if (isfinite(c->score))
            snprintf(score, sizeof score, "k-NN %.2f %%", 100 * c->score);
        if (is_skipped(s, i))
            px_log_line(&s->job->log, "candidate %d of %d, %s: left out", i, s->cfg.candidates, from);
        else
            px_log_line(&s->job->log, "candidate %d of %d, %s: %s, %.2f M multiply-adds, %.1f core-seconds", i,
                        s->cfg.candidates, from, score, c->multiply_adds / 1e6, c->core_seconds);
    }
}

/* Those that are not in the file and have a run: if the search was killed, for one of them. */
static void tell_begun(search *s, int begin, int end)
{
    char *list = px_strdup("");
    for (int i = begin; i < end; i++) {
        char *run = px_format("%s/%04d", s->folder, i);
        if (access(run, F_OK) == 0 && !is_skipped(s, i)) {
            char *longer = px_format("%s%s%d", list, *list ? ", " : "", i);
            free(list);
            list = longer;
        }
        free(run);
    }
    if (*list)
        px_log_line(&s->job->log, "there are runs of the candidates %s, which go on", list);
    free(list);
}

static int write_results(search *s)
{
    if (px_search_file_write(s->file, s->all, s->done) == 0)
        return 0;
    return px_fail(px_error_status(), "%s; the same command goes on, the candidates' runs are kept", px_error());
}

/* Candidates from `first` to end - 1, of which those before `begin` are in the file. */
static int generation(search *s, int first, int end, FILE *nowhere)
{
    const px_comm *comm = &s->job->comm;
    int begin = s->done > first ? s->done : first, status = 0;
    px_candidate *done = px_calloc((size_t)(begin - first) + 1, sizeof *done); /* their results, from the file */
    memcpy(done, s->all + first, (size_t)(begin - first) * sizeof *done);
    px_evolution_propose(&s->cfg, s->all, first, end);
    for (int i = first; i < begin && i < end; i++) {
        px_candidate *c = &s->all[i], *was = &done[i - first];
        c->score = was->score;
        c->multiply_adds = was->multiply_adds;
        c->parameters = was->parameters;
        c->core_seconds = was->core_seconds;
    }
    free(done);
    if (comm->rank == 0)
        status = px_search_file_check(s->file, s->all, first, begin < end ? begin : end);
    if (px_agree(comm, status) != 0)
        return -1;
    if (begin >= end)
        return 0;
    if (comm->rank == 0)
        tell_begun(s, begin, end);
    px_barrier(comm); /* before others make more of them */
    for (int i = begin + comm->rank; i < end && status == 0; i += comm->size)
        status = px_stop_signal() ? stopped(s, i) : try_one(s, i, nowhere);
    if (px_agree(comm, status) != 0)
        return -1;
    share(s, begin, end);
    s->done = end;
    tell(s, begin, end);
    return px_agree(comm, comm->rank == 0 ? write_results(s) : 0);
}

/* For standard output. */
static void print_best(const search *s)
{
    static const char *const names[] = {"random search", "evolution"};
    for (int i = 0; i < 2; i++) {
        int best = px_evolution_best(s->all, s->cfg.candidates, i == 1);
        if (best < 0) {
            printf("best of %s: no candidate has a score\n", names[i]);
            continue;
        }
        const px_candidate *c = &s->all[best];
        char *normal = px_cell_text(&c->normal), *reduction = px_cell_text(&c->reduction);
        printf("best of %s: candidate %d, k-NN %.2f %%, %.2f M multiply-adds, %.3f M parameters\n", names[i], best,
               100 * c->score, c->multiply_adds / 1e6, c->parameters / 1e6);
        printf("  nasnet.normal=\"%s\"\n  nasnet.reduction=\"%s\"\n", normal, reduction);
        free(normal);
        free(reduction);
    }
}

static int all_generations(search *s)
{
    FILE *nowhere = fopen("/dev/null", "w");
    int status = nowhere ? 0 : px_fail(PX_FAIL, "/dev/null cannot be opened");
    status = px_agree(&s->job->comm, status);
    for (int first = 0, end; first < s->cfg.candidates && status == 0; first = end) {
        end = px_evolution_end(&s->cfg, first);
        double stop = px_stop_signal() || (s->limit > 0 && px_now() - s->begun > s->limit);
        px_all_reduce_f64(&s->job->comm, &stop, 1);
        if (stop > 0 && end > s->done)
            status = px_fail(PX_STOPPED, "stopped after %d of %d candidates; to continue: the same command", s->done,
                             s->cfg.candidates);
        else
            status = generation(s, first, end, nowhere);
    }
    if (nowhere)
        fclose(nowhere);
    return status;
}

/* ---- the command ---- */

/* search.skip is a list of candidates' numbers. */
static int check_skip(const search *s)
{
    for (const char *at = s->cfg.skip; *at;) {
        char *end;
        long number = isdigit((unsigned char)*at) ? strtol(at, &end, 10) : -1;
        if (number < 0 || number >= s->cfg.candidates || (*end && *end != ',') || (*end && !end[1]))
            return px_fail(PX_USAGE, "search.skip = %s is not a list of candidates, 0 to %d, with commas between",
                           s->cfg.skip, s->cfg.candidates - 1);
        at = end + (*end == ',');
    }
    return 0;
}

static int read_request(search *s, const px_args *args)
{
    px_config_group(s->own, "search", options, &s->cfg);
    for (int i = 0; i < args->assignments.count; i++) {
        const char *word = args->assignments.word[i];
        if (strncmp(word, "nasnet.normal=", 14) == 0 || strncmp(word, "nasnet.reduction=", 17) == 0)
            return px_fail(PX_USAGE, "%s is what a search varies: leave it out", word);
        if (strncmp(word, "search.", 7) != 0)
            s->given[s->count++] = word;
        else if (px_config_set(s->own, word) != 0)
            return -1;
    }
    if (px_config_finish(s->own) != 0)
        return -1;
    if (s->cfg.candidates < s->cfg.population)
        return px_fail(PX_USAGE, "search.candidates = %d are fewer than search.population = %d, which come first",
                       s->cfg.candidates, s->cfg.population);
    if (args->words.count && !(s->config = px_share_config(args->words.word[0], &s->job->log)))
        return -1;
    return check_skip(s);
}

/* The folder and its file, on rank 0. */
static int open_folder(search *s, const px_settings *first)
{
    char *config = px_config_text(first->config);
    int status = px_folder_make(s->folder, 64, &s->existed);
    if (status == 0)
        status = px_search_file_open(&s->file, s->folder, &s->cfg, config, s->all, &s->done, &s->job->log);
    free(config);
    return status;
}

/* A search whose first candidates cannot begin leaves nothing, so that the mended command is not refused for another one's
 * settings. All ranks are past their runs. */
static void leave(search *s)
{
    bool any = s->done > 0;
    for (int i = 0; i < s->cfg.population && !any; i++) {
        char *run = px_format("%s/%04d", s->folder, i);
        any = access(run, F_OK) == 0;
        free(run);
    }
    char *file = px_format("%s/search.h5", s->folder);
    if (s->file && !any)
        unlink(file); /* before the lock is released */
    px_results_abandon(s->file);
    if (s->file && !any)
        px_folder_unmake(s->folder, s->existed);
    free(file);
}

/* What rank 0 has read. */
static void share_done(search *s)
{
    double done = s->job->comm.rank == 0 ? s->done : 0;
    px_all_reduce_f64(&s->job->comm, &done, 1);
    s->done = (int)done;
    px_broadcast(&s->job->comm, s->all, (int64_t)s->done * (int64_t)sizeof s->all[0], 0);
}

static int search_all(search *s)
{
    px_job *job = s->job;
    px_settings first;
    px_evolution_propose(&s->cfg, s->all, 0, px_evolution_end(&s->cfg, 0));
    if (px_agree(&job->comm, settings_of(s, 0, &first)) != 0)
        return -1;
    px_job_threads(job, first.train.threads);
    px_job_watch(job, first.train.rank_timeout);
    px_stop_watch();
    s->begun = px_now();
    s->limit = 60 * first.train.time_limit;
    int status = px_job_isa(job, first.train.isa);
    if (status == 0)
        status = px_agree(&job->comm, job->comm.rank == 0 ? open_folder(s, &first) : 0);
    px_settings_finish(&first);
    if (status != 0)
        return -1;
    share_done(s);
    if (s->done)
        px_log_line(&job->log, "%d of %d candidates are done", s->done, s->cfg.candidates);
    status = all_generations(s);
    if (status == 0 && job->comm.rank == 0) {
        status = px_search_file_close(s->file);
        print_best(s);
    } else if (job->comm.rank == 0) {
        leave(s);
    }
    return px_agree(&job->comm, status);
}

static int work(px_job *job, const px_args *args)
{
    const search_flags *given = args->flags;
    search s = {.job = job,
                .own = px_config_create(),
                .given = px_calloc((size_t)args->assignments.count + OWN, sizeof s.given[0]),
                .folder = args->out};
    int status = px_job_plugins(&given->plugin);
    if (status == 0)
        status = read_request(&s, args);
    s.all = px_calloc((size_t)s.cfg.candidates + 1, sizeof s.all[0]);
    status = px_agree(&job->comm, status);
    if (status == 0)
        status = search_all(&s);
    px_config_destroy(s.own);
    free(s.given);
    free(s.config);
    free(s.all);
    return status;
}

static int run(int argc, char **argv)
{
    return px_job_run(&px_cmd_search, argc, argv, &(search_flags){0}, work);
}

const px_command px_cmd_search = {
    .name = "search",
    .arguments = "[CONFIG] out=FOLDER [key=value...]",
    .summary = "search for a network's cells: at random, and by evolution",
    .help = "Tries cells of the NASNet space ('pretext options nasnet_mobile'): random ones, and\n"
            "beside them those of regularised evolution. Each is trained as CONFIG says, with the\n"
            "k nearest neighbours at its end as score, on one rank, in FOLDER/NUMBER; under\n"
            "mpirun each rank trains another one. FOLDER/search.h5 has the results. Behind the\n"
            "first search.population, which are random, every second one is: what evolution is\n"
            "worth is its distance from them.\n"
            "The same command continues a search, also after a kill, and with more candidates;\n"
            "time_limit= holds for all of them together. With threads=1 or reproducible=true\n"
            "results are the same on any number of ranks.\n"
            "\n"
            "Examples:\n"
            "  pretext search method=simclr backbone=nasnet_mobile nasnet.cells=1 data.path=cifar10.h5 out=runs/cells\n"
            "  mpirun -n 4 --bind-to none pretext search small.cfg out=runs/cells search.candidates=128\n",
    .run = run,
    .flags = flags,
    .max_words = 1,
    .assignments = true,
    .options = options,
    .options_group = "search",
    .keys = keys,
    .method_keys = true,
    .backbone_keys = true,
    .word = PX_WORD_CONFIG,
    .out = {.value = "FOLDER",
            .help = "where search.h5 and the runs are; made if it is missing",
            .required = true,
            .example = "pretext search method=simclr backbone=nasnet_mobile data.path=cifar10.h5 out=runs/cells"},
};
