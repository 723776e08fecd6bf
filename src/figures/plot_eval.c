/* plot_eval.c - figures of evaluations: bars of accuracies, accuracy by epoch, map of embeddings. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "simclr, pretrained", or with the protocol before it: "linear probe: simclr, pretrained". A new string. */
static char *label_of(const plot_job *job, const plot_eval *e, bool with_protocol)
{
    char *subject = px_plot_subject_name(job, e);
    if (!with_protocol)
        return subject;
    char *protocol = px_plot_protocol_name(e), *label = px_format("%s: %s", protocol, subject);
    free(protocol);
    free(subject);
    return label;
}

static bool same_protocol(const plot_eval *evals, int count)
{
    for (int i = 1; i < count; i++)
        if (strcmp(evals[i].protocol, evals[0].protocol) != 0)
            return false;
    return true;
}

/* ---- accuracy: one bar per evaluation ---- */

/* Trained subjects have the runs' colours; baselines are grey. */
static const char *bar_colour(const plot_eval *e)
{
    if (strcmp(e->subject, "untrained") == 0)
        return "8C8C8C";
    return strcmp(e->subject, "pixels") == 0 ? "BFBFBF" : px_gnuplot_colour(e->run);
}

/* The bars with their labels, of which the width of the longest is returned; the highest value, the last place. */
static int write_bars(FILE *f, const plot_job *job, const plot_eval *evals, int count, double *most, double *bottom)
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
        double percent = 100 * px_plot_eval_number(&job->runs[e->run], e, "top1");
        if (i > 0 && strcmp(e->protocol, evals[i - 1].protocol) != 0)
            at += 0.6; /* a gap between protocols */
        if (isfinite(percent))
            fprintf(f, "%g %.6g %d\n", at, percent, (int)strtol(bar_colour(e), NULL, 16));
        char *label = label_of(job, e, !single);
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

int px_plot_accuracy(plot_job *job)
{
    /* Pixels: of a bar with its gap, of all bars; of the figure, and of what lies beside the labels. */
    enum { BAR = 75, LEAST_BAR = 30, MOST_BARS = 1350, WIDTH = 1100, BARS_WIDTH = 700 };
    int count;
    plot_eval *evals = px_plot_evals(job, &count);
    bool any = false;
    for (int i = 0; i < count; i++)
        any |= isfinite(px_plot_eval_number(&job->runs[evals[i].run], &evals[i], "top1"));
    if (!any) {
        px_plot_evals_free(evals, count);
        return px_plot_left_out(job, count ? "accuracy: no top1 in /eval that can be drawn"
                                           : "accuracy: no evaluation in /eval");
    }
    double most = 0, bottom = 1;
    int bar = count * BAR <= MOST_BARS ? BAR : count * LEAST_BAR >= MOST_BARS ? LEAST_BAR : MOST_BARS / count;
    plot_figure *figure = px_plot_begin(job, "accuracy", -1, WIDTH, 190 + bar * count);
    FILE *f = figure->script;
    int labels = 9 * write_bars(f, job, evals, count, &most, &bottom);
    figure->width = labels + BARS_WIDTH > WIDTH ? labels + BARS_WIDTH : WIDTH;
    char *protocol = px_plot_protocol_name(&evals[0]);
    px_plot_title(f, same_protocol(evals, count) ? px_format("Top-1 accuracy, %s", protocol)
                                                 : px_strdup("Top-1 accuracy"));
    free(protocol);
    fprintf(f, "set xlabel 'top-1 accuracy on the test set (%%)'\nset xrange [0:%g]\nset yrange [%g:0.45]\n",
            fmax(10, fmin(112, ceil(most * 1.12 / 10) * 10)), bottom + 0.55);
    fputs("set xtics 0,10,100\nunset grid\nset border 1\nset rmargin 4\nset key off\n", f);
    double chance = px_plot_chance(job, evals, count);
    if (chance > 0) {
        fprintf(f, "set arrow from %g, graph 0 to %g, graph 1 nohead front dt 2 lw 1.5 lc rgb '#222222'\n", chance,
                chance);
        fprintf(f, "set label 'chance %.3g%%' at %g, graph 1 center offset 0,0.7 front font ',12' tc rgb '#222222'\n",
                chance, chance);
    }
    fputs("plot $bars using ($2/2):1:(0):2:($1-0.36):($1+0.36):3 with boxxyerror lc rgb variable, \\\n"
          "  '' using 2:1:(sprintf('%.1f%%', $2)) with labels left offset 0.8,0 tc rgb '#222222' font ',15'\n",
          f);
    px_plot_evals_free(evals, count);
    return px_plot_end(job, figure);
}

/* ---- probe_epochs ---- */

/* Solid lines for trained subjects, dashed ones for baselines. */
static int line_dashes(const plot_eval *e)
{
    return strcmp(e->subject, "untrained") == 0 ? 2 : strcmp(e->subject, "pixels") == 0 ? 3 : 1;
}

/* The bars' colours, but a darker grey, since a line in the bars' grey would be too pale. */
static const char *line_colour(const plot_job *job, const plot_eval *e)
{
    if (job->count > 1)
        return px_gnuplot_colour(e->run);
    return strcmp(e->subject, "untrained") == 0 ? "555555"
           : strcmp(e->subject, "pixels") == 0  ? "777777"
                                                : bar_colour(e);
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
    for (int i = 0; i < c->lines; i++) {
        const plot_eval *e = c->drawn[i];
        int mark = px_plot_mark(job, e->run);
        fprintf(f, "%s$line%d using 1:2 with ", i ? ", \\\n  " : "plot ", i);
        if (mark)
            fprintf(f, "linespoints pt %d ps 1 pi %lld", mark, (long long)(c->longest / 10 + 1));
        else
            fputs("lines", f);
        fprintf(f, " lt 1 lw 2.4 lc rgb '#%s' dt %d title ", line_colour(job, e), line_dashes(e));
        px_gnuplot_text(f, labels[i]);
    }
    fputc('\n', f);
}

static int draw_courses(plot_job *job, const courses *c, const char *data)
{
    enum { WIDTH = 1060 };
    bool single = true;
    for (int i = 1; i < c->lines; i++)
        single &= strcmp(c->drawn[i]->protocol, c->drawn[0]->protocol) == 0;
    char **labels = px_calloc((size_t)c->lines, sizeof *labels);
    for (int i = 0; i < c->lines; i++)
        labels[i] = label_of(job, c->drawn[i], !single);
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

int px_plot_probe_epochs(plot_job *job)
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
    int bad = c.lines ? draw_courses(job, &c, data)
                      : px_plot_left_out(job, "probe_epochs: no evaluation has test_top1 by epoch");
    free(data);
    free(c.drawn);
    px_plot_evals_free(evals, count);
    return bad;
}

/* ---- embedding ---- */

/* With more classes a legend is useless. */
enum { MOST_LEGEND = 20 };

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

static int draw_embedding(plot_job *job, int run, const double *xy, const double *label, int64_t n)
{
    int classes = 0;
    for (int64_t i = 0; i < n; i++)
        classes = label[i] >= classes ? (int)label[i] + 1 : classes;
    bool legend = classes <= MOST_LEGEND;
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
    write_map(f, names, xy, label, n, classes);
    px_plot_texts_free(names, classes);
    return px_plot_end(job, figure);
}

int px_plot_embedding(plot_job *job)
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
            bad = draw_embedding(job, run, xy, label, dim[0]);
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
