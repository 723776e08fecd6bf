#include "eval/extract.h"
#include "base/error.h"
#include "data/loader.h"

#include <stdlib.h>
#include <string.h>

static void make_views(const void *context, px_rng *rng, const px_image *image, px_sample *out)
{
    const px_task *task = context;
    px_recipe r = px_recipe_none();
    r.mean = task->mean;
    r.std = task->std;
    px_recipe_apply(&r, rng, image, px_sample_plane(out, 0, 0), out->scratch);
}

/* What turns a batch of images into rows of features; the rows may be the images. */
typedef const float *encode_fn(void *context, const px_batch *);

static const float *run_model(void *context, const px_batch *batch)
{
    px_model *m = context;
    px_plan_bind(m->plan, m->input[0], batch->tensor[0]);
    px_plan_run(m->plan, NULL);
    return px_plan_read(m->plan, m->features);
}

static const float *take_pixels(void *context, const px_batch *batch)
{
    (void)context;
    return batch->tensor[0];
}

/* This rank's share; the rows of the others stay zero. */
static int extract_own(px_extraction *e, const px_loader_spec *spec, encode_fn *encode, void *context, px_log *log,
                       const char *what)
{
    px_loader *loader;
    if (px_loader_create(&loader, spec, 0) != 0)
        return -1;
    int64_t steps = px_loader_steps_per_epoch(loader);
    int status = 0;
    for (int64_t s = 0; s < steps && status == 0; s++) {
        const px_batch *batch = px_loader_next(loader);
        if (!batch) {
            status = -1;
            break;
        }
        const float *rows = encode(context, batch);
        int64_t first = s * spec->global_batch + spec->first;
        if (batch->valid > 0)
            memcpy(e->x + first * e->width, rows, (size_t)batch->valid * (size_t)e->width * sizeof e->x[0]);
        if (log)
            px_log_progress(log, "features of %s: %lld%%", what, (long long)(100 * (s + 1) / steps));
    }
    if (log)
        px_log_progress_end(log);
    px_loader_destroy(loader);
    return status;
}

static int extract(px_extraction *e, int width, const px_task *task, int batch, const px_dataset *data,
                   const px_split *split, int workers, const px_comm *comm, encode_fn *encode, void *context,
                   px_log *log, const char *what)
{
    *e = (px_extraction){.count = split->count, .width = width};
    e->x = px_aligned_calloc((size_t)split->count * (size_t)width * sizeof e->x[0] + 64);
    e->label = px_calloc((size_t)split->count + 1, sizeof e->label[0]);
    for (int64_t i = 0; i < split->count; i++)
        e->label[i] = px_dataset_label(data, split->index[i]);
    px_views views = {0};
    px_views_add(&views, "images", PX_F32, 1, 3, (int[]){task->channels, task->image_size, task->image_size});
    px_loader_spec spec = {.data = data,
                           .split = split,
                           .views = &views,
                           .make = make_views,
                           .context = task,
                           .global_batch = (int64_t)batch * comm->size,
                           .first = (int64_t)batch * comm->rank,
                           .batch = batch,
                           .keep_last = true,
                           .workers = workers};
    int status = px_agree(comm, extract_own(e, &spec, encode, context, log, what));
    if (status == 0)
        px_all_reduce_f32(comm, e->x, e->count * e->width); /* each row has one rank's values and zeros: exact */
    else
        px_extraction_finish(e);
    return status;
}

int px_extract(px_extraction *e, px_model *model, const px_task *task, const px_dataset *data, const px_split *split,
               int workers, const px_comm *comm, px_log *log, const char *what)
{
    px_shape f = model->features->shape;
    return extract(e, (int)f.dim[1], task, (int)f.dim[0], data, split, workers, comm, run_model, model, log, what);
}

int px_extract_pixels(px_extraction *e, const px_task *task, const px_dataset *data, const px_split *split, int workers,
                      const px_comm *comm)
{
    int width = task->channels * task->image_size * task->image_size;
    return extract(e, width, task, 256, data, split, workers, comm, take_pixels, NULL, NULL, "pixels");
}

px_features px_extraction_features(const px_extraction *e, int classes)
{
    return (px_features){.count = e->count, .width = e->width, .classes = classes, .x = e->x, .label = e->label};
}

void px_extraction_finish(px_extraction *e)
{
    free(e->x);
    free(e->label);
    *e = (px_extraction){0};
}
