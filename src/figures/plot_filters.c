/* plot_filters.c - the filters of a run's first layer, which look at the image itself: what edges and colours they answer to.
 * They are in the checkpoint, beside run.h5. */
#include "base/error.h"
#include "figures/plot_private.h"
#include "train/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* So many filters at most are drawn, with a gap of a pixel between them, on white. */
enum { MOST_FILTERS = 256, GAP = 1, PAPER = 255 };

/* How many channels a layer looks at: 0: it is no first layer, which looks at the image's, by filters of at least 2 x 2. Those of a
 * teacher are the student's, some steps behind; a decoder's end in the image instead. */
static int channels_of(px_results *r, const char *name)
{
    int out, in, height, width;
    char *path = px_format("/parameters/%s", name), *what = px_results_describe(r, path);
    bool first = sscanf(what, "float32 (%d, %d, %d, %d)", &out, &in, &height, &width) == 4 && (in == 1 || in == 3) &&
                 height == width && height > 1 && out > 1 && strncmp(name, "teacher", 7) != 0 &&
                 !strstr(name, "decoder");
    free(what);
    free(path);
    return first ? in : 0;
}

static int dots_in(const char *name)
{
    int dots = 0;
    for (; *name; name++)
        dots += *name == '.';
    return dots;
}

/* The name of the first layer's weight, or NULL. Convolutions that look at each channel alone have one input channel, too, so that
 * those that look at three come first; of gray images, the one whose name lies in fewest scopes (conv_stem.weight before
 * blocks.0.0.conv_dw.weight). A new string. */
static char *find_layer(px_results *r)
{
    char **names, *found = NULL;
    int count, most = 0, dots = 0;
    if (px_results_list(r, "/parameters", &names, &count) != 0)
        return NULL;
    for (int i = 0; i < count; i++) {
        int in = channels_of(r, names[i]);
        if (in > 0 && (in > most || (in == most && dots_in(names[i]) < dots))) {
            free(found);
            found = px_strdup(names[i]);
            most = in;
            dots = dots_in(names[i]);
        }
    }
    px_plot_texts_free(names, count);
    return found;
}

/* One filter: zero is gray, its largest weight black or white, so that weak filters can be seen, too. */
static void draw_filter(const double *weight, int channels, int side, double *sheet, int64_t pitch)
{
    double most = 0;
    for (int i = 0; i < channels * side * side; i++)
        most = fmax(most, px_plot_drawable(weight[i]) ? fabs(weight[i]) : 0);
    for (int c = 0; c < channels; c++)
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++) {
                double w = weight[(c * side + y) * side + x];
                sheet[y * pitch + (int64_t)x * channels + c] =
                    most > 0 && px_plot_drawable(w) ? 127.5 + 127.5 * w / most : 127.5;
            }
}

/* weight (dim[0] filters, channels, side, side) */
static double *draw_sheet(const char *name, const double *weight, const int64_t dim[], int64_t size[], char **caption)
{
    int count = dim[0] < MOST_FILTERS ? (int)dim[0] : MOST_FILTERS, channels = (int)dim[1], side = (int)dim[2],
        columns = (int)ceil(sqrt((double)count)), rows = (count + columns - 1) / columns, step = side + GAP;
    size[0] = rows * step + GAP;
    size[1] = columns * step + GAP;
    size[2] = channels;
    int64_t pitch = size[1] * channels;
    double *sheet = px_calloc((size_t)(size[0] * pitch), sizeof *sheet);
    for (int64_t i = 0; i < size[0] * pitch; i++)
        sheet[i] = PAPER;
    for (int i = 0; i < count; i++) {
        int64_t y = GAP + i / columns * step, x = GAP + i % columns * step;
        draw_filter(weight + (int64_t)i * channels * side * side, channels, side, sheet + y * pitch + x * channels,
                    pitch);
    }
    char *shown = px_plot_shorten(name, PLOT_LABEL);
    *caption = px_format("%s%d filters of %d x %d in %s; gray is zero, each filter has its own scale",
                         count < dim[0] ? "the first " : "", count, side, side, shown);
    free(shown);
    return sheet;
}

double *px_plot_filters(const char *folder, int64_t size[3], char **caption)
{
    char *path = px_format("%s/checkpoint.h5", folder ? folder : "."), *layer = NULL;
    plot_run saved = {.results = NULL};
    int64_t dim[4];
    if (folder && px_checkpoint_exists(folder) && px_results_open(&saved.results, path, PX_RESULTS_READ) == 0 &&
        px_results_has(saved.results, "/parameters"))
        layer = find_layer(saved.results);
    double *weight = layer ? px_plot_data(&saved, 4, dim, "/parameters/%s", layer) : NULL,
           *sheet = weight ? draw_sheet(layer, weight, dim, size, caption) : NULL;
    px_results_close(saved.results);
    free(weight);
    free(layer);
    free(path);
    return sheet;
}

/* Runs without a checkpoint, and networks whose first layer is of another kind, have none; nothing is reported as left out. */
static int draw_all(plot_job *job)
{
    int bad = 0;
    for (int run = 0; run < job->count && bad == 0; run++) {
        int64_t size[3];
        char *caption;
        double *sheet = px_plot_filters(job->runs[run].folder, size, &caption);
        if (!sheet)
            continue;
        bad = px_plot_image(job, run, "filters", caption, sheet, size);
        free(caption);
        free(sheet);
    }
    return bad;
}

const px_chart px_chart_filters = {
    .name = "filters",
    .summary = "the first layer's filters, from the checkpoint beside run.h5",
    .group = "/parameters",
    .image = true,
    .draw = draw_all,
};
