/* plot_embedding.c - the map of some test images, coloured by class. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* With more classes a legend is useless. In characters it has a line for each. */
enum { MOST_LEGEND = 20, MOST_TEXT_LEGEND = 30 };

/* Paul Tol's "muted" set, grey last. Marks alternate, too, for readers who see few colours. */
static const int class_colours[] = {0x332288, 0xCC6677, 0x88CCEE, 0x999933, 0x117733,
                                    0xDDCC77, 0xAA4499, 0x44AA99, 0x882255, 0x777777};
static const int class_marks[] = {7, 5, 9, 13, 11};

static int mark(int class)
{
    return class < 0
               ? 1
               : class_marks[(class + class / 10) % 5]; /* the second ten classes have other marks than the first */
}

/* A quarter transparent, so that dense places stay readable. */
static int colour(int class)
{
    return 0x40000000 | (class < 0 ? 0xBBBBBB : class_colours[class % 10]);
}

/* Of a class in a terminal; beyond these, and without a label, all are the same. */
static char character(int class)
{
    static const char all[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (class < 0)
        return '.';
    if (class >= (int)sizeof all - 1)
        return '*';
    return all[class];
}

/* What write_map draws, of characters. */
static void write_text_map(FILE *f, const double *xy, const double *label, int64_t n)
{
    fputs("$map << EOD\n", f);
    for (int64_t i = 0; i < n; i++)
        if (px_plot_drawable(xy[2 * i]) && px_plot_drawable(xy[2 * i + 1]))
            fprintf(f, "%.6g %.6g \"%c\"\n", xy[2 * i], xy[2 * i + 1], character(label[i] >= 0 ? (int)label[i] : -1));
    fputs("EOD\nplot $map using 1:2:3 with labels notitle\n", f);
}

/* Its legend, a line per class, right of `left` pixels. */
static void write_text_legend(FILE *f, const plot_figure *figure, char *const *names, int classes, double left)
{
    /* 80 columns are the width, and a line is as high as two are wide */
    double line = 2.0 * figure->width / 80 / figure->height;
    for (int c = 0; c < classes; c++) {
        char *both = px_format("%c %s", character(c), names[c]);
        fputs("set label ", f);
        px_gnuplot_text(f, both);
        fprintf(f, " at screen %g, screen %g left\n", left / figure->width, 0.5 + line * ((classes - 1) / 2.0 - c));
        free(both);
    }
}

/* Points are drawn in their order, so that no class covers all others; the legend is made of empty plots. */
static void write_map(FILE *f, char *const *names, const double *xy, const double *label, int64_t n, int classes)
{
    fputs("$map << EOD\n", f);
    bool unlabelled = false, *used = px_calloc((size_t)classes + 1, sizeof *used);
    for (int64_t i = 0; i < n; i++) {
        int class = label[i] >= 0 ? (int)label[i] : -1;
        if (!px_plot_drawable(xy[2 * i]) || !px_plot_drawable(xy[2 * i + 1]))
            continue;
        fprintf(f, "%.6g %.6g %d %d\n", xy[2 * i], xy[2 * i + 1], mark(class), colour(class));
        if (class >= 0)
            used[class] = true;
        else
            unlabelled = true;
    }
    fprintf(f, "EOD\nplot $map using 1:2:3:4 with points pt variable lc rgb variable ps %s notitle",
            n > 3000 ? "0.5" : "0.8");
    for (int c = -1; c < classes && classes <= MOST_LEGEND; c++)
        if (c < 0 ? unlabelled : used[c]) {
            fprintf(f, ", \\\n  NaN with points pt %d ps 1.2 lc rgb %d title ", mark(c), colour(c));
            px_gnuplot_text(f, c < 0 ? "no label" : names[c]);
        }
    fputc('\n', f);
    free(used);
}

/* Sets equal units on both axes, with a margin; `width` and `height` get the extents. */
static void write_extent(FILE *f, const double *xy, int64_t n, double *width, double *height)
{
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (int64_t i = 0; i < 2 * n; i++)
        if (px_plot_drawable(xy[i])) {
            low[i % 2] = fmin(low[i % 2], xy[i]);
            high[i % 2] = fmax(high[i % 2], xy[i]);
        }
    for (int c = 0; c < 2; c++)
        if (low[c] > high[c]) /* no point can be drawn */
            low[c] = high[c] = 0;
    double span[2], most = fmax(fmax(high[0] - low[0], high[1] - low[1]), 1e-6);
    for (int c = 0; c < 2; c++)
        most = fmax(most, 1e-4 * fmax(fabs(low[c]), fabs(high[c]))); /* the ranges are written with nine digits */
    for (int c = 0; c < 2; c++) {
        double margin = 0.03 * most + fmax(0, 0.3 * most - (high[c] - low[c]) / 2); /* not flatter than 0.6 to 1 */
        fprintf(f, "set %crange [%.9g:%.9g]\n", "xy"[c], low[c] - margin, high[c] + margin);
        span[c] = high[c] - low[c] + 2 * margin;
    }
    *width = span[0];
    *height = span[1];
}

static int draw(plot_job *job, int run, const double *xy, const double *label, int64_t n)
{
    int classes = 0;
    for (int64_t i = 0; i < n; i++)
        classes = label[i] >= classes ? (int)label[i] + 1 : classes;
    bool text = job->gnuplot.columns > 0, legend = classes <= (text ? MOST_TEXT_LEGEND : MOST_LEGEND);
    plot_figure *figure = px_plot_begin(job, "embedding", run, 0, 0);
    FILE *f = figure->script;
    double width, height;
    write_extent(f, xy, n, &width, &height);
    double scale = 820 / fmax(width, height);
    const plot_run *r = &job->runs[run];
    char **names = px_plot_class_names(r, "/eval/embedding/class_names", classes);
    int right = legend ? 70 + 12 * px_plot_shorten_all(names, classes, PLOT_CLASS_NAME) : 40;
    px_plot_frame(f, figure, (int)(scale * width), (int)(scale * height), 60, right < 150 && legend ? 150 : right, 65,
                  55);
    const char *who = job->count == 1 && *r->method ? r->method : r->label;
    px_plot_title(f, legend ? px_format("Embeddings of %lld test images: %s", (long long)n, who)
                            : px_format("Embeddings of %lld test images: %s (%d classes)", (long long)n, who, classes));
    fputs(
        "set xlabel 't-SNE, first axis'\nset ylabel 't-SNE, second axis'\nset format ''\nset tics scale 0\nunset grid\n"
        "set border 15 lc rgb '#BBBBBB'\nset key Left reverse samplen 1 spacing 1.4\n",
        f);
    fprintf(f, "set key at screen %g, screen 0.5 left center\n", (60 + scale * width + 15) / figure->width);
    if (text && legend)
        write_text_legend(f, figure, names, classes, 60 + scale * width + 30);
    if (text)
        write_text_map(f, xy, label, n);
    else
        write_map(f, names, xy, label, n, classes);
    px_plot_texts_free(names, classes);
    return px_plot_end(job, figure);
}

static int draw_all(plot_job *job)
{
    int drawn = 0, bad = 0;
    for (int run = 0; bad == 0 && run < job->count; run++) {
        int64_t dim[4], labels[4] = {0};
        double *xy = px_plot_data(&job->runs[run], 2, dim, "/eval/embedding/xy");
        double *label = px_plot_data(&job->runs[run], 1, labels, "/eval/embedding/label");
        bool fits = xy && label && dim[1] == 2 && dim[0] == labels[0] && dim[0] > 0 && dim[0] <= PLOT_MOST_POINTS;
        for (int64_t i = 0; fits && i < dim[0]; i++)
            fits = !(label[i] >= PLOT_MOST_CLASSES);
        if (fits) {
            bad = draw(job, run, xy, label, dim[0]);
            drawn++;
        } else if (xy && label) {
            px_results_leave_out(job->runs[run].results,
                                 "/eval/embedding of %lld points: xy (N, 2) and label (N) go together, up to %d points "
                                 "and %d classes",
                                 (long long)dim[0], PLOT_MOST_POINTS, PLOT_MOST_CLASSES);
        }
        free(label);
        free(xy);
    }
    return bad || drawn ? bad : px_plot_left_out(job, "embedding: no /eval/embedding/{xy,label}");
}

const px_chart px_chart_embedding = {
    .name = "embedding",
    .summary = "the test images' embeddings in the plane",
    .colours = true,
    .group = "/eval",
    .draw = draw_all,
};
