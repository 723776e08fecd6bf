/* plot_confusion.c - the confusion matrix of each protocol: per cent of each true class, by predicted class. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Up to this many classes: per cents stand in the cells; names beside them; each cell is a drawn square, which is sharp at
 * any size but slow (24 s for 1000 classes). Beyond that a cell is a whole number of pixels of an image. With more than
 * MOST_CELLS classes, several that follow each other share a cell. */
enum { MOST_CELL_TEXTS = 20, MOST_CLASS_TICS = 60, MOST_SQUARES = 150, MOST_CELLS = 1000 };

/* The matrix as it is drawn: (count, count) cells of `classes` classes each. */
typedef struct cells {
    const double *matrix; /* (whole, whole) samples */
    int64_t whole;
    int count, classes;
} cells;

static cells make_cells(const double *matrix, int64_t whole)
{
    int64_t classes = (whole + MOST_CELLS - 1) / MOST_CELLS;
    return (cells){matrix, whole, (int)((whole + classes - 1) / classes), (int)classes};
}

/* Adds up one row of cells; the sum of them all. A number of samples is neither negative nor infinite. */
static double sum_row(const cells *c, int row, double *sums)
{
    double total = 0;
    memset(sums, 0, (size_t)c->count * sizeof *sums);
    for (int64_t i = (int64_t)row * c->classes; i < (int64_t)(row + 1) * c->classes && i < c->whole; i++)
        for (int64_t j = 0; j < c->whole; j++) {
            double samples = c->matrix[i * c->whole + j];
            if (samples > 0 && samples < 1e15) {
                sums[j / c->classes] += samples;
                total += samples;
            }
        }
    return total;
}

/* Rows of per cents for an image, or one line per cell: row, column, per cent of the row, colour of the text (white on
 * dark cells), text. Rows without samples stay empty. */
static void write_cells(FILE *f, const cells *c)
{
    double *sums = px_calloc((size_t)c->count, sizeof *sums);
    fputs("$cells << EOD\n", f);
    for (int i = 0; i < c->count; i++) {
        double total = sum_row(c, i, sums);
        for (int j = 0; j < c->count; j++) {
            double percent = total > 0 ? 100 * sums[j] / total : 0;
            char text[16];
            snprintf(text, sizeof text, percent > 0 && percent < 1 ? "<1" : "%.0f", percent);
            if (c->count > MOST_SQUARES)
                fprintf(f, "%.3g ", percent);
            else
                fprintf(f, "%d %d %.5g %d \"%s\"\n", i, j, percent, percent > 55 ? 0xFFFFFF : 0x222222,
                        sums[j] > 0 ? text : "");
        }
        fputc('\n', f);
    }
    fputs("EOD\n", f);
    free(sums);
}

/* The side of the picture in pixels. */
static int side_of(int count)
{
    if (count > MOST_SQUARES)
        return (1000 + count / 2) / count * count;
    return 60 * count < 480 ? 480 : 60 * count > 1000 ? 1000 : 60 * count;
}

static void write_axes(FILE *f, const plot_figure *figure, const cells *c, int side, int bottom)
{
    char *several = c->classes > 1 ? px_format(" (%d per cell)", c->classes) : px_strdup("");
    int last = c->count * c->classes - 1; /* the last cell may stand for classes that are not there */
    px_plot_square(f, figure, last + 1, side, bottom);
    fprintf(f, "set xlabel 'predicted class%s'\nset ylabel 'true class%s'\nset cbrange [0:100]\n", several, several);
    fputs("set cblabel '% of the true class' tc rgb '#222222'\nset cbtics 0,20,100 scale 0.4\n", f);
    free(several);
}

static void write_title(FILE *f, const plot_job *job, const plot_eval *e)
{
    char *subject = px_plot_subject_name(job, e), *protocol = px_plot_protocol_name(e);
    double top1 = px_plot_eval_number(&job->runs[e->run], e, px_plot_main_number(e->protocol));
    px_plot_title(f, isfinite(top1) ? px_format("Confusion matrix, %s, top-1 %.1f%%: %s", protocol, 100 * top1, subject)
                                    : px_format("Confusion matrix, %s: %s", protocol, subject));
    free(protocol);
    free(subject);
}

static int draw(plot_job *job, const plot_eval *e, const char *name, const double *matrix, int64_t classes)
{
    cells c = make_cells(matrix, classes);
    plot_figure *figure = px_plot_begin(job, name, e->run, 0, 0);
    FILE *f = figure->script;
    int side = side_of(c.count), widest = 3;
    char **names = NULL;
    if (classes <= MOST_CLASS_TICS) {
        char *path = px_plot_class_path(job->runs[e->run].results, e);
        names = px_plot_class_names(&job->runs[e->run], path, (int)classes);
        widest = px_plot_shorten_all(names, (int)classes, PLOT_CLASS_NAME);
        free(path);
    }
    int bottom = 75 + 7 * widest;
    px_plot_frame(f, figure, side, side, 90 + 10 * widest, 150, 70, bottom);
    write_title(f, job, e);
    write_cells(f, &c);
    write_axes(f, figure, &c, side, bottom);
    if (names)
        px_plot_square_tics(f, names, (int)classes);
    if (c.count > MOST_SQUARES) /* counted in classes: a cell's middle is the mean of its own */
        fprintf(f, "plot $cells matrix using (%d*$1+%g):(%d*$2+%g):3 with image", c.classes, (c.classes - 1) / 2.0,
                c.classes, (c.classes - 1) / 2.0);
    else
        fputs("plot $cells using 2:1:3 with image pixels", f);
    if (classes <= MOST_CELL_TEXTS)
        fputs(", \\\n  '' using 2:1:5:4 with labels tc rgb variable font ',13'", f);
    fputc('\n', f);
    px_plot_texts_free(names, names ? (int)classes : 0);
    return px_plot_end(job, figure);
}

/* ---- in characters ---- */

/* A row per class is as much as a terminal shows at a time. */
enum { MOST_TEXT_CLASSES = 30, ROW = 20 /* pixels that px_plot_begin counts as a line */, TEXT_NAME = 14 };

/* A cell: per cents, and with more classes, of which each has two columns, their tens: 6 is 55 to 65 %. */
static void write_text_cells(FILE *f, const cells *c)
{
    double *sums = px_calloc((size_t)c->count, sizeof *sums);
    fputs("$cells << EOD\n", f);
    for (int i = 0; i < c->count; i++) {
        double total = sum_row(c, i, sums);
        for (int j = 0; j < c->count && total > 0; j++) {
            double percent = 100 * sums[j] / total;
            if (!(sums[j] > 0))
                continue;
            if (c->count <= MOST_CELL_TEXTS)
                fprintf(f, percent < 1 ? "%d %d \"<1\"\n" : "%d %d \"%.0f\"\n", i, j, percent);
            else if (percent < 5)
                fprintf(f, "%d %d \".\"\n", i, j);
            else
                fprintf(f, "%d %d \"%.0f\"\n", i, j, fmin(9, percent / 10));
        }
    }
    fputs("EOD\n", f);
    free(sums);
}

/* Classes have numbers, as their names do not fit below the columns. */
static int draw_text(plot_job *job, const plot_eval *e, const char *name, const double *matrix, int classes)
{
    cells c = make_cells(matrix, classes);
    char *path = px_plot_class_path(job->runs[e->run].results, e),
         **names = px_plot_class_names(&job->runs[e->run], path, classes);
    free(path);
    int widest = px_plot_shorten_all(names, classes, TEXT_NAME);
    plot_figure *figure = px_plot_begin(job, name, e->run, 40 * ROW, (classes + 10) * ROW);
    FILE *f = figure->script;
    write_title(f, job, e);
    write_text_cells(f, &c);
    fprintf(f, "set lmargin %d\nset rmargin 2\nset tmargin 3\nset bmargin 5\n", widest + 8);
    fprintf(f, "set xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\nset border 15\nset key off\nset xtics scale 0 0,%d\n",
            classes - 1, classes - 1, classes > MOST_CELL_TEXTS ? 5 : 1);
    fputs("set ytics scale 0 (", f);
    for (int i = 0; i < classes; i++) {
        char *both = px_format("%s %2d", names[i], i);
        fputs(i ? ", " : "", f);
        px_gnuplot_tic(f, both);
        fprintf(f, " %d", i);
        free(both);
    }
    fprintf(f, ")\nset xlabel '%s of the true class, by predicted class'\n",
            classes > MOST_CELL_TEXTS ? "tens of percent (. below 5)" : "percent");
    fputs("plot $cells using 2:1:3 with labels\n", f);
    px_plot_texts_free(names, classes);
    return px_plot_end(job, figure);
}

/* ---- all of them ---- */

static int draw_in_form(plot_job *job, const plot_eval *e, const char *name, const double *matrix, int64_t classes)
{
    if (!job->gnuplot.columns)
        return draw(job, e, name, matrix, classes);
    if (classes <= MOST_TEXT_CLASSES)
        return draw_text(job, e, name, matrix, (int)classes);
    return px_plot_left_out(job, "%s: %lld classes do not fit into a terminal, %d do; without --text they are drawn",
                            name, (long long)classes, MOST_TEXT_CLASSES);
}

/* The pretrained subject (else the first) of each protocol and run. */
static int draw_all(plot_job *job)
{
    int count, drawn = 0, bad = 0;
    plot_eval *evals = px_plot_evals(job, &count);
    for (int i = 0; bad == 0 && i < count; i++) {
        const plot_eval *e = &evals[i];
        bool first_protocol = strcmp(e->protocol, evals[0].protocol) == 0, seen = false;
        for (int k = 0; k < i; k++)
            seen |= evals[k].run == e->run && strcmp(evals[k].protocol, e->protocol) == 0;
        int64_t dim[4];
        double *matrix =
            seen ? NULL : px_plot_data(&job->runs[e->run], 2, dim, "/eval/%s/%s/confusion", e->protocol, e->subject);
        if (matrix && (dim[0] != dim[1] || dim[0] == 0 || drawn >= PLOT_MOST_PICTURES)) {
            px_results_leave_out(job->runs[e->run].results, "/eval/%s/%s/confusion: %s", e->protocol, e->subject,
                                 drawn < PLOT_MOST_PICTURES ? "it is not square" : "too many matrices");
        } else if (matrix) {
            char *name = first_protocol ? px_strdup("confusion") : px_format("confusion_%s", e->protocol);
            bad = draw_in_form(job, e, name, matrix, dim[0]);
            free(name);
            drawn++;
        }
        free(matrix);
    }
    px_plot_evals_free(evals, count);
    return bad || drawn ? bad : px_plot_left_out(job, "confusion: no /eval/<protocol>/<subject>/confusion");
}

const px_chart px_chart_confusion = {
    .name = "confusion",
    .summary = "percentage of each true class, by predicted class",
    .group = "/eval",
    .draw = draw_all,
};
