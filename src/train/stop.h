/* stop.h - signals that ask a run to end. Handlers only raise a flag; the loop reads it between steps. */
#ifndef PX_TRAIN_STOP_H
#define PX_TRAIN_STOP_H

/* SIGTERM, SIGINT, SIGUSR1 raise the flag from now on; a second SIGINT ends the program at once, by that signal. */
void px_stop_watch(void);

/* The signal that came, or 0. */
int px_stop_signal(void);

#endif
