/* main.c - the program: finds the subcommand, answers --help and --version, reports each failure once. */
#include "base/config.h"
#include "base/crash.h"
#include "base/error.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/args.h"
#include "cli/blas_core.h"
#include "cli/command.h"
#include "dist/watch.h"

#include <errno.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARED_FAILURE_SECONDS = 5 };

static void print_help(FILE *out)
{
    fputs("usage: pretext COMMAND [arguments]\n"
          "Self-supervised pretraining of vision backbones on CPU clusters.\n",
          out);
    for (const px_command_row *r = px_commands; r->heading; r++) {
        if (r == px_commands || strcmp(r->heading, r[-1].heading) != 0)
            fprintf(out, "\n%s\n", r->heading);
        fprintf(out, "  %-10s %s\n", r->command->name, r->command->summary);
    }
    fprintf(out,
            "\npretext COMMAND --help tells more about one; pretext --version lists the libraries in use.\n"
            "\nArguments\n%s"
            "\nExamples\n"
            "  pretext pack cifar-10-binary.tar.gz out=cifar10.h5\n"
            "  mpirun -n 4 pretext pretrain experiments/simclr_cifar10.cfg epochs=100 optim.lr=0.6\n"
            "  pretext probe runs/simclr_cifar10\n"
            "  pretext plot runs/simclr_cifar10\n"
            "\nExit status\n%s",
            px_command_rule, px_command_statuses);
}

static void print_command_help(FILE *out, const px_command *c)
{
    fprintf(out, "usage: pretext %s%s%s\n%s\n", c->name, *c->arguments ? " " : "", c->arguments, c->summary);
    if (px_args_flags_count(c->flags)) {
        fputs("\nFlags\n", out);
        px_args_flags_help(out, c->flags);
    }
    if (c->out.value)
        fprintf(out, "\nOutput\n  out=%s  %s\n", c->out.value, c->out.help);
    if (c->options) {
        char *text = px_options_help(c->options_group ? c->options_group : "", c->options);
        fprintf(out, "\nOptions: key=value (default, allowed values)\n%s", text);
        free(text);
    }
    char *help = px_command_help(c);
    size_t length = strlen(help);
    if (length)
        fprintf(out, "\n%s%s", help, help[length - 1] == '\n' ? "" : "\n");
    free(help);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static bool mpi_is_up(void)
{
    int begun, ended;
    MPI_Initialized(&begun);
    MPI_Finalized(&ended);
    return begun && !ended;
}

/* Whether all ranks come here within a few seconds. If not, this one failed alone, and the others wait in a
 * collective. */
static bool all_ranks_failed(void)
{
    MPI_Request barrier;
    MPI_Ibarrier(MPI_COMM_WORLD, &barrier);
    const struct timespec pause = {.tv_nsec = 1000000};
    int done = 0;
    for (double start = px_now(); !done && px_now() - start < SHARED_FAILURE_SECONDS;) {
        MPI_Test(&barrier, &done, MPI_STATUS_IGNORE);
        if (!done)
            nanosleep(&pause, NULL);
    }
    return done;
}

/* Prints the message of a failed command once, ends MPI, and returns the exit status. */
static int report(const char *command)
{
    int status = px_error_status() == PX_OK ? PX_FAIL : (int)px_error_status();
    int rank = px_cli_rank();
    bool mpi = mpi_is_up();
    if (mpi)
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (mpi && !all_ranks_failed()) {
        fprintf(stderr, "pretext %s: rank %d: %s\n", command, rank, px_error());
        fflush(NULL);
        px_watch_giving_up();
        px_crash_told();
        MPI_Abort(MPI_COMM_WORLD, status);
    }
    if (rank == 0)
        fprintf(stderr, "pretext %s: %s\n", command, px_error());
    else if (!mpi) /* mpirun ends the job once a process has failed, and rank 0 is the one that says why */
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    px_watch_stop_own();
    if (mpi)
        MPI_Finalize();
    return status;
}

/* `argv` is the whole command line, with the command's name at index 1. */
static int run(const px_command *command, int argc, char **argv)
{
    if (asks_for_help(argc - 1, argv + 1)) {
        print_command_help(stdout, command);
        return 0;
    }
    px_blas_core_correct(argv);
    px_crash_watch(command->name);
    if (command->run(argc - 1, argv + 1) != 0)
        return report(command->name);
    if (mpi_is_up())
        MPI_Finalize();
    return 0;
}

/* A full disk is noticed only when the buffer is written. */
static int close_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "pretext: standard output: %s\n", strerror(errno));
    return status ? status : PX_FAIL;
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ,
           SIG_IGN); /* a file larger than allowed (ulimit -f) is a write that fails, reported like a full disk */
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        print_help(stderr);
        return PX_USAGE;
    }
    bool help = strcmp(name, "help") == 0; /* pretext help COMMAND */
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || (help && argc < 3)) {
        print_help(stdout);
        return close_output(0);
    }
    if (strcmp(name, "--version") == 0) {
        px_blas_core_correct(argv);
        px_version_print(stdout);
        return close_output(0);
    }
    const char *wanted = help && argc > 2 ? argv[2] : name;
    const px_command *command = px_command_find(wanted);
    if (!command) {
        px_command_unknown(wanted);
        fprintf(stderr, "pretext: %s\n", px_error());
        return PX_USAGE;
    }
    if (help)
        print_command_help(stdout, command);
    return close_output(help ? 0 : run(command, argc, argv));
}
