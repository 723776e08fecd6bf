/* plot_bench.c - the figure of a measured training step: its parts in one bar, and below the most expensive ops. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pixels, from the top: headings, the bar of the parts, its legend, the ops. */
enum { WIDTH = 1200, SIDE = 60, HEADINGS = 120, BAR = 56, LEGEND = 165, OP = 34, BOTTOM = 75 };
/* Width in pixels of a character in the small font, and of the text after an op's bar. */
enum { CHARACTER = 9, BEHIND = 330 };
enum { OP_NAME = 56 }; /* characters */

/* A table of /bench: names, seconds, and GF/s, the limits and how much of them is reached, if there are any. */
typedef struct costs {
    int count, limits;
    char **name, **limit;
    double *seconds, *gflops, *reached;
} costs;

static void costs_finish(costs *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->name[i]);
    for (int i = 0; i < c->limits; i++)
        free(c->limit[i]);
    free(c->name);
    free(c->limit);
    free(c->reached);
    free(c->seconds);
    free(c->gflops);
}

/* Files of before have none. */
static void load_limits(const plot_run *run, const char *table, costs *c)
{
    int64_t reached[4] = {0};
    char *path = px_format("/bench/%s/limit", table);
    if (px_results_has(run->results, path) && px_results_get_texts(run->results, path, &c->limit, &c->limits) == 0 &&
        c->limits == c->count)
        c->reached = px_plot_data(run, 1, reached, "/bench/%s/reached", table);
    if (c->reached && reached[0] != c->count) {
        free(c->reached);
        c->reached = NULL;
    }
    free(path);
}

/* False if the run does not have the table. */
static bool costs_load(const plot_run *run, const char *table, costs *c)
{
    int64_t seconds[4] = {0}, gflops[4] = {0};
    char *path = px_format("/bench/%s/name", table);
    *c = (costs){0};
    if (px_results_has(run->results, path) && px_results_get_texts(run->results, path, &c->name, &c->count) == 0) {
        c->seconds = px_plot_data(run, 1, seconds, "/bench/%s/seconds", table);
        c->gflops = px_plot_data(run, 1, gflops, "/bench/%s/gflops", table);
        load_limits(run, table, c);
    }
    free(path);
    bool there = c->seconds && c->count > 0 && c->count <= PLOT_MOST_OPS && seconds[0] == c->count &&
                 (!c->gflops || gflops[0] == c->count);
    if (there) {
        px_plot_shorten_all(c->name, c->count, OP_NAME);
        for (int i = 0; i < c->count; i++)
            c->seconds[i] = px_plot_drawable(c->seconds[i]) ? fmax(0, c->seconds[i]) : 0;
        return true;
    }
    if (c->count > 0)
        px_results_leave_out(run->results, "/bench/%s: %d names and %lld times; as many of both are drawn, up to %d",
                             table, c->count, (long long)seconds[0], PLOT_MOST_OPS);
    costs_finish(c);
    return false;
}

static double seconds_of(const costs *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->name[i], name) == 0)
            return c->seconds[i];
    return 0;
}

/* Decimals for at least three digits, without an exponent. */
static int decimals(double x)
{
    return x < 10 ? 2 : x < 100 ? 1 : 0;
}

static double number(const plot_run *run, const char *name)
{
    int64_t dim[4];
    double *data = px_plot_data(run, 0, dim, "/bench/%s", name), value = data ? data[0] : NAN;
    free(data);
    return value;
}

static char *word(const plot_run *run, const char *name)
{
    char *text = NULL;
    if (px_results_get_attribute_text(run->results, "/bench", name, &text) != 0)
        return px_strdup("?");
    char *shorter = px_plot_shorten(text, PLOT_LABEL);
    free(text);
    return shorter;
}

static void write_heading(FILE *f, const plot_figure *figure, int line, char *text)
{
    fprintf(f, "set label %d ", line + 1);
    px_gnuplot_text(f, text);
    fprintf(f, " at screen 0.5, screen %g center font ',%d' tc rgb '%s'\n", 1 - (28.0 + 26 * line) / figure->height,
            line == 0 ? 16 : 12, line == 0 ? "#222222" : "#555555");
    free(text);
}

static void write_headings(FILE *f, const plot_figure *figure, const plot_run *run, const costs *parts)
{
    char *method = word(run, "method"), *backbone = word(run, "backbone"), *precision = word(run, "precision"),
         *processor = word(run, "processor"), *onednn = word(run, "onednn");
    double rate = number(run, "images_per_second");
    write_heading(f, figure, 0,
                  px_format("%s on %s, %g px, batch %g, %s: %.*f images/s, %.0f GF/s = %.0f%% of R", method, backbone,
                            number(run, "image_size"), number(run, "batch"), precision, decimals(rate), rate,
                            number(run, "gflops"), 100 * number(run, "share")));
    write_heading(f, figure, 1,
                  px_format("ranks x threads: %g x %g, %s, oneDNN %s", number(run, "ranks"), number(run, "threads"),
                            processor, onednn));
    write_heading(f, figure, 2,
                  px_format("peak memory per rank: %.0f MiB; the loader, in parallel: %.3g core ms per step",
                            number(run, "peak_bytes") / (1 << 20), 1e3 * seconds_of(parts, "loader")));
    free(method);
    free(backbone);
    free(precision);
    free(processor);
    free(onednn);
}

/* The parts that make up the step; the loader works in parallel. */
static const char *const stacked[] = {"wait for data", "forward", "backward", "all-reduce", "optimizer", "other"};
enum { STACKED = sizeof stacked / sizeof *stacked };
static const char *const part_colours[STACKED] = {"E69F00", "56B4E9", "0072B2", "D55E00", "009E73", "BBBBBB"};

static void write_margins(FILE *f, const plot_figure *figure, int left, int top, int bottom)
{
    fprintf(f,
            "set lmargin at screen %g\nset rmargin at screen %g\nset tmargin at screen %g\nset bmargin at screen %g\n",
            (double)left / WIDTH, 1 - (double)SIDE / WIDTH, 1 - (double)top / figure->height,
            1 - (double)bottom / figure->height);
}

/* Three columns of a coloured square and "forward 12.3 ms, 34%"; parts that take no time are left out. */
static void write_legend(FILE *f, const plot_figure *figure, const costs *parts, double step)
{
    for (int i = 0, place = 0; i < STACKED; i++) {
        double seconds = seconds_of(parts, stacked[i]);
        if (seconds < 0.0005 * step) /* would read "0.0%" */
            continue;
        int column = place % 3, row = place / 3;
        double x = SIDE + column * (WIDTH - 2 * SIDE) / 3.0, y = HEADINGS + BAR + 66 + row * 28;
        place++;
        fprintf(f,
                "set object %d rectangle from screen %g, screen %g to screen %g, screen %g fc rgb '#%s' fs solid "
                "noborder\n",
                i + 1, x / WIDTH, 1 - (y - 8) / figure->height, (x + 16) / WIDTH, 1 - (y + 8) / figure->height,
                part_colours[i]);
        fprintf(f, "set label %d '%s  %.*f ms, %.1f%%' at screen %g, screen %g left tc rgb '#222222'\n", 10 + i,
                stacked[i], decimals(1e3 * seconds), 1e3 * seconds, 100 * seconds / step, (x + 24) / WIDTH,
                1 - y / figure->height);
    }
}

/* The step's parts, one after the other, in ms. */
static void write_parts(FILE *f, const plot_figure *figure, const costs *parts)
{
    double step = fmax(seconds_of(parts, "step"), 1e-9), at = 0;
    write_margins(f, figure, SIDE, HEADINGS, HEADINGS + BAR);
    write_legend(f, figure, parts, step);
    fputs("$parts << EOD\n", f);
    for (int i = 0; i < STACKED; i++) {
        double ms = 1e3 * fmax(0, seconds_of(parts, stacked[i]));
        fprintf(f, "%.6g %.6g %d\n", at, at + ms, (int)strtol(part_colours[i], NULL, 16));
        at += ms;
    }
    fprintf(f, "EOD\nset xrange [0:%.6g]\nset yrange [-1:1]\nunset ytics\n", fmax(at, 1e-6));
    fputs("set xtics format '%g ms'\nset grid xtics noytics\nset border 1\n"
          "plot $parts using 1:(0):1:2:(-0.8):(0.8):3 with boxxyerror lc rgb variable\n",
          f);
    for (int i = 0; i < STACKED; i++)
        fprintf(f, "unset object %d\nunset label %d\n", i + 1, 10 + i);
    fputs("unset label 1\nunset label 2\nunset label 3\n", f);
}

static void write_ops(FILE *f, const plot_figure *figure, const costs *ops, double step, double machine, int left)
{
    int top = HEADINGS + BAR + LEGEND, width = WIDTH - left - SIDE;
    write_margins(f, figure, left, top, top + OP * ops->count);
    double most = 1e-9;
    fputs("$ops << EOD\n", f);
    for (int i = 0; i < ops->count; i++) {
        double ms = 1e3 * ops->seconds[i];
        most = fmax(most, ops->seconds[i]);
        fprintf(f, "%d %.6g \"%.*f ms, %.1f%%", i, ms, decimals(ms), ms, 0.1 * ms / step);
        if (ops->reached && px_plot_drawable(ops->reached[i]))
            fprintf(f, ", %.0f%% of %s", 100 * ops->reached[i],
                    strcmp(ops->limit[i], "memory") == 0 ? "memory\\'s rate" : "R");
        else if (ops->gflops && ops->gflops[i] > 0)
            fprintf(f, ", %.0f GF/s (%.0f%% of R)", ops->gflops[i], 100 * ops->gflops[i] / machine);
        fputs("\"\n", f);
    }
    fputs("EOD\nset ytics (", f);
    for (int i = 0; i < ops->count; i++) {
        fputs(i ? ", " : "", f);
        px_gnuplot_tic(f, ops->name[i]);
        fprintf(f, " %d", i);
    }
    fprintf(f, ") scale 0 font ',12'\nset xrange [0:%.6g]\nset yrange [%g:-0.6]\n",
            1e3 * most * width / (width - BEHIND), ops->count - 0.4);
    fprintf(f, "set xlabel 'the most expensive ops, ms per step; R: a large matmul, %.0f GF/s per rank'\n", machine);
    fputs("set xtics autofreq format '%g'\nunset grid\n"
          "plot $ops using ($2/2):1:(0):2:($1-0.34):($1+0.34) with boxxyerror lc rgb '#0072B2', \\\n"
          "  '' using 2:1:3 with labels left offset 0.8,0 tc rgb '#222222' font ',12'\n",
          f);
}

static int draw(plot_job *job, int index, const costs *parts, const costs *ops)
{
    const plot_run *run = &job->runs[index];
    int longest = 0;
    for (int i = 0; i < ops->count; i++) {
        int length = px_plot_width(ops->name[i]);
        longest = length > longest ? length : longest;
    }
    int left = 40 + CHARACTER * longest, height = HEADINGS + BAR + LEGEND + OP * ops->count + BOTTOM;
    plot_figure *figure = px_plot_begin(job, "bench", index, WIDTH, height);
    FILE *f = figure->script;
    fputs("set multiplot\nset key off\n", f);
    write_headings(f, figure, run, parts);
    write_parts(f, figure, parts);
    write_ops(f, figure, ops, fmax(seconds_of(parts, "step"), 1e-9), number(run, "machine_gflops"), left);
    fputs("unset multiplot\n", f);
    return px_plot_end(job, figure);
}

/* Most files have no measured step, which is not reported as left out. */
static int draw_all(plot_job *job)
{
    int bad = 0;
    for (int run = 0; bad == 0 && run < job->count; run++) {
        costs parts, ops;
        if (!costs_load(&job->runs[run], "parts", &parts))
            continue;
        if (costs_load(&job->runs[run], "ops", &ops)) {
            bad = draw(job, run, &parts, &ops);
            costs_finish(&ops);
        }
        costs_finish(&parts);
    }
    return bad;
}

const px_chart px_chart_bench = {
    .name = "bench",
    .summary = "parts and most expensive ops of a step, from a file of pretext bench out=",
    .group = "/bench",
    .draw = draw_all,
};
