/* run.h - runs the built program as a user does, and keeps its output.
 *
 *     run_result r = RUN("pack", "missing.gz", "out=x.h5");
 *     assert_int_equal(r.status, 3);
 *     assert_string_equal(r.err, "pretext pack: missing.gz: No such file or directory\n");
 *     run_finish(&r);
 *
 * The program is the one that the environment variable PRETEXT names (meson sets it); without it a test is skipped.
 */
#ifndef PX_TESTS_CLI_RUN_H
#define PX_TESTS_CLI_RUN_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct run_result {
    int status;       /* exit status, or 128 + the signal that ended it */
    char *out, *err;  /* all of standard output and standard error */
    long memory_kib;  /* the most that was resident */
    double processor; /* seconds of all its threads */
} run_result;

/* A program that is still running. */
typedef struct run_child {
    pid_t process; /* of the program, or of mpirun */
    FILE *out, *err;
} run_child;

#define RUN(...) run_program(0, (const char *const[]){__VA_ARGS__, NULL})
#define RUN_RANKS(ranks, ...) run_program(ranks, (const char *const[]){__VA_ARGS__, NULL})

/* `arguments` is NULL-terminated, without the program's name. ranks > 0: under mpirun, whose messages are then in err,
 * too; the test is skipped if there is no mpirun. */
run_result run_program(int ranks, const char *const *arguments);
void run_finish(run_result *);

/* The same in two steps, so that a signal can be sent in between. After run_wait the child is no longer usable. */
run_child run_start(int ranks, const char *const *arguments);
run_child run_start_with(const char *option, int ranks, const char *const *arguments); /* one more of mpirun's */
run_child run_start_by(const char *const *launcher, const char *const *arguments);     /* its name and options */
run_child run_start_command(const char *const *words);                                 /* of something else */
run_result run_wait(run_child *);
bool run_has_ended(run_child *, run_result *); /* false: it is still running; does not wait */

/* Allows later calls of mpirun as root. Open MPI 4 and 5 use the same two variables. */
void run_allow_root(void);

/* Finds the ranks that an mpirun has started on this host, at most `max`. Returns their number. */
int run_ranks(const run_child *, pid_t *rank, int max);

/* Whether a process is still running; a zombie is not. */
bool run_is_alive(pid_t);

/* Waits until the program has reported its first step; gives up after a while. */
void run_wait_for_progress(const run_child *);
void run_pause_ms(int ms);

/* Creates a folder under $TMPDIR or /tmp; removes it with everything in it, and frees the string. */
char *run_folder_create(void);
void run_folder_remove(char *path);
/* A teardown of cmocka's: leaves the folder that *state names, and removes it. */
int run_folder_leave(void **state);

#endif
