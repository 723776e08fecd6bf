/* cmd_grid.c - pretext grid: trains one run for each combination of the values of some keys. */
#include "base/config.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/setting.h"
#include "cli/args.h"
#include "cli/grid_runs.h"
#include "cli/job.h"
#include "cli/share.h"
#include "train/changes.h"
#include "train/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <wordexp.h>

typedef struct grid_flags {
    bool slurm, dry_run;
    px_words plugin;
} grid_flags;

static const px_flag flags[] = {
    PX_FLAG(grid_flags, slurm, 0, NULL, "write FOLDER/grid.sh, an array of SLURM jobs, instead of starting the runs"),
    PX_FLAG(grid_flags, dry_run, 0, NULL, "only list the runs, how far each is, and how the next one would be started"),
    PX_PLUGIN_FLAG(grid_flags),
    {0}};

typedef struct grid_cfg {
    const char *launch, *probe;
} grid_cfg;

static const px_option options[] = {
    PX_OPTION_TEXT(grid_cfg, launch, "",
                   "what starts the ranks of a run, as \"mpirun -n 4 --bind-to none\"; \"\": one rank"),
    PX_OPTION_TEXT(grid_cfg, probe, "",
                   "settings of a 'pretext probe' of each run once it is trained, as \"protocol=knn\"; \"\": none"),
    {0}};

static const px_keys keys[] = {
    {"", px_train_options, NULL}, {"data", px_data_options, NULL}, {"optim", px_optim_options, NULL}, {0}};

/* What the command line says, in parts. */
typedef struct request {
    px_config *own; /* owns the strings of `cfg` */
    grid_cfg cfg;
    const char **runs; /* the assignments that are not grid.*; a borrowed string each */
    int count;
    wordexp_t launch, probe;
    char *config; /* CONFIG's path, or NULL */
    px_grid grid;
} request;

/* Splits as a shell does, but runs no command. */
static int split(wordexp_t *words, const char *key, const char *text)
{
    int reason = wordexp(text, words, WRDE_NOCMD | WRDE_UNDEF);
    if (reason == 0)
        return 0;
    *words = (wordexp_t){0};
    if (reason == WRDE_BADVAL)
        return px_fail(PX_USAGE, "grid.%s: '%s' has a variable that is not set", key, text);
    return px_fail(PX_USAGE, "grid.%s: '%s' is not a list of words as a shell takes it, with blanks between", key,
                   text);
}

static int read_request(request *r, const px_args *args, px_log *log)
{
    r->own = px_config_create();
    r->runs = px_calloc((size_t)args->assignments.count + 1, sizeof r->runs[0]);
    px_config_group(r->own, "grid", options, &r->cfg);
    for (int i = 0; i < args->assignments.count; i++) {
        const char *word = args->assignments.word[i];
        if (strncmp(word, "grid.", 5) != 0)
            r->runs[r->count++] = word;
        else if (px_config_set(r->own, word) != 0)
            return -1;
    }
    if (px_config_finish(r->own) != 0 || split(&r->launch, "launch", r->cfg.launch) != 0 ||
        split(&r->probe, "probe", r->cfg.probe) != 0)
        return -1;
    if (args->words.count && !(r->config = px_share_config(args->words.word[0], log)))
        return -1;
    return px_grid_read(&r->grid, r->runs, r->count);
}

static void finish_request(request *r)
{
    px_grid_finish(&r->grid);
    wordfree(&r->launch);
    wordfree(&r->probe);
    px_config_destroy(r->own);
    free(r->runs);
    free(r->config);
}

/* Writes a text so that the file is there whole or not at all. */
static int write_text(const char *path, const char *text)
{
    char *partial = px_partial_name(path);
    FILE *out = fopen(partial, "w");
    bool written = out && fputs(text, out) >= 0;
    if (out)
        written = fclose(out) == 0 && written;
    int status = 0;
    if (!written || rename(partial, path) != 0) {
        status = px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
        unlink(partial);
    }
    free(partial);
    return status;
}

/* What the runs have in common is kept in FOLDER/grid.cfg, so that a grid that goes on with other settings, whose runs could not
 * be compared, is noticed. */
static int keep_common(const request *r, const char *folder, px_log *log)
{
    px_settings s;
    int count = r->grid.fixed_count;
    char **first = px_grid_settings(&r->grid, 0);
    int status = px_settings_load(&s, r->config, (const char *const *)first, count); /* without the axes */
    for (; status != 0 && first[count];) /* a fixed key may need one of theirs, as a method's do */
        status = px_settings_load(&s, r->config, (const char *const *)first, ++count);
    px_grid_words_free(first);
    if (status != 0)
        return -1;
    char *now = px_config_text(s.config), *path = px_format("%s/grid.cfg", folder), *before = NULL;
    if (access(path, F_OK) != 0)
        status = write_text(path, now);
    else if ((before = px_config_read_text(path)))
        px_changes_tell(log, &(px_changes){.before = before, .now = now, .asked = now, .usual = now});
    else
        status = -1;
    free(before);
    free(path);
    free(now);
    px_settings_finish(&s);
    return status;
}

/* Makes the folder and locks it: two grids would start the same runs. *lock: a descriptor to close. */
static int take_folder(const char *folder, int *lock)
{
    enum { ROOM = 256 }; /* for the name of a run */
    int existed;
    if (px_folder_make(folder, ROOM, &existed) != 0)
        return -1;
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return px_fail(PX_FAIL, "%s: cannot be opened: %s", folder, strerror(errno));
    if (flock(*lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) /* some file systems have no locks */
        return px_fail(PX_USAGE, "%s: another pretext grid is at work there", folder);
    return 0;
}

static int work(const request *r, const grid_flags *given, const char *folder, px_log *log)
{
    px_grid_job j = {.grid = &r->grid,
                     .folder = folder,
                     .config = r->config,
                     .plugin = given->plugin,
                     .launch = r->launch.we_wordv,
                     .probe = r->probe.we_wordc ? r->probe.we_wordv : NULL,
                     .log = log};
    px_grid_stage *stage = px_calloc((size_t)r->grid.runs, sizeof *stage);
    double minutes;
    int lock = -1, status = px_grid_look(&j, stage, &minutes);
    if (status == 0 && given->dry_run) {
        status = px_grid_list(&j, stage);
    } else if (status == 0) {
        status = take_folder(folder, &lock);
        if (status == 0)
            status = keep_common(r, folder, log);
        if (status == 0)
            status = given->slurm ? px_grid_slurm(&j, stage) : px_grid_start(&j, stage, minutes);
    }
    if (lock >= 0)
        close(lock);
    free(stage);
    return status;
}

/* The rank if a launcher has started this program several times, or -1. In the shell of `srun --pty` or of `salloc` the names of
 * ranks are set, too, but there is one task. */
static int launched_rank(void)
{
    static const struct {
        const char *rank, *ranks; /* the environment's name of each */
    } launchers[] = {
        {"OMPI_COMM_WORLD_RANK", NULL}, {"PMI_RANK", "PMI_SIZE"}, {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        const char *rank = getenv(launchers[i].rank), *ranks = launchers[i].ranks ? getenv(launchers[i].ranks) : "2";
        if (rank && ranks && atoi(ranks) > 1)
            return atoi(rank);
    }
    return -1;
}

static int run(int argc, char **argv)
{
    grid_flags given = {0};
    px_args args;
    request r = {0};
    int rank = launched_rank();
    px_cli_set_rank(rank > 0 ? rank : 0);
    if (rank >= 0)
        return px_fail(PX_USAGE,
                       "is not started by mpirun or srun, but starts it for each run: grid.launch=\"mpirun -n 4\"");
    if (px_args_read(&args, &px_cmd_grid, argc, argv, &given) != 0)
        return -1;
    px_log log = px_log_make(stderr, false);
    px_args_note(&args, &log);
    int status = px_job_plugins(&given.plugin);
    if (status == 0)
        status = read_request(&r, &args, &log);
    if (status == 0)
        status = work(&r, &given, args.out, &log);
    finish_request(&r);
    px_args_finish(&args);
    return status;
}

const px_command px_cmd_grid = {
    .name = "grid",
    .arguments = "[--slurm] [CONFIG] out=FOLDER key=A,B... [key=value...]",
    .summary = "train a run for each combination of several values",
    .help = "Each key may have several values: optim.lr=0.1,0.3,1 or seed=1..3, which are 1, 2\n"
            "and 3. Within brackets commas belong to a list of the option itself:\n"
            "optim.steps=[30,60],[40,80]; a text with commas stands in double quotes.\n"
            "The runs are trained one after the other in FOLDER/lr-0.1_seed-1 and so on. Runs\n"
            "that are done are skipped, those that were interrupted go on, those that fail are\n"
            "reported, and the others go on. So the same command continues a grid, also after\n"
            "a kill, and with more values or epochs; a run that is done with other settings is\n"
            "refused. Signals are handed on to the run that is being trained; time_limit= holds\n"
            "for all runs together.\n"
            "\n"
            "Examples:\n"
            "  pretext grid experiments/first.cfg data.path=cifar10.h5 out=runs/rates optim.lr=0.1,0.3 seed=1..3\n"
            "  pretext grid experiments/first.cfg out=runs/rates optim.lr=0.1,0.3 seed=1..3 --dry-run\n"
            "  pretext grid experiments/first.cfg out=runs/rates seed=1..3 grid.launch=\"mpirun -n 2\"\n"
            "  pretext grid experiments/first.cfg out=runs/rates seed=1..3 --slurm\n",
    .run = run,
    .flags = flags,
    .max_words = 1,
    .assignments = true,
    .options = options,
    .options_group = "grid",
    .keys = keys,
    .method_keys = true,
    .backbone_keys = true,
    .word = PX_WORD_CONFIG,
    .out = {.value = "FOLDER",
            .help = "where the runs are; made if it is missing",
            .required = true,
            .example = "pretext grid experiments/first.cfg out=runs/rates seed=1..3"},
};
