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

#endif
