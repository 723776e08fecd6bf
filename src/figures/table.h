/* table.h - a table of texts, printed for people or for other programs.
 *
 *     px_table t = {.columns = 3};
 *     px_table_add(&t, px_strdup("run")); ...              // the heads, then row by row; takes the string
 *     px_table_print(&t, PX_TABLE_MARKDOWN, stdout);
 *     px_table_finish(&t);
 */
#ifndef PX_FIGURES_TABLE_H
#define PX_FIGURES_TABLE_H

#include <stdio.h>

typedef enum px_table_format {
    PX_TABLE_TEXT,
    PX_TABLE_CSV,
    PX_TABLE_MARKDOWN,
    PX_TABLE_LATEX,
    PX_TABLE_HTML,
} px_table_format;

typedef struct px_table {
    int columns, cells; /* cells: with the heads */
    char **cell;        /* owned */
} px_table;

void px_table_add(px_table *, char *text);

/* Text: aligned columns. CSV: RFC 4180, with newlines of Unix. Markdown: GitHub's. LaTeX: a tabular with booktabs' rules. HTML:
 * an element <div class="wide"> with the table, in which cells of numbers have the class "n". What means something to a format
 * is escaped. */
void px_table_print(const px_table *, px_table_format, FILE *);
void px_table_finish(px_table *);

#endif
