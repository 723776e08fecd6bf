/* plot_figures.c - the pictures that methods made themselves: /figures/NAME (height, width, channels) of bytes, with a
 * caption. */
#include "base/error.h"
#include "report/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PIXELS = 1000 };

/* Every step-th pixel as a square of scale x scale dots, "x y r g b" each; y counts from the top. Dots that are those
 * of the canvas are neither smoothed nor separated by seams, as drawn squares would be. */
static void write_dots(FILE *f, const double *pixels, const int64_t dim[], int64_t step, int scale)
{
    int64_t height = (dim[0] + step - 1) / step * scale, width = (dim[1] + step - 1) / step * scale;
    fputs("$pixels << EOD\n", f);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            const double *p = pixels + (y / scale * step * dim[1] + x / scale * step) * dim[2];
            fprintf(f, "%d %d %d %d %d\n", (int)x, (int)y, (int)p[0], (int)p[dim[2] / 2], (int)p[dim[2] - 1]);
        }
    fputs("EOD\n", f);
}

/* A caption, centred above; each of its parts (between semicolons) on a line of its own. */
static void write_caption(FILE *f, const plot_figure *figure, const char *who, const char *caption)
{
    char *rest = px_strdup(caption), *at = rest, *part;
    for (int line = 0; (part = strsep(&at, ";")); line++) {
        char *text = line == 0 ? px_format("%s: %s", who, part) : px_strdup(part + strspn(part, " "));
        fprintf(f, "set label %d ", line + 1);
        px_gnuplot_text(f, text);
        fprintf(f, " at screen 0.5, screen %g center font ',%d'\n", 1 - (24.0 + 22 * line) / figure->height,
                line == 0 ? 13 : 11);
        free(text);
    }
    free(rest);
}

static int draw(plot_job *job, int run, const char *name, const double *pixels, const int64_t dim[])
{
    enum { LEAST_WIDTH = 620, SIDE = 30, TOP = 70 };
    const plot_run *r = &job->runs[run];
    int64_t larger = dim[0] > dim[1] ? dim[0] : dim[1], step = (larger + MOST_PIXELS - 1) / MOST_PIXELS;
    int width = (int)((dim[1] + step - 1) / step), height = (int)((dim[0] + step - 1) / step);
    int scale = (int)fmax(1, floor((double)MOST_PIXELS / fmax(width, height))), wide = width * scale + 2 * SIDE;
    plot_figure *figure =
        plot_begin(job, name, run, wide < LEAST_WIDTH ? LEAST_WIDTH : wide, height * scale + TOP + SIDE);
    FILE *f = figure->script;
    write_dots(f, pixels, dim, step, scale);
    char *path = px_format("/figures/%s", name), *caption = NULL;
    if (px_results_get_attribute_text(r->results, path, "caption", &caption) == 0)
        write_caption(f, figure, *r->method ? r->method : r->label, caption);
    double margin = (figure->width - width * scale) / 2.0 / figure->width;
    fprintf(f,
            "set lmargin at screen %g\nset rmargin at screen %g\nset tmargin at screen %g\nset bmargin at screen %g\n",
            margin, 1 - margin, 1 - (double)TOP / figure->height, (double)SIDE / figure->height);
    fprintf(f, "set xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\nunset grid\nunset border\nunset tics\nset key off\n",
            width * scale - 1, height * scale - 1);
    fputs("plot $pixels using 1:2:3:4:5 with rgbimage\n", f);
    free(caption);
    free(path);
    return plot_end(job, figure);
}

/* Methods need not have pictures: a run without them leaves nothing out. */
int plot_figures(plot_job *job)
{
    int bad = 0;
    for (int run = 0; bad == 0 && run < job->count; run++) {
        char **names;
        int count;
        if (!px_results_has(job->runs[run].results, "/figures") ||
            px_results_list(job->runs[run].results, "/figures", &names, &count) != 0)
            continue;
        for (int i = 0; i < count; i++) {
            int64_t dim[4];
            double *pixels = plot_data(&job->runs[run], 3, dim, "/figures/%s", names[i]);
            if (pixels && bad == 0 && (dim[2] == 1 || dim[2] == 3))
                bad = draw(job, run, names[i], pixels, dim);
            free(pixels);
            free(names[i]);
        }
        free(names);
    }
    return bad;
}
