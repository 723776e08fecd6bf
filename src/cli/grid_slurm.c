/* grid_slurm.c - a grid as an array of SLURM jobs: each task is one run under experiments/slurm.sh, which stops it before its
 * time is up and puts it back into the queue. */
#include "base/error.h"
#include "base/folder.h"
#include "base/shell.h"
#include "cli/grid_runs.h"
#include "cli/share.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLURM_USUAL = 1001 }; /* tasks of an array: its manual's default of MaxArraySize; their numbers are less */

/* The resources that slurm.sh asks for are those of a task. Names of jobs and logs are the array's own. */
static int copy_directives(FILE *out, const char *script)
{
    static const char word[] = "#SBATCH --";
    FILE *in = fopen(script, "r");
    if (!in)
        return px_fail(PX_FAIL, "%s: %s", script, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, in) > 0)
        if (strncmp(line, word, sizeof word - 1) == 0 && strncmp(line + sizeof word - 1, "job-name", 8) != 0 &&
            strncmp(line + sizeof word - 1, "output", 6) != 0)
            fputs(line, out);
    free(line);
    fclose(in);
    return 0;
}

/* "0,2-5": the runs that are not done. */
static void print_tasks(FILE *out, const px_grid_stage *stage, int runs)
{
    const char *comma = "";
    for (int i = 0; i < runs; i++) {
        if (stage[i] == PX_GRID_DONE)
            continue;
        int last = i;
        while (last + 1 < runs && stage[last + 1] != PX_GRID_DONE)
            last++;
        fprintf(out, last > i ? "%s%d-%d" : "%s%d", comma, i, last);
        comma = ",";
        i = last;
    }
}

static void print_word(FILE *out, const char *before, const char *text)
{
    char *word = px_shell_word(text);
    fprintf(out, "%s%s", before, word);
    free(word);
}

/* One branch per run: what slurm.sh puts between "pretext pretrain" and --resume. */
static void print_case(FILE *out, const px_grid_job *j, int run)
{
    char **command = px_grid_command(j, run, 0);
    int first = 2, last = 0;
    for (char *const *l = j->launch; *l; l++)
        first++;
    while (command[last + 1])
        last++;
    fprintf(out, "%d) set --", run);
    for (int i = first; i < last; i++)
        print_word(out, " ", command[i]);
    fputs(" ;;\n", out);
    px_grid_words_free(command);
}

static int write_script(FILE *out, const px_grid_job *j, const px_grid_stage *stage, const char *path,
                        const char *script)
{
    fprintf(out,
            "#!/usr/bin/env bash\n"
            "# A grid of runs as an array of SLURM jobs, a run each. Written by pretext grid --slurm; submitted by\n"
            "# sbatch %s\n"
            "#SBATCH --job-name=pretext-grid\n"
            "#SBATCH --output=%%x-%%A_%%a.log\n"
            "#SBATCH --array=",
            path);
    print_tasks(out, stage, j->grid->runs);
    fputc('\n', out);
    if (copy_directives(out, script) != 0)
        return -1;
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    fputs("set -eu\n", out);
    if (length > 0) {
        print_word(out, "program=", program);
        fputs("\nexport PRETEXT=${PRETEXT:-$program}\n", out);
    }
    for (char *const *l = j->launch; *l; l++)
        fprintf(out, "%s%s", l == j->launch ? "export LAUNCH=${LAUNCH:-'" : " ", *l);
    fputs(*j->launch ? "'}\ncase $SLURM_ARRAY_TASK_ID in\n" : "case $SLURM_ARRAY_TASK_ID in\n", out);
    for (int i = 0; i < j->grid->runs; i++)
        if (stage[i] != PX_GRID_DONE)
            print_case(out, j, i);
    fputs("*) echo \"there is no run $SLURM_ARRAY_TASK_ID that is not done\" >&2; exit 2 ;;\nesac\n", out);
    print_word(out, ". ", script);
    fputc('\n', out);
    return 0;
}

/* The launcher's words stand in the script as one text, which slurm.sh splits at blanks. */
static int check_launch(const px_grid_job *j)
{
    for (char *const *l = j->launch; *l; l++)
        if ((*l)[strcspn(*l, " \t\n'\"\\*?[$`}")])
            return px_fail(PX_USAGE, "grid.launch: the word '%s' cannot be handed on to a SLURM job; set LAUNCH there",
                           *l);
    return 0;
}

int px_grid_slurm(const px_grid_job *j, const px_grid_stage *stage)
{
    int left = 0;
    for (int i = 0; i < j->grid->runs; i++)
        left += stage[i] != PX_GRID_DONE;
    if (j->probe)
        return px_fail(PX_USAGE, "grid.probe: an array only trains; experiments/probe.sh %s/*/ evaluates its runs",
                       j->folder);
    if (check_launch(j) != 0)
        return -1;
    if (left == 0) { /* an array of no tasks is nothing that SLURM takes */
        printf("all %d runs are done\n", j->grid->runs);
        return 0;
    }
    char *found = px_share_file("experiments/slurm.sh"), *script = found ? realpath(found, NULL) : NULL;
    free(found);
    if (!script)
        return px_fail(PX_FAIL, "experiments/slurm.sh, which starts a job's run, is neither here nor installed");
    char *path = px_format("%s/grid.sh", j->folder);
    int status = px_replaceable(path);
    FILE *out = status == 0 ? fopen(path, "w") : NULL;
    if (status == 0 && !out)
        status = px_fail(PX_FAIL, "%s: %s", path, strerror(errno));
    if (status == 0)
        status = write_script(out, j, stage, path, script);
    if (out && (fclose(out) != 0 || chmod(path, 0755) != 0) && status == 0)
        status = px_fail(PX_FAIL, "%s: cannot be written: %s", path, strerror(errno));
    if (status == 0) {
        char *word = px_shell_word(path);
        printf("%d of %d runs are to be done: sbatch %s\n", left, j->grid->runs, word);
        free(word);
        if (j->grid->runs > SLURM_USUAL)
            px_log_line(j->log,
                        "SLURM takes arrays of up to %d tasks unless its MaxArraySize (scontrol show config) is larger",
                        SLURM_USUAL);
    }
    free(path);
    free(script);
    return status;
}
