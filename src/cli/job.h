/* job.h - what the commands that run on several ranks share: MPI, threads, the log, the command line.
 *
 *     static int work(px_job *job, const px_args *args)
 *     {
 *         const probe_flags *given = args->flags;
 *         ...
 *     }
 *
 *     static int run(int argc, char **argv)
 *     {
 *         return px_job_run(&px_cmd_probe, argc, argv, &(probe_flags){0}, work);
 *     }
 */
#ifndef PX_CLI_JOB_H
#define PX_CLI_JOB_H

#include "base/log.h"
#include "cli/args.h"
#include "dist/watch.h"
#include "train/settings.h"

typedef struct px_job {
    px_comm comm;
    px_log log;
    char *command; /* "pretext pretrain ..." */
    px_watch *watch;
} px_job;

/* Reads the command's arguments into `flags` (zeroed), starts MPI and does the work. If the work succeeds, ends MPI;
 * otherwise main does, after all ranks have reported. 0 or -1. */
int px_job_run(const px_command *, int argc, char **argv, void *flags, int (*work)(px_job *, const px_args *));

/* Sets the number of compute threads of this rank: `wanted`, else OMP_NUM_THREADS, else this host's cores divided by
 * its ranks. Warns of ranks that are bound to fewer cores than they could use, and of more threads than cores. */
void px_job_threads(px_job *, int wanted);

/* Collective: narrows what this rank's processor is asked to do (px_cpu_narrow). -1: some rank's processor lacks it. */
int px_job_isa(px_job *, const char *isa);

/* Collective: from now on a rank that dies or is stopped ends the job (dist/watch.h); warns if that is impossible. */
void px_job_watch(px_job *, double seconds);

/* The settings of a run from CONFIG and key=value, without those of the command's own group (views.images=4), which fill
 * `own`, the structure of command->options. 0, and px_settings_finish is due; or -1. */
int px_job_settings(px_settings *, void *own, const px_args *, px_log *);

/* The flag --plugin FILE.so of commands that know methods; may be repeated. */
#define PX_PLUGIN_FLAG(type) PX_FLAG(type, plugin, 0, "FILE.so", "a plug-in with a method; may be repeated")
int px_job_plugins(const px_words *files);

#endif
