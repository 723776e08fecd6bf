/* diagnostics.c - numbers that need no labels, as a protocol: alignment, uniformity and LiDAR of several views of test images; with
 * layers=true at each stage, and how alike the stages are (CKA). */
#include "base/error.h"
#include "data/recipe.h"
#include "eval/label_free.h"
#include "eval/protocol.h"
#include "eval/write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct px_protocol_cfg {
    int images, views;
    double area_min, jitter, delta;
    const char *with;
    int64_t seed;
};

static const px_option options[] = {
    PX_OPTION(px_protocol_cfg, images, "1000", 2, 100000, "test images, evenly spaced in the split"),
    PX_OPTION(px_protocol_cfg, views, "10", 2, 1000, "augmented views of each image (LiDAR compares within an image)"),
    PX_OPTION(px_protocol_cfg, area_min, "0.2", 0.01, 1,
              "smallest fraction of the image's area in a view's crop (small images: 0.2; SimCLR on ImageNet: 0.08)"),
    PX_OPTION(px_protocol_cfg, jitter, "0.8", 0, 1,
              "probability of changes of colour by 0.4, 0.4, 0.4, 0.1, of images of 3 channels (MoCo v2: 0.8)"),
    PX_OPTION(px_protocol_cfg, delta, "1e-4", 0, 1,
              "LiDAR: added to the variance within images, so that it has an inverse"),
    PX_OPTION_TEXT(px_protocol_cfg, with, "",
                   "a file of features of the same test images, of another run or epoch (pretext features), to compare "
                   "with by CKA"),
    PX_OPTION(px_protocol_cfg, seed, "0", 0, 0, "determines the views"),
    {0}};

/* What one layer has to say. */
typedef struct row {
    const char *name;
    int width;
    px_label_free m;
} row;

typedef struct finding {
    int64_t images;
    int layers;
    row layer[PX_STAGES_MAX + 1];
    double cka[(PX_STAGES_MAX + 1) * (PX_STAGES_MAX + 1)]; /* (layers, layers) */
    double with;                                           /* CKA with diagnostics.with; NaN: there is none */
} finding;

/* ---- the views ---- */

static void show_view(const void *context, px_rng *rng, const px_image *image, px_crop crop, px_plane plane,
                      px_scratch *scratch)
{
    (void)crop;
    px_recipe_apply(context, rng, image, plane, scratch);
}

static px_recipe recipe_of(const px_protocol_cfg *cfg, int channels)
{
    px_recipe r = px_recipe_none();
    r.area_min = (float)cfg->area_min;
    r.area_max = 1;
    r.flip = 0.5f;
    if (channels == 3) {
        r.jitter = (float)cfg->jitter;
        r.brightness = r.contrast = r.saturation = 0.4f;
        r.hue = 0.1f;
    }
    return r;
}

/* Collective: view `k` of the images, in rows i q + k of each layer's x, on rank 0. */
static int encode_view(px_trial *t, const px_protocol_cfg *cfg, const px_split *images, const px_recipe *recipe, int k,
                       float *x[])
{
    px_extract_spec from = *t->source.from;
    px_extraction e;
    from.show = show_view;
    from.shown_by = recipe;
    from.seed = (uint64_t)(cfg->seed + t->seed) * 1000003 + (uint64_t)k;
    if (px_extract(&e, &from, t->source.model, images) != 0)
        return -1;
    for (int l = 0; l < e.layers; l++) {
        int64_t width = e.layer[l].width;
        px_extraction_gather(&e, l);
        if (!x[l] && t->comm->rank == 0)
            x[l] = px_aligned_calloc((size_t)(images->count * cfg->views * width) * sizeof(float));
        for (int64_t i = 0; i < images->count && t->comm->rank == 0; i++)
            memcpy(x[l] + (i * cfg->views + k) * width, e.layer[l].x + i * width, (size_t)width * sizeof(float));
        px_extraction_drop(&e, l);
    }
    px_extraction_finish(&e);
    return 0;
}

/* Collective; rank 0 measures. */
static int measure_views(px_trial *t, const px_protocol_cfg *cfg, const px_split *images, finding *f)
{
    px_recipe recipe = recipe_of(cfg, t->source.from->task->channels);
    float *x[PX_STAGES_MAX + 1] = {NULL};
    int status = 0;
    for (int k = 0; k < cfg->views && status == 0; k++)
        status = encode_view(t, cfg, images, &recipe, k, x);
    for (int l = 0; l < f->layers && status == 0 && t->comm->rank == 0; l++) {
        px_features views = {.count = images->count * cfg->views, .width = f->layer[l].width, .x = x[l]};
        status = px_label_free_measure(&f->layer[l].m, &views, cfg->views, cfg->delta);
    }
    for (int l = 0; l < f->layers; l++)
        free(x[l]);
    return px_agree(t->comm, status);
}

/* ---- CKA ---- */

/* The rows of a whole layer that are these images', a new array. Both are ascending. */
static float *rows_of(const px_trial *t, int layer, const px_split *images)
{
    const px_split *test = &t->source.test;
    const px_layer_rows *l = &t->test->layer[layer];
    float *x = px_aligned_calloc((size_t)(images->count * l->width) * sizeof x[0]);
    for (int64_t i = 0, k = 0; i < test->count && k < images->count; i++)
        if (test->index[i] == images->index[k])
            memcpy(x + k++ * l->width, l->x + i * l->width, (size_t)l->width * sizeof x[0]);
    return x;
}

/* Whether they are features of this data set, by its fingerprint; by their labels, in a file of a version that wrote none. */
static int check_data(px_results *file, const char *path, const px_trial_source *source)
{
    const px_dataset *data = source->from->data;
    double crc = 0, *at = NULL, *label = NULL;
    int rank;
    int64_t rows[4] = {0}, labels[4] = {0};
    bool same = true;
    if (px_results_get_attribute_real(file, "/", "data_crc", &crc) == 0) {
        same = crc == (double)source->data_crc;
    } else {
        if (px_results_get(file, "/rows", &at, &rank, rows) != 0 ||
            px_results_get(file, "/labels", &label, &rank, labels) != 0) {
            free(at);
            return -1;
        }
        same = rows[0] == labels[0];
        for (int64_t i = 0; i < rows[0] && same; i++)
            same = at[i] >= 0 && at[i] < (double)px_dataset_about(data)->count &&
                   label[i] == (double)px_dataset_label(data, (int64_t)at[i]);
    }
    free(at);
    free(label);
    return same ? 0
                : px_fail(PX_USAGE, "diagnostics.with = %s has features of another data set than %s", path,
                          px_dataset_about(data)->path);
}

/* The features of these images in a file of features: a new array. NULL with a message. */
static float *read_others(const char *path, const px_trial_source *source, const px_split *images, px_features *f)
{
    px_results *file;
    double *x = NULL, *at = NULL;
    int rank = 0, rank_of_rows;
    int64_t dim[4] = {0}, rows[4] = {0}, found = 0;
    float *own = NULL;
    if (px_results_open(&file, path, PX_RESULTS_READ) != 0)
        return NULL;
    int status = check_data(file, path, source);
    if (status == 0)
        status = px_results_get(file, "/rows", &at, &rank_of_rows, rows);
    if (status == 0)
        status = px_results_get(file, "/features", &x, &rank, dim);
    if (status == 0 && rank == 2 && dim[0] == rows[0] && dim[1] > 0) {
        own = px_aligned_calloc((size_t)(images->count * dim[1]) * sizeof own[0]);
        for (int64_t i = 0; i < dim[0] && found < images->count; i++)
            if (at[i] == (double)images->index[found]) {
                for (int64_t j = 0; j < dim[1]; j++)
                    own[found * dim[1] + j] = (float)x[i * dim[1] + j];
                found++;
            }
    }
    if (status == 0 && found < images->count) {
        px_fail(PX_USAGE,
                "diagnostics.with = %s has no features of the split %s of this data set: 'pretext features RUN "
                "data.split=%s "
                "out=F.h5' writes them",
                path, images->name, images->name);
        free(own);
        own = NULL;
    }
    *f = (px_features){.count = images->count, .width = (int)dim[1], .x = own};
    if (own && px_features_finite(f, "diagnostics.with's") != 0) {
        free(own);
        own = NULL;
    }
    free(x);
    free(at);
    px_results_close(file);
    return own;
}

/* Before anything is encoded: whether diagnostics.with can be read as features, of whatever data. */
static int check(const px_protocol_cfg *cfg, const px_settings *run)
{
    (void)run;
    px_results *file;
    if (!*cfg->with)
        return 0;
    if (px_results_open(&file, cfg->with, PX_RESULTS_READ) != 0)
        return -1;
    bool whole = px_results_has(file, "/rows") && px_results_has(file, "/features");
    px_results_close(file);
    return whole
               ? 0
               : px_fail(PX_USAGE, "diagnostics.with = %s has no features: 'pretext features RUN out=F.h5' writes some",
                         cfg->with);
}

/* Rank 0: the layers with each other, and the last one with another file's. */
static int measure_likeness(const px_protocol_cfg *cfg, const px_trial_source *source, const px_split *images,
                            float *const x[], finding *f)
{
    px_cka_side side[PX_STAGES_MAX + 1], other;
    for (int l = 0; l < f->layers; l++) {
        side[l] = px_cka_side_of(&(px_features){.count = images->count, .width = f->layer[l].width, .x = x[l]});
        for (int k = 0; k <= l; k++)
            f->cka[l * f->layers + k] = f->cka[k * f->layers + l] = k == l ? 1 : px_cka(&side[l], &side[k]);
    }
    px_features others = {0};
    float *theirs = *cfg->with ? read_others(cfg->with, source, images, &others) : NULL;
    if (theirs) {
        other = px_cka_side_of(&others);
        f->with = px_cka(&side[f->layers - 1], &other);
        px_cka_side_finish(&other);
    }
    free(theirs);
    for (int l = 0; l < f->layers; l++)
        px_cka_side_finish(&side[l]);
    return theirs || !*cfg->with ? 0 : -1;
}

/* Collective. Layers before the last one are gathered one by one, and dropped. */
static int compare_layers(px_trial *t, const px_protocol_cfg *cfg, const px_split *images, finding *f)
{
    float *x[PX_STAGES_MAX + 1] = {NULL};
    bool measures = t->comm->rank == 0;
    if (f->layers == 1 && !*cfg->with)
        return 0;
    for (int l = 0; l < f->layers; l++) {
        px_extraction_gather(t->test, l);
        x[l] = measures ? rows_of(t, l, images) : NULL;
        if (l < f->layers - 1)
            px_extraction_drop(t->test, l);
    }
    int status = px_agree(t->comm, measures ? measure_likeness(cfg, &t->source, images, x, f) : 0);
    for (int l = 0; l < f->layers; l++)
        free(x[l]);
    return status;
}

/* ---- as a protocol ---- */

/* The share of what the effective rank can be. */
static double share_of(const row *r, int64_t images)
{
    int64_t most = images - 1 < r->width ? images - 1 : r->width;
    return r->m.lidar / (double)most;
}

static int write_scalars(const px_trial *t, const finding *f)
{
    const row *last = &f->layer[f->layers - 1];
    double share = share_of(last, f->images);
    int32_t images = (int32_t)f->images;
    if (px_put(t->results, t->group, "lidar", PX_F64, 0, &last->m.lidar) != 0 ||
        px_put(t->results, t->group, "lidar_share", PX_F64, 0, &share) != 0 ||
        px_put(t->results, t->group, "alignment", PX_F64, 0, &last->m.alignment) != 0 ||
        px_put(t->results, t->group, "uniformity", PX_F64, 0, &last->m.uniformity) != 0 ||
        px_put(t->results, t->group, "images", PX_I32, 0, &images) != 0)
        return -1;
    return isfinite(f->with) ? px_put(t->results, t->group, "cka_with", PX_F64, 0, &f->with) : 0;
}

/* Into GROUP/layers: names, lidar, alignment, uniformity (L); cka (L, L). */
static int write_layers(px_trial *t, const finding *f)
{
    const char *name[PX_STAGES_MAX + 1];
    double lidar[PX_STAGES_MAX + 1], alignment[PX_STAGES_MAX + 1], uniformity[PX_STAGES_MAX + 1];
    for (int l = 0; l < f->layers; l++) {
        name[l] = f->layer[l].name;
        lidar[l] = f->layer[l].m.lidar;
        alignment[l] = f->layer[l].m.alignment;
        uniformity[l] = f->layer[l].m.uniformity;
    }
    char *group = px_format("%s/layers", t->group), *names = px_format("%s/names", group),
         *cka = px_format("%s/cka", group);
    int status = px_results_put_texts(t->results, names, name, f->layers);
    if (status == 0)
        status = px_put(t->results, group, "lidar", PX_F64, f->layers, lidar);
    if (status == 0)
        status = px_put(t->results, group, "alignment", PX_F64, f->layers, alignment);
    if (status == 0)
        status = px_put(t->results, group, "uniformity", PX_F64, f->layers, uniformity);
    if (status == 0)
        status = px_results_put(t->results, cka, PX_F64, 2, (int64_t[]){f->layers, f->layers}, f->cka);
    status = px_trial_seal(t, group, status);
    free(group);
    free(names);
    free(cka);
    return status;
}

static void print(px_trial *t, const finding *f)
{
    for (int l = f->layers - 1; l >= 0; l--) {
        const row *r = &f->layer[l];
        bool last = l == f->layers - 1;
        double like = f->layers > 1 ? f->cka[l * f->layers + f->layers - 1] : f->with;
        char cka[32] = "";
        if (isfinite(like))
            snprintf(cka, sizeof cka, "%10.4f", last && isfinite(f->with) ? f->with : like);
        px_trial_print(t, "%s%-*s %8.1f %10.4f %11.4f %s", last ? "" : "  ", last ? 12 : 10,
                       last ? t->subject : r->name, r->m.lidar, r->m.alignment, r->m.uniformity, cka);
    }
}

static int tell(px_trial *t, const finding *f)
{
    int status = write_scalars(t, f);
    if (status == 0 && f->layers > 1)
        status = write_layers(t, f);
    status = px_trial_seal(t, t->group, status);
    if (status == 0)
        print(t, f);
    return status;
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    px_split images = t->source.test;
    if (images.count < 2)
        return px_fail(PX_USAGE, "protocol=diagnostics needs at least two test images");
    int64_t *some = px_split_limit(&images, cfg->images);
    finding f = {.layers = t->test->layers, .images = images.count, .with = NAN};
    for (int l = 0; l < f.layers; l++)
        f.layer[l] = (row){.name = t->test->layer[l].name, .width = t->test->layer[l].width};
    int status = compare_layers(t, cfg, &images, &f);
    if (status == 0)
        status = measure_views(t, cfg, &images, &f);
    if (status == 0)
        status = px_agree(t->comm, t->results ? tell(t, &f) : 0);
    free(some);
    return status;
}

/* The views of all layers are there at once, on rank 0; beside them, on all ranks, one view of each image. */
static double bytes(const px_protocol_cfg *cfg, const px_trial_size *size)
{
    int64_t images = size->test < cfg->images ? size->test : cfg->images;
    double one = (double)images * (double)size->widths * (double)sizeof(float);
    if (size->comm->rank > 0)
        return 2 * one;
    return 2 * one + one * cfg->views + px_label_free_bytes(images * cfg->views, size->width) +
           px_cka_bytes(size->width, size->width, size->widths);
}

static const char *fewer(px_protocol_cfg *cfg)
{
    cfg->images = 200;
    cfg->views = 4;
    return "diagnostics.images=200 diagnostics.views=4";
}

static const char *const numbers[] = {"lidar_share", NULL};

const px_protocol px_protocol_diagnostics = {
    .name = "diagnostics",
    .title = "Diagnostics without labels",
    .label = "LiDAR, share of its most",
    .summary = "LiDAR, alignment and uniformity of augmented views; CKA of stages, runs, epochs (no labels)",
    .columns = "    LiDAR  alignment  uniformity        CKA",
    .numbers = numbers,
    .layers = true,
    .draws = true,
    .unlabelled = true,
    .no_training = true,
    .own_views = true,
    .whole = true,
    .cfg_size = sizeof(px_protocol_cfg),
    .options = options,
    .bytes = bytes,
    .check = check,
    .cheaper = fewer,
    .run = run,
};
