/* drawn.h - figures as characters, and what is to be read in them. */
#ifndef PX_TESTS_FIGURES_DRAWN_H
#define PX_TESTS_FIGURES_DRAWN_H

#include "base/error.h"
#include "figures/plot.h"
#include "figures/plot_private.h"

#include <string.h>

/* Draws in characters; the text of the one picture of this chart, or NULL. A new string. */
static inline char *drawn(const char *const runs[], int count, const char *chart)
{
    px_plot_outcome done;
    char *text = NULL;
    if (px_plot_as(PX_PICTURE_TEXT, runs, count, NULL, &done) != 0)
        return NULL;
    for (int i = 0; i < done.drawn; i++)
        if (strcmp(done.picture[i].chart->name, chart) == 0) {
            assert_null(text);
            text = px_strdup(done.picture[i].content);
        }
    px_plot_outcome_finish(&done);
    return text;
}

static inline void has(const char *text, const char *wanted)
{
    if (!text || !strstr(text, wanted))
        fail_msg("'%s' is not in: %s", wanted, text ? text : "nothing");
}

/* How often the file says of its groups that they do not fit together. */
static inline int left_out(const char *const runs[], const char *part)
{
    px_plot_outcome done;
    int found = 0;
    if (px_plot_as(PX_PICTURE_TEXT, runs, 1, NULL, &done) != 0)
        return strstr(px_error(), part) != NULL; /* nothing else was there */
    for (int i = 0; i < done.left_out; i++)
        found += strstr(done.missing[i], part) != NULL;
    px_plot_outcome_finish(&done);
    return found;
}

#endif
