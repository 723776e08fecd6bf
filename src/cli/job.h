/* job.h - what the commands that run on several ranks share: MPI, threads, the log, the command as it was typed. */
#ifndef PX_CLI_JOB_H
#define PX_CLI_JOB_H

#include "base/log.h"
#include "cli/command.h"
#include "dist/comm.h"

typedef struct px_job {
    px_comm comm;
    px_log log;
    char *command; /* "pretext pretrain ..." */
} px_job;

/* Starts MPI. 0 or -1. */
int px_job_start(px_job *, int argc, char **argv);

/* Sets the number of compute threads of this rank: `wanted`, else OMP_NUM_THREADS, else this host's cores divided by
 * its ranks. Warns of ranks
 * that are bound to fewer cores than they could have, and of more threads than cores. */
void px_job_threads(px_job *, int wanted);

/* The flag --plugin FILE.so of commands that know methods; may be repeated. */
#define PX_PLUGIN_FLAG(type) PX_FLAG(type, plugin, 0, "FILE.so", "a method from outside; may be repeated")
int px_job_plugins(const px_words *files);

/* Ends MPI unless the command failed: then main does, after all ranks have said so. */
void px_job_finish(px_job *, int status);

#endif
