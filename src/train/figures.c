/* figures.c - see figures.h. */
#include "train/figures.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

const px_task *px_figures_task(const px_figures *f)
{
    return f->task;
}

const void *px_figures_view(const px_figures *f, const char *name)
{
    for (int i = 0; i < f->model->views.count; i++)
        if (strcmp(f->model->views.view[i].name, name) == 0)
            return f->batch->tensor[i];
    px_check_failed(__FILE__, __LINE__, name);
}

const float *px_figures_output(const px_figures *f, const char *name)
{
    const px_value *v = px_graph_find_output(f->model->graph, name);
    PX_CHECK(v);
    return px_plan_read(f->model->plan, v);
}

int px_figures_grid(px_figures *f, const char *name, const char *caption, int rows, int columns, int size, int channels,
                    const uint8_t *pixels)
{
    enum { GAP = 2 };
    int height = rows * (size + GAP) - GAP, width = columns * (size + GAP) - GAP;
    size_t line = (size_t)(size * channels), bytes = (size_t)height * (size_t)width * (size_t)channels;
    uint8_t *mosaic = memset(px_calloc(bytes, 1), 255, bytes);
    for (int i = 0; i < rows * columns * size; i++) { /* line y of picture i / size */
        int picture = i / size, y = i % size + picture / columns * (size + GAP), x = picture % columns * (size + GAP);
        memcpy(mosaic + ((size_t)y * (size_t)width + (size_t)x) * (size_t)channels, pixels + (size_t)i * line, line);
    }
    char *path = px_format("/figures/%s", name);
    int status = px_results_put(f->results, path, PX_U8, 3, (const int64_t[]){height, width, channels}, mosaic);
    if (status == 0)
        status = px_results_attribute_text(f->results, path, "caption", caption);
    free(path);
    free(mosaic);
    return status;
}
