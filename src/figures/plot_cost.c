/* plot_cost.c - accuracy against cost: a point per run, of what its representation is worth and the core-hours that it took. */
#include "base/error.h"
#include "figures/plot_private.h"
#include "results/ledger.h"
#include "results/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct point {
    int run;
    double hours, percent, half; /* of cores; half: of the 95 % interval, 0 if it is not known */
} point;

static double core_hours(px_results *r)
{
    px_ledger_total t;
    double hours = px_ledger_read(r, &t) == 0 && t.sessions > 0 ? px_ledger_core_seconds(&t.sum) / 3600 : 0;
    return hours > 0 && px_plot_drawable(hours) ? hours : NAN;
}

/* Numbers of earlier versions do not say how they were measured: only such ones stand beside each other. */
static bool alike(const plot_eval *a, const plot_eval *b)
{
    return strcmp(a->protocol, b->protocol) == 0 && a->k == b->k &&
           ((!a->measured && !b->measured) || px_measured_alike(a->measured, b->measured));
}

/* The points of the runs that were measured as `like` was; their number. A run has one. hours: what each run took. */
static int find_points(const plot_job *job, const double *hours, const plot_eval *evals, int count,
                       const plot_eval *like, point *points)
{
    const char *number = px_plot_main_number(like->protocol);
    char *interval = px_format("%s_interval", number);
    int n = 0;
    for (int i = 0; i < count; i++) {
        int r = evals[i].run;
        if (!px_plot_eval_counts(&evals[i]) || !isfinite(hours[r]) || (n > 0 && points[n - 1].run == r) ||
            !alike(&evals[i], like))
            continue;
        double share = px_plot_eval_number(&job->runs[r], &evals[i], number);
        if (!isfinite(share))
            continue;
        double half = 100 * px_plot_eval_number(&job->runs[r], &evals[i], interval);
        points[n++] = (point){r, hours[r], 100 * share, half > 0 ? half : 0};
    }
    free(interval);
    return n;
}

static void write_axes(FILE *f, const point *points, int count, const char *what)
{
    double low = INFINITY, high = 0, least = INFINITY, most = -INFINITY;
    for (int i = 0; i < count; i++) {
        low = fmin(low, points[i].hours);
        high = fmax(high, points[i].hours);
        least = fmin(least, points[i].percent - points[i].half);
        most = fmax(most, points[i].percent + points[i].half);
    }
    double margin = fmax(1, 0.08 * (most - least));
    if (high > 5 * low) {
        fprintf(f, "set logscale x\nset xrange [%.6g:%.6g]\n", low / 1.5, high * 1.5);
    } else {
        fprintf(f, "set xrange [0:%.6g]\n", high * 1.1);
    }
    fprintf(f, "set yrange [%.6g:%.6g]\nset format x '%%g'\nset xlabel 'core-hours, of all starts and evaluations%s'\n",
            least - margin, most + margin, high > 5 * low ? ", logarithmic" : "");
    char *label = px_format("%s (%%)", what);
    fputs("set ylabel ", f);
    px_gnuplot_text(f, label);
    fputc('\n', f);
    free(label);
}

/* A circle in the run's colour, with more runs its mark; in the legend the two numbers. */
static void write_points(FILE *f, const plot_job *job, const point *points, char *const *labels, int count)
{
    fputs("$points << EOD\n", f);
    for (int i = 0; i < count; i++)
        fprintf(f, "%.6g %.6g %.6g\n", points[i].hours, points[i].percent, points[i].half);
    fputs("EOD\n", f);
    for (int i = 0; i < count; i++) {
        int mark = px_plot_mark(job, points[i].run);
        fprintf(f, "%s$points every ::%d::%d using 1:2 with points pt %d ps 2 lc rgb '#%s' title ",
                i ? ", \\\n  " : "plot ", i, i, mark ? mark : 7, px_gnuplot_colour(points[i].run));
        px_gnuplot_text(f, labels[i]);
    }
    fputs(", \\\n  $points using ($3 > 0 ? $1 : NaN):2:3 with yerrorbars pt 0 lw 2 lc rgb '#555555' notitle\n", f);
}

static int draw(plot_job *job, const plot_eval *like, const point *points, int count)
{
    enum { WIDTH = 1000, HEIGHT = 520 };
    char **labels = px_calloc((size_t)count, sizeof *labels), *protocol = px_plot_protocol_name(like);
    for (int i = 0; i < count; i++)
        labels[i] =
            px_format("%s: %.1f %%, %.3g h", job->runs[points[i].run].label, points[i].percent, points[i].hours);
    plot_figure *figure = px_plot_begin(job, "cost", -1, 0, 0);
    FILE *f = figure->script;
    int columns = px_plot_legend_columns(labels, count, WIDTH), rows = (count + columns - 1) / columns;
    px_plot_frame(f, figure, WIDTH, HEIGHT, 130, 45, 65, 95 + 26 * rows);
    px_plot_title(f, px_format("What accuracy costs: %s", protocol));
    fprintf(f, "set key at screen 0.5, screen %g center bottom vertical maxrows %d Left reverse samplen 1\n",
            12.0 / figure->height, rows);
    write_axes(f, points, count,
               strcmp(px_plot_main_number(like->protocol), "top1") == 0 ? "top-1 accuracy" : protocol);
    write_points(f, job, points, labels, count);
    px_plot_texts_free(labels, count);
    free(protocol);
    return px_plot_end(job, figure);
}

/* Of all ways of measuring an accuracy the one that most runs have. With fewer than two runs there is nothing to compare, which is
 * not reported as left out. */
static int draw_all(plot_job *job)
{
    int count, most = 0, bad = 0;
    if (job->count < 2)
        return 0;
    plot_eval *evals = px_plot_evals(job, &count);
    count = px_plot_evals_of_labels(evals, count);
    const plot_eval *best = NULL;
    point *points = px_calloc((size_t)count + 1, sizeof *points);
    double *hours = px_calloc((size_t)job->count, sizeof *hours);
    for (int run = 0; run < job->count; run++)
        hours[run] = core_hours(job->runs[run].results);
    for (int i = 0; i < count; i++) {
        int n = px_plot_eval_counts(&evals[i]) ? find_points(job, hours, evals, count, &evals[i], points) : 0;
        if (n > most) {
            most = n;
            best = &evals[i];
        }
    }
    if (most > 1)
        bad = draw(job, best, points, find_points(job, hours, evals, count, best, points));
    free(hours);
    free(points);
    px_plot_evals_free(evals, count);
    return bad;
}

const px_chart px_chart_cost = {
    .name = "cost",
    .summary = "of several runs, the accuracy of each against its core-hours",
    .group = "/ledger",
    .draw = draw_all,
};
