/* plot_layers.c - accuracy by layer: the linear probes of a backbone's stages, beside those of its untrained twin. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* With more layers their names are turned. */
enum { TURNED_FROM = 6 };

/* One line of the figure. */
typedef struct line {
    plot_eval eval; /* borrowed strings */
    int count;      /* layers */
    char **name;
    double *top1;
    bool drawn;
} line;

static void line_finish(line *l)
{
    for (int i = 0; l->name && i < l->count; i++)
        free(l->name[i]);
    free(l->name);
    free(l->top1);
}

static bool is_share(double x)
{
    return x >= 0 && x <= 1;
}

/* False: this evaluation has no layers. */
static bool line_read(line *l, const plot_job *job, const plot_eval *e)
{
    px_results *r = job->runs[e->run].results;
    char *path = px_format("/eval/%s/%s/layers/names", e->protocol, e->subject);
    int64_t dim[4] = {0};
    *l = (line){.eval = *e};
    l->top1 = px_plot_data(&job->runs[e->run], 1, dim, "/eval/%s/%s/layers/top1", e->protocol, e->subject);
    bool there = l->top1 && px_results_has(r, path) && px_results_get_texts(r, path, &l->name, &l->count) == 0 &&
                 l->count == dim[0] && l->count > 0 && l->count <= PLOT_MOST_LAYERS;
    bool any = false;
    for (int i = 0; there && i < l->count; i++)
        any |= is_share(l->top1[i]);
    there &= any;
    if (!there && l->top1 && l->name)
        px_results_leave_out(
            r, "/eval/%s/%s/layers: %d names and %lld accuracies; as many of both are drawn, up to %d, from 0 to 1",
            e->protocol, e->subject, l->count, (long long)dim[0], PLOT_MOST_LAYERS);
    if (there)
        px_plot_shorten_all(l->name, l->count, PLOT_CLASS_NAME);
    if (!there)
        line_finish(l);
    free(path);
    return there;
}

static bool same_layers(const line *a, const line *b)
{
    for (int i = 0; i < a->count; i++)
        if (a->count != b->count || strcmp(a->name[i], b->name[i]) != 0)
            return false;
    return true;
}

/* Writes one line: trained ones in their run's colour; the twin dashed, in grey or, with several runs, the run's
 * colour. */
static void write_line(FILE *f, const plot_job *job, const line *l, int number, const char *title)
{
    bool untrained = strncmp(l->eval.subject, "untrained", 9) == 0;
    int mark = px_plot_mark(job, l->eval.run);
    fprintf(f, "$line%d using 1:2 with linespoints lw 2.5 pt %d ps 1.4 dt %d lc rgb '#%s' title ", number,
            mark        ? mark
            : untrained ? 5
                        : 7,
            strchr(l->eval.subject, '@') ? 4
            : untrained                  ? 2
                                         : 1,
            untrained && job->count == 1 ? "8C8C8C" : px_gnuplot_colour(l->eval.run));
    px_gnuplot_text(f, title);
}

static void write_data(FILE *f, const line *l, int number)
{
    fprintf(f, "$line%d << EOD\n", number);
    for (int k = 0; k < l->count; k++)
        if (is_share(l->top1[k]))
            fprintf(f, "%d %.6g\n", k, 100 * l->top1[k]);
    fputs("EOD\n", f);
}

static void write_axes(FILE *f, const line *like, double chance)
{
    fprintf(f,
            "set title 'Linear probe by layer'\nset ylabel 'top-1 accuracy on the test set (%%)'\n"
            "set xrange [-0.3:%d.3]\nset yrange [0:*]\nset offsets 0,0,3,0\nset xtics %s (",
            like->count - 1, like->count > TURNED_FROM ? "rotate by 40 right" : "");
    for (int k = 0; k < like->count; k++) {
        fputs(k ? ", " : "", f);
        px_gnuplot_tic(f, like->name[k]);
        fprintf(f, " %d", k);
    }
    fputs(")\n", f);
    if (chance > 0) {
        fprintf(f, "set arrow from graph 0, first %g to graph 1, first %g nohead dt 2 lw 1.5 lc rgb '#222222'\n",
                chance, chance);
        fprintf(f, "set label 'chance %.3g%%' at graph 1, first %g right offset 0,0.6 font ',12' tc rgb '#222222'\n",
                chance, chance);
    }
}

/* A figure of those lines whose layers have the names that those of `from` have. */
static int draw(plot_job *job, line *lines, int count, int from, bool only)
{
    const line *like = &lines[from];
    int wide = 450 + 60 * like->count, width = wide < 760 ? 760 : wide, drawn = 0, *place;
    plot_eval *evals = px_calloc((size_t)count, sizeof *evals);
    char **titles = px_calloc((size_t)count, sizeof *titles);
    place = px_calloc((size_t)count, sizeof *place);
    for (int i = from; i < count; i++)
        if (!lines[i].drawn && same_layers(like, &lines[i])) {
            lines[i].drawn = true;
            titles[drawn] = px_plot_subject_name(job, &lines[i].eval);
            evals[drawn] = lines[i].eval;
            place[drawn++] = i;
        }
    plot_figure *figure = px_plot_begin(job, "layers", only ? -1 : like->eval.run, 0, 0);
    FILE *f = figure->script;
    int columns = px_plot_legend_columns(titles, drawn, width), rows = (drawn + columns - 1) / columns;
    px_plot_frame(f, figure, width, job->count > PLOT_FEW_RUNS ? 760 : 520, 105, 45, 60,
                  (like->count > TURNED_FROM ? 115 : 60) + 26 * rows);
    fprintf(f, "set key at screen 0.5, screen %g center bottom vertical maxrows %d Left reverse samplen 5\n",
            12.0 / figure->height, rows);
    write_axes(f, like, px_plot_chance(job, evals, drawn));
    for (int i = 0; i < drawn; i++)
        write_data(f, &lines[place[i]], place[i]);
    for (int i = 0; i < drawn; i++) {
        fputs(i ? ", \\\n  " : "plot ", f);
        write_line(f, job, &lines[place[i]], place[i], titles[i]);
    }
    fputc('\n', f);
    px_plot_texts_free(titles, drawn);
    free(evals);
    free(place);
    return px_plot_end(job, figure);
}

/* Probing layers is optional: if a run has none, nothing is reported as left out. Backbones with different layers get
 * separate figures. */
static int draw_all(plot_job *job)
{
    int evals_count, count = 0, bad = 0;
    plot_eval *evals = px_plot_evals(job, &evals_count);
    line *lines = px_calloc((size_t)evals_count + 1, sizeof *lines);
    for (int i = 0; i < evals_count; i++)
        count += line_read(&lines[count], job, &evals[i]);
    for (int i = 0; i < count && bad == 0; i++)
        if (!lines[i].drawn)
            bad = draw(job, lines, count, i, i == 0);
    for (int i = 0; i < count; i++)
        line_finish(&lines[i]);
    free(lines);
    px_plot_evals_free(evals, evals_count);
    return bad;
}

const px_chart px_chart_layers = {
    .name = "layers",
    .summary = "accuracy of every stage of the backbone beside chance (probe layers=true)",
    .group = "/eval",
    .draw = draw_all,
};
