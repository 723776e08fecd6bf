/* need.c - see need.h. */
#include "train/need.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/loader.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const part_name[PX_NEED_PARTS] = {"activations", "views of images", "parameters", "gradients",
                                                     "optimizer's state"};

/* ---- how much ---- */

px_need px_need_of(const px_model *m, const px_settings *s, px_need_loading l)
{
    px_plan_bytes plan = px_plan_memory(m->plan);
    double views = px_loader_bytes(&m->views, l.parts * l.batch, s->data.shuffle ? l.images : 0);
    px_need n = {{0}};
    n.part[PX_NEED_ACTIVATIONS] = (double)plan.arena * l.parts;
    n.part[PX_NEED_VIEWS] = l.images ? views : views / 3; /* without a loader there is one batch */
    n.part[PX_NEED_PARAMETERS] = (double)plan.weights + 2 * (double)plan.states;
    n.part[PX_NEED_GRADIENTS] = (double)plan.grads * l.parts * (s->train.accumulate > 1 ? 2 : 1);
    n.part[PX_NEED_OPTIMIZER] = (double)plan.weights * px_optimizer_slot_count(&s->optim);
    return n;
}

double px_need_sum(const px_need *n)
{
    double sum = 0;
    for (int i = 0; i < PX_NEED_PARTS; i++)
        sum += n->part[i];
    return sum;
}

static int largest(const px_need *n, const bool *left_out)
{
    int at = -1;
    for (int i = 0; i < PX_NEED_PARTS; i++)
        if (!left_out[i] && (at < 0 || n->part[i] > n->part[at]))
            at = i;
    return at;
}

char *px_need_text(const px_need *n)
{
    char *text, bytes[32];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    fputs(px_bytes_text(px_need_sum(n), bytes), out);
    bool told[PX_NEED_PARTS] = {false};
    for (int i = 0; i < PX_NEED_PARTS; i++) {
        int part = largest(n, told);
        told[part] = true;
        if (n->part[part] > 0)
            fprintf(out, "%s %s %s", i ? "," : " =", part_name[part], px_bytes_text(n->part[part], bytes));
    }
    fclose(out);
    return text;
}

/* ---- what would fit ---- */

/* What can be changed to need less. */
typedef struct variant {
    int batch, accumulate, image_size;
    bool recompute;
} variant;

/* Bytes per rank; INFINITY if the model cannot be built. */
static double sum_of(const px_need_case *c, variant v)
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
        px_need n = px_need_of(&m, &s, (px_need_loading){c->loading.parts, batch, c->loading.images});
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
static int largest_batch(const px_need_case *c, variant v, double room)
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
static int fewest_micros(const px_need_case *c, variant v, int fitting_batch, double room)
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
static int smaller_size(const px_need_case *c, variant v, double room)
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

typedef struct proposals {
    FILE *out;
    int count;
} proposals;

static void propose(proposals *p, const char *format, int value)
{
    fputs(p->count++ ? "; or " : "", p->out);
    fprintf(p->out, format, value);
}

static void propose_size(proposals *p, const px_need_case *c, variant v, int size, double room)
{
    v.image_size = size;
    int batch = largest_batch(c, v, room);
    if (batch == 0)
        return;
    propose(p, size == c->side ? "data.image_size=%d, the size of its images" : "data.image_size=%d", size);
    if (batch < v.batch)
        fprintf(p->out, " with batch=%d", batch);
}

/* Settings that fit into `room` bytes per rank, to choose from; the caller frees the text. */
static char *what_fits(const px_need_case *c, double room)
{
    const px_settings *s = c->settings;
    const variant now = {s->train.batch, s->train.accumulate, c->task->image_size, s->train.recompute};
    char *text;
    size_t size;
    proposals p = {open_memstream(&text, &size), 0};
    PX_CHECK(p.out);
    int batch = largest_batch(c, now, room);
    int own_size = c->info->height ? c->side : px_image_size_for(s->backbone, c->side);
    if (c->side > 0 && own_size < now.image_size)
        propose_size(&p, c, now, own_size, room);
    if (batch) {
        propose(&p, "batch=%d", batch);
        int micros = fewest_micros(c, now, batch, room);
        if (micros)
            propose(&p, "accumulate=%d", micros);
    }
    variant again = now;
    again.recompute = true;
    if (!now.recompute && sum_of(c, again) <= room)
        propose(&p, "recompute=true", 0);
    if (p.count == 0) {
        int smaller = smaller_size(c, now, room);
        if (smaller)
            propose_size(&p, c, now, smaller, room);
    }
    if (p.count == 0)
        fputs("not even two images per rank, but perhaps a smaller backbone", p.out);
    fclose(p.out);
    return text;
}

/* ---- the check ---- */

/* Writes why the largest part is so large. */
static void tell_why(FILE *out, const px_need *n, const px_need_case *c)
{
    const px_task *t = c->task;
    const bool none[PX_NEED_PARTS] = {false};
    char bytes[32];
    int part = largest(n, none);
    fprintf(out, "%s take %s", part_name[part], px_bytes_text(n->part[part], bytes));
    if (part != PX_NEED_ACTIVATIONS && part != PX_NEED_VIEWS) {
        fprintf(out, " (backbone %s)", c->settings->backbone->name);
        return;
    }
    fprintf(out, " for %d images of %d px", t->batch * c->loading.parts, t->image_size);
    if (t->patch)
        fprintf(out, ", which are %d tokens each in patches of %d px",
                t->image_size / t->patch * (t->image_size / t->patch), t->patch);
}

static int refuse(const px_need *n, const px_need_case *c, const px_memory *m, int sharers)
{
    char need[32], have[32], host[256] = "", *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    PX_CHECK(out);
    gethostname(host, sizeof host - 1);
    fprintf(out, "training needs %s of memory", px_bytes_text(px_need_sum(n) * sharers, need));
    if (sharers > 1)
        fprintf(out, " for %d ranks", sharers);
    fprintf(out, ", but on %s %s are %s: ", host, px_bytes_text(m->bytes, have), m->limit);
    tell_why(out, n, c);
    fputs(sharers > 1 ? " per rank" : "", out);
    char *fits = what_fits(c, m->bytes / sharers);
    fprintf(out, "; what would fit: %s", fits);
    fclose(out);
    px_fail(PX_USAGE, "%s", text);
    free(fits);
    free(text);
    return -1;
}

/* Reserves for threads' stacks, decoders and libraries' buffers, which come later and take more address space than
 * memory. */
static void put_aside(px_memory *m, double mib)
{
    m->bytes = fmax(0, m->bytes - mib * 1024 * 1024);
}

int px_need_check(const px_need *n, const px_need_case *c)
{
    px_memory host = px_memory_of_host(""), process = px_memory_of_process();
    int sharers = c->comm->local_size;
    put_aside(&host, 64.0 * sharers);
    put_aside(&process, 256);
    if (px_need_sum(n) * sharers > host.bytes)
        return refuse(n, c, &host, sharers);
    return px_need_sum(n) > process.bytes ? refuse(n, c, &process, 1) : 0;
}
