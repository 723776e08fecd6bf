/* show.h - a readable summary of a run, a data set, or any other HDF5 file.
 *
 *     if (px_show(stdout, "results/simclr", false) != 0) return -1;
 */
#ifndef PX_FIGURES_SHOW_H
#define PX_FIGURES_SHOW_H

#include <stdbool.h>
#include <stdio.h>

/* `what` is a run's folder or a file. Without `all` a page has at most some hundred lines of one kind, and says how many are
 * left out. 0 or -1. */
int px_show(FILE *out, const char *what, bool all);

/* Runs for other programs. JSON: an array with an object per run, of settings, provenance, the ends and extremes of each series,
 * evaluations, cost. CSV: a line per evaluation. 0 or -1, with nothing printed: one is not a run. */
int px_show_json(FILE *out, const char *const runs[], int count);
int px_show_csv(FILE *out, const char *const runs[], int count);

#endif
