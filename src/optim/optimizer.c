/* optimizer.c - SGD, Adam, AdamW, LARS and LAMB over flat buffers: one pass for the norm, one for the update; LAMB's first
 * needs one more, since its rate comes from the length of the update.
 *
 * The buffers are cut into blocks that never cross a parameter's border, nor that of a rank's part if the optimizer is divided.
 * A block's sums and its update are the same on any thread and rank, and sums of blocks are added in order: results do not depend
 * on the number of threads, nor on a division. The loops over a block are the backend's.
 */
#include "optim/optim.h"

#include "base/error.h"
#include "dist/allreduce.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Elements: small enough to share among threads, large enough that a call costs nothing. Blocks begin at multiples of it, and at
 * the beginnings of parameters. */
enum { BLOCK = PX_RING_GRAIN };

typedef struct block {
    int64_t offset;
    int64_t state; /* where its elements are in the state; -1: another rank has them */
    int count, span;
} block;

typedef struct sums {
    double gg, gw, ww; /* sums over g*g, g*w, w*w, with the gradient before scale and clipping */
    double dd;         /* of LAMB's direction */
} sums;

typedef struct span {
    int first_block, end_block;
    double rate;    /* multiplies the learning rate */
    double decay;   /* weight decay of this parameter */
    double decays;  /* ... in the current step */
    int64_t frozen; /* steps before its first one */
    bool steady;    /* its rate does not follow the schedule */
    bool trained;   /* in the current step */
    bool adapts;    /* LARS and LAMB multiply its rate by `trust` */
    double trust;   /* of the current step */
} span;

/* What a step's update needs besides the buffers. */
typedef struct pace {
    double factor; /* multiplies the gradient: scale and clipping */
    double lr;
} pace;

/* One algorithm. */
typedef struct algorithm {
    int slots;
    const char *slot_names[2];
    bool adapts; /* needs each parameter's norms */
    /* Changes the state before the update and returns the sum of squares of the block's direction; NULL: the update does all */
    double (*prepare)(const px_optimizer *, const block *, const pace *, const float *weights, const float *grads);
    void (*update)(const px_optimizer *, const block *, const pace *, float *weights, const float *grads);
} algorithm;

struct px_optimizer {
    px_optim_cfg cfg; /* its strings belong to the configuration and are not read after px_optimizer_create */
    double decay;     /* multiplies all weight decay */
    double steady;    /* rate of spans that do not follow the schedule */
    const algorithm *algorithm;
    const px_update *loops;
    span *spans;
    block *blocks;
    sums *partial; /* one per block */
    int span_count, block_count;
    px_division *division; /* NULL: this rank has all */
    float *slot[2];        /* the state, of this rank's elements */
    int64_t steps;
};

static bool updates(const px_optimizer *o, int b)
{
    return o->blocks[b].state >= 0 && o->spans[o->blocks[b].span].trained;
}

/* ---- sums ---- */

/* Other ranks' blocks are 0 in `partial` so far, and this rank's there: so the sums are exact. */
static void sum_over_ranks(px_optimizer *o)
{
    if (o->division)
        px_division_sum(o->division, (double *)o->partial,
                        o->block_count * (int64_t)(sizeof *o->partial / sizeof(double)));
}

/* Fills `partial` and returns the sum of squares of the whole gradient, without that of frozen parameters. */
static double sum_blocks(px_optimizer *o, const float *weights, const float *grads)
{
#pragma omp parallel for schedule(dynamic)
    for (int b = 0; b < o->block_count; b++) {
        const float *g = grads + o->blocks[b].offset, *w = weights + o->blocks[b].offset;
        int n = updates(o, b) ? o->blocks[b].count : 0;
        o->partial[b] = (sums){0};
        o->partial[b].gg = o->loops->sum_squares(g, n);
        if (o->algorithm->adapts) { /* the block is in the cache now */
            o->partial[b].gw = o->loops->sum_products(g, w, n);
            o->partial[b].ww = o->loops->sum_squares(w, n);
        }
    }
    sum_over_ranks(o);
    double total = 0;
    for (int b = 0; b < o->block_count; b++)
        total += o->partial[b].gg;
    return total;
}

static double rate_of(const px_optimizer *o, const pace *p, const span *s)
{
    return s->rate * (s->steady ? o->steady : p->lr);
}

/* ---- SGD ---- */

static void sgd(const px_optimizer *o, const block *b, const pace *p, float *weights, const float *grads)
{
    const span *s = &o->spans[b->span];
    px_update_sgd u = {.factor = (float)p->factor,
                       .decay = (float)s->decays,
                       .momentum = (float)o->cfg.momentum,
                       .rate = (float)rate_of(o, p, s),
                       .nesterov = o->cfg.nesterov};
    o->loops->sgd(weights + b->offset, o->slot[0] + b->state, grads + b->offset, b->count, &u);
}

/* ---- LARS ---- */

static void lars(const px_optimizer *o, const block *b, const pace *p, float *weights, const float *grads)
{
    const span *s = &o->spans[b->span];
    px_update_sgd u = {.factor = (float)p->factor,
                       .decay = (float)s->decays,
                       .momentum = (float)o->cfg.momentum,
                       .rate = (float)(rate_of(o, p, s) * s->trust),
                       .nesterov = o->cfg.nesterov};
    o->loops->lars(weights + b->offset, o->slot[0] + b->state, grads + b->offset, b->count, &u);
}

/* LARS: trust = eta |w| / |g + decay w|, from sums of g*g, g*w and w*w, which in double are exact enough even if g and w
 * cancel; with clip_lr it is divided by the rate, and at most 1. (solo-learn has eta |w| / (|g| + decay |w|), and multiplies its
 * velocity by the rate of the moment; both as in SimCLR's code here.) LAMB: |w| / |direction|. 1 if a norm is 0, as in a parameter
 * that begins at 0. */
static void set_trust(px_optimizer *o, const pace *p)
{
    for (int i = 0; i < o->span_count; i++) {
        span *s = &o->spans[i];
        sums t = {0};
        s->trust = 1;
        if (!s->adapts)
            continue;
        for (int b = s->first_block; b < s->end_block; b++) {
            t.gg += o->partial[b].gg;
            t.gw += o->partial[b].gw;
            t.ww += o->partial[b].ww;
            t.dd += o->partial[b].dd;
        }
        bool lamb = o->algorithm->prepare;
        double lars = p->factor * p->factor * t.gg + 2 * p->factor * s->decays * t.gw + s->decays * s->decays * t.ww;
        double square = lamb ? t.dd : lars, rate = rate_of(o, p, s);
        if (!(t.ww > 0 && square > 0))
            continue;
        s->trust = (lamb ? 1 : o->cfg.eta) * sqrt(t.ww / square);
        if (!lamb && o->cfg.clip_lr)
            s->trust = s->trust < rate ? s->trust / rate : 1;
    }
}

/* ---- Adam, AdamW ---- */

/* The steps that a parameter has been trained for, this one too. */
static double steps_of(const px_optimizer *o, const span *s)
{
    return (double)(o->steps - s->frozen);
}

static px_update_adam moments(const px_optimizer *o, const pace *p)
{
    return (px_update_adam){.factor = (float)p->factor,
                            .one_minus_beta1 = (float)(1 - o->cfg.beta1),
                            .beta2 = (float)o->cfg.beta2,
                            .one_minus_beta2 = (float)(1 - o->cfg.beta2),
                            .eps = (float)o->cfg.eps};
}

static void adam_or_adamw(const px_optimizer *o, const block *b, const pace *p, float *weights, const float *grads)
{
    const span *s = &o->spans[b->span];
    const double steps = steps_of(o, s), lr = rate_of(o, p, s);
    const double correction1 = 1 - pow(o->cfg.beta1, steps), correction2 = 1 - pow(o->cfg.beta2, steps);
    bool decoupled = o->cfg.optimizer == PX_ADAMW;
    px_update_adam u = moments(o, p);
    u.decay = decoupled ? 0 : (float)s->decays;
    u.keep = decoupled ? (float)(1 - lr * s->decays) : 1;
    u.rate = (float)(lr / correction1);
    u.root_correction = (float)sqrt(correction2);
    o->loops->adam(weights + b->offset, o->slot[0] + b->state, o->slot[1] + b->state, grads + b->offset, b->count, &u);
}

/* ---- LAMB ---- */

static px_update_lamb lamb_of(const px_optimizer *o, const span *s)
{
    const double steps = steps_of(o, s);
    return (px_update_lamb){.decay = (float)s->decays,
                            .correction = (float)(1 - pow(o->cfg.beta1, steps)),
                            .root_correction = (float)sqrt(1 - pow(o->cfg.beta2, steps)),
                            .eps = (float)o->cfg.eps};
}

static double lamb_direction(const px_optimizer *o, const block *b, const pace *p, const float *weights,
                             const float *grads)
{
    const span *s = &o->spans[b->span];
    const px_update_adam change = moments(o, p);
    const px_update_lamb u = lamb_of(o, s);
    float *m = o->slot[0] + b->state, *v = o->slot[1] + b->state;
    o->loops->moments(m, v, grads + b->offset, b->count, &change);
    return s->adapts ? o->loops->lamb_squares(weights + b->offset, m, v, b->count, &u) : 0;
}

static void lamb(const px_optimizer *o, const block *b, const pace *p, float *weights, const float *grads)
{
    (void)grads;
    const span *s = &o->spans[b->span];
    px_update_lamb u = lamb_of(o, s);
    u.rate = (float)(rate_of(o, p, s) * s->trust);
    o->loops->lamb(weights + b->offset, o->slot[0] + b->state, o->slot[1] + b->state, b->count, &u);
}

/* ---- the optimizer ---- */

static const algorithm algorithms[] = {
    [PX_SGD] = {1, {"momentum"}, false, NULL, sgd},
    [PX_ADAMW] = {2, {"first_moment", "second_moment"}, false, NULL, adam_or_adamw},
    [PX_LARS] = {1, {"momentum"}, true, NULL, lars},
    [PX_ADAM] = {2, {"first_moment", "second_moment"}, false, NULL, adam_or_adamw},
    [PX_LAMB] = {2, {"first_moment", "second_moment"}, true, lamb_direction, lamb},
};

int px_optimizer_slot_count(const px_optim_cfg *cfg)
{
    return algorithms[cfg->optimizer].slots;
}

/* The number of elements from `at` to the next block. */
static int64_t to_next(int64_t at, int64_t end)
{
    int64_t next = (at / BLOCK + 1) * BLOCK;
    return (next < end ? next : end) - at;
}

static int blocks_of(const px_param_span *p)
{
    int count = 0;
    for (int64_t at = p->offset, end = p->offset + p->count; at < end; at += to_next(at, end))
        count++;
    return count;
}

/* Cuts the parameters into blocks; returns the length of the flat buffers. */
static int64_t lay_out(px_optimizer *o, const px_param_span *params)
{
    int64_t length = 0;
    for (int i = 0; i < o->span_count; i++)
        o->block_count += blocks_of(&params[i]);
    o->blocks = px_calloc((size_t)o->block_count, sizeof *o->blocks);
    o->partial = px_calloc((size_t)o->block_count, sizeof *o->partial);
    int b = 0;
    for (int i = 0; i < o->span_count; i++) {
        const px_param_span *p = &params[i];
        int64_t end = p->offset + p->count;
        o->spans[i] = (span){.first_block = b,
                             .rate = 1,
                             .decay = p->exempt && !o->cfg.decay_all ? 0 : o->cfg.weight_decay,
                             .adapts = o->algorithm->adapts && !p->exempt};
        for (int64_t at = p->offset; at < end; at += to_next(at, end))
            o->blocks[b++] = (block){.offset = at, .state = at, .count = (int)to_next(at, end), .span = i};
        o->spans[i].end_block = b;
        length = end > length ? end : length;
    }
    return length;
}

static void make_state(px_optimizer *o, int64_t length)
{
    for (int i = 0; i < o->algorithm->slots; i++) {
        free(o->slot[i]);
        o->slot[i] = px_aligned_calloc((size_t)length * sizeof(float));
    }
}

int px_optimizer_create(px_optimizer **out, const px_optim_cfg *cfg, const px_param_span *spans, int count,
                        const px_update *loops)
{
    const algorithm *a = &algorithms[cfg->optimizer];
    *out = NULL;
    if (cfg->nesterov && cfg->momentum == 0)
        return px_fail(PX_USAGE, "optim.nesterov needs optim.momentum above 0");

    px_optimizer *o = px_calloc(1, sizeof *o);
    o->cfg = *cfg;
    o->algorithm = a;
    o->loops = loops;
    o->decay = 1;
    o->span_count = count;
    o->spans = px_calloc((size_t)count, sizeof *o->spans);
    make_state(o, lay_out(o, spans));
    *out = o;
    return 0;
}

/* Where element `at` is in the state of this rank's part, or -1. Blocks and buckets are in ascending order: *bucket is the first to
 * look at, and *before the elements of this rank in those before it. */
static int64_t place(const px_division *d, int64_t at, int *bucket, int64_t *before)
{
    for (int64_t from, to; *bucket < px_division_buckets(d); ++*bucket, *before += to - from) {
        px_division_part(d, *bucket, &from, &to);
        if (at >= from && at < to)
            return *before + at - from;
        if (at < px_division_end(d, *bucket))
            return -1;
    }
    return -1;
}

void px_optimizer_divide(px_optimizer *o, px_division *d)
{
    int bucket = 0;
    int64_t before = 0, length = 0;
    o->division = d;
    for (int b = 0; b < o->block_count; b++) {
        o->blocks[b].state = place(d, o->blocks[b].offset, &bucket, &before);
        if (o->blocks[b].state >= 0)
            length = o->blocks[b].state + o->blocks[b].count;
    }
    make_state(o, length);
}

void px_optimizer_destroy(px_optimizer *o)
{
    if (!o)
        return;
    free(o->slot[0]);
    free(o->slot[1]);
    free(o->partial);
    free(o->blocks);
    free(o->spans);
    free(o);
}

void px_optimizer_treat(px_optimizer *o, const px_treatment *t)
{
    for (int i = 0; i < o->span_count; i++) {
        o->spans[i].rate *= t[i].rate;
        o->spans[i].decay *= t[i].decay;
        o->spans[i].steady = t[i].steady;
        o->spans[i].frozen = t[i].frozen;
    }
}

void px_optimizer_steady(px_optimizer *o, double rate)
{
    o->steady = rate;
}

void px_optimizer_shift(px_optimizer *o, int64_t steps)
{
    for (int i = 0; i < o->span_count; i++)
        if (o->spans[i].frozen != 0 && o->spans[i].frozen != INT64_MAX)
            o->spans[i].frozen += steps;
}

void px_optimizer_decay(px_optimizer *o, double factor)
{
    o->decay = factor;
}

static void prepare(px_optimizer *o, const pace *p, const float *weights, const float *grads)
{
#pragma omp parallel for schedule(dynamic)
    for (int b = 0; b < o->block_count; b++) {
        if (o->division)
            o->partial[b] = (sums){.ww = updates(o, b) ? o->partial[b].ww : 0};
        if (updates(o, b))
            o->partial[b].dd = o->algorithm->prepare(o, &o->blocks[b], p, weights, grads);
    }
    sum_over_ranks(o);
}

double px_optimizer_step(px_optimizer *o, float *weights, const float *grads, double scale, double lr)
{
    pace p = {.factor = scale, .lr = lr};
    for (int i = 0; i < o->span_count; i++) {
        o->spans[i].trained = o->steps >= o->spans[i].frozen;
        o->spans[i].decays = o->spans[i].decay * o->decay;
    }
    double norm = fabs(scale) * sqrt(sum_blocks(o, weights, grads));
    if (!isfinite(norm))
        return norm;
    if (o->cfg.clip > 0 && norm + 1e-6 > o->cfg.clip) /* torch's clip_grad_norm_ has this 1e-6 */
        p.factor *= o->cfg.clip / (norm + 1e-6);
    o->steps++;
    if (o->algorithm->prepare)
        prepare(o, &p, weights, grads);
    if (o->algorithm->adapts)
        set_trust(o, &p);
#pragma omp parallel for schedule(dynamic)
    for (int b = 0; b < o->block_count; b++)
        if (updates(o, b))
            o->algorithm->update(o, &o->blocks[b], &p, weights, grads);
    if (o->division)
        px_division_spread(o->division, weights);
    return norm;
}

int px_optimizer_slots(const px_optimizer *o, const char *names[2])
{
    for (int i = 0; i < 2; i++)
        names[i] = o->algorithm->slot_names[i];
    return o->algorithm->slots;
}

bool px_optimizer_divided(const px_optimizer *o)
{
    return o->division;
}

/* The blocks [*begin, *end) of the parameter at this offset. */
static void find_blocks(const px_optimizer *o, int64_t offset, int *begin, int *end)
{
    int i = 0;
    while (i < o->span_count && o->blocks[o->spans[i].first_block].offset != offset)
        i++;
    PX_CHECK(i < o->span_count);
    *begin = o->spans[i].first_block;
    *end = o->spans[i].end_block;
}

void px_optimizer_read(const px_optimizer *o, int slot, int64_t offset, int64_t count, float *values)
{
    int begin, end;
    find_blocks(o, offset, &begin, &end);
    while (begin < end && o->blocks[begin].state < 0)
        begin++;
    /* A rank's blocks of a parameter follow each other, here and in the state. */
    const float *own = o->slot[slot] + (begin < end ? o->blocks[begin].state : 0);
    if (o->division)
        px_division_collect(o->division, offset, count, own, values);
    else
        memcpy(values, own, (size_t)count * sizeof *own);
}

void px_optimizer_write(px_optimizer *o, int slot, int64_t offset, int64_t count, const float *values)
{
    int begin, end;
    find_blocks(o, offset, &begin, &end);
    for (int b = begin; b < end; b++) {
        const block *k = &o->blocks[b];
        PX_CHECK(k->offset - offset + k->count <= count);
        if (k->state >= 0)
            memcpy(o->slot[slot] + k->state, values + (k->offset - offset), (size_t)k->count * sizeof *values);
    }
}

int64_t *px_optimizer_steps(px_optimizer *o)
{
    return &o->steps;
}
