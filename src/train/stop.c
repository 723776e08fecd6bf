/* stop.c - see stop.h. */
#include "train/stop.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A global, since a signal handler can reach nothing else. */
static volatile sig_atomic_t came, interrupted;

static void note(int number)
{
    if (number == SIGINT && interrupted) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
    interrupted |= number == SIGINT;
    came = number;
}

void px_stop_watch(void)
{
    static bool watching; /* what came before a second call stays: pretext search trains one run after the other */
    struct sigaction action;
    if (watching)
        return;
    watching = true;
    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    action.sa_flags = SA_RESTART | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}

int px_stop_signal(void)
{
    return came;
}
