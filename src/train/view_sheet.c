/* view_sheet.c - see view_sheet.h. */
#include "train/view_sheet.h"
#include "base/error.h"
#include "data/loader.h"
#include "train/drawn.h"
#include "train/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pictures smaller than SEEN px are enlarged by a whole number; patches that are hidden are of this gray. */
enum { SEEN = 96, GAP = 4, HIDDEN = 128 };

typedef struct maker {
    const px_method *method;
    const px_method_cfg *cfg;
    const px_task *task;
} maker;

typedef struct drawing {
    const px_task *task;
    const px_views *views;
    const px_batch *batch;
    px_view_sheet *sheet;
    int base;         /* the first view that is an image, on which patches are shown; -1: none */
    int scale, pitch; /* of a picture, in pixels of the sheet */
} drawing;

static void make_views(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    const maker *m = context;
    m->method->make_views(m->cfg, m->task, rng, image, out);
}

/* ---- what is drawn ---- */

typedef enum drawn_as { NOT_DRAWN, AS_IMAGE, AS_MASK, AS_PLACES } drawn_as;

static drawn_as how(const px_view *v, const px_task *task)
{
    if (v->dtype == PX_F32 && v->rank == 3 && v->dim[1] == v->dim[2])
        return AS_IMAGE;
    if (v->rank == 2 && v->dim[0] == v->dim[1] && strcmp(v->name, "mask") == 0)
        return AS_MASK;
    bool places = strcmp(v->name, "visible") == 0 || strcmp(v->name, "targets") == 0;
    return v->dtype == PX_I32 && v->rank == 1 && places && task->patch ? AS_PLACES : NOT_DRAWN;
}

/* Shares of the classes, as supervised's. */
static bool is_target(const px_view *v)
{
    return v->dtype == PX_F32 && v->rank == 1 && v->copies == 1 && strcmp(v->name, "target") == 0;
}

static const void *copy_of(const drawing *d, int view, int copy, int row)
{
    const px_view *v = &d->views->view[view];
    size_t at = ((size_t)copy * (size_t)d->batch->batch + (size_t)row) * px_view_elements(v);
    return (const char *)d->batch->tensor[view] + at * sizeof(float); /* both types have four bytes */
}

/* One picture, enlarged, at the sheet's (row, column). */
static void draw_image(const drawing *d, int view, int copy, int row, int column)
{
    const px_view *v = &d->views->view[view];
    const float *x = copy_of(d, view, copy, row);
    int S = v->dim[1];
    int64_t n = (int64_t)S * S;
    px_drawn as = px_drawn_of(d->task, v->dim[0]);
    px_drawn_range(&as, d->task, x, n);
    px_drawn whole = as;
    px_drawn_stretch(&whole, x, n);
    for (int k = 0; k < as.count; k++) /* standardised by itself: no longer within the range of pixels */
        if (whole.low[k] < as.low[k] - 0.01f * (as.high[k] - as.low[k]) ||
            whole.high[k] > as.high[k] + 0.01f * (as.high[k] - as.low[k])) {
            as = whole;
            break;
        }
    for (int y = 0; y < S * d->scale; y++)
        for (int at = 0; at < S * d->scale; at++) {
            int64_t from = (int64_t)(y / d->scale) * S + at / d->scale;
            uint8_t *to = d->sheet->pixels +
                          3 * (((int64_t)row * d->pitch + y) * d->sheet->width + (int64_t)column * d->pitch + at);
            for (int k = 0; k < 3; k++) {
                int channel = as.count == 3 ? k : 0;
                to[k] = px_drawn_byte(&as, x[as.channel[channel] * n + from], channel);
            }
        }
}

/* Grays a patch of a grid of so many rows. */
static void hide(const drawing *d, int grid, int patch, int row, int column)
{
    int side = d->views->view[d->base].dim[1] * d->scale / grid;
    for (int y = 0; y < side; y++) {
        int64_t line = (int64_t)row * d->pitch + patch / grid * side + y;
        int64_t first = line * d->sheet->width + (int64_t)column * d->pitch + patch % grid * side;
        memset(d->sheet->pixels + 3 * first, HIDDEN, 3 * (size_t)side);
    }
}

/* The image, without the patches that are hidden. */
static void draw_patches(const drawing *d, int view, int copy, int row, int column)
{
    const px_view *v = &d->views->view[view], *image = &d->views->view[d->base];
    const void *data = copy_of(d, view, copy, row);
    const int32_t *x = data;
    const float *shares = data;
    bool mask = how(v, d->task) == AS_MASK;
    int grid = mask ? v->dim[0] : image->dim[1] / d->task->patch, count = (int)px_view_elements(v);
    draw_image(d, d->base, copy < image->copies ? copy : 0, row, column);
    for (int patch = 0; patch < grid * grid; patch++) {
        bool hidden = !mask || (v->dtype == PX_F32 ? shares[patch] != 0 : x[patch] != 0);
        for (int i = 0; i < count && !mask; i++)
            hidden = hidden && x[i] != patch;
        if (hidden)
            hide(d, grid, patch, row, column);
    }
}

/* ---- the sheet ---- */

static void measure(drawing *d)
{
    int largest = 1;
    d->base = -1;
    d->sheet->columns = 0;
    for (int i = 0; i < d->views->count; i++) {
        const px_view *v = &d->views->view[i];
        drawn_as as = how(v, d->task);
        if (as == AS_IMAGE && d->base < 0)
            d->base = i;
        if (as == AS_IMAGE && v->dim[1] > largest)
            largest = v->dim[1];
        d->sheet->columns += as == NOT_DRAWN ? 0 : v->copies;
    }
    d->scale = largest < SEEN ? (SEEN + largest - 1) / largest : 1;
    d->pitch = largest * d->scale + GAP;
}

/* The classes of a target, those with more than all have by smoothing: "3 (0.70) + 5 (0.30)". */
static void tell_target(FILE *out, const float *target, int classes)
{
    float least = target[0];
    bool first = true;
    for (int k = 1; k < classes; k++)
        least = target[k] < least ? target[k] : least;
    for (int k = 0; k < classes; k++)
        if (target[k] > least + 1e-6f) {
            fprintf(out, "%s%d (%.2f)", first ? "" : " + ", k, (double)target[k]);
            first = false;
        }
}

static void tell_targets(FILE *out, const drawing *d, int view)
{
    fprintf(out, "%s, shares of classes, from above: ", d->views->view[view].name);
    for (int row = 0; row < d->sheet->rows; row++) {
        tell_target(out, copy_of(d, view, 0, row), d->views->view[view].dim[0]);
        fputs(row + 1 < d->sheet->rows ? ", " : "\n", out);
    }
}

static void tell(FILE *out, const drawing *d, int view, int first)
{
    const px_view *v = &d->views->view[view];
    char shape[64];
    px_shape_text(px_view_shape(v), shape);
    if (is_target(v)) {
        tell_targets(out, d, view);
        return;
    }
    if (first && v->copies > 1)
        fprintf(out, "columns %d to %d: %s %s\n", first, first + v->copies - 1, v->name, shape);
    else if (first)
        fprintf(out, "column %d: %s %s\n", first, v->name, shape);
    else if (v->rank > 0)
        fprintf(out, "not drawn: %s %s\n", v->name, shape);
    for (int row = 0; row < d->sheet->rows && v->rank == 0 && v->dtype == PX_I32; row++)
        fprintf(out, "%s%s%" PRId32 "%s", row ? "" : v->name,
                row ? " " : ", from above: ", *(const int32_t *)copy_of(d, view, 0, row),
                row + 1 < d->sheet->rows ? "" : "\n");
}

static int draw(drawing *d)
{
    px_view_sheet *sheet = d->sheet;
    measure(d);
    if (d->base < 0)
        return px_fail(PX_USAGE, "this method makes no views that are images");
    sheet->width = sheet->columns * d->pitch - GAP;
    sheet->height = sheet->rows * d->pitch - GAP;
    size_t bytes = 3 * (size_t)sheet->width * (size_t)sheet->height, length;
    sheet->pixels = memset(px_calloc(bytes, 1), 255, bytes);
    FILE *legend = open_memstream(&sheet->legend, &length);
    int column = 0;
    for (int i = 0; i < d->views->count; i++) {
        drawn_as as = how(&d->views->view[i], d->task);
        tell(legend, d, i, as == NOT_DRAWN ? 0 : column + 1);
        for (int copy = 0; copy < d->views->view[i].copies && as != NOT_DRAWN; copy++, column++)
            for (int row = 0; row < sheet->rows; row++)
                (as == AS_IMAGE ? draw_image : draw_patches)(d, i, copy, row, column);
    }
    fclose(legend);
    return 0;
}

/* That of the run if it is possible, so that the first images have the partners that they will be mixed with. */
static int64_t global_batch(const px_settings *s, int rows, int64_t images)
{
    int64_t batch = s->train.batch / s->train.accumulate;
    batch = batch < images ? batch : images;
    return batch < rows ? rows : batch;
}

/* From the batch that the run's loader would begin with. */
static int draw_batch(px_view_sheet *sheet, px_settings *s, const px_dataset *data, const px_split *split)
{
    const px_comm alone = {.size = 1};
    px_task task;
    px_model model;
    px_loader *loader;
    s->train.online_linear = 0; /* its targets are not the method's */
    if (px_task_make(&task, s, data, split, s->train.batch, 1) != 0 ||
        px_model_plan(&model, s, &task, &alone, 0, NULL) != 0)
        return -1;
    sheet->rows = sheet->rows < split->count ? sheet->rows : (int)split->count;
    maker how_made = {s->method, s->method_cfg, &task};
    px_loader_spec spec = {.data = data,
                           .split = split,
                           .views = &model.views,
                           .make = make_views,
                           .context = &how_made,
                           .seed = (uint64_t)s->train.seed,
                           .global_batch = global_batch(s, sheet->rows, split->count),
                           .batch = sheet->rows,
                           .repeats = s->data.repeats,
                           .shuffle = s->data.shuffle,
                           .workers = 1,
                           .ahead = 1,
                           .timeout = s->data.timeout};
    int status = px_loader_create(&loader, &spec, 0);
    if (status == 0) {
        const px_batch *batch = px_loader_next(loader);
        drawing d = {.task = &task, .views = &model.views, .batch = batch, .sheet = sheet};
        status = batch ? draw(&d) : -1;
        px_loader_destroy(loader);
    }
    px_model_finish(&model);
    return status;
}

int px_view_sheet_make(px_view_sheet *sheet, px_settings *s, int rows)
{
    px_dataset *data;
    *sheet = (px_view_sheet){.rows = rows};
    if (px_dataset_open(&data, s->data.path, s->data.links ? PX_LINKS_FOLLOWED : PX_LINKS_REFUSED) != 0)
        return -1;
    const px_split *whole = px_dataset_split_for(data, "data.split", s->data.split);
    int status = -1;
    if (whole) {
        px_split split = *whole;
        int64_t *index = px_split_limit(&split, s->data.limit);
        status = draw_batch(sheet, s, data, &split);
        free(index);
    }
    px_dataset_close(data);
    return status;
}

void px_view_sheet_finish(px_view_sheet *sheet)
{
    free(sheet->pixels);
    free(sheet->legend);
    *sheet = (px_view_sheet){0};
}
