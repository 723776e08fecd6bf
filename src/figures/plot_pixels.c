/* plot_pixels.c - pictures made of pixels: those that a method keeps in /figures, and pixels as bytes. */
#include "base/error.h"
#include "figures/plot_private.h"

#include <math.h>
#include <stdlib.h>

static uint8_t byte(double x)
{
    return x > 0 ? (uint8_t)fmin(x, 255) : 0; /* 0 for NaN, too */
}

uint8_t *px_plot_bytes(const double *pixels, const int64_t size[3], int64_t most, int *height, int *width)
{
    int64_t larger = size[0] > size[1] ? size[0] : size[1], step = (larger + most - 1) / most;
    *height = (int)((size[0] + step - 1) / step);
    *width = (int)((size[1] + step - 1) / step);
    uint8_t *bytes = px_calloc((size_t)*height * (size_t)*width, (size_t)size[2]), *to = bytes;
    for (int64_t y = 0; y < size[0]; y += step)
        for (int64_t x = 0; x < size[1]; x += step)
            for (int64_t c = 0; c < size[2]; c++)
                *to++ = byte(pixels[(y * size[1] + x) * size[2] + c]);
    return bytes;
}

static int use_one(const plot_run *run, char *name, plot_use_picture *use, void *context)
{
    int64_t dim[4];
    char *path = px_format("/figures/%s", name), *caption = NULL;
    double *pixels = px_plot_data(run, 3, dim, "%s", path);
    int status = 0;
    if (pixels && dim[0] > 0 && dim[1] > 0 && (dim[2] == 1 || dim[2] == 3)) {
        if (px_results_get_attribute_text(run->results, path, "caption", &caption) != 0)
            caption = NULL;
        status = use(context, &(plot_picture){name, caption, pixels, {dim[0], dim[1], dim[2]}});
    } else if (pixels) {
        px_results_leave_out(run->results, "%s is not (height, width, 1 or 3 channels)", path);
    }
    free(pixels);
    free(caption);
    free(path);
    return status;
}

int px_plot_each_picture(const plot_run *run, plot_use_picture *use, void *context)
{
    char **names = NULL;
    int count = 0, status = 0;
    if (!px_results_has(run->results, "/figures") || px_results_list(run->results, "/figures", &names, &count) != 0)
        return 0;
    for (int i = 0; i < count && i < PLOT_MOST_PICTURES && status == 0; i++)
        status = use_one(run, names[i], use, context);
    if (count > PLOT_MOST_PICTURES)
        px_results_leave_out(run->results, "/figures: %d pictures after the first %d", count - PLOT_MOST_PICTURES,
                             PLOT_MOST_PICTURES);
    px_plot_texts_free(names, count);
    return status;
}
