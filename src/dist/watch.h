/* watch.h - ranks watch over each other: a process that died, was stopped, or cannot be reached ends the job within
 * seconds, with a line that names it. MPI itself would wait forever, and so would some launchers.
 *
 *     px_watch *w;
 *     if (px_watch_start(&w, &comm, 6) != 0) ...     // collective; the job can go on without a watch
 *     ... hours of work ...
 *     px_watch_stop(w);                              // says goodbye: now this rank may end
 *
 * A thread of each rank exchanges a byte with rank 0's every half second, over a separate TCP connection (IPv4). It
 * watches processes, not their work: a step may take any time. A rank whose loader delivers nothing gives up by itself
 * (loader.h).
 */
#ifndef PX_DIST_WATCH_H
#define PX_DIST_WATCH_H

#include "dist/comm.h"

typedef struct px_watch px_watch;

/* Collective. A rank that is silent for more than `seconds` counts as lost. `*out` is NULL for a job of one rank, if
 * `seconds` is 0, and if some rank cannot reach rank 0 (then all ranks get -1). */
int px_watch_start(px_watch **out, const px_comm *, double seconds);
void px_watch_stop(px_watch *); /* NULL is fine */

/* Stops the watch of this process, if there is one. For the end of a job in which all ranks have failed alike, and
 * px_watch_stop was not called: without it the ranks that end first would look dead to the others. */
void px_watch_stop_own(void);

/* Tells the others that this rank is about to end the job and has said why. Does nothing without a watch. */
void px_watch_giving_up(void);

#endif
