/* attention.c - attention distance and entropy of a vision transformer's layers and heads, as a protocol. The encoder is built
 * again with the queries and keys of each layer as its results. */
#include "ops/attention.h"
#include "base/error.h"
#include "base/need.h"
#include "eval/attention_maps.h"
#include "eval/pictures.h"
#include "eval/protocol.h"
#include "eval/write.h"
#include "ops/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct px_protocol_cfg {
    int images;
};

static const px_option options[] = {
    PX_OPTION(px_protocol_cfg, images, "100", 1, 100000, "test images, evenly spaced in the split"), {0}};

enum { BATCH = 16, LAYERS_MAX = PX_STAGES_MAX + 1, PICTURES = 6 };

typedef struct finding {
    px_attention_about about;
    int layers;
    double *distance, *entropy; /* (layers, heads) */
} finding;

/* The tokens as patches of a square, after `in_front` others. */
static int about_of(px_attention_about *a, const px_node *n, const px_task *task, int64_t in_front)
{
    px_attention_sizes z = px_attention_sizes_of(n, 0);
    int64_t patches = z.Q - in_front;
    int grid = (int)floor(sqrt((double)(patches > 0 ? patches : 0)) + 1e-9);
    *a = (px_attention_about){.heads = (int)z.H,
                              .width = (int)z.D,
                              .scale = z.scale,
                              .first = (int)in_front,
                              .grid = grid,
                              .patch = task->patch};
    if (z.biased)
        return px_fail(PX_USAGE, "protocol=attention: this backbone's attention depends on places too (windows with "
                                 "biases); it looks at the attention of a ViT");
    if (!z.packed)
        return px_fail(PX_USAGE, "protocol=attention: queries and keys that are normalized (vit.qk_norm=true) are not "
                                 "looked at");
    if (patches < 1 || patches != (int64_t)grid * grid)
        return px_fail(PX_USAGE, "protocol=attention: %lld tokens, %lld of them in front, are not a square of patches",
                       (long long)z.Q, (long long)in_front);
    return 0;
}

/* Makes the queries, keys and values of each layer results of the graph. */
static int find_layers(px_model *m, const px_task *task, int64_t in_front, px_attention_about *about)
{
    int nodes = px_graph_nodes(m->graph);
    m->layers = 0;
    for (int i = 0; i < nodes; i++) {
        const px_node *n = px_graph_node(m->graph, i);
        if (strcmp(n->op->name, "attention") != 0 || m->layers == LAYERS_MAX)
            continue;
        if (about_of(about, n, task, in_front) != 0)
            return -1;
        px_shape s = n->in[PX_ATTENTION_Q]->shape;
        px_value *rows = px_reshape(m->graph, n->in[PX_ATTENTION_Q], PX_SHAPE(s.dim[0], s.dim[1] * s.dim[2]));
        m->layer[m->layers].name = px_graph_text(m->graph, "attention.%d", m->layers);
        px_graph_output(m->graph, m->layer[m->layers].name, rows);
        m->layer[m->layers++].features = m->features = rows;
    }
    return m->layers > 0 ? 0 : px_fail(PX_USAGE, "protocol=attention: the backbone has no attention");
}

/* ---- memory ---- */

/* What the encoder, and the queries, keys and values of this rank's images take. */
typedef struct wanted {
    double encoder, image; /* bytes; of one image */
    int64_t images;
    int ranks;
} wanted;

static void tell_why(const void *about, int part, FILE *out)
{
    const wanted *w = about;
    if (part == 1)
        fprintf(out, " for %lld images", (long long)w->images);
}

static void propose(const void *about, double room, px_proposals *p)
{
    const wanted *w = about;
    int64_t fit = (int64_t)((room - w->encoder) / w->image) * w->ranks;
    if (fit >= 1 && fit < w->images)
        px_propose(p, "attention.images=%lld", (long long)fit);
}

static int check_need(const px_model *m, const px_comm *comm, int64_t images)
{
    static const char *const names[] = {"the encoder's activations and parameters", "queries, keys and values"};
    px_plan_bytes plan = px_plan_memory(m->plan);
    wanted w = {.encoder = (double)(plan.arena + plan.weights + plan.states), .images = images, .ranks = comm->size};
    for (int l = 0; l < m->layers; l++)
        w.image += (double)m->layer[l].features->shape.dim[1] * (double)sizeof(float);
    px_need n = {.of = "attention", .name = names, .parts = 2};
    n.part[0] = w.encoder;
    int64_t batches = (images + BATCH - 1) / BATCH, own = (batches + comm->size - 1) / comm->size * BATCH;
    n.part[1] = w.image * (double)own;
    return px_need_check(&n, comm->local_size, &(px_need_advice){&w, tell_why, propose, "a smaller data.image_size"});
}

static int build(px_model *m, const px_trial_source *source, int64_t images, px_attention_about *about)
{
    const px_settings *s = source->run;
    const px_task *task = source->from->task;
    int side = task->image_size;
    *m = (px_model){.graph = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1})};
    px_views_add(&m->views, "images", PX_F32, 1, 3, (int[]){task->channels, side, side});
    m->input[0] = px_input(m->graph, "images", PX_F32, PX_SHAPE(BATCH, task->channels, side, side));
    px_encoding e = s->backbone->family->build(m->graph, s->backbone, s->backbone_cfg, m->input[0]);
    int status = find_layers(m, task, e.in_front, about);
    if (status == 0) {
        px_graph_fuse(m->graph);
        const px_plan_spec spec = {.backend = px_backend_find(s->train.backend),
                                   .precision = px_precision_dtype(&s->train),
                                   .memory_later = true};
        m->plan = spec.backend ? px_plan_create(m->graph, &spec) : NULL;
        status = m->plan ? check_need(m, source->from->comm, images) : -1;
    }
    if (status == 0) {
        px_plan_allocate(m->plan);
        char *missing = NULL;
        int *places = px_model_places(m, source->model, "", &missing);
        PX_CHECK(places); /* both are this backbone */
        px_model_take(m, source->model, places);
        free(places);
    } else {
        px_model_finish(m);
    }
    return status;
}

/* ---- the measurement ---- */

/* Each rank measures its own images; sums are over ranks, in their order. */
static void measure(finding *f, const px_extraction *e, const px_comm *comm)
{
    int heads = f->about.heads, cells = f->layers * heads;
    double *sum = px_calloc((size_t)cells * 2, sizeof sum[0]), *one = px_calloc((size_t)heads * 2, sizeof one[0]);
    for (int l = 0; l < f->layers; l++)
        for (int64_t i = 0; i < e->rows; i++) {
            px_attention_measure(one, one + heads, e->layer[l].x + i * e->layer[l].width, &f->about);
            for (int h = 0; h < heads; h++) {
                sum[l * heads + h] += one[h] / (double)e->count;
                sum[cells + l * heads + h] += one[heads + h] / (double)e->count;
            }
        }
    px_all_reduce_f64(comm, sum, (int64_t)cells * 2);
    memcpy(f->distance, sum, (size_t)cells * sizeof sum[0]);
    memcpy(f->entropy, sum + cells, (size_t)cells * sizeof sum[0]);
    free(sum);
    free(one);
}

/* ---- pictures ---- */

/* Collective: into GROUP/maps a few of the images, pictures (Q, side, side, channels) and rows (Q) of the data set, and where the
 * last block's heads look in each: weights (Q, heads, grid, grid). */
static int keep_maps(px_trial *t, const finding *f, const px_extraction *e, const px_split *images)
{
    const px_layer_rows *last = &e->layer[e->layers - 1];
    const px_task *task = t->source.from->task;
    int count = (int)(e->count < PICTURES ? e->count : PICTURES), side = px_picture_side(task), grid = f->about.grid;
    int64_t cells = (int64_t)f->about.heads * grid * grid, row[PICTURES];
    if (side == 0 || t->seed > 0) /* repeats are alike */
        return 0;
    double *weight = px_calloc((size_t)(count * cells), sizeof *weight);
    for (int i = 0; i < count; i++) {
        int64_t at = (2 * i + 1) * e->count / (2 * (int64_t)count);
        row[i] = images->index[at];
        if (at >= e->first && at < e->first + e->rows)
            px_attention_map(weight + i * cells, last->x + (at - (last->whole ? 0 : e->first)) * last->width,
                             &f->about);
    }
    px_all_reduce_f64(t->comm, weight, count * cells); /* each is of one rank, and 0 on the others */
    uint8_t *pixels;
    int status = px_pictures_load(&pixels, t->source.from, row, count);
    if (status == 0 && t->results) {
        int32_t rows[PICTURES];
        for (int i = 0; i < count; i++)
            rows[i] = (int32_t)row[i];
        status = px_put_array(t->results, t->group, "maps/pictures", PX_U8, 4,
                              (int64_t[]){count, side, side, task->channels}, pixels);
        if (status == 0)
            status = px_put_array(t->results, t->group, "maps/weights", PX_F64, 4,
                                  (int64_t[]){count, f->about.heads, grid, grid}, weight);
        if (status == 0)
            status = px_put_array(t->results, t->group, "maps/rows", PX_I32, 1, (int64_t[]){count}, rows);
    }
    free(pixels);
    free(weight);
    return px_agree(t->comm, status);
}

/* ---- results ---- */

static double mean_of(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] / n;
    return sum;
}

/* Into the trial's group: distance, entropy (L, heads), in pixels and nats; distance_share, a scalar: the mean distance, divided by
 * that of a head that looks at all patches alike. */
static int write(const px_trial *t, const finding *f, double share)
{
    const int64_t dim[] = {f->layers, f->about.heads};
    char *distance = px_format("%s/distance", t->group), *entropy = px_format("%s/entropy", t->group);
    int status = px_put(t->results, t->group, "distance_share", PX_F64, 0, &share);
    if (status == 0)
        status = px_results_put(t->results, distance, PX_F64, 2, dim, f->distance);
    if (status == 0)
        status = px_results_put(t->results, entropy, PX_F64, 2, dim, f->entropy);
    free(distance);
    free(entropy);
    return status;
}

/* The mean distance of two patches, in pixels. */
static double even_distance(const px_attention_about *a)
{
    int patches = a->grid * a->grid;
    double sum = 0;
    for (int i = 0; i < patches; i++)
        for (int k = 0; k < patches; k++)
            sum += px_patch_distance(a->grid, k, i);
    return a->patch * sum / ((double)patches * patches);
}

static int tell(px_trial *t, const finding *f)
{
    int heads = f->about.heads;
    double even = even_distance(&f->about), all = mean_of(f->distance, f->layers * heads);
    int status = px_trial_seal(t, t->group, write(t, f, even > 0 ? all / even : NAN));
    for (int l = 0; l < f->layers && status == 0; l++) {
        const double *d = f->distance + (int64_t)l * heads, *e = f->entropy + (int64_t)l * heads;
        double least = d[0], most = d[0];
        for (int h = 1; h < heads; h++) {
            least = fmin(least, d[h]);
            most = fmax(most, d[h]);
        }
        char name[24];
        snprintf(name, sizeof name, "  block %d", l);
        px_trial_print(t, "%-12s %8.2f %8.2f %8.2f %9.3f", l ? name : t->subject, mean_of(d, heads), least, most,
                       mean_of(e, heads));
    }
    return status;
}

static int run(const px_protocol_cfg *cfg, px_trial *t)
{
    px_model m;
    px_extraction e;
    finding f = {0};
    px_split images = t->source.test;
    int64_t *some = px_split_limit(&images, cfg->images);
    int built = build(&m, &t->source, images.count, &f.about), status = px_agree(t->comm, built);
    if (status == 0) {
        f.layers = m.layers;
        f.distance = px_calloc((size_t)(f.layers * f.about.heads), sizeof f.distance[0]);
        f.entropy = px_calloc((size_t)(f.layers * f.about.heads), sizeof f.entropy[0]);
        status = px_extract(&e, t->source.from, &m, &images);
        if (status == 0) {
            measure(&f, &e, t->comm);
            status = keep_maps(t, &f, &e, &images);
            px_extraction_finish(&e);
            if (status == 0)
                status = px_agree(t->comm, t->results ? tell(t, &f) : 0);
        }
    }
    if (built == 0)
        px_model_finish(&m);
    free(f.distance);
    free(f.entropy);
    free(some);
    return status;
}

static int check(const px_protocol_cfg *cfg, const px_settings *run_settings)
{
    (void)cfg;
    if (strcmp(run_settings->backbone->family->name, "vit") != 0)
        return px_fail(PX_USAGE, "protocol=attention is for vision transformers of the family vit, not for %s",
                       run_settings->backbone->name);
    return 0;
}

/* Its own forecast comes when the encoder is planned (check_need). */
static double bytes(const px_protocol_cfg *cfg, const px_trial_size *size)
{
    (void)cfg;
    (void)size;
    return 0;
}

static const char *const numbers[] = {"distance_share", NULL};

const px_protocol px_protocol_attention = {
    .name = "attention",
    .title = "Attention",
    .label = "attention distance, share of even",
    .summary = "how far the heads of a vision transformer look, and how evenly (Dosovitskiy et al. 2021)",
    .columns = "  dist. px    least     most   entropy",
    .numbers = numbers,
    .images = true,
    .unlabelled = true,
    .no_training = true,
    .cfg_size = sizeof(px_protocol_cfg),
    .options = options,
    .check = check,
    .bytes = bytes,
    .run = run,
};
