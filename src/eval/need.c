/* need.c - see need.h. Subjects are evaluated one after the other: first the images are encoded, then the features are
 * probed. The need is that of the largest of these phases. */
#include "eval/need.h"
#include "base/error.h"
#include "data/loader.h"
#include "eval/extract.h"
#include "eval/spectrum.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const part_name[PX_EVAL_NEED_PARTS] = {"the encoder's activations and parameters", "images",
                                                          "features", "the probe's classifiers and buffers"};

/* ---- how much ---- */

/* What one subject's images become. */
typedef struct subject {
    const px_views *views;
    int images; /* encoded at a time */
    int layers;
    int width[PX_STAGES_MAX + 1];
} subject;

/* Bytes of the features of `rows` images at layers first..end-1, of `each` bytes. */
static double rows_bytes(const subject *s, double rows, int first, int end, size_t each)
{
    double width = 0;
    for (int i = first; i < end; i++)
        width += s->width[i];
    return rows * width * (double)each;
}

/* The most rows that a rank encodes (px_extract). */
static double own_rows(const subject *s, int64_t count, int ranks)
{
    return (double)px_share_most(count, s->images, ranks);
}

/* For a protocol that needs all rows of the test split, several ranks, or one whose rows are bf16, gather its last layer as floats
 * (evaluation.c), then the layers before it in turn, and drop them (diagnostics.c). While one is gathered, the rank's own rows are
 * still there. */
static double features_bytes(const px_eval_need_case *c, const subject *s)
{
    int ranks = c->comm->size, last = s->layers - 1;
    size_t each = c->bf16 ? sizeof(px_bf16) : sizeof(float);
    bool gathers = (ranks > 1 || c->bf16) && c->protocol && c->protocol->whole;
    double train = own_rows(s, c->train, ranks), test = own_rows(s, c->test, ranks);
    if (!gathers)
        return rows_bytes(s, train + test, 0, s->layers, each);
    double all = rows_bytes(s, (double)c->test, last, s->layers, sizeof(float)),
           most = all + rows_bytes(s, test, 0, s->layers, each);
    for (int i = 0; i < last; i++) {
        double gathering =
            all + rows_bytes(s, test, i, last, each) + rows_bytes(s, (double)c->test, i, i + 1, sizeof(float));
        if (gathering > most) /* fmax here crashes gcc 12 for 64-bit Arm */
            most = gathering;
    }
    return most + rows_bytes(s, train, 0, s->layers, each);
}

static double probe_bytes(const px_eval_need_case *c, const subject *s, bool baseline)
{
    double most = 0;
    int64_t widths = 0;
    if (!c->protocol)
        return 0;
    for (int i = 0; i < s->layers; i++)
        widths += s->width[i];
    for (int i = 0; i < s->layers; i++) {
        px_trial_size size = {.train = c->train,
                              .test = c->test,
                              .classes = c->classes,
                              .width = s->width[i],
                              .comm = c->comm,
                              .widths = widths,
                              .bf16 = c->bf16,
                              .train_here = px_share_most(c->train, s->images, c->comm->size),
                              .test_here = px_share_most(c->test, s->images, c->comm->size)};
        most = fmax(most, c->protocol->bytes(c->protocol_cfg, &size));
    }
    if (!baseline)
        most = fmax(most, px_spectrum_bytes(s->width[s->layers - 1]));
    return most;
}

static px_need larger(px_need a, px_need b)
{
    return px_need_sum(&a) > px_need_sum(&b) ? a : b;
}

/* `baseline`: PX_BASELINES for a network. */
static px_need need_of(const px_eval_need_case *c, const subject *s, double encoder, px_baseline baseline)
{
    static const char *const probing_what[] = {
        [PX_PIXELS] = "probing the raw pixels", [PX_HOG] = "probing HOG", [PX_BASELINES] = "probing"};
    px_need encoding = {
        .of = c->protocol ? probing_what[baseline] : "encoding", .name = part_name, .parts = PX_EVAL_NEED_PARTS};
    encoding.part[PX_EVAL_NEED_ENCODER] = encoder;
    encoding.part[PX_EVAL_NEED_FEATURES] = features_bytes(c, s);
    px_need probing = encoding;
    encoding.part[PX_EVAL_NEED_VIEWS] = px_loader_bytes(s->views, s->images, 0);
    probing.part[PX_EVAL_NEED_PROBE] = probe_bytes(c, s, baseline != PX_BASELINES);
    return larger(encoding, probing);
}

static px_need need_of_baseline(const px_eval_need_case *c, px_baseline b, double encoder)
{
    px_eval_need_case floats = *c;
    floats.bf16 = false;
    px_views views = px_baseline_views(c->task, b, c->hog_cell);
    subject s = {&views, px_baseline_batch(c->task), 1, {(int)px_view_elements(&views.view[views.count - 1])}};
    return need_of(&floats, &s, encoder, b);
}

px_need px_eval_need_of(const px_eval_need_case *c, const px_model *m)
{
    if (c->alone)
        return need_of_baseline(c, *c->alone, 0);
    px_plan_bytes plan = px_plan_memory(m->plan);
    double encoder = (double)(plan.arena + plan.weights + plan.states);
    subject s = {&m->views, (int)m->features->shape.dim[0], m->layers, {0}};
    for (int i = 0; i < m->layers; i++)
        s.width[i] = (int)m->layer[i].features->shape.dim[1];
    px_need need = need_of(c, &s, encoder, PX_BASELINES);
    for (int b = 0; c->baselines && b < PX_BASELINES; b++)
        need = larger(need, need_of_baseline(c, (px_baseline)b, encoder));
    return need;
}

/* ---- what would fit ---- */

/* Bytes per rank; INFINITY if there is no such encoder. */
static double sum_of(const px_eval_need_case *c)
{
    px_model m;
    px_encoder_spec spec = px_patches_encoder(c->patches, c->task, c->batch);
    spec.layers = c->layers;
    if (c->alone) {
        px_need need = px_eval_need_of(c, NULL);
        return px_need_sum(&need);
    }
    if (px_model_plan_encoder(&m, c->settings, c->task, &spec) != 0)
        return INFINITY;
    px_need n = px_eval_need_of(c, &m);
    px_model_finish(&m);
    return px_need_sum(&n);
}

/* The largest power of two below the batch with which the case fits; 0: none. */
static int smaller_batch(px_eval_need_case c, double room)
{
    int least = px_patches_views(c.patches), at = 1; /* at least one image */
    while (at * 2 < c.batch)
        at *= 2;
    for (; at >= least && !c.alone; at /= 2) {
        c.batch = at;
        if (sum_of(&c) <= room)
            return at;
    }
    return 0;
}

/* The largest number of training images with which the case fits, rounded; 0: too few to learn anything from. */
static int fewer_images(px_eval_need_case c, double room)
{
    int64_t all = c.train, least = 10 * (int64_t)(c.classes > 1 ? c.classes : 1);
    double at_all = sum_of(&c);
    c.train = least;
    double at_least = sum_of(&c);
    if (least >= all || !(at_least <= room) || !isfinite(at_all))
        return 0;
    double guess = (double)least + (room - at_least) / (at_all - at_least) * (double)(all - least);
    for (int tries = 0; tries < 4; tries++) {
        c.train = guess > 1000 ? (int64_t)(guess / 1000) * 1000 : (int64_t)guess;
        if (c.train >= least && sum_of(&c) <= room)
            return (int)c.train;
        guess *= 0.9;
    }
    return 0;
}

/* The same protocol with settings that take less. */
static void propose_cheaper(px_eval_need_case c, double room, px_proposals *p)
{
    if (!c.protocol || !c.protocol->cheaper)
        return;
    px_protocol_cfg *cfg = px_calloc(1, c.protocol->cfg_size);
    memcpy(cfg, c.protocol_cfg, c.protocol->cfg_size);
    const char *what = c.protocol->cheaper(cfg);
    c.protocol_cfg = cfg;
    if (sum_of(&c) <= room)
        px_propose(p, "%s", what);
    free(cfg);
}

static void propose(const void *about, double room, px_proposals *p)
{
    const px_eval_need_case *now = about;
    px_eval_need_case c = *now;
    c.baselines = false;
    if (now->baselines && sum_of(&c) <= room)
        px_propose(p, "baselines=false");
    c = *now;
    c.layers = false;
    if (now->layers && sum_of(&c) <= room)
        px_propose(p, "layers=false");
    c = *now;
    c.bf16 = true;
    if (!now->bf16 && now->protocol && sum_of(&c) <= room)
        px_propose(p, "features=bf16");
    int batch = smaller_batch(*now, room);
    if (batch)
        px_propose(p, "batch=%d", batch);
    c = *now;
    propose_cheaper(c, room, p);
    int images = fewer_images(*now, room);
    if (images)
        px_propose(p, "data.limit=%d", images);
    if (p->count > 0)
        return;
    c = *now; /* several settings at once */
    c.baselines = c.layers = false;
    batch = sum_of(&c) <= room ? c.batch : smaller_batch(c, room);
    if (batch)
        px_propose(p, "%s%sbatch=%d", now->baselines ? "baselines=false " : "", now->layers ? "layers=false " : "",
                   batch);
}

/* ---- the check ---- */

static void tell_why(const void *about, int part, FILE *out)
{
    const px_eval_need_case *c = about;
    if (part == PX_EVAL_NEED_PROBE)
        fprintf(out, " for %d classes", c->classes);
    else if (part == PX_EVAL_NEED_FEATURES)
        fprintf(out, " for %" PRId64 " images%s", c->train + c->test, c->layers ? ", at all stages" : "");
    else
        fprintf(out, " for %d %s of %d px at a time", c->batch, c->patches->count ? "patches" : "images",
                c->patches->count ? c->patches->size : c->task->image_size);
}

int px_eval_need_check(const px_eval_need_case *c, const px_model *m)
{
    const px_need_advice advice = {c, tell_why, propose,
                                   "none of the settings of this command, but perhaps a smaller data.image_size"};
    px_need n = px_eval_need_of(c, m);
    return px_need_check(&n, c->comm->local_size, &advice);
}
