/* weights_onnx.c - px_weights_export_onnx: a run's backbone as a graph for inference, with its weights, in ONNX.
 *
 *   images [N,C,S,S] in [0,1] -> (x - mean) / std, if the run normalised -> backbone -> features [N,F], tokens or map */
#include "base/error.h"
#include "data/dataset.h"
#include "onnx/onnx.h"
#include "ops/ops.h"
#include "train/checkpoint.h"
#include "train/saved.h"
#include "train/weights.h"
#include "train/weights_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is exported. */
typedef struct exported {
    px_settings s;
    px_checkpoint saved;
    const char *net; /* "", or whose parameters */
    int channels, size;
    bool normalized;
    px_graph *graph;
} exported;

/* The array of a parameter: of a follower, under the follower's name. */
static const px_checkpoint_array *array_of(const exported *e, const char *name)
{
    size_t length = strlen(e->net);
    for (int i = 0; i < e->saved.count; i++) {
        const char *there = e->saved.array[i].name;
        if (length > 0 && (strncmp(there, e->net, length) != 0 || there[length] != '.'))
            continue;
        if (strcmp(there + (length > 0 ? length + 1 : 0), name) == 0)
            return &e->saved.array[i];
    }
    return NULL;
}

/* ---- the graph ---- */

static px_value *per_channel(px_graph *g, const float *number, int channels)
{
    double wide[PX_MOMENTS_MAX];
    for (int c = 0; c < channels; c++)
        wide[c] = (double)number[c];
    return px_constant_real(g, PX_SHAPE(1, channels, 1, 1), wide);
}

static px_graph *build(const exported *e)
{
    const px_backbone *b = e->s.backbone;
    px_graph *g = px_graph_create((px_mode){.real = PX_F32, .evaluation = true, .ranks = 1});
    px_value *x = px_input(g, "images", PX_F32, PX_SHAPE(PX_ONNX_BATCH, e->channels, e->size, e->size));
    if (e->normalized) {
        x = px_binary(g, PX_SUB, x, per_channel(g, e->s.moments.mean, e->channels));
        x = px_binary(g, PX_DIV, x, per_channel(g, e->s.moments.std, e->channels));
    }
    px_encoding out = b->family->build_masked ? b->family->build_masked(g, b, e->s.backbone_cfg, x, NULL, PX_DROP)
                                              : b->family->build(g, b, e->s.backbone_cfg, x);
    px_graph_output(g, "features", out.pooled);
    if (!px_graph_error(g) && out.tokens)
        px_graph_output(g, out.tokens->shape.rank == 4 ? "map" : "tokens", out.tokens);
    if (!px_graph_error(g))
        return g;
    px_fail(PX_USAGE, "backbone %s, images of %d px: %s", b->name, e->size, px_graph_error(g));
    px_graph_destroy(g);
    return NULL;
}

static int channels_of(const exported *e)
{
    exported trial = *e;
    trial.channels = 3;
    trial.normalized = false;
    px_graph *g = build(&trial);
    int channels = g ? 3 : -1;
    const char *filters = g ? px_weights_first_filters(g) : NULL;
    const px_checkpoint_array *a = filters ? array_of(e, filters) : NULL;
    if (a && a->shape.rank == 4)
        channels = (int)a->shape.dim[1];
    px_graph_destroy(g);
    return channels;
}

/* Where images were normalised by their data set's numbers, the checkpoint has them; for runs of older versions the data set
 * is asked. */
static int read_moments(exported *e)
{
    const px_data_cfg *d = &e->s.data;
    float mean[PX_MOMENTS_MAX] = {0}, std[PX_MOMENTS_MAX];
    for (int c = 0; c < PX_MOMENTS_MAX; c++)
        std[c] = 1;
    bool kept = e->saved.channels == e->channels;
    if (kept) {
        memcpy(mean, e->saved.moments.mean, (size_t)e->channels * sizeof mean[0]);
        memcpy(std, e->saved.moments.std, (size_t)e->channels * sizeof std[0]);
    }
    if (!kept && px_normalizes_by_dataset(d)) {
        px_dataset *data;
        if (px_dataset_open(&data, d->path, d->links ? PX_LINKS_FOLLOWED : PX_LINKS_REFUSED) != 0)
            return -1;
        const px_dataset_info *info = px_dataset_about(data);
        if (info->channels != e->channels) {
            px_dataset_close(data);
            return px_fail(PX_DATA, "%s: has images of %d channels, but the run's backbone takes %d", d->path,
                           info->channels, e->channels);
        }
        memcpy(mean, info->mean, (size_t)e->channels * sizeof mean[0]);
        memcpy(std, info->std, (size_t)e->channels * sizeof std[0]);
        px_dataset_close(data);
    }
    return px_settings_moments(&e->s, mean, std, e->channels, &e->normalized);
}

/* ---- the file ---- */

static char *numbers(const float *number, int count)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    for (int i = 0; i < count; i++)
        fprintf(out, "%s%.9g", i > 0 ? " " : "", (double)number[i]);
    fclose(out);
    return text;
}

/* Weights in the order of the graph's parameters, borrowed from the checkpoint. The caller frees the list. */
static const float **weights(const exported *e)
{
    const float **list = px_calloc((size_t)px_graph_params(e->graph) + 1, sizeof list[0]);
    for (int i = 0; i < px_graph_params(e->graph); i++) {
        const px_param *p = px_graph_param(e->graph, i);
        const px_checkpoint_array *a = array_of(e, p->name);
        char here[64], there[64];
        if (a && px_shape_equal(a->shape, p->value->shape)) {
            list[i] = a->data;
            continue;
        }
        if (a)
            px_fail(PX_DATA, "the run's %s is %s, but %s has %s", p->name, px_shape_text(a->shape, there),
                    e->s.backbone->name, px_shape_text(p->value->shape, here));
        else
            px_fail(PX_USAGE, "the run has no %s%s%s, which %s needs%s", e->net, *e->net ? "." : "", p->name,
                    e->s.backbone->name, *e->net ? "; only a method with a teacher has such a network" : "");
        free(list);
        return NULL;
    }
    return list;
}

static int write_model(const exported *e, const char *path, px_log *log)
{
    const float **list = weights(e);
    if (!list)
        return -1;
    char *mean = numbers(e->s.moments.mean, e->channels), *std = numbers(e->s.moments.std, e->channels);
    char step[32], side[16], channels[16];
    snprintf(step, sizeof step, "%" PRId64, e->saved.step);
    snprintf(side, sizeof side, "%d", e->size);
    snprintf(channels, sizeof channels, "%d", e->channels);
    const px_onnx_note notes[] = {{"pretext.version", PX_VERSION},
                                  {"pretext.backbone", e->s.backbone->name},
                                  {"pretext.method", e->s.method->name},
                                  {"pretext.step", step},
                                  {"pretext.image_size", side},
                                  {"pretext.channels", channels},
                                  {"pretext.pixels", e->normalized
                                                         ? "0 to 1: values divided by the largest, 255 or 65535; the "
                                                           "graph normalizes them"
                                                         : "0 to 1: values divided by the largest, 255 or 65535"},
                                  {"pretext.mean", mean},
                                  {"pretext.std", std}};
    int count = (int)(sizeof notes / sizeof notes[0]) - (e->normalized ? 0 : 2);
    int status =
        px_onnx_write(path, &(px_onnx_model){.graph = e->graph, .weights = list, .notes = notes, .note_count = count});
    if (status == 0)
        px_log_line(log,
                    "%s: %s after %s steps of %s, operator set %d; images (N, %d, %d, %d) with pixels from 0 to 1 -> "
                    "features (N, %d)",
                    path, e->s.backbone->name, step, e->s.method->name, PX_ONNX_OPSET, e->channels, e->size, e->size,
                    (int)px_graph_find_output(e->graph, "features")->shape.dim[1]);
    free(mean);
    free(std);
    free(list);
    return status;
}

static int export_loaded(exported *e, const char *path, px_log *log)
{
    enum { ANY_SIZE = 224 };
    e->size = e->s.data.image_size ? e->s.data.image_size : ANY_SIZE;
    e->channels = channels_of(e);
    if (e->channels < 1 || e->channels > PX_MOMENTS_MAX)
        return e->channels < 0 ? -1 : px_fail(PX_DATA, "the run's first filters have %d channels", e->channels);
    if (read_moments(e) != 0)
        return -1;
    e->graph = build(e);
    return e->graph ? write_model(e, path, log) : -1;
}

int px_weights_export_onnx(const char *run, const char *path, const char *net, px_log *log)
{
    exported e = {0};
    if (px_onnx_missing())
        return px_fail(PX_USAGE, "%s: %s", path, px_onnx_missing());
    if (px_checkpoint_arrays(run, &e.saved, log) != 0)
        return -1;
    int status = px_saved_settings(&e.s, run, NULL, 0, log);
    if (status == 0) {
        e.net = px_settings_net(&e.s, net);
        status = export_loaded(&e, path, log);
        px_graph_destroy(e.graph);
        px_settings_finish(&e.s);
    }
    px_checkpoint_finish(&e.saved);
    return status;
}
