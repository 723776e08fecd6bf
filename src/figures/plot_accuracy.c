/* plot_accuracy.c - one bar per evaluation: its top-1 accuracy, beside baselines and chance. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool same_protocol(const plot_eval *evals, int count)
{
    for (int i = 1; i < count; i++)
        if (strcmp(evals[i].protocol, evals[0].protocol) != 0)
            return false;
    return true;
}

/* Half the width of the interval around its mean, 0 if it was measured once. */
static double interval(const plot_job *job, const plot_eval *e)
{
    char *name = px_format("%s_interval", px_plot_main_number(e->protocol));
    double half = px_plot_eval_number(&job->runs[e->run], e, name);
    free(name);
    return half > 0 ? half : 0;
}

/* Whether all are shares of right answers, and not also precisions. */
static bool all_top1(const plot_eval *evals, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(px_plot_main_number(evals[i].protocol), "top1") != 0)
            return false;
    return true;
}

/* The bars with their labels, of which the width of the longest is returned; the highest value, the last place. */
static int write_bars(FILE *f, const plot_job *job, const plot_eval *evals, int count, double *most, double *bottom,
                      bool *intervals)
{
    int longest = 0;
    bool single = same_protocol(evals, count);
    double at = 1;
    char *tics;
    size_t size;
    FILE *names = open_memstream(&tics, &size);
    fputs("$bars << EOD\n", f);
    for (int i = 0; i < count; i++) {
        const plot_eval *e = &evals[i];
        double percent = 100 * px_plot_eval_number(&job->runs[e->run], e, px_plot_main_number(e->protocol));
        double half = 100 * interval(job, e);
        if (i > 0 && strcmp(e->protocol, evals[i - 1].protocol) != 0)
            at += 0.6; /* a gap between protocols */
        if (isfinite(percent))
            fprintf(f, "%g %.6g %d %.6g %.1f%%\n", at, percent, (int)strtol(px_plot_eval_colour(e), NULL, 16), half,
                    percent);
        *intervals |= isfinite(percent) && half > 0;
        char *label = px_plot_eval_label(job, e, !single);
        fputs(i ? ", " : "", names);
        px_gnuplot_tic(names, label);
        fprintf(names, " %g", at);
        int width = px_plot_width(label);
        longest = width > longest ? width : longest;
        free(label);
        *most = fmax(*most, percent);
        *bottom = at++;
    }
    fputs("EOD\n", f);
    fclose(names);
    fprintf(f, "set ytics (%s) scale 0\n", tics);
    free(tics);
    return longest;
}

static int draw_all(plot_job *job)
{
    /* Pixels: of a bar with its gap, of all bars; of the figure, and of what lies beside the labels. */
    enum { BAR = 75, LEAST_BAR = 30, MOST_BARS = 1350, WIDTH = 1100, BARS_WIDTH = 700 };
    int count;
    plot_eval *evals = px_plot_evals(job, &count);
    count = px_plot_evals_of_labels(evals, count);
    bool any = false;
    for (int i = 0; i < count; i++)
        any |=
            isfinite(px_plot_eval_number(&job->runs[evals[i].run], &evals[i], px_plot_main_number(evals[i].protocol)));
    if (!any) {
        px_plot_evals_free(evals, count);
        return px_plot_left_out(job, count ? "accuracy: no top1 in /eval that can be drawn"
                                           : "accuracy: no evaluation in /eval");
    }
    double most = 0, bottom = 1;
    int bar = count * BAR <= MOST_BARS ? BAR : count * LEAST_BAR >= MOST_BARS ? LEAST_BAR : MOST_BARS / count;
    plot_figure *figure = px_plot_begin(job, "accuracy", -1, WIDTH, 190 + bar * count);
    FILE *f = figure->script;
    bool intervals = false, top1 = all_top1(evals, count);
    int labels = 11 * write_bars(f, job, evals, count, &most, &bottom, &intervals);
    figure->width = labels + BARS_WIDTH > WIDTH ? labels + BARS_WIDTH : WIDTH;
    char *protocol = px_plot_protocol_name(&evals[0]);
    px_plot_title(f, !top1                         ? px_strdup("Evaluations")
                     : same_protocol(evals, count) ? px_format("Top-1 accuracy, %s", protocol)
                                                   : px_strdup("Top-1 accuracy"));
    free(protocol);
    fprintf(f, "set xlabel '%s (%%)%s'\nset xrange [0:%g]\nset yrange [%g:0.45]\n",
            top1 ? "top-1 accuracy on the test set" : "top-1 accuracy, or what is named",
            intervals ? ", 95% intervals" : "", fmax(10, fmin(112, ceil(most * 1.12 / 10) * 10)), bottom + 0.55);
    fputs("set xtics 0,10,100\nunset grid\nset border 1\nset rmargin 4\nset key off\n", f);
    double chance = px_plot_chance(job, evals, count);
    if (chance > 0) {
        fprintf(f, "set arrow from %g, graph 0 to %g, graph 1 nohead front dt 2 lw 1.5 lc rgb '#222222'\n", chance,
                chance);
        fprintf(f, "set label 'chance %.3g%%' at %g, graph 1 center offset 0,0.7 front font ',12' tc rgb '#222222'\n",
                chance, chance);
    }
    fputs("plot $bars using ($2/2):1:(0):2:($1-0.36):($1+0.36):3 with boxxyerror lc rgb variable, \\\n"
          "  '' using ($2+$4):1:5 with labels left offset 0.8,0 tc rgb '#222222' font ',15'",
          f);
    if (intervals)
        fputs(", \\\n  '' using ($4 > 0 ? $2 : NaN):1:4 with xerrorbars pt 0 lw 2 lc rgb '#222222'", f);
    fputc('\n', f);
    px_plot_evals_free(evals, count);
    return px_plot_end(job, figure);
}

const px_chart px_chart_accuracy = {
    .name = "accuracy",
    .summary = "the main number of every evaluation, beside its baselines and chance",
    .group = "/eval",
    .draw = draw_all,
};
