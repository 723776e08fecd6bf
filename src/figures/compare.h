/* compare.h - several runs in one table: what they are, what they cost, what their representations are worth.
 *
 *     px_comparison *c;
 *     if (px_comparison_read(&c, paths, count) != 0) return -1;
 *     px_comparison_print(c, PX_TABLE_TEXT, stdout);
 *     px_comparison_destroy(c);
 *
 * Runs whose settings differ only in the seed, and in what does not change what is computed (threads, folders, limits), are one
 * row: the mean over seeds, with half the width of its 95 % interval by Student's t. Accuracies stand in one column only if they
 * were measured alike (results/measured.h): others have columns of their own, with a letter and what is different.
 */
#ifndef PX_FIGURES_COMPARE_H
#define PX_FIGURES_COMPARE_H

#include "figures/table.h"

typedef struct px_comparison px_comparison;

/* Folders or run.h5 files. 0; or -1: one cannot be read, or holds no run. */
int px_comparison_read(px_comparison **, const char *const paths[], int count);

/* The table; as text, Markdown, HTML and (as comments) LaTeX also notes: what differs, differences to the first row where seeds
 * match. */
void px_comparison_print(const px_comparison *, px_table_format, FILE *);
/* {"runs": [what is known of each: settings, evaluations, cost], "rows": [means over seeds]}. */
void px_comparison_json(const px_comparison *, FILE *);
void px_comparison_destroy(px_comparison *); /* accepts NULL */

#endif
