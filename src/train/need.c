/* need.c - see need.h. */
#include "train/need.h"
#include "base/error.h"
#include "data/loader.h"
#include "train/online_test.h"
#include "train/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const part_name[PX_NEED_PARTS] = {"activations", "views of images",   "parameters",
                                                     "gradients",   "optimizer's state", "validation"};

/* ---- how much ---- */

/* Bytes of one array of the optimizer's state, on the rank with the largest part. */
static double slot_bytes(const px_plan *plan, int ranks)
{
    int buckets;
    const int64_t *bound = px_plan_buckets(plan, &buckets);
    int64_t most = 0;
    for (int r = 0; r < ranks; r++) {
        int64_t count = px_division_count(bound, buckets, r, ranks);
        most = count > most ? count : most;
    }
    return (double)most * sizeof(float);
}

px_need px_train_need_of(const px_model *m, const px_settings *s, const px_task *task, px_train_loading l,
                         const px_online_test_kind *online)
{
    px_plan_bytes plan = px_plan_memory(m->plan);
    double views = px_loader_bytes(&m->views, l.parts * l.batch, s->data.shuffle ? l.images : 0);
    px_need n = {.of = "training", .name = part_name, .parts = PX_NEED_PARTS};
    n.part[PX_NEED_ACTIVATIONS] = (double)plan.arena * l.parts;
    n.part[PX_NEED_VIEWS] = l.images ? views : views / 3; /* without a loader there is one batch */
    n.part[PX_NEED_PARAMETERS] = (double)plan.weights + 2 * (double)plan.states;
    n.part[PX_NEED_GRADIENTS] = (double)plan.grads * l.parts * (s->train.accumulate > 1 ? 2 : 1);
    n.part[PX_NEED_OPTIMIZER] =
        (l.divided > 1 ? slot_bytes(m->plan, l.divided) : (double)plan.weights) * px_optimizer_slot_count(&s->optim);
    n.part[PX_NEED_VALIDATION] = px_validation_bytes(s, task) + px_online_test_bytes(online, s, task);
    return n;
}

/* ---- what would fit ---- */

/* What can be changed to need less. */
typedef struct variant {
    int batch, accumulate, image_size;
    bool recompute;
} variant;

/* Bytes per rank; INFINITY if the model cannot be built. */
static double sum_of(const px_train_need_case *c, variant v)
{
    px_settings s = *c->settings;
    px_task t = *c->task;
    px_model m;
    size_t cfg = s.backbone->family->cfg_size;
    double bytes = INFINITY;
    s.train.batch = v.batch;
    s.train.accumulate = v.accumulate;
    s.train.recompute = v.recompute;
    s.data.image_size = v.image_size;
    s.backbone_cfg = memcpy(px_calloc(1, cfg + 1), c->unsettled, cfg);
    int batch = v.batch / (t.ranks * v.accumulate);
    if (batch > 0 && px_task_of(&t, &s, c->info, t.labelled, batch, t.ranks) == 0 &&
        px_model_plan(&m, &s, &t, c->comm, 0, NULL) == 0) {
        const px_train_loading l = {c->loading.parts, batch, c->loading.images, c->loading.divided};
        px_need n = px_train_need_of(&m, &s, &t, l, c->online);
        bytes = px_need_sum(&n);
        px_model_finish(&m);
    }
    free(s.backbone_cfg);
    return bytes;
}

/* Rounds a large number. */
static int round_down(int n)
{
    return n >= 64 ? n / 32 * 32 : n >= 16 ? n / 8 * 8 : n;
}

/* Nearly the largest batch with which the variant fits into `room`; 0: none does. A step's memory is a linear function
 * of the batch, so two plans tell where to look. */
static int largest_batch(const px_train_need_case *c, variant v, double room)
{
    int unit = c->task->ranks * v.accumulate, most = v.batch / unit, least = 2; /* since some methods compare images */
    double at_most = sum_of(c, v);
    if (at_most <= room)
        return v.batch;
    v.batch = least * unit;
    double at_least = most > least ? sum_of(c, v) : INFINITY;
    if (at_least > room)
        return 0;
    double guess = least;
    if (isfinite(at_most))
        guess += (room - at_least) / ((at_most - at_least) / (most - least));
    for (int tries = 0; tries < 4 && guess > least; tries++) {
        v.batch = round_down((int)guess) * unit;
        if (sum_of(c, v) <= room)
            return v.batch;
        guess *= 0.85;
    }
    return least * unit;
}

/* The smallest number of micro-batches with which the same batch fits; 0: none. */
static int fewest_micros(const px_train_need_case *c, variant v, int fitting_batch, double room)
{
    int ranks = c->task->ranks;
    for (int n = v.accumulate + 1, tries = 0; n <= v.batch / ranks && tries < 3; n++) {
        if (v.batch % (ranks * n) || v.batch / n > fitting_batch / v.accumulate)
            continue;
        tries++;
        variant w = v;
        w.accumulate = n;
        if (sum_of(c, w) <= room)
            return n;
    }
    return 0;
}

/* A size of views below the present one that fits with a small batch; 0: none. */
static int smaller_size(const px_train_need_case *c, variant v, double room)
{
    const px_backbone *b = c->settings->backbone;
    v.batch = 2 * c->task->ranks * v.accumulate;
    for (int size = v.image_size / 2; size >= 32; size /= 2) {
        v.image_size = px_image_size_for(b, size);
        if (sum_of(c, v) <= room)
            return v.image_size;
    }
    return 0;
}

static void propose_size(px_proposals *p, const px_train_need_case *c, variant v, int size, double room)
{
    v.image_size = size;
    int batch = largest_batch(c, v, room);
    if (batch == 0)
        return;
    px_propose(p, size == c->side ? "data.image_size=%d (the size of its images)" : "data.image_size=%d", size);
    if (batch < v.batch)
        fprintf(p->out, " with batch=%d", batch);
}

static void propose(const void *about, double room, px_proposals *p)
{
    const px_train_need_case *c = about;
    const px_settings *s = c->settings;
    const variant now = {s->train.batch, s->train.accumulate, c->task->image_size, s->train.recompute};
    int batch = largest_batch(c, now, room);
    if (c->prefix) {
        if (batch)
            px_propose(p, "%sbatch=%d", c->prefix, batch);
        return;
    }
    int own_size = c->info->height ? c->side : px_image_size_for(s->backbone, c->side);
    if (c->side > 0 && own_size < now.image_size)
        propose_size(p, c, now, own_size, room);
    if (batch) {
        px_propose(p, "batch=%d", batch);
        int micros = fewest_micros(c, now, batch, room);
        if (micros)
            px_propose(p, "accumulate=%d", micros);
    }
    variant again = now;
    again.recompute = true;
    if (!now.recompute && sum_of(c, again) <= room)
        px_propose(p, "recompute=true");
    if (p->count == 0) {
        int smaller = smaller_size(c, now, room);
        if (smaller)
            propose_size(p, c, now, smaller, room);
    }
}

/* ---- the check ---- */

static void tell_why(const void *about, int part, FILE *out)
{
    const px_train_need_case *c = about;
    const px_task *t = c->task;
    if (part != PX_NEED_ACTIVATIONS && part != PX_NEED_VIEWS) {
        fprintf(out, " (backbone %s)", c->settings->backbone->name);
        return;
    }
    fprintf(out, " for %d images of %d px", t->batch * c->loading.parts, t->image_size);
    if (t->patch)
        fprintf(out, ", which are %d tokens each in patches of %d px",
                t->image_size / t->patch * (t->image_size / t->patch), t->patch);
}

int px_train_need_check(const px_need *n, const px_train_need_case *c)
{
    const px_need_advice advice = {c, tell_why, propose,
                                   "not even two images per rank, but perhaps a smaller backbone"};
    return px_need_check(n, c->comm->local_size, &advice);
}
