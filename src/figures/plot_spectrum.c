/* plot_spectrum.c - how the variance of the features is spread over their directions: the eigenvalues of the covariance,
 * largest first, on two logarithmic axes. A line that falls steeply, or breaks off early, is a representation that has
 * collapsed onto few directions (RankMe, Garrido et al. 2023; alpha-ReQ, Agrawal et al. 2022). */
#include "base/error.h"
#include "figures/plot_private.h"
#include "results/measured.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One line of the figure. */
typedef struct line {
    int run;
    char *subject;
    double *eigenvalue; /* (count) as shares of their sum; those after the last that can be drawn are cut off */
    int64_t count, width;
} line;

typedef struct lines {
    int count;
    line *at;
} lines;

static void lines_finish(lines *all)
{
    for (int i = 0; i < all->count; i++) {
        free(all->at[i].subject);
        free(all->at[i].eigenvalue);
    }
    free(all->at);
}

/* Eigenvalues below rounding error, of float features, would make the axis as long as noise is small. */
static bool spectrum_read(const plot_run *run, const char *subject, line *l)
{
    const double least = 1e-9; /* of the sum */
    int64_t dim[4];
    double *value = px_plot_data(run, 1, dim, "/eval/spectrum/%s/eigenvalues", subject), sum = 0;
    bool good = value && dim[0] > 0 && dim[0] <= PLOT_MOST_ROWS;
    for (int64_t i = 0; good && i < dim[0]; i++) {
        good = value[i] >= 0 && px_plot_drawable(value[i]);
        sum += value[i];
    }
    if (value && (!good || sum <= 0)) {
        px_results_leave_out(run->results, "/eval/spectrum/%s/eigenvalues: not numbers from 0 on, of a sum above 0",
                             subject);
        good = false;
    }
    if (!good) {
        free(value);
        return false;
    }
    *l = (line){.subject = px_strdup(subject), .eigenvalue = value, .width = dim[0]};
    for (; l->count < dim[0] && value[l->count] >= least * sum; l->count++)
        value[l->count] /= sum;
    return true;
}

/* The subjects of a run that have a spectrum; the first ones, if there are too many for a picture. */
static void add_run(const plot_job *job, int run, lines *all)
{
    enum { MOST = 20 };
    px_results *r = job->runs[run].results;
    char **names = NULL;
    int found = 0;
    if (px_results_has(r, "/eval/spectrum"))
        px_results_list(r, "/eval/spectrum", &names, &found);
    for (int i = 0; i < found; i++) {
        line l;
        if (i == MOST)
            px_results_leave_out(r, "/eval/spectrum: %d spectra after the first %d", found - i, MOST);
        if (i < MOST && spectrum_read(&job->runs[run], names[i], &l)) {
            l.run = run;
            all->at = px_realloc(all->at, (size_t)(all->count + 1) * sizeof *all->at);
            all->at[all->count++] = l;
        }
        free(names[i]);
    }
    free(names);
}

/* The notes that tell the lines apart; they belong to the evaluations. */
static plot_eval *evals_of(const plot_job *job, const lines *all)
{
    plot_eval *evals = px_calloc((size_t)all->count, sizeof *evals);
    for (int i = 0; i < all->count; i++) {
        const line *l = &all->at[i];
        char *group = px_format("/eval/spectrum/%s", l->subject);
        evals[i] = (plot_eval){.run = l->run,
                               .protocol = px_strdup("spectrum"),
                               .subject = px_strdup(l->subject),
                               .measured = px_measured_get(job->runs[l->run].results, group)};
        free(group);
    }
    px_plot_eval_notes(evals, all->count);
    return evals;
}

/* "simclr, pretrained: rank 73.2 of 512": the effective rank is what probe has measured (RankMe). */
static char *title_of(const plot_job *job, const line *l, const plot_eval *e)
{
    int64_t dim[4];
    char *who = px_plot_subject_name(job, e), *title;
    double *rank = px_plot_data(&job->runs[l->run], 0, dim, "/eval/spectrum/%s/rankme", l->subject);
    if (rank && px_plot_drawable(*rank))
        title = px_format("%s: rank %.3g of %lld", who, *rank, (long long)l->width);
    else
        title = px_strdup(who);
    free(rank);
    free(who);
    return title;
}

static void write_line(FILE *f, const plot_job *job, const line *l, int number, const char *title)
{
    bool untrained = strncmp(l->subject, "untrained", 9) == 0;
    int mark = px_plot_mark(job, l->run);
    fprintf(f, "$line%d using 1:2 with ", number);
    if (mark)
        fprintf(f, "linespoints pt %d ps 1 pi %lld", mark, (long long)(l->count / 10 + 1));
    else
        fputs(l->count > 1 ? "lines" : "points pt 7", f);
    fprintf(f, " lt 1 lw 2.4 lc rgb '#%s' dt %d title ",
            untrained && job->count == 1 ? "555555" : px_gnuplot_colour(l->run),
            strchr(l->subject, '@') ? 4
            : untrained             ? 2
                                    : 1);
    px_gnuplot_text(f, title);
}

static int draw(plot_job *job, const lines *all)
{
    enum { WIDTH = 960 };
    char **titles = px_calloc((size_t)all->count, sizeof *titles);
    plot_eval *evals = evals_of(job, all);
    for (int i = 0; i < all->count; i++)
        titles[i] = title_of(job, &all->at[i], &evals[i]);
    px_plot_evals_free(evals, all->count);
    plot_figure *figure = px_plot_begin(job, "spectrum", -1, 0, 0);
    FILE *f = figure->script;
    int columns = px_plot_legend_columns(titles, all->count, WIDTH), rows = (all->count + columns - 1) / columns;
    px_plot_frame(f, figure, WIDTH, 560, 120, 45, 65, 90 + 26 * rows);
    fprintf(f, "set key at screen 0.5, screen %g center bottom vertical maxrows %d Left reverse samplen 4\n",
            12.0 / figure->height, rows);
    px_plot_title(f, px_strdup("Spectrum of the features"));
    fputs("set logscale xy\nset format '%g'\nset autoscale xfix\nset xlabel 'direction, largest variance first'\n"
          "set ylabel 'share of the variance (%)'\n",
          f);
    for (int i = 0; i < all->count; i++) {
        fprintf(f, "$line%d << EOD\n", i);
        for (int64_t k = 0; k < all->at[i].count; k++)
            fprintf(f, "%lld %.6g\n", (long long)k + 1, 100 * all->at[i].eigenvalue[k]);
        fputs("EOD\n", f);
    }
    for (int i = 0; i < all->count; i++) {
        fputs(i ? ", \\\n  " : "plot ", f);
        write_line(f, job, &all->at[i], i, titles[i]);
    }
    fputc('\n', f);
    px_plot_texts_free(titles, all->count);
    return px_plot_end(job, figure);
}

/* Data of before `probe` measured it: nothing is reported as left out. */
static int draw_all(plot_job *job)
{
    lines all = {0};
    for (int run = 0; run < job->count; run++)
        add_run(job, run, &all);
    int bad = all.count ? draw(job, &all) : 0;
    lines_finish(&all);
    return bad;
}

const px_chart px_chart_spectrum = {
    .name = "spectrum",
    .summary = "variance of the features by direction: a steep line is a collapse",
    .group = "/eval",
    .draw = draw_all,
};
