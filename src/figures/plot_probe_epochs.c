/* plot_probe_epochs.c - accuracy on the test set while a probe trains. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Solid lines for trained subjects, dashed ones for baselines and for what was measured in another way, which has marks, too.
 * Among several runs the colour is the run's. */
static const char *line_of(const plot_job *job, const plot_eval *e, int *dashes)
{
    const char *colour = px_plot_eval_line(e, dashes);
    if (strchr(e->subject, '@'))
        *dashes = 4;
    return job->count > 1 ? px_gnuplot_colour(e->run) : colour;
}

/* The courses of one figure. */
typedef struct courses {
    FILE *data;
    plot_eval **drawn;
    int lines;
    int64_t longest;  /* epochs */
    double low, high; /* percent */
} courses;

/* The evaluation's course as the next $lineN; nothing if it has none. */
static void add_course(courses *c, const plot_job *job, plot_eval *e)
{
    int64_t dim[4];
    double *y = px_plot_data(&job->runs[e->run], 1, dim, "/eval/%s/%s/test_top1", e->protocol, e->subject);
    bool any = false;
    if (y && dim[0] > 1 && dim[0] <= PLOT_MOST_ROWS) {
        fprintf(c->data, "$line%d << EOD\n", c->lines);
        for (int64_t k = 0; k < dim[0]; k++)
            if (y[k] >= 0 && y[k] <= 1) {
                any = true;
                fprintf(c->data, "%lld %.6g\n", (long long)k + 1, 100 * y[k]);
                c->low = fmin(c->low, 100 * y[k]);
                c->high = fmax(c->high, 100 * y[k]);
            }
        fputs("EOD\n", c->data);
        if (any)
            c->drawn[c->lines++] = e;
        c->longest = dim[0] > c->longest ? dim[0] : c->longest;
    }
    free(y);
}

static void write_axes(FILE *f, const courses *c)
{
    enum { FEW = 12 }; /* up to this many epochs each has a tic; with more, gnuplot chooses whole numbers */
    bool zoomed = c->low > 0.25 * c->high;
    px_plot_title(f, px_strdup("Accuracy while the probe trains"));
    fprintf(f, "set xlabel 'epoch of the probe'\nset ylabel 'top-1 accuracy on the test set (%%)%s'\n",
            zoomed ? ", axis begins above 0" : "");
    fprintf(f, "set yrange [%.6g:%.6g]\nset autoscale xfix\n%s", zoomed ? fmax(c->low - 2, 0.5 * c->low) : 0,
            fmin(c->high + 2, 100.5), c->longest <= FEW ? "set xtics 1\n" : "");
}

static void write_lines(FILE *f, const plot_job *job, const courses *c, char *const *labels)
{
    enum { MARKS = 15 }; /* of gnuplot's */
    for (int i = 0; i < c->lines; i++) {
        const plot_eval *e = c->drawn[i];
        int mark = px_plot_mark(job, e->run), dashes;
        const char *colour = line_of(job, e, &dashes);
        if (!mark && strchr(e->subject, '@'))
            mark = 1 + i % MARKS;
        fprintf(f, "%s$line%d using 1:2 with ", i ? ", \\\n  " : "plot ", i);
        if (mark)
            fprintf(f, "linespoints pt %d ps 1 pi %lld", mark, (long long)(c->longest / 10 + 1));
        else
            fputs("lines", f);
        fprintf(f, " lt 1 lw 2.4 lc rgb '#%s' dt %d title ", colour, dashes);
        px_gnuplot_text(f, labels[i]);
    }
    fputc('\n', f);
}

static int draw(plot_job *job, const courses *c, const char *data)
{
    enum { WIDTH = 1060 };
    bool single = true;
    for (int i = 1; i < c->lines; i++)
        single &= strcmp(c->drawn[i]->protocol, c->drawn[0]->protocol) == 0;
    char **labels = px_calloc((size_t)c->lines, sizeof *labels);
    for (int i = 0; i < c->lines; i++)
        labels[i] = px_plot_eval_label(job, c->drawn[i], !single);
    plot_figure *figure = px_plot_begin(job, "probe_epochs", -1, 0, 0);
    FILE *f = figure->script;
    int columns = px_plot_legend_columns(labels, c->lines, WIDTH), rows = (c->lines + columns - 1) / columns;
    px_plot_frame(f, figure, WIDTH, 560, 95, 45, 65, 90 + 26 * rows);
    fprintf(f, "set key at screen 0.5, screen %g center bottom vertical maxrows %d Left reverse samplen 4\n%s",
            12.0 / figure->height, rows, data);
    write_axes(f, c);
    write_lines(f, job, c, labels);
    px_plot_texts_free(labels, c->lines);
    return px_plot_end(job, figure);
}

static int draw_all(plot_job *job)
{
    int count;
    plot_eval *evals = px_plot_evals(job, &count);
    char *data;
    size_t size;
    courses c = {
        .data = open_memstream(&data, &size), .drawn = px_calloc((size_t)count + 1, sizeof *c.drawn), .low = 100};
    for (int i = 0; i < count; i++)
        add_course(&c, job, &evals[i]);
    fclose(c.data);
    int bad =
        c.lines ? draw(job, &c, data) : px_plot_left_out(job, "probe_epochs: no evaluation has test_top1 by epoch");
    free(data);
    free(c.drawn);
    px_plot_evals_free(evals, count);
    return bad;
}

const px_chart px_chart_probe_epochs = {
    .name = "probe_epochs",
    .summary = "test accuracy while a probe trains",
    .group = "/eval",
    .draw = draw_all,
};
