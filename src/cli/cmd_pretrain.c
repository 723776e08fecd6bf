/* cmd_pretrain.c - pretext pretrain: trains a backbone. */
#include "base/error.h"
#include "cli/job.h"
#include "cli/share.h"
#include "eval/online_knn.h"
#include "train/checkpoint.h"
#include "train/saved.h"
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct pretrain_flags {
    bool resume;
    px_words plugin;
} pretrain_flags;

static const px_flag flags[] = {
    PX_FLAG(pretrain_flags, resume, 0, NULL,
            "go on with the run in its folder, from the last checkpoint (without CONFIG, as "
            "it was configured); with CONFIG or data.path= starts one if there is none"),
    PX_PLUGIN_FLAG(pretrain_flags),
    {0}};

static const px_keys keys[] = {
    {"data", px_data_options, NULL}, {"weights", px_weights_options, NULL}, {"optim", px_optim_options, NULL}, {0}};

/* The value of the last assignment of `key`, or NULL. */
static const char *value_of(const px_args *args, const char *key)
{
    size_t length = strlen(key);
    for (int i = args->assignments.count; i-- > 0;)
        if (strncmp(args->assignments.word[i], key, length) == 0 && args->assignments.word[i][length] == '=')
            return args->assignments.word[i] + length + 1;
    return NULL;
}

/* --resume out=RUN needs no CONFIG: the run's own is in its checkpoint. Where that is missing, a run begins only if the
 * command line describes one: a mistyped name must be reported. */
static int load(px_settings *s, const px_args *args, bool resume, px_log *log)
{
    const char *const *given = args->assignments.word, *out = value_of(args, "out");
    int count = args->assignments.count;
    if (args->words.count || !resume || !out) {
        char *path = args->words.count ? px_share_config(args->words.word[0], log) : NULL;
        int status = path || !args->words.count ? px_settings_load(s, path, given, count) : -1;
        free(path);
        if (status == 0 && resume)
            px_saved_moments(s, given, count, log);
        return status;
    }
    if (!px_checkpoint_exists(out)) {
        if (value_of(args, "data.path"))
            return px_settings_load(s, NULL, given, count);
        return px_fail(PX_USAGE,
                       access(out, F_OK) != 0
                           ? "%s: there is no such run; with CONFIG or data.path= --resume starts one"
                           : "%s: holds no checkpoint to go on from; with CONFIG or data.path= --resume starts "
                             "at the beginning",
                       out);
    }
    return px_saved_settings(s, out, given, count, log);
}

static int pretrain(px_job *job, const px_args *args)
{
    const pretrain_flags *given = args->flags;
    px_settings s = {0};
    int status = px_job_plugins(&given->plugin);
    if (status == 0)
        status = load(&s, args, given->resume, &job->log);
    if (px_agree(&job->comm, status) != 0) {
        if (status == 0)
            px_settings_finish(&s);
        return -1;
    }
    px_job_threads(job, s.train.threads);
    px_job_watch(job, s.train.rank_timeout);
    status = px_job_isa(job, s.train.isa);
    if (status == 0)
        status = px_pretrain(&s, &job->comm, &job->log, given->resume, job->command, &px_online_knn, 0);
    px_settings_finish(&s);
    return status;
}

static int run(int argc, char **argv)
{
    return px_job_run(&px_cmd_pretrain, argc, argv, &(pretrain_flags){0}, pretrain);
}

const px_command px_cmd_pretrain = {
    .name = "pretrain",
    .arguments = "[--resume] [CONFIG] [key=value...]",
    .summary = "train a backbone on a pretext task",
    .help = "CONFIG is a libconfig file; key=value overrides it, with dots for groups:\n"
            "optim.lr=0.3. For keys that neither sets, the method's defaults apply, then\n"
            "those of the option tables ('pretext options METHOD' prints all keys). Under\n"
            "mpirun the global batch is divided among the ranks: the number of ranks does\n"
            "not change the mathematics.\n"
            "A run is a folder (out=): run.h5 contains its results, checkpoint.h5 its state.\n"
            "SIGTERM, SIGINT, SIGUSR1 and time_limit stop it after a step, with a checkpoint\n"
            "and status 75. To stop ranks under mpirun, send it SIGUSR1, which it passes on;\n"
            "after SIGTERM it gives them a second at most and exits with its own status.\n"
            "\n"
            "Examples:\n"
            "  pretext pretrain method=simclr backbone=resnet18 data.path=cifar10.h5 out=runs/first epochs=20\n"
            "  mpirun -n 2 --bind-to none pretext pretrain experiments/simclr_cifar10.cfg batch=256\n"
            "  pretext pretrain --plugin ./quarter_turns.so method=quarter_turns data.path=cifar10.h5 out=runs/turns\n"
            "  mpirun -n 4 --bind-to none pretext pretrain experiments/simclr_cifar10.cfg --resume\n"
            "  pretext pretrain --resume out=runs/first epochs=40\n",
    .run = run,
    .flags = flags,
    .min_words = 0,
    .max_words = 1,
    .assignments = true,
    .options = px_train_options,
    .keys = keys,
    .method_keys = true,
    .backbone_keys = true,
    .word = PX_WORD_CONFIG,
};
