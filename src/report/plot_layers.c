/* plot_layers.c - accuracy by layer: the linear probe of every stage of a backbone, beside its untrained twin's. */
#include "base/error.h"
#include "report/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    for (int i = 0; i < l->count; i++)
        free(l->name[i]);
    free(l->name);
    free(l->top1);
}

/* false: this evaluation was not made layer by layer. */
static bool line_read(line *l, const plot_job *job, const plot_eval *e)
{
    px_results *r = job->runs[e->run].results;
    char *path = px_format("/eval/%s/%s/layers/names", e->protocol, e->subject);
    int64_t dim[4] = {0};
    *l = (line){.eval = *e};
    l->top1 = plot_data(&job->runs[e->run], 1, dim, "/eval/%s/%s/layers/top1", e->protocol, e->subject);
    bool there = l->top1 && px_results_has(r, path) && px_results_get_texts(r, path, &l->name, &l->count) == 0 &&
                 l->count == dim[0] && l->count > 0;
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

/* Trained ones in their run's colour; the twin grey and broken, in the run's colour where there are several. */
static void write_line(FILE *f, const plot_job *job, const line *l, int number, bool first)
{
    bool untrained = strcmp(l->eval.subject, "untrained") == 0;
    char *title = plot_subject_name(job, &l->eval);
    fprintf(f, "%s$line%d using 1:2 with linespoints lw 2.5 pt %d ps 1.4 dt %d lc rgb '#%s' title ",
            first ? "plot " : ", \\\n  ", number, untrained ? 5 : 7, untrained ? 2 : 1,
            untrained && job->count == 1 ? "8C8C8C" : px_gnuplot_colour(l->eval.run));
    px_gnuplot_text(f, title);
    free(title);
}

/* A figure of all lines, from `from` on, whose layers have the names that those of `from` have. */
static int draw(plot_job *job, line *lines, int count, int from, bool only)
{
    const line *like = &lines[from];
    int wide = 620 + 60 * like->count;
    plot_figure *figure = plot_begin(job, "layers", only ? -1 : like->eval.run, wide < 900 ? 900 : wide, 700);
    FILE *f = figure->script;
    for (int i = from; i < count; i++) {
        fprintf(f, "$line%d << EOD\n", i);
        for (int k = 0; k < lines[i].count && same_layers(like, &lines[i]); k++)
            if (isfinite(lines[i].top1[k]))
                fprintf(f, "%d %.6g\n", k, 100 * lines[i].top1[k]);
        fputs("EOD\n", f);
    }
    fprintf(f,
            "set title 'Linear probe by layer'\n"
            "set ylabel 'top-1 accuracy on the test set (%%)'\nset key bmargin center vertical maxrows 4 Left reverse "
            "samplen 5\n"
            "set xrange [-0.3:%d.3]\nset offsets 0,0,2,2\nset xtics %s (",
            like->count - 1, like->count > 6 ? "rotate by 40 right" : "");
    for (int k = 0; k < like->count; k++) {
        fputs(k ? ", " : "", f);
        px_gnuplot_text(f, like->name[k]);
        fprintf(f, " %d", k);
    }
    fputs(")\n", f);
    for (int i = from; i < count; i++)
        if (!lines[i].drawn && same_layers(like, &lines[i])) {
            write_line(f, job, &lines[i], i, i == from);
            lines[i].drawn = true;
        }
    fputc('\n', f);
    return plot_end(job, figure);
}

/* Probing layers is optional: runs without them leave nothing out. Backbones with other layers get a figure of their
 * own. */
int plot_layers(plot_job *job)
{
    int evals_count, count = 0, bad = 0;
    plot_eval *evals = plot_evals(job, &evals_count);
    line *lines = px_calloc((size_t)evals_count + 1, sizeof *lines);
    for (int i = 0; i < evals_count; i++)
        count += line_read(&lines[count], job, &evals[i]);
    for (int i = 0; i < count && bad == 0; i++)
        if (!lines[i].drawn)
            bad = draw(job, lines, count, i, i == 0);
    for (int i = 0; i < count; i++)
        line_finish(&lines[i]);
    free(lines);
    plot_evals_free(evals, evals_count);
    return bad;
}
