/* plot_robustness.c - what spoilt images leave of the accuracy: a line per kind of spoiling, by its strength (eval/robustness.c);
 * of baselines the mean over the kinds. Of several runs also the means over the kinds, a line per run. */
#include "base/error.h"
#include "data/corrupt.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One line: accuracies without spoiling and at each strength, in percent; half the width of their 95 % intervals, or 0. */
typedef struct line {
    double percent[PX_STRENGTHS + 1], half[PX_STRENGTHS + 1];
    char *label;
    const char *colour;
    int dashes, mark;
} line;

static double share(double x)
{
    return x >= 0 && x <= 1 ? 100 * x : NAN;
}

/* The accuracies of a kind; false: there are none. */
static bool read_kind(line *l, const plot_run *run, const plot_eval *e, const char *kind)
{
    int64_t dim[4], of_half[4] = {0};
    double *top1 = px_plot_data(run, 1, dim, "/eval/%s/%s/%s", e->protocol, e->subject, kind),
           *half = px_plot_data(run, 1, of_half, "/eval/%s/%s/%s_interval", e->protocol, e->subject, kind);
    bool there = top1 && dim[0] == PX_STRENGTHS;
    l->percent[0] = share(px_plot_eval_number(run, e, "clean"));
    l->half[0] = 0;
    for (int s = 0; s < PX_STRENGTHS && there; s++) {
        l->percent[s + 1] = share(top1[s]);
        l->half[s + 1] = half && of_half[0] == dim[0] && half[s] > 0 && half[s] < 1 ? 100 * half[s] : 0;
    }
    if (top1 && !there)
        px_results_leave_out(run->results, "/eval/%s/%s/%s: %lld strengths, not %d", e->protocol, e->subject, kind,
                             (long long)dim[0], PX_STRENGTHS);
    free(half);
    free(top1);
    return there;
}

/* The mean over all kinds; false: one of them is missing. */
static bool read_mean(line *l, const plot_run *run, const plot_eval *e)
{
    line one;
    *l = (line){.percent = {0}};
    for (int k = 0; k < PX_CORRUPTIONS; k++) {
        if (!read_kind(&one, run, e, px_corruption_names[k]))
            return false;
        for (int s = 0; s <= PX_STRENGTHS; s++)
            l->percent[s] += one.percent[s] / PX_CORRUPTIONS;
    }
    return true;
}

static void write_data(FILE *f, const line *lines, int count)
{
    for (int i = 0; i < count; i++) {
        fprintf(f, "$line%d << EOD\n", i);
        for (int s = 0; s <= PX_STRENGTHS; s++)
            if (isfinite(lines[i].percent[s]))
                fprintf(f, "%d %.6g %.6g\n", s, lines[i].percent[s], lines[i].half[s]);
        fputs("EOD\n", f);
    }
}

static void write_lines(FILE *f, const line *lines, int count)
{
    for (int i = 0; i < count; i++) {
        fprintf(f, "%s$line%d using 1:2 with linespoints lw 2.4 pt %d ps 1.3 dt %d lc rgb '#%s' title ",
                i ? ", \\\n  " : "plot ", i, lines[i].mark, lines[i].dashes, lines[i].colour);
        px_gnuplot_text(f, lines[i].label);
        fprintf(f, ", \\\n  $line%d using 1:($3 > 0 ? $2 : NaN):3 with yerrorbars pt 0 lw 1.5 lc rgb '#%s' notitle", i,
                lines[i].colour);
    }
    fputc('\n', f);
}

/* `run`: whose figure it is; -1: one of several runs. `title` is freed. */
static int draw(plot_job *job, int run, char *title, double chance, const line *lines, int count)
{
    enum { WIDTH = 820, HEIGHT = 480 };
    char **labels = px_calloc((size_t)count, sizeof *labels);
    for (int i = 0; i < count; i++)
        labels[i] = px_strdup(lines[i].label);
    plot_figure *figure = px_plot_begin(job, "robustness", run, 0, 0);
    FILE *f = figure->script;
    int columns = px_plot_legend_columns(labels, count, WIDTH), rows = (count + columns - 1) / columns;
    px_plot_frame(f, figure, WIDTH, HEIGHT, 95, 45, 65, 90 + 26 * rows);
    px_plot_title(f, title);
    fprintf(f, "set key at screen 0.5, screen %g center bottom vertical maxrows %d Left reverse samplen 4\n",
            12.0 / figure->height, rows);
    fprintf(f,
            "set xlabel 'strength'\nset ylabel 'top-1 accuracy on the test set (%%)'\nset xrange [-0.15:%d.15]\n"
            "set yrange [0:*]\nset xtics ('0 (clean)' 0, 1, 2, 3, 4, 5)\n",
            PX_STRENGTHS);
    if (chance > 0) {
        fprintf(f, "set arrow from graph 0, first %g to graph 1, first %g nohead dt 2 lw 1.5 lc rgb '#222222'\n",
                chance, chance);
        fprintf(f, "set label 'chance %.3g%%' at graph 0, first %g left offset 0.6,0.6 font ',12' tc rgb '#222222'\n",
                chance, chance);
    }
    write_data(f, lines, count);
    write_lines(f, lines, count);
    px_plot_texts_free(labels, count);
    return px_plot_end(job, figure);
}

/* An evaluation's kinds, and behind them the baselines of its run: lines (PX_CORRUPTIONS + count). Their number; 0: no kinds. */
static int read_lines(const plot_job *job, const plot_eval *evals, int count, const plot_eval *e, line *lines)
{
    int n = 0;
    for (int k = 0; k < PX_CORRUPTIONS; k++)
        if (read_kind(&lines[n], &job->runs[e->run], e, px_corruption_names[k])) {
            lines[n].label = px_strdup(px_corruption_names[k]);
            lines[n].colour = px_gnuplot_colour(k);
            lines[n].dashes = 1;
            lines[n++].mark = (int[]){7, 5, 9, 13}[k % 4];
        }
    for (int i = 0; i < count && n > 0; i++)
        if (evals[i].run == e->run && strcmp(evals[i].protocol, e->protocol) == 0 &&
            px_plot_is_baseline(evals[i].subject) && &evals[i] != e &&
            read_mean(&lines[n], &job->runs[e->run], &evals[i])) {
            char *name = px_plot_subject_name(job, &evals[i]);
            lines[n].label = px_format("%s: mean of all kinds", name);
            lines[n].colour = px_plot_eval_line(&evals[i], &lines[n].dashes);
            lines[n++].mark = 6;
            free(name);
        }
    return n;
}

/* What a figure of a run shows: what was trained, or the first subject if only baselines were measured. NULL: none. */
static const plot_eval *shown_of(const plot_job *job, const plot_eval *evals, int count, int run)
{
    return px_plot_eval_of(job, evals, count, (plot_wanted){.run = run, .protocol = "robustness", .part = ""});
}

/* A run's kinds; nothing where there are none. */
static int draw_run(plot_job *job, const plot_eval *evals, int count, int run)
{
    const plot_eval *e = shown_of(job, evals, count, run);
    line *lines = px_calloc((size_t)count + PX_CORRUPTIONS, sizeof *lines);
    int n = e ? read_lines(job, evals, count, e, lines) : 0, bad = 0;
    if (n > 0) {
        char *subject = px_plot_subject_name(job, e);
        bad = draw(job, run, px_format("Accuracy on spoilt images: %s", subject), px_plot_chance(job, e, 1), lines, n);
        free(subject);
    }
    for (int i = 0; i < n; i++)
        free(lines[i].label);
    free(lines);
    return bad;
}

/* The means over the kinds, a line per run; nothing where fewer than two runs have them. */
static int draw_runs(plot_job *job, const plot_eval *evals, int count)
{
    line *lines = px_calloc((size_t)job->count, sizeof *lines);
    plot_eval *of = px_calloc((size_t)job->count, sizeof *of);
    int n = 0, bad = 0;
    for (int run = 0; run < job->count; run++) {
        const plot_eval *e = shown_of(job, evals, count, run);
        if (!e || !read_mean(&lines[n], &job->runs[run], e))
            continue;
        lines[n].label = px_plot_subject_name(job, e);
        lines[n].colour = px_plot_eval_line(e, &lines[n].dashes);
        lines[n].mark = (int[]){7, 5, 9, 13, 11}[run % 5];
        of[n++] = *e;
    }
    if (n > 1)
        bad = draw(job, -1, px_strdup("Accuracy on spoilt images: mean of all kinds"), px_plot_chance(job, of, n),
                   lines, n);
    for (int i = 0; i < n; i++)
        free(lines[i].label);
    free(of);
    free(lines);
    return bad;
}

/* Nothing is reported as left out where robustness was not measured. */
static int draw_all(plot_job *job)
{
    int count, bad = 0;
    plot_eval *evals = px_plot_evals(job, &count);
    if (job->count > 1)
        bad = draw_runs(job, evals, count);
    for (int run = 0; run < job->count && bad == 0; run++)
        bad = draw_run(job, evals, count, run);
    px_plot_evals_free(evals, count);
    return bad;
}

const px_chart px_chart_robustness = {
    .name = "robustness",
    .summary = "accuracy by strength of noise, blur, JPEG and brightness (probe protocol=robustness)",
    .group = "/eval",
    .draw = draw_all,
};
