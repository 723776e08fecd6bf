/* report_private.h - what the files report*.c share; no other file includes it. */
#ifndef PX_FIGURES_REPORT_PRIVATE_H
#define PX_FIGURES_REPORT_PRIVATE_H

#include "figures/plot_private.h"
#include "figures/report.h"

typedef struct report_page {
    FILE *out;
    plot_run *runs;
    const char *const *paths; /* as they were given */
    int count;
    px_plot_outcome figures; /* of all runs; nothing is drawn if there are none */
    int pictures;            /* that were written so far: their number is part of names in the page */
    char *refused;           /* why a picture could not be taken into the page, or NULL */
} report_page;

/* The style of the page, for <style>. */
extern const char px_report_style[];

/* Writes the figures of a group of run.h5 ("/train"; NULL: of all groups) that show this run alone, or with -1 several; if there
 * are any, under a heading, which may be NULL. */
void px_report_figures(report_page *, int run, const char *group, const char *heading);

/* Writes a run's part of the page, in sections under headings <h3>. */
void px_report_run(report_page *, int run);

/* Parts of it: evaluations; the method's pictures; configuration and provenance. Nothing is written of what is not there. */
void px_report_evals(report_page *, int run);
void px_report_samples(report_page *, int run);
void px_report_origin(report_page *, int run);

/* The test images of an evaluation and their nearest training images, if it has them. */
void px_report_neighbours(report_page *, int run, const plot_eval *);

/* <dt>NAME</dt><dd>TEXT</dd>; takes the text. */
void px_report_fact(FILE *, const char *name, char *text);

#endif
