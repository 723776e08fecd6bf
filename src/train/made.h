/* made.h - a start that fails before it has results leaves nothing: what it made itself is removed, what was there
 * before stays.
 *
 *     px_made made;
 *     if (px_made_begin(&made, "runs/a") != 0) ...       // makes the folder
 *     px_results_open(&results, "runs/a/run.h5", PX_RESULTS_APPEND);
 *     px_made_files(&made);                              // locked now: nobody else makes files in it
 *     ... fail ...
 *     px_made_undo(&made, results);                      // closes run.h5, too
 *     px_made_keep(&made);                               // instead, from the first result on
 */
#ifndef PX_TRAIN_MADE_H
#define PX_TRAIN_MADE_H

#include "results/results.h"

#include <stdbool.h>

typedef struct px_made {
    char *folder;
    int existed;       /* bytes of `folder` that name folders which were there */
    bool results, log; /* run.h5, log.txt were not there */
} px_made;             /* all zeros: nothing to undo */

/* Makes the folder and its parents, unless they exist. On failure none of those that it made is left. 0, or -1 with
 * PX_USAGE: it is not a folder, cannot be written to, or its path is too long for the files of a run. */
int px_made_begin(px_made *, const char *folder);

/* Notes that run.h5 and log.txt may be made from now on. Call it with the lock on run.h5. */
void px_made_files(px_made *);

/* Abandons the results (NULL: there are none), and removes run.h5, log.txt and folders that were made, unless something
 * else is in them. Does not change px_error(). */
void px_made_undo(px_made *, px_results *);

void px_made_keep(px_made *);

#endif
