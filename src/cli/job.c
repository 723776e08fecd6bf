/* job.c - see job.h. */
#include "cli/job.h"
#include "base/cpu.h"
#include "base/crash.h"
#include "base/error.h"
#include "base/shell.h"
#include "cli/share.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *join(int argc, char **argv)
{
    char *text = px_strdup("pretext");
    for (int i = 0; i < argc; i++) {
        char *word = px_shell_word(argv[i]), *longer = px_format("%s %s", text, word);
        free(word);
        free(text);
        text = longer;
    }
    return text;
}

int px_job_run(const px_command *command, int argc, char **argv, void *flags, int (*work)(px_job *, const px_args *))
{
    px_args args;
    px_job job = {0};
    if (px_args_read(&args, command, argc, argv, flags) != 0)
        return -1;
    job.command = join(argc, argv);
    const char *local = getenv("OMPI_COMM_WORLD_LOCAL_RANK"); /* if MPI cannot start, one rank of each host says so */
    px_cli_set_rank(local ? atoi(local) : 0);
    int status = px_comm_init(&job.comm, &argc, &argv);
    px_crash_watch(command->name); /* instead of MPI's handlers, which print a backtrace */
    if (status == 0) {
        px_cli_set_rank(job.comm.rank);
        job.log = px_log_make(stderr, job.comm.rank != 0);
        px_args_note(&args, &job.log);
        status = work(&job, &args);
        if (status != 0)
            px_log_note(&job.log, "%s", px_error()); /* main prints it */
        px_log_close(&job.log);
    }
    if (status == 0) {
        px_watch_stop(job.watch);
        px_comm_finish(&job.comm);
    }
    free(job.command);
    px_args_finish(&args);
    return status;
}

int px_job_isa(px_job *job, const char *isa)
{
    return px_agree(&job->comm, px_cpu_narrow(isa));
}

void px_job_threads(px_job *job, int wanted)
{
    int cores = (int)sysconf(_SC_NPROCESSORS_ONLN), here = omp_get_num_procs();
    int share = cores / job->comm.local_size > 1 ? cores / job->comm.local_size : 1;
    int threads = wanted ? wanted : getenv("OMP_NUM_THREADS") ? omp_get_max_threads() : share < here ? share : here;
    omp_set_num_threads(threads);
    if (here < share && (job->comm.local_size > 1 || px_rank_of_launcher()[0]))
        px_log_warning(&job->log, "each rank is bound to %d of the %d cores that it could use: mpirun --bind-to none",
                       here, share);
    else if (here < share)
        px_log_warning(&job->log, "this process may use %d of this host's %d cores, by taskset or its container", here,
                       cores);
    if (threads * job->comm.local_size > cores)
        px_log_warning(&job->log, "%d ranks x %d threads on a host of %d cores: they will wait for each other",
                       job->comm.local_size, threads, cores);
}

void px_job_watch(px_job *job, double seconds)
{
    if (px_watch_start(&job->watch, &job->comm, seconds) != 0)
        px_log_warning(&job->log, "a rank that dies or hangs will not be noticed: %s", px_error());
}

int px_job_plugins(const px_words *files)
{
    for (int i = 0; i < files->count; i++)
        if (px_method_load(files->word[i]) != 0)
            return -1;
    return 0;
}

/* Sets what the command line says of the command's own group; others[0 : *count] is the rest of it. */
static int take_own(void *own, const px_args *args, const char **others, int *count)
{
    const char *group = args->command->options_group;
    size_t length = strlen(group);
    int status = 0;
    px_config *config = px_config_create();
    px_config_group(config, group, args->command->options, own);
    for (int i = 0; i < args->assignments.count && status == 0; i++) {
        const char *word = args->assignments.word[i];
        if (strncmp(word, group, length) == 0 && word[length] == '.')
            status = px_config_set(config, word);
        else
            others[(*count)++] = word;
    }
    if (status == 0)
        status = px_config_finish(config);
    px_config_destroy(config);
    return status;
}

int px_job_settings(px_settings *s, void *own, const px_args *args, px_log *log)
{
    const char **others = px_calloc((size_t)args->assignments.count + 1, sizeof others[0]);
    int count = 0, status = take_own(own, args, others, &count);
    char *path = status == 0 && args->words.count ? px_share_config(args->words.word[0], log) : NULL;
    if (status == 0)
        status = path || !args->words.count ? px_settings_load(s, path, others, count) : -1;
    free(path);
    free(others);
    return status;
}
