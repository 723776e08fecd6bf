/* child.c - see child.h. */
#include "cli/child.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sigset_t handed_on(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    return set;
}

void px_children_begin(px_children *c, bool launched)
{
    *c = (px_children){.launched = launched};
    sigset_t waited = handed_on();
    signal(SIGCHLD, SIG_DFL); /* where it was ignored, as some programs leave it, a child's status would be lost */
    sigaddset(&waited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &waited, &c->before);
}

static void note(px_children *c, int number)
{
    c->signals++;
    c->interrupts += number == SIGINT;
}

bool px_children_stopping(px_children *c)
{
    sigset_t set = handed_on();
    for (int number; (number = sigtimedwait(&set, NULL, &(struct timespec){0})) > 0;)
        note(c, number);
    return c->signals > 0;
}

void px_children_end(px_children *c)
{
    px_children_stopping(c); /* takes away what came last */
    sigprocmask(SIG_SETMASK, &c->before, NULL);
}

/* In the child; does not return. The reason why there is no program goes to `report`. */
static void become(const px_children *c, char *const argv[], pid_t parent, int report)
{
    int input = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    if (getppid() == parent && input >= 0 && dup2(input, STDIN_FILENO) >= 0) {
        close(input);
        sigprocmask(SIG_SETMASK, &c->before, NULL);
        execvp(argv[0], argv);
    }
    int reason = errno;
    while (write(report, &reason, sizeof reason) < 0 && errno == EINTR)
        ;
    _exit(127);
}

/* Waits for the child, and hands on what asks it to stop. Its status as waitpid gives it. */
static int wait_for(px_children *c, pid_t child)
{
    sigset_t set = handed_on();
    sigaddset(&set, SIGCHLD);
    int status = 127 << 8; /* if it cannot be waited for */
    while (waitpid(child, &status, WNOHANG) == 0) {
        int number = sigwaitinfo(&set, NULL);
        if (number <= 0 || number == SIGCHLD)
            continue;
        note(c, number);
        kill(child, !c->launched ? number : c->interrupts > 1 ? SIGTERM : SIGUSR1);
    }
    return status;
}

int px_children_run(px_children *c, char *const argv[], int *status)
{
    int ends[2], reason = 0;
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0)
        return px_fail(PX_FAIL, "%s cannot be started: %s", argv[0], strerror(errno));
    pid_t child = fork();
    if (child == 0)
        become(c, argv, parent, ends[1]);
    if (child < 0)
        reason = errno;
    close(ends[1]);
    if (child > 0 && read(ends[0], &reason, sizeof reason) != sizeof reason)
        reason = 0; /* it was closed by the new program */
    close(ends[0]);
    int how = child > 0 ? wait_for(c, child) : 0;
    if (reason)
        return px_fail(PX_USAGE, "%s cannot be started: %s", argv[0], strerror(reason));
    *status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    return 0;
}
