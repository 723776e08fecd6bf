/* masked.c - what methods that hide patches share (method.h): which ones are hidden, and the picture of what was rebuilt. */
#include "base/error.h"
#include "train/drawn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

px_recipe px_recipe_crop(const px_task *task, double area_min, double flip)
{
    px_recipe r = px_recipe_none();
    r.mean = task->mean;
    r.std = task->std;
    if (task->augment) {
        r.area_min = (float)area_min;
        r.area_max = 1;
        r.flip = (float)flip;
    }
    return r;
}

int px_patch_count(const px_task *task)
{
    return (task->image_size / task->patch) * (task->image_size / task->patch);
}

int px_visible_count(const px_task *task, double hidden)
{
    return (int)(px_patch_count(task) * (1 - hidden));
}

static void hide(px_rng *rng, int T, int K, int32_t *visible, int32_t *hidden)
{
    int32_t *order = px_calloc((size_t)T, sizeof order[0]);
    for (int i = 0; i < T; i++)
        order[i] = i;
    for (int i = 0; i < K; i++) {
        int j = i + (int)px_rng_below(rng, (uint32_t)(T - i));
        visible[i] = order[j];
        order[j] = order[i];
    }
    memset(order, 0, (size_t)T * sizeof order[0]);
    for (int i = 0; i < K; i++)
        order[visible[i]] = 1;
    for (int i = 0, m = 0; i < T; i++)
        if (!order[i])
            hidden[m++] = i;
    free(order);
}

void px_hidden_declare(const px_task *task, int K, px_views *out)
{
    int T = px_patch_count(task);
    px_views_add(out, "visible", PX_I32, 1, 1, &K);
    px_views_add(out, "restore", PX_I32, 1, 1, (int[]){T + 1});
    px_views_add(out, "hidden", PX_I32, 1, 1, (int[]){T - K});
}

void px_hidden_make(const px_task *task, int K, px_rng *rng, px_sample *out, int first)
{
    int T = px_patch_count(task);
    int32_t *visible = px_sample_i32(out, first, 0), *restore = px_sample_i32(out, first + 1, 0);
    hide(rng, T, K, visible, px_sample_i32(out, first + 2, 0));
    memset(restore, 0, (size_t)(T + 1) * sizeof restore[0]);
    restore[0] = 1;
    for (int j = 0; j < K; j++)
        restore[1 + visible[j]] = 2 + j;
}

/* ---- the picture: original, masked, rebuilt, rebuilt with the visible patches put back ---- */

enum { SHOWN = 8, COLUMNS = 4 };

typedef struct picture {
    const px_task *task;
    const float *image;      /* (C, S, S) as the network saw it */
    const float *prediction; /* (T, patch*patch*C) */
    bool *hidden;            /* (T) */
    bool standardized;
} picture;

/* Where element i of patch t, (row, column, channel), is in the image. */
typedef struct pixel {
    int c, x, y;
} pixel;

static pixel pixel_of(const px_task *task, int t, int i)
{
    int patch = task->patch, C = task->channels, side = task->image_size / patch;
    return (pixel){i % C, i / C % patch + t % side * patch, i / C / patch + t / side * patch};
}

static float original_at(const picture *p, pixel at)
{
    int S = p->task->image_size;
    return p->image[(at.c * S + at.y) * S + at.x];
}

/* A patch's pixels; of standardised ones, mean and deviation are taken from the original patch. */
static void rebuild_patch(const picture *p, int t, int n, float *out /* (patch*patch*C) */)
{
    double sum = 0, square = 0;
    for (int i = 0; i < n; i++) {
        double v = original_at(p, pixel_of(p->task, t, i));
        sum += v;
        square += v * v;
    }
    double mean = sum / n, deviation = sqrt((square - sum * mean) / (n - 1) + 1e-6);
    for (int i = 0; i < n; i++)
        out[i] = p->standardized ? (float)(p->prediction[(int64_t)t * n + i] * deviation + mean)
                                 : p->prediction[(int64_t)t * n + i];
}

/* One value in all columns. */
static void draw_value(const picture *p, const px_drawn *d, int k, int t, pixel at, float rebuilt, uint8_t *row)
{
    int S = p->task->image_size;
    uint8_t original = px_drawn_byte(d, original_at(p, at), k), made = px_drawn_byte(d, rebuilt, k);
    const uint8_t column[COLUMNS] = {original, p->hidden[t] ? 128 : original, made, p->hidden[t] ? made : original};
    for (int i = 0; i < COLUMNS; i++)
        row[((i * S + at.y) * S + at.x) * d->count + k] = column[i];
}

static void draw(const picture *p, px_drawn d, uint8_t *row /* (COLUMNS, S, S, d.count) */)
{
    int patch = p->task->patch, C = p->task->channels, S = p->task->image_size, side = S / patch, n = patch * patch * C;
    float *rebuilt = px_calloc((size_t)n, sizeof rebuilt[0]);
    px_drawn_range(&d, p->task, p->image, (int64_t)S * S);
    for (int t = 0; t < side * side; t++) {
        rebuild_patch(p, t, n, rebuilt);
        for (int i = 0; i < n; i++) {
            pixel at = pixel_of(p->task, t, i);
            for (int k = 0; k < d.count; k++)
                if (d.channel[k] == at.c)
                    draw_value(p, &d, k, t, at, rebuilt[i], row);
        }
    }
    free(rebuilt);
}

int px_figures_rebuilt(px_figures *f, const char *name, const px_rebuilt *what)
{
    const px_task *task = px_figures_task(f);
    int S = task->image_size, C = task->channels, side = S / task->patch, T = side * side;
    int rows = task->batch < SHOWN ? task->batch : SHOWN;
    const float *image = px_figures_view(f, what->image), *prediction = px_figures_output(f, what->prediction);
    const int32_t *places = px_figures_view(f, what->hidden);
    px_drawn d = px_drawn_of(task, task->channels);
    uint8_t *pixels = px_calloc((size_t)(rows * COLUMNS), (size_t)(S * S * d.count));
    bool *hidden = px_calloc((size_t)T, sizeof hidden[0]);
    for (int i = 0; i < rows; i++) {
        memset(hidden, 0, (size_t)T * sizeof hidden[0]);
        for (int m = 0; m < what->count; m++)
            hidden[places[i * what->count + m]] = true;
        int64_t numbers = (int64_t)C * S * S; /* of an image, and of its patches */
        picture p = {task, image + i * numbers, prediction + i * numbers, hidden, what->standardized};
        draw(&p, d, pixels + (int64_t)i * COLUMNS * S * S * d.count);
    }
    char *caption =
        px_format("original, visible patches, output, output beside visible; only hidden patches are in the loss: "
                  "what the third column shows at visible ones is not trained%s",
                  what->standardized ? "; each patch has the mean and deviation of the original's" : "");
    int status = px_figures_grid(f, name, caption, rows, COLUMNS, S, d.count, pixels);
    free(caption);
    free(hidden);
    free(pixels);
    return status;
}
