/* plot_pictures.c - the methods' pictures: /figures/NAME (height, width, channels) of bytes, with a caption. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PIXELS = 1000, LINE = 22 /* of a caption */ };

/* The dots are the canvas's pixels, so they are neither smoothed nor separated by seams, as drawn squares would be. */
void px_plot_canvas(FILE *f, const uint8_t *pixels, int height, int width, int channels, int scale)
{
    fputs("$pixels << EOD\n", f);
    for (int y = 0; y < height * scale; y++)
        for (int x = 0; x < width * scale; x++) {
            const uint8_t *p = pixels + ((size_t)(y / scale) * (size_t)width + (size_t)(x / scale)) * (size_t)channels;
            fprintf(f, "%d %d %d %d %d\n", x, y, p[0], p[channels / 2], p[channels - 1]);
        }
    fprintf(f,
            "EOD\nset xrange [-0.5:%d.5]\nset yrange [%d.5:-0.5]\nunset grid\nunset border\nunset tics\nset key off\n",
            width * scale - 1, height * scale - 1);
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
    int width, height, lines;
    uint8_t *bytes = px_plot_bytes(pixels, dim, MOST_PIXELS, &height, &width);
    int scale = (int)fmax(1, floor((double)MOST_PIXELS / fmax(width, height))), wide = width * scale + 2 * SIDE;
    wide = wide < LEAST_WIDTH ? LEAST_WIDTH : wide;
    char **caption = wrap_caption(&job->runs[run], caption_text, wide - 2 * SIDE, &lines);
    int top = SIDE + LINE * lines, side = (wide - width * scale) / 2;
    plot_figure *figure = px_plot_begin(job, name, run, 0, 0);
    FILE *f = figure->script;
    px_plot_frame(f, figure, width * scale, height * scale, side, side, top, SIDE);
    write_caption(f, figure, caption, lines);
    px_plot_canvas(f, bytes, height, width, (int)dim[2], scale);
    free(bytes);
    px_plot_texts_free(caption, lines);
    return px_plot_end(job, figure);
}

/* Whose pictures are drawn. */
typedef struct place {
    plot_job *job;
    int run;
} place;

static int draw(void *context, const plot_picture *p)
{
    const place *at = context;
    return px_plot_image(at->job, at->run, p->name, p->caption, p->pixels, p->size);
}

/* Methods need not have pictures: if a run has none, nothing is reported as left out. */
static int draw_all(plot_job *job)
{
    int bad = 0;
    for (int run = 0; bad == 0 && run < job->count; run++)
        bad = px_plot_each_picture(&job->runs[run], draw, &(place){job, run});
    return bad;
}

const px_chart px_chart_pictures = {
    .name = "pictures",
    .summary = "the method's own: reconstruction (MAE), images masked and rebuilt",
    .group = "/figures",
    .image = true,
    .draw = draw_all,
};
