/* grid_runs.h - what `pretext grid` does with its runs: looks how far they are, starts them, or writes a SLURM array. */
#ifndef PX_CLI_GRID_RUNS_H
#define PX_CLI_GRID_RUNS_H

#include "base/log.h"
#include "cli/command.h"
#include "cli/grid.h"

/* All borrowed. */
typedef struct px_grid_job {
    const px_grid *grid;
    const char *folder; /* contains a folder for each run */
    const char *config; /* a file, or NULL */
    px_words plugin;
    char *const *launch; /* NULL-terminated words before the program, as "mpirun", "-n", "4" */
    char *const *probe;  /* NULL-terminated words behind "pretext probe RUN"; NULL: runs are not evaluated */
    px_log *log;
} px_grid_job;

typedef enum px_grid_stage { PX_GRID_NEW, PX_GRID_BEGUN, PX_GRID_DONE } px_grid_stage;

/* Reads the settings of all runs, and how far each is. stage: room for grid->runs; *minutes: the least time_limit, or 0.
 * 0; or -1 (PX_USAGE): a run's configuration is not valid, or is not what a run that is done was trained with. */
int px_grid_look(const px_grid_job *, px_grid_stage *stage, double *minutes);

/* One line per run: its name and how far it is; then the command that the first one would be started with. */
int px_grid_list(const px_grid_job *, const px_grid_stage *stage);

/* Starts the runs that are not done, one after the other, and evaluates those that were not in this way. 0: all are done; -1:
 * stopped (PX_STOPPED), or some failed, whose names and statuses it has told: PX_USAGE, PX_DATA or PX_DIVERGED if that is the
 * first one's, otherwise PX_FAIL. */
int px_grid_start(const px_grid_job *, px_grid_stage *stage, double minutes);

/* Writes FOLDER/grid.sh, a SLURM array of those that are not done, and tells how to submit it; nothing if all are done. 0 or
 * -1. */
int px_grid_slurm(const px_grid_job *, const px_grid_stage *stage);

/* The words that start a run, as `pretext pretrain ... --resume`: a new NULL-terminated array of new strings. `minutes`:
 * its time_limit; 0: as it is configured. */
char **px_grid_command(const px_grid_job *, int run, double minutes);
void px_grid_words_free(char **words);

#endif
