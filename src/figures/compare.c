/* compare.c - see compare.h: which runs belong together, and which numbers. */
#include "figures/compare.h"
#include "base/error.h"
#include "figures/compare_private.h"
#include "figures/plot_private.h"
#include "results/measured.h"

#include <stdlib.h>
#include <string.h>

/* Whether each setting of `a` that matters has the same value in `b`. */
static bool within(const cmp_run *a, const cmp_run *b)
{
    for (int i = 0; i < a->settings; i++)
        if (px_compare_matters(a->setting[i].key) &&
            strcmp(px_compare_setting(a, a->setting[i].key), px_compare_setting(b, a->setting[i].key)) != 0)
            return false;
    return true;
}

/* Two runs are repetitions of each other if only their seeds differ. A run without a configuration is alone. */
static bool are_repetitions(const cmp_run *a, const cmp_run *b)
{
    return a->settings > 0 && b->settings > 0 && within(a, b) && within(b, a) &&
           (a->epochs == b->epochs || (a->epochs != a->epochs && b->epochs != b->epochs)) &&
           strcmp(px_compare_setting(a, "seed"), px_compare_setting(b, "seed")) != 0;
}

/* Whether it repeats all runs of a group. */
static bool belongs(const px_comparison *c, int run, int group)
{
    for (int i = 0; i < run; i++)
        if (c->run[i].group == group && !are_repetitions(&c->run[i], &c->run[run]))
            return false;
    return true;
}

static void group_runs(px_comparison *c)
{
    c->leader = px_calloc((size_t)c->runs + 1, sizeof *c->leader);
    for (int i = 0; i < c->runs; i++) {
        int g = 0;
        while (g < c->groups && !belongs(c, i, g))
            g++;
        if (g == c->groups)
            c->leader[c->groups++] = i;
        c->run[i].group = g;
    }
}

static bool same_kind(const cmp_eval *a, const cmp_eval *b)
{
    return strcmp(a->protocol, b->protocol) == 0 && strcmp(a->subject, b->subject) == 0 && a->k == b->k;
}

/* Numbers of earlier versions do not say how they were measured: they stand in a column of their own. */
static bool alike(const cmp_eval *a, const cmp_eval *b)
{
    return same_kind(a, b) && ((!a->measured && !b->measured) || px_measured_alike(a->measured, b->measured));
}

static void find_measure(px_comparison *c, cmp_eval *e)
{
    int same = 0;
    for (e->measure = 0; e->measure < c->measures; e->measure++) {
        if (alike(c->measure[e->measure].first, e))
            return;
        same += same_kind(c->measure[e->measure].first, e);
    }
    c->measure = px_realloc(c->measure, (size_t)(c->measures + 1) * sizeof *c->measure);
    c->measure[c->measures++] = (cmp_measure){.first = e, .number = same};
    for (int i = 0; i < c->measures; i++)
        if (same_kind(c->measure[i].first, e))
            c->measure[i].same = same + 1;
}

/* What was trained comes before baselines, protocols in the order in which they are met. */
static int rank_of(const cmp_measure *m)
{
    const char *s = m->first->subject;
    bool computed = strncmp(s, "pixels", 6) == 0 || strncmp(s, "hog", 3) == 0; /* without a network */
    return computed ? 2 : px_plot_is_baseline(s);
}

static void sort_measures(px_comparison *c)
{
    int *place = px_calloc((size_t)c->measures + 1, sizeof *place), n = 0;
    cmp_measure *sorted = px_calloc((size_t)c->measures + 1, sizeof *sorted);
    for (int rank = 0; rank <= 2; rank++)
        for (int i = 0; i < c->measures; i++)
            if (rank_of(&c->measure[i]) == rank) {
                place[i] = n;
                sorted[n++] = c->measure[i];
            }
    for (int i = 0; i < c->runs; i++)
        for (int k = 0; k < c->run[i].evals; k++)
            c->run[i].eval[k].measure = place[c->run[i].eval[k].measure];
    free(c->measure);
    free(place);
    c->measure = sorted;
}

int px_comparison_read(px_comparison **out, const char *const paths[], int count)
{
    px_comparison *c = px_calloc(1, sizeof *c);
    char **names = px_run_names(paths, count);
    int status = 0;
    c->run = px_calloc((size_t)count + 1, sizeof *c->run);
    for (int i = 0; i < count; i++) {
        if (status == 0)
            status = px_compare_read_run(&c->run[c->runs++], names[i], paths[i]);
        else
            free(names[i]);
    }
    free(names);
    if (status == 0) {
        group_runs(c);
        for (int i = 0; i < c->runs; i++)
            for (int k = 0; k < c->run[i].evals; k++)
                find_measure(c, &c->run[i].eval[k]);
        sort_measures(c);
        *out = c;
        return 0;
    }
    px_comparison_destroy(c);
    return -1;
}

void px_comparison_destroy(px_comparison *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->runs; i++)
        px_compare_run_finish(&c->run[i]);
    free(c->run);
    free(c->leader);
    free(c->measure);
    free(c);
}
