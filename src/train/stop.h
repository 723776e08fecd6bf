/* stop.h - signals that ask a run to end. Handlers only raise a flag; the loop reads it between steps. */
#ifndef PX_TRAIN_STOP_H
#define PX_TRAIN_STOP_H

/* From now on SIGTERM, SIGINT and SIGUSR1 raise the flag; a second SIGINT ends the program at once, by that signal. */
void px_stop_watch(void);

/* The signal that was received, or 0. */
int px_stop_signal(void);

#endif
