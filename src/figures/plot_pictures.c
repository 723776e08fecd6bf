/* plot_pictures.c - the methods' pictures: /figures/NAME (height, width, channels) of bytes, with a caption. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PIXELS = 1000, LINE = 22 /* of a caption */ };

static int byte(double x)
{
    return x > 0 ? (int)fmin(x, 255) : 0; /* 0 for NaN, too */
}

/* Writes every step-th pixel as a square of scale x scale dots, "x y r g b" each; y counts from the top. The dots are
 * the canvas's pixels, so they are neither smoothed nor separated by seams, as drawn squares would be. */
void px_plot_canvas(FILE *f, const double *pixels, const int64_t dim[], int64_t step, int scale)
{
    int64_t height = (dim[0] + step - 1) / step * scale, width = (dim[1] + step - 1) / step * scale;
    fputs("$pixels << EOD\n", f);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            const double *p = pixels + (y / scale * step * dim[1] + x / scale * step) * dim[2];
            fprintf(f, "%d %d %d %d %d\n", (int)x, (int)y, byte(p[0]), byte(p[dim[2] / 2]), byte(p[dim[2] - 1]));
        }
    fprintf(f,
            "EOD\nset xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\nunset grid\nunset border\nunset tics\nset key off\n",
            (int)width - 1, (int)height - 1);
    fputs("plot $pixels using 1:2:3:4:5 with rgbimage\n", f);
}

/* A caption, centred above; each of its parts (between semicolons) begins a line of its own. */
static void write_caption(FILE *f, const plot_figure *figure, char *const *lines, int count)
{
    for (int i = 0; i < count; i++) {
        fprintf(f, "set label %d ", i + 1);
        px_gnuplot_text(f, lines[i]);
        fprintf(f, " at screen 0.5, screen %g center font ',%d'\n", 1 - (24.0 + LINE * i) / figure->height,
                i == 0 ? 13 : 11);
    }
}

/* The caption after the name of the method or run, in lines that fit. NULL: there is none. */
static char **wrap_caption(const plot_run *run, const char *caption, int width, int *count)
{
    enum { CHARACTER = 9 };
    *count = 0;
    if (!caption)
        return NULL;
    char *short_caption = px_plot_shorten(caption, 1000);
    char *text = px_format("%s: %s", *run->method ? run->method : run->label, short_caption);
    char **lines = px_plot_wrap(text, width / CHARACTER, count);
    free(short_caption);
    free(text);
    return lines;
}

int px_plot_image(plot_job *job, int run, const char *name, const char *caption_text, const double *pixels,
                  const int64_t dim[])
{
    enum { LEAST_WIDTH = 620, SIDE = 30 };
    int64_t larger = dim[0] > dim[1] ? dim[0] : dim[1], step = (larger + MOST_PIXELS - 1) / MOST_PIXELS;
    int width = (int)((dim[1] + step - 1) / step), height = (int)((dim[0] + step - 1) / step), lines;
    int scale = (int)fmax(1, floor((double)MOST_PIXELS / fmax(width, height))), wide = width * scale + 2 * SIDE;
    wide = wide < LEAST_WIDTH ? LEAST_WIDTH : wide;
    char **caption = wrap_caption(&job->runs[run], caption_text, wide - 2 * SIDE, &lines);
    int top = SIDE + LINE * lines, side = (wide - width * scale) / 2;
    plot_figure *figure = px_plot_begin(job, name, run, 0, 0);
    FILE *f = figure->script;
    px_plot_frame(f, figure, width * scale, height * scale, side, side, top, SIDE);
    write_caption(f, figure, caption, lines);
    px_plot_canvas(f, pixels, dim, step, scale);
    px_plot_texts_free(caption, lines);
    return px_plot_end(job, figure);
}

/* With the caption that the method gave. */
static int draw(plot_job *job, int run, const char *name, const double *pixels, const int64_t dim[])
{
    char *path = px_format("/figures/%s", name), *caption = NULL;
    if (px_results_get_attribute_text(job->runs[run].results, path, "caption", &caption) != 0)
        caption = NULL;
    int bad = px_plot_image(job, run, name, caption, pixels, dim);
    free(caption);
    free(path);
    return bad;
}

/* Methods need not have pictures: if a run has none, nothing is reported as left out. */
static int draw_all(plot_job *job)
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
            double *pixels = i < PLOT_MOST_PICTURES && bad == 0
                                 ? px_plot_data(&job->runs[run], 3, dim, "/figures/%s", names[i])
                                 : NULL;
            if (i == PLOT_MOST_PICTURES)
                px_results_leave_out(job->runs[run].results, "/figures: %d pictures after the first %d", count - i, i);
            if (pixels && (dim[0] < 1 || dim[1] < 1 || (dim[2] != 1 && dim[2] != 3)))
                px_results_leave_out(job->runs[run].results, "/figures/%s is not (height, width, 1 or 3 channels)",
                                     names[i]);
            else if (pixels && bad == 0)
                bad = draw(job, run, names[i], pixels, dim);
            free(pixels);
            free(names[i]);
        }
        free(names);
    }
    return bad;
}

const px_chart px_chart_pictures = {
    .name = "pictures",
    .summary = "the method's own: reconstruction (MAE), images masked and rebuilt",
    .group = "/figures",
    .image = true,
    .draw = draw_all,
};
