/* plot_attention.c - where the heads of a vision transformer look: how far, and how evenly, by layer (eval/attention.c); a point
 * per head and a line through their means, as in Dosovitskiy et al. 2021, figure 7. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_HEADS = 256 };

/* One subject's numbers: (layers, heads). */
typedef struct heads {
    const plot_eval *eval;
    int layers, heads;
    double *distance, *entropy;
} heads;

static void heads_finish(heads *h)
{
    free(h->distance);
    free(h->entropy);
}

/* False: this evaluation has none, and there is nothing to finish. */
static bool heads_read(heads *h, const plot_run *run, const plot_eval *e)
{
    int64_t far[4] = {0}, even[4] = {0};
    *h = (heads){.eval = e,
                 .distance = px_plot_data(run, 2, far, "/eval/%s/%s/distance", e->protocol, e->subject),
                 .entropy = px_plot_data(run, 2, even, "/eval/%s/%s/entropy", e->protocol, e->subject)};
    bool there = h->distance && h->entropy && far[0] == even[0] && far[1] == even[1] && far[0] > 0 && far[1] > 0 &&
                 far[0] <= PLOT_MOST_LAYERS && far[1] <= MOST_HEADS;
    h->layers = (int)far[0];
    h->heads = (int)far[1];
    if (!there && h->distance)
        px_results_leave_out(run->results,
                             "/eval/%s/%s: distance and entropy (layers, heads) go together, up to %d x %d",
                             e->protocol, e->subject, PLOT_MOST_LAYERS, MOST_HEADS);
    if (!there)
        heads_finish(h);
    return there;
}

/* $NAMEi: layer, mean, and then each head's. */
static void write_data(FILE *f, const char *name, int number, const heads *h, const double *value)
{
    fprintf(f, "$%s%d << EOD\n", name, number);
    for (int l = 0; l < h->layers; l++) {
        double mean = 0;
        for (int i = 0; i < h->heads; i++)
            mean += value[l * h->heads + i] / h->heads;
        fprintf(f, "%d %.6g", l, mean);
        for (int i = 0; i < h->heads; i++)
            fprintf(f, " %.6g", value[l * h->heads + i]);
        fputc('\n', f);
    }
    fputs("EOD\n", f);
}

static void write_lines(FILE *f, const plot_job *job, const char *name, const heads *all, int count)
{
    for (int i = 0; i < count; i++) {
        int dashes;
        const char *colour = px_plot_eval_line(all[i].eval, &dashes);
        char *label = px_plot_subject_name(job, all[i].eval);
        fprintf(f, "%s$%s%d using 1:2 with lines lw 2.4 dt %d lc rgb '#%s' title ", i ? ", \\\n  " : "plot ", name, i,
                dashes, colour);
        px_gnuplot_text(f, label);
        if (all[i].heads > 1)
            fprintf(f, ", \\\n  for [c=3:%d] $%s%d using 1:c with points pt %d ps 0.9 lc rgb '#%s' notitle",
                    all[i].heads + 2, name, i, i == 0 ? 7 : 6, colour);
        free(label);
    }
    fputc('\n', f);
}

static int draw(plot_job *job, const heads *all, int count)
{
    enum { PANEL = 460, HEIGHT = 380, LEFT = 95, BETWEEN = 110, RIGHT = 30, TOP = 60 };
    int layers = all[0].layers, bottom = 85 + 26 * count;
    char *subject = px_plot_subject_name(job, all[0].eval);
    plot_figure *figure = px_plot_begin(job, "attention", all[0].eval->run, 0, 0);
    FILE *f = figure->script;
    px_plot_frame(f, figure, 2 * PANEL + BETWEEN, HEIGHT, LEFT, RIGHT, TOP, bottom);
    for (int i = 0; i < count; i++) {
        write_data(f, "far", i, &all[i], all[i].distance);
        write_data(f, "even", i, &all[i], all[i].entropy);
    }
    fputs("set multiplot\nset label 1 ", f);
    char *title = px_format("Where heads look: %s", subject);
    px_gnuplot_text(f, title);
    fprintf(f, ".\"\\n\".'a point per head, lines through their means'");
    fprintf(f, " at screen 0.5, screen %g center font ',%d'\nset xlabel 'block'\nset xrange [-0.3:%d.3]\n",
            1 - 20.0 / figure->height, px_plot_width(title) > 80 ? 12 : 15, layers - 1);
    fprintf(f, "set xtics 0,%d\nset yrange [0:*]\n", layers > 16 ? 4 : 1);
    fprintf(f, "set key at screen 0.5, screen %g center bottom vertical maxrows %d Left reverse samplen 4\n",
            12.0 / figure->height, count);
    for (int panel = 0; panel < 2; panel++) {
        int left = LEFT + panel * (PANEL + BETWEEN);
        fprintf(f, "set lmargin at screen %g\nset rmargin at screen %g\nset ylabel '%s'\n",
                (double)left / figure->width, (double)(left + PANEL) / figure->width,
                panel ? "entropy of the attention (nats)" : "mean distance of attention (pixels)");
        write_lines(f, job, panel ? "even" : "far", all, count);
        fputs("unset label 1\nset key off\n", f);
    }
    fputs("unset multiplot\n", f);
    free(title);
    free(subject);
    return px_plot_end(job, figure);
}

/* A figure per run: what was trained, or the first subject if only baselines were measured, and the baselines beside it. Nothing is
 * reported as left out where there is none. */
static int draw_all(plot_job *job)
{
    enum { MOST = 8 };
    int count, bad = 0;
    plot_eval *evals = px_plot_evals(job, &count);
    for (int run = 0; run < job->count && bad == 0; run++) {
        heads all[MOST];
        const plot_eval *e =
            px_plot_eval_of(job, evals, count, (plot_wanted){.run = run, .protocol = "attention", .part = "distance"});
        int n = e ? heads_read(&all[0], &job->runs[run], e) : 0;
        for (int i = 0; e && i < count && n < MOST; i++)
            if (evals[i].run == run && strcmp(evals[i].protocol, e->protocol) == 0 &&
                px_plot_is_baseline(evals[i].subject) && &evals[i] != e)
                n += heads_read(&all[n], &job->runs[run], &evals[i]);
        for (int i = 1; i < n; i++)
            if (all[i].layers != all[0].layers) {
                heads_finish(&all[i]);
                all[i--] = all[--n];
            }
        bad = n > 0 ? draw(job, all, n) : 0;
        for (int i = 0; i < n; i++)
            heads_finish(&all[i]);
    }
    px_plot_evals_free(evals, count);
    return bad;
}

const px_chart px_chart_attention = {
    .name = "attention",
    .summary = "how far and how evenly the heads of a vision transformer look (probe protocol=attention)",
    .group = "/eval",
    .draw = draw_all,
};
