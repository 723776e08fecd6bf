/* watch.h - ranks watch over each other: a process that died, was stopped, or cannot be reached ends the job within
 * seconds, with a line that names it. MPI itself waits for it for ever, and so do some launchers.
 *
 *     px_watch *w;
 *     if (px_watch_start(&w, &comm, 6) != 0) ...     // collective; not a failure of the job: it runs without a watch
 *     ... hours of work ...
 *     px_watch_stop(w);                              // says goodbye: this rank may end now
 *
 * A thread of each rank exchanges a byte every half second with that of rank 0, over TCP connections (IPv4) of its own.
 * It looks at processes, not at their work: a step may take as long as it takes. A rank whose loader delivers nothing
 * gives up by itself (loader.h).
 */
#ifndef PX_DIST_WATCH_H
#define PX_DIST_WATCH_H

#include "dist/comm.h"

typedef struct px_watch px_watch;

/* Collective. Silence of more than `seconds` is taken for the end of a rank. `*out` is NULL for a job of one rank, for
 * seconds = 0, and when ranks cannot reach rank 0 (-1 then, on all ranks). */
int px_watch_start(px_watch **out, const px_comm *, double seconds);
void px_watch_stop(px_watch *); /* NULL is fine */

/* Stops the watch of this process, if there is one: for the end of a job in which all ranks have failed alike, where
 * nobody holds it any more. Else those that end first look dead to the others. */
void px_watch_stop_own(void);

/* This rank is about to end the job and has told why: the others need not. Does nothing without a watch. */
void px_watch_giving_up(void);

#endif
