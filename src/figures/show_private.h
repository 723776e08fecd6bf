/* show_private.h - what the files show*.c share; no other file includes it. */
#ifndef PX_FIGURES_SHOW_PRIVATE_H
#define PX_FIGURES_SHOW_PRIVATE_H

#include "results/results.h"

#include <stdio.h>

/* Prints a name of anybody's on one line, filled up to a width in characters. The middle of a very long one is left
 * out. */
void px_show_name(FILE *, const char *name, int width);

/* Reads a data set with one axis; its length, or 0 with *data NULL or of another shape. The caller frees *data. */
int64_t px_show_column(px_results *, const char *path, double **data);

/* Says that `more` things are left out; nothing if that is not positive. */
void px_show_more(FILE *, const char *indent, int more, const char *what);

/* What the run has cost; nothing if it has no ledger. */
void px_show_cost(FILE *, px_results *);

void px_show_dataset(FILE *, px_results *, const char *path, int most);

/* The table of a run's evaluations; nothing if it has none. At most so many stages of each. */
void px_show_evaluations(FILE *, px_results *, int most);

#endif
