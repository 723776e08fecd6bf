/* run.c - see run.h. Both outputs go to temporary files, since pipes could fill up and block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "run.h"

#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 256 };

/* Open MPI 5's mpirun ends some messages with a zero byte, which would end the string. */
static char *read_all(FILE *stream)
{
    long size = ftell(stream);
    if (fseek(stream, 0, SEEK_END) == 0)
        size = ftell(stream);
    rewind(stream);
    char *text = px_calloc((size_t)size + 1, 1);
    assert_int_equal(fread(text, 1, (size_t)size, stream), size);
    for (long i = 0; i < size; i++)
        if (text[i] == '\0')
            text[i] = '\n';
    fclose(stream);
    return text;
}

static int append(const char **argv, int count, const char *const *words)
{
    for (; *words; words++) {
        assert_true(count < ARGUMENTS_MAX);
        argv[count++] = *words;
    }
    return count;
}

/* Skips the test if the command does not exist and may be missing. */
static run_child spawn(const char *const *argv, bool may_be_missing)
{
    run_child c = {.out = tmpfile(), .err = tmpfile()};
    assert_true(c.out && c.err);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fileno(c.out), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(c.err), STDERR_FILENO);
    int rc = posix_spawnp(&c.process, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0 && may_be_missing)
        skip();
    assert_int_equal(rc, 0);
    return c;
}

run_child run_start_command(const char *const *words)
{
    return spawn(words, false);
}

run_child run_start_by(const char *const *launcher, const char *const *arguments)
{
    const char *program = getenv("PRETEXT"), *argv[ARGUMENTS_MAX + 1] = {NULL};
    if (!program)
        skip();
    int count = append(argv, 0, launcher);
    count = append(argv, count, (const char *const[]){program, NULL});
    append(argv, count, arguments);
    return spawn(argv, *launcher != NULL);
}

run_child run_start_with(const char *option, int ranks, const char *const *arguments)
{
    char number[16];
    snprintf(number, sizeof number, "%d", ranks);
    run_allow_root();
    const char *const mpirun[] = {"mpirun",
                                  "--oversubscribe",
                                  "--bind-to",
                                  "none",
                                  "--mca",
                                  "mpi_yield_when_idle",
                                  "1",
                                  "-x",
                                  "OMP_NUM_THREADS=1",
                                  "-n",
                                  number,
                                  option,
                                  NULL};
    return run_start_by(ranks > 0 ? mpirun : mpirun + sizeof mpirun / sizeof *mpirun - 1, arguments);
}

run_child run_start(int ranks, const char *const *arguments)
{
    return run_start_with(NULL, ranks, arguments);
}

void run_allow_root(void)
{
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
}

static bool has_ended(run_child *c, run_result *r, int how)
{
    int state;
    struct rusage used;
    pid_t ended = wait4(c->process, &state, how, &used);
    if (ended == 0)
        return false;
    assert_int_equal(ended, c->process);
    *r = (run_result){.status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state),
                      .out = read_all(c->out),
                      .err = read_all(c->err),
                      .memory_kib = used.ru_maxrss,
                      .processor = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                                   1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec)};
    return true;
}

bool run_has_ended(run_child *c, run_result *r)
{
    return has_ended(c, r, WNOHANG);
}

run_result run_wait(run_child *c)
{
    run_result r;
    assert_true(has_ended(c, &r, 0));
    return r;
}

run_result run_program(int ranks, const char *const *arguments)
{
    run_child c = run_start(ranks, arguments);
    return run_wait(&c);
}

void run_finish(run_result *r)
{
    free(r->out);
    free(r->err);
    *r = (run_result){0};
}

int run_ranks(const run_child *c, pid_t *rank, int max)
{
    char *path = px_format("/proc/%ld/task/%ld/children", (long)c->process, (long)c->process);
    FILE *f = fopen(path, "r");
    long process;
    int count = 0;
    free(path);
    assert_non_null(f);
    while (count < max && fscanf(f, "%ld", &process) == 1)
        rank[count++] = (pid_t)process;
    fclose(f);
    return count;
}

bool run_is_alive(pid_t process)
{
    char *path = px_format("/proc/%ld/stat", (long)process), state = 'Z';
    FILE *f = fopen(path, "r");
    free(path);
    if (!f)
        return false;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(f);
    return state != 'Z' && state != 'X';
}

void run_pause_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

void run_wait_for_progress(const run_child *c)
{
    for (int i = 0; i < 6000; i++, run_pause_ms(5)) {
        char text[4096] = "";
        ssize_t got = pread(fileno(c->err), text, sizeof text - 1, 0);
        if (got > 0 && strstr(text, "epoch "))
            return;
    }
}

char *run_folder_create(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = px_format("%s/pretext-cli-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    return remove(path);
}

void run_folder_remove(char *path)
{
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(path);
}

int run_folder_leave(void **state)
{
    assert_int_equal(chdir("/"), 0);
    run_folder_remove(*state);
    return 0;
}
