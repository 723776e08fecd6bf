/* child.h - programs that a command starts one after the other, with the signals that ask it to stop handed on.
 *
 *     px_children c;
 *     px_children_begin(&c, true);                  // they are started by mpirun or srun
 *     int status = px_children_run(&c, argv);       // waits
 *     if (px_children_stopping(&c)) ...             // somebody asked to stop: start no other
 *     px_children_end(&c);
 *
 * A child has a process group of its own, so that Ctrl-C in a terminal reaches it only once, from here, and reads nothing
 * from the terminal. If this process is killed, the child gets SIGUSR1, which lets a run stop with a checkpoint.
 */
#ifndef PX_CLI_CHILD_H
#define PX_CLI_CHILD_H

#include <signal.h>
#include <stdbool.h>

typedef struct px_children {
    bool launched;   /* by a launcher, which hands on only SIGUSR1 and ends its ranks on SIGTERM */
    int signals;     /* how many have asked to stop */
    int interrupts;  /* those of them that were SIGINT */
    sigset_t before; /* the process's mask */
} px_children;

/* From now on SIGINT, SIGTERM and SIGUSR1 wait to be handed on. */
void px_children_begin(px_children *, bool launched);
void px_children_end(px_children *);

/* Runs argv (NULL-terminated; argv[0] is looked for in PATH). *status: what it exited with, or 128 + the signal that ended
 * it. 0; or -1 if it cannot be started. */
int px_children_run(px_children *, char *const argv[], int *status);

bool px_children_stopping(px_children *);

#endif
