/* show.h - a readable summary of a run, a data set, or any other HDF5 file.
 *
 *     if (px_show(stdout, "results/simclr") != 0) return -1;
 */
#ifndef PX_FIGURES_SHOW_H
#define PX_FIGURES_SHOW_H

#include <stdio.h>

/* `what` is a run's folder or a file. 0 or -1. */
int px_show(FILE *out, const char *what);

#endif
