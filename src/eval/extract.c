/* extract.c - see extract.h. */
#include "eval/extract.h"
#include "base/error.h"
#include "data/hog.h"
#include "data/loader.h"

#include <stdlib.h>
#include <string.h>

static void show(const px_extract_spec *from, px_rng *rng, const px_image *image, px_crop crop, px_plane plane,
                 px_scratch *scratch)
{
    if (from->show)
        from->show(from->shown_by, rng, image, crop, plane, scratch);
    else
        px_resize(&plane, image, crop, false, PX_BICUBIC, scratch);
}

static void make_views(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    const px_extract_spec *from = context;
    for (int v = 0; v < px_patches_views(&from->patches); v++) {
        px_plane plane = px_sample_plane(out, 0, v);
        show(from, rng, image, px_patches_crop(&from->patches, image, plane.size, v), plane, out->scratch);
        if (from->task->mean)
            px_normalize(&plane, from->task->mean, from->task->std);
    }
}

/* ---- which rows a rank computes ---- */

static void add_layer(px_extraction *e, const px_extract_spec *from, const char *name, int64_t width)
{
    px_layer_rows *l = &e->layer[e->layers++];
    *l = (px_layer_rows){.name = name, .width = (int)width, .whole = from->comm->size == 1};
    size_t values = (size_t)(e->rows * width);
    if (from->bf16)
        l->x_bf16 = px_aligned_calloc(values * sizeof l->x_bf16[0] + 64);
    else
        l->x = px_aligned_calloc(values * sizeof l->x[0] + 64);
}

/* Stores n rows (n, width) of a layer, from this rank's row `first` on. */
static void put_rows(px_layer_rows *l, int64_t first, int64_t n, const float *rows)
{
    int64_t at = first * l->width, values = n * l->width;
    if (l->x) {
        memcpy(l->x + at, rows, (size_t)values * sizeof rows[0]);
        return;
    }
#pragma omp simd
    for (int64_t i = 0; i < values; i++)
        l->x_bf16[at + i] = px_bf16_of(rows[i]);
}

static void begin(px_extraction *e, const px_extract_spec *from, const px_split *split, int batch)
{
    /* Whole batches, so that each row has the same place in the same batch for any number of ranks. */
    px_rows own = px_share(split->count, batch, from->comm->rank, from->comm->size);
    *e = (px_extraction){
        .count = split->count, .comm = from->comm, .first = own.first, .rows = own.rows, .batch = batch};
    e->label = px_calloc((size_t)split->count + 1, sizeof e->label[0]);
    for (int64_t i = 0; i < split->count; i++)
        e->label[i] = px_dataset_label(from->data, split->index[i]);
}

/* ---- the pass ---- */

/* What turns a batch of images into rows of each layer's features. */
typedef void encode_fn(void *context, const px_batch *, const float *rows[]);

static void run_model(void *context, const px_batch *batch, const float *rows[])
{
    px_model *m = context;
    px_plan_bind(m->plan, m->input[0], batch->tensor[0]);
    px_plan_run(m->plan, NULL);
    for (int l = 0; l < m->layers; l++)
        rows[l] = px_plan_read(m->plan, m->layer[l].features);
}

/* Of a baseline the loader's threads made the features. */
static void take_last_view(void *context, const px_batch *batch, const float *rows[])
{
    const px_views *views = context;
    rows[0] = batch->tensor[views->count - 1];
}

static int encode_all(px_extraction *e, px_loader *loader, encode_fn *encode, void *context, px_log *log,
                      const char *what)
{
    const float *rows[PX_STAGES_MAX + 1] = {NULL};
    int64_t steps = px_loader_steps_per_epoch(loader);
    for (int64_t s = 0; s < steps; s++) {
        const px_batch *batch = px_loader_next(loader);
        if (!batch)
            return -1;
        encode(context, batch, rows);
        for (int l = 0; l < e->layers; l++) {
            PX_CHECK(rows[l]);
            put_rows(&e->layer[l], s * e->batch, batch->valid, rows[l]);
        }
        px_log_progress(log, "features of %s: %lld%%", what, (long long)(100 * (s + 1) / steps));
    }
    return 0;
}

/* How a split is encoded. */
typedef struct encoder {
    px_make_views *make;
    const px_views *views;
    encode_fn *encode;
    void *context; /* of encode */
} encoder;

/* This rank's rows of a split, as a split. */
static int encode_own(px_extraction *e, const px_extract_spec *from, const px_split *split, const encoder *by)
{
    px_split own = {split->name, split->index + e->first, e->rows};
    px_loader *loader;
    px_loader_spec spec = {.data = from->data,
                           .split = &own,
                           .views = by->views,
                           .make = by->make,
                           .context = from,
                           .seed = from->seed,
                           .global_batch = e->batch,
                           .batch = e->batch,
                           .keep_last = true,
                           .workers = from->workers,
                           .timeout = from->timeout};
    if (e->rows == 0 && e->count > 0)
        return 0;
    if (px_loader_create(&loader, &spec, 0) != 0)
        return -1;
    int status = encode_all(e, loader, by->encode, by->context, from->log, split->name);
    px_log_progress_end(from->log);
    px_loader_destroy(loader);
    return status;
}

static int extract(px_extraction *e, const px_extract_spec *from, const px_split *split, const encoder *by)
{
    int status = px_agree(from->comm, encode_own(e, from, split, by));
    if (status != 0)
        px_extraction_finish(e);
    return status;
}

void px_extract_begin(px_extraction *e, const px_extract_spec *from, const px_model *model, const px_split *split)
{
    begin(e, from, split, (int)model->features->shape.dim[0]);
    for (int l = 0; l < model->layers; l++)
        add_layer(e, from, model->layer[l].name, model->layer[l].features->shape.dim[1]);
}

int px_extract(px_extraction *e, const px_extract_spec *from, px_model *model, const px_split *split)
{
    px_extract_begin(e, from, model, split);
    return extract(e, from, split, &(encoder){make_views, &model->views, run_model, model});
}

/* ---- baselines ---- */

const char *const px_baseline_names[PX_BASELINES] = {"pixels", "hog"};

int px_hog_cell(const px_task *task, int option)
{
    return option ? option : px_hog_cell_for(task->image_size);
}

static px_hog hog_of(const px_task *task, int cell)
{
    return (px_hog){.cell = px_hog_cell(task, cell), .orientations = 9};
}

int px_baseline_check(const px_task *task, int hog_cell)
{
    if (2 * hog_cell > task->image_size || task->image_size < 2)
        return px_fail(
            PX_USAGE,
            "hog_cell = %d: images of %d px do not have two such cells per side; hog_cell=0 chooses their side",
            hog_cell, task->image_size);
    return 0;
}

px_views px_baseline_views(const px_task *task, px_baseline b, int hog_cell)
{
    px_views views = {0};
    px_hog h = hog_of(task, hog_cell);
    px_views_add(&views, "images", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    if (b == PX_HOG)
        px_views_add(&views, "hog", PX_F32, 1, 1, (int[]){px_hog_width(&h, task->image_size)});
    return views;
}

/* Nothing is computed with such a batch: it is only copied, and need not be large. */
int px_baseline_batch(const px_task *task)
{
    enum { MOST = 256, BYTES = 1 << 26 };
    px_views views = px_baseline_views(task, PX_PIXELS, 0);
    size_t images = BYTES / px_view_bytes(&views.view[0], 1);
    return images > MOST ? MOST : images > 1 ? (int)images : 1;
}

static void make_hog(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    const px_extract_spec *from = context;
    px_plane plane = px_sample_plane(out, 0, 0);
    px_hog h = hog_of(from->task, from->hog_cell);
    show(from, rng, image, px_recipe_frame(image, plane.size), plane, out->scratch);
    px_hog_describe(&h, &plane, px_sample_f32(out, 1, 0), out->scratch);
}

int px_extract_baseline(px_extraction *e, const px_extract_spec *from, px_baseline b, const px_split *split)
{
    px_extract_spec whole = *from;
    whole.patches = (px_patches){0};
    whole.bf16 = false;
    px_views views = px_baseline_views(from->task, b, from->hog_cell);
    begin(e, &whole, split, px_baseline_batch(from->task));
    add_layer(e, &whole, px_baseline_names[b], (int64_t)px_view_elements(&views.view[views.count - 1]));
    return extract(e, &whole, split, &(encoder){b == PX_HOG ? make_hog : make_views, &views, take_last_view, &views});
}

/* ---- the results ---- */

void px_extraction_gather(px_extraction *e, int layer)
{
    px_layer_rows *l = &e->layer[layer];
    const px_comm *comm = e->comm;
    if (l->whole && l->x)
        return;
    float *all = px_aligned_calloc((size_t)(e->count * l->width) * sizeof all[0] + 64);
    px_features_copy(&(px_features){.width = l->width, .x = l->x, .x_bf16 = l->x_bf16}, 0, e->rows,
                     all + e->first * l->width);
    px_extraction_drop(e, layer);
    for (int rank = 0; rank < comm->size; rank++) {
        px_rows share = px_share(e->count, e->batch, rank, comm->size);
        px_broadcast(comm, all + share.first * l->width, share.rows * l->width * (int64_t)sizeof all[0], rank);
    }
    l->x = all;
    l->whole = true;
}

void px_extraction_drop(px_extraction *e, int layer)
{
    px_layer_rows *l = &e->layer[layer];
    free(l->x);
    free(l->x_bf16);
    l->x = NULL;
    l->x_bf16 = NULL;
}

px_features px_extraction_features(const px_extraction *e, int layer, int classes)
{
    const px_layer_rows *l = &e->layer[layer];
    PX_CHECK(l->x || l->x_bf16);
    return (px_features){.count = e->count,
                         .width = l->width,
                         .classes = classes,
                         .x = l->x,
                         .x_bf16 = l->x_bf16,
                         .label = e->label,
                         .layer = e->layers > 1 ? l->name : NULL,
                         .comm = l->whole ? NULL : e->comm,
                         .unit = e->batch};
}

int64_t px_extraction_labelled(const px_extraction *e)
{
    int64_t labelled = 0;
    for (int64_t i = 0; i < e->count; i++)
        labelled += e->label[i] >= 0;
    return labelled;
}

void px_extraction_finish(px_extraction *e)
{
    for (int l = 0; l < e->layers; l++)
        px_extraction_drop(e, l);
    free(e->label);
    *e = (px_extraction){0};
}
