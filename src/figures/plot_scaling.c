/* plot_scaling.c - how the speed of a training step grows with cores: files of `pretext bench out=`, measured on different
 * numbers of ranks or threads. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A measured step. */
typedef struct step {
    char *what; /* "simclr on resnet18, 32 px, bf16": what must be the same to be compared */
    double cores, rate;
} step;

static double number(const plot_run *run, const char *name)
{
    int64_t dim[4];
    double *data = px_plot_data(run, 0, dim, "/bench/%s", name), value = data ? data[0] : NAN;
    free(data);
    return value;
}

static char *word(const plot_run *run, const char *name)
{
    char *text;
    return px_results_get_attribute_text(run->results, "/bench", name, &text) == 0 ? text : px_strdup("?");
}

static step step_read(const plot_run *run)
{
    char *method = word(run, "method"), *backbone = word(run, "backbone"), *precision = word(run, "precision"),
         *text = px_format("%s on %s, %g px, %s", method, backbone, number(run, "image_size"), precision);
    step s = {px_plot_shorten(text, 2 * PLOT_LABEL), number(run, "ranks") * number(run, "threads"),
              number(run, "images_per_second")};
    free(method);
    free(backbone);
    free(precision);
    free(text);
    return s;
}

static int in_order(const void *a, const void *b)
{
    const step *x = a, *y = b;
    int by = strcmp(x->what, y->what);
    return by ? by : (x->cores > y->cores) - (x->cores < y->cores);
}

/* How many steps from this one on are of the same thing. */
static int same(const step *s, int count)
{
    int n = 1;
    while (n < count && strcmp(s[n].what, s[0].what) == 0)
        n++;
    return n;
}

/* Whether they are a line. */
static bool grows(const step *s, int count)
{
    return count > 1 && s[count - 1].cores > s[0].cores;
}

static void write_line(FILE *f, const step *s, int count, int line)
{
    fprintf(f, "$line%d << EOD\n", line);
    for (int i = 0; i < count; i++)
        fprintf(f, "%.6g %.6g\n", s[i].cores, s[i].rate);
    fprintf(f, "EOD\n$ideal%d << EOD\n%.6g %.6g\n%.6g %.6g\nEOD\n", line, s[0].cores, s[0].rate, s[count - 1].cores,
            s[0].rate * s[count - 1].cores / s[0].cores);
}

/* Each with its gain over the ideal one: 1.9 of 2 times. */
static char *title_of(const step *s, int count)
{
    const step *last = &s[count - 1];
    return px_format("%s: %.3g times as fast on %.3g times the cores", s->what, last->rate / s->rate,
                     last->cores / s->cores);
}

static int draw(plot_job *job, const step *steps, int count, int lines)
{
    enum { WIDTH = 1000, HEIGHT = 560 };
    static const int marks[] = {7, 5, 9, 13, 11};
    double low = INFINITY, high = 0;
    plot_figure *figure = px_plot_begin(job, "scaling", -1, 0, 0);
    FILE *f = figure->script, *plots;
    char *text;
    size_t size;
    plots = open_memstream(&text, &size);
    px_plot_frame(f, figure, WIDTH, HEIGHT, 115, 45, 65, 95 + 26 * (lines + 1));
    px_plot_title(f, px_strdup("Speed of a training step by the number of cores"));
    for (int i = 0, line = 0, n; i < count; i += n) {
        n = same(&steps[i], count - i);
        if (!grows(&steps[i], n))
            continue;
        low = fmin(low, steps[i].cores);
        high = fmax(high, steps[i + n - 1].cores);
        write_line(f, &steps[i], n, line);
        char *title = title_of(&steps[i], n);
        fprintf(plots, ", \\\n  $ideal%d using 1:2 with lines lw 1.5 dt 2 lc rgb '#8C8C8C' notitle", line);
        fprintf(plots, ", \\\n  $line%d using 1:2 with linespoints lw 2.4 pt %d ps 1.4 lc rgb '#%s' title ", line,
                marks[line % 5], px_gnuplot_colour(line));
        px_gnuplot_text(plots, title);
        free(title);
        line++;
    }
    fclose(plots);
    fprintf(f, "set key at screen 0.5, screen %g center bottom vertical maxrows %d Left reverse samplen 4\n",
            12.0 / figure->height, lines + 1);
    fprintf(f,
            "set logscale xy 2\nset xrange [%.6g:%.6g]\nset format '%%g'\nset xlabel 'cores (ranks x threads), "
            "logarithmic'\n",
            low / 1.2, high * 1.2);
    fprintf(f,
            "set ylabel 'images per second, logarithmic'\n"
            "plot NaN with lines lw 1.5 dt 2 lc rgb '#8C8C8C' title 'as fast on each core as on the fewest'%s\n",
            text);
    free(text);
    return px_plot_end(job, figure);
}

/* Most calls are about one file, or none that was measured: nothing is reported as left out. */
static int draw_all(plot_job *job)
{
    step *steps = px_calloc((size_t)job->count + 1, sizeof *steps);
    int count = 0, lines = 0, kept = 0, bad = 0;
    for (int i = 0; i < job->count; i++)
        if (px_results_has(job->runs[i].results, "/bench"))
            steps[count++] = step_read(&job->runs[i]);
    for (int i = 0; i < count; i++)
        if (steps[i].cores > 0 && steps[i].rate > 0 && px_plot_drawable(steps[i].cores) &&
            px_plot_drawable(steps[i].rate))
            steps[kept++] = steps[i];
        else
            free(steps[i].what);
    qsort(steps, (size_t)kept, sizeof *steps, in_order);
    for (int i = 0, n; i < kept; i += n) {
        n = same(&steps[i], kept - i);
        lines += grows(&steps[i], n);
    }
    if (lines)
        bad = draw(job, steps, kept, lines);
    for (int i = 0; i < kept; i++)
        free(steps[i].what);
    free(steps);
    return bad;
}

const px_chart px_chart_scaling = {
    .name = "scaling",
    .summary = "of several files of pretext bench out=, images per second by cores",
    .group = "/bench",
    .draw = draw_all,
};
