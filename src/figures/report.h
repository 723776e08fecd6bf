/* report.h - runs as one page of HTML that needs nothing but itself: no network, no scripts, pictures included.
 *
 *     px_log log = px_log_make(stderr, false);
 *     if (px_report_check(path) != 0) return -1;                              // before the work: what stands there
 *     if (px_report_save(path, runs, count, &(px_report_form){0}, &log) != 0) return -1;
 *
 * On the page are, of several runs, the table of `pretext compare` and the figures of all; of each run its state, curves,
 * diagnostics, evaluations with what they measured, the method's pictures, cost, configuration, and every start. Texts from
 * files are escaped (html.h), and the page's own policy forbids browsers scripts and connections.
 */
#ifndef PX_FIGURES_REPORT_H
#define PX_FIGURES_REPORT_H

#include "base/log.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct px_report_form {
    int refresh; /* seconds after which a browser loads the page again; 0: it stays as it is */
} px_report_form;

/* What stands at `path` is a page, empty, or nothing, and its folder allows a new one (px_save_replaceable). 0 or -1. */
int px_report_check(const char *path);

/* `runs`: folders or run.h5 files, live or not. The page at `path` is replaced when the new one is complete. What is left out, as
 * figures without gnuplot, is told to the log (NULL: only on the page). 0, or -1: a run cannot be read, or is none; the page cannot
 * be written. */
int px_report_save(const char *path, const char *const runs[], int count, const px_report_form *, px_log *);

/* Whether one of the runs is being written. */
bool px_report_is_live(const char *const runs[], int count);

#endif
