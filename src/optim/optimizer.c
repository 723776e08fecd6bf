/* optimizer.c - SGD, AdamW and LARS over flat buffers: one pass for the norm, one for the update.
 *
 * The buffers are cut into blocks that never cross a parameter's border. A block's sums and its update are the same on
 * any thread, and sums of blocks are added in order: results do not depend on the number of threads. The loops over a block
 * are the backend's.
 */
#include "optim/optim.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

enum {
    BLOCK = 64 * 1024 /* elements: small enough to share among threads, large enough that a call costs nothing */
};

const px_option px_optim_options[] = {
    PX_OPTION_CHOICE(px_optim_cfg, optimizer, "sgd", "sgd|adamw|lars",
                     "sgd and adamw as in torch.optim; lars as in SimCLR's code (for large batches)"),
    PX_OPTION(px_optim_cfg, lr, "0.12", 0, 1000,
              "base learning rate, scaled by lr_scaling (lightly's CIFAR-10 benchmark, sgd: 0.06 for a batch of 128)"),
    PX_OPTION_CHOICE(px_optim_cfg, lr_scaling, "linear", "linear|sqrt|none",
                     "linear: lr * batch/256 (Goyal 2017); sqrt: lr * sqrt(batch) (SimCLR B.1, lr 0.075); none: lr"),
    PX_OPTION_CHOICE(
        px_optim_cfg, schedule, "cosine", "cosine|step|constant",
        "after the warm-up: half a cosine down to lr_min, drops at `steps`, or constant (SimCLR, MAE: cosine)"),
    PX_OPTION(px_optim_cfg, warmup_epochs, "10", 0, 1e6, "epochs of linear warm-up from 0 (SimCLR: 10, MAE: 40)"),
    PX_OPTION(px_optim_cfg, lr_min, "0", 0, 1000, "final rate of the cosine, not scaled by the batch (MAE: 0)"),
    PX_OPTION(px_optim_cfg, steps, "[]", 0, 1e9,
              "epochs at which schedule step drops, ascending (Kolesnikov 2019: [15, 25])"),
    PX_OPTION(px_optim_cfg, step_factor, "0.1", 0, 1, "factor of each drop (Kolesnikov 2019: 0.1)"),
    PX_OPTION(px_optim_cfg, momentum, "0.9", 0, 0.999999, "sgd, lars: momentum (SimCLR: 0.9)"),
    PX_OPTION_FLAG(px_optim_cfg, nesterov, "false", "sgd, lars: Nesterov's momentum (SimCLR pretrains without)"),
    PX_OPTION(
        px_optim_cfg, weight_decay, "5e-4", 0, 1,
        "L2 (sgd, lars) or decoupled (adamw) decay (lightly's CIFAR-10 benchmark: 5e-4; SimCLR: 1e-4; MAE: 0.05)"),
    PX_OPTION(px_optim_cfg, weight_decay_end, "-1", -1, 1,
              "weight_decay becomes this along half a cosine (DINO: 0.04 to 0.4); -1: it stays"),
    PX_OPTION_FLAG(px_optim_cfg, decay_all, "false", "also decay norms and biases (SimCLR and MAE do not)"),
    PX_OPTION(px_optim_cfg, beta1, "0.9", 0, 0.999999, "adamw: decay of the first moment (Kingma 2015, MAE: 0.9)"),
    PX_OPTION(px_optim_cfg, beta2, "0.999", 0, 0.999999999,
              "adamw: decay of the second moment (Kingma 2015: 0.999; MAE: 0.95)"),
    PX_OPTION(px_optim_cfg, eps, "1e-8", 0, 1, "adamw: added to the root of the second moment (Kingma 2015: 1e-8)"),
    PX_OPTION(px_optim_cfg, eta, "0.001", 0, 1, "lars: trust coefficient (SimCLR's code: 0.001)"),
    PX_OPTION(px_optim_cfg, clip, "0", 0, 1e9,
              "largest global gradient norm, 0: no clipping (as torch's clip_grad_norm_)"),
    PX_OPTION_TEXT(px_optim_cfg, rules, "",
                   "factors of rate and decay, and epochs without change, for parameters by name: "
                   "\"patch_embed:frozen=inf; head:rate=10,decay=0\""),
    PX_OPTION(
        px_optim_cfg, layer_decay, "1", 0.01, 1,
        "rate of each of the backbone's layers, times that of the next one, to train weights further (BEiT: 0.65 to "
        "0.9, MAE: 0.65 to 0.75)"),
    {0}};

typedef struct block {
    int64_t offset;
    int count, span;
} block;

typedef struct sums {
    double gg, gw, ww; /* sums over g*g, g*w, w*w, with the gradient before scale and clipping */
} sums;

typedef struct span {
    int first_block, end_block;
    double rate;    /* multiplies the learning rate */
    double decay;   /* weight decay of this parameter */
    double decays;  /* ... in the current step */
    int64_t frozen; /* steps before its first one */
    bool trained;   /* in the current step */
    bool adapts;    /* LARS multiplies its rate by `trust` */
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
    void (*update)(const px_optimizer *, const block *, const pace *, float *weights, const float *grads);
} algorithm;

struct px_optimizer {
    px_optim_cfg cfg; /* its strings belong to the configuration and are not read after px_optimizer_create */
    double decay;     /* multiplies all weight decay */
    const algorithm *algorithm;
    const px_update *loops;
    span *spans;
    block *blocks;
    sums *partial; /* one per block */
    int span_count, block_count;
    float *slot[2]; /* `length` elements each */
    int64_t steps;
};

/* ---- sums ---- */

/* Fills `partial` and returns the sum of squares of the whole gradient, without that of frozen parameters. */
static double sum_blocks(px_optimizer *o, const float *weights, const float *grads)
{
#pragma omp parallel for schedule(dynamic)
    for (int b = 0; b < o->block_count; b++) {
        const float *g = grads + o->blocks[b].offset, *w = weights + o->blocks[b].offset;
        int n = o->spans[o->blocks[b].span].trained ? o->blocks[b].count : 0;
        o->partial[b] = (sums){0};
        o->partial[b].gg = o->loops->sum_squares(g, n);
        if (o->algorithm->adapts) { /* the block is in the cache now */
            o->partial[b].gw = o->loops->sum_products(g, w, n);
            o->partial[b].ww = o->loops->sum_squares(w, n);
        }
    }
    double total = 0;
    for (int b = 0; b < o->block_count; b++)
        total += o->partial[b].gg;
    return total;
}

/* ---- SGD ---- */

static void sgd(const px_optimizer *o, const block *b, const pace *p, float *weights, const float *grads)
{
    const span *s = &o->spans[b->span];
    px_update_sgd u = {.factor = (float)p->factor,
                       .decay = (float)s->decays,
                       .momentum = (float)o->cfg.momentum,
                       .rate = (float)(p->lr * s->rate),
                       .nesterov = o->cfg.nesterov};
    o->loops->sgd(weights + b->offset, o->slot[0] + b->offset, grads + b->offset, b->count, &u);
}

/* ---- LARS ---- */

static void lars(const px_optimizer *o, const block *b, const pace *p, float *weights, const float *grads)
{
    const span *s = &o->spans[b->span];
    px_update_sgd u = {.factor = (float)p->factor,
                       .decay = (float)s->decays,
                       .momentum = (float)o->cfg.momentum,
                       .rate = (float)(p->lr * s->rate * s->trust),
                       .nesterov = o->cfg.nesterov};
    o->loops->lars(weights + b->offset, o->slot[0] + b->offset, grads + b->offset, b->count, &u);
}

/* trust = eta |w| / |g + decay w|, from sums of g*g, g*w and w*w, which in double are exact enough even if g and w
 * cancel; 1 if a norm is 0, as in a parameter that begins at 0. */
static void set_trust(px_optimizer *o, double factor)
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
        }
        double square = factor * factor * t.gg + 2 * factor * s->decays * t.gw + s->decays * s->decays * t.ww;
        if (t.ww > 0 && square > 0)
            s->trust = o->cfg.eta * sqrt(t.ww / square);
    }
}

/* ---- AdamW ---- */

static void adamw(const px_optimizer *o, const block *b, const pace *p, float *weights, const float *grads)
{
    const span *s = &o->spans[b->span];
    const double steps = (double)(o->steps - s->frozen), lr = p->lr * s->rate;
    const double correction1 = 1 - pow(o->cfg.beta1, steps), correction2 = 1 - pow(o->cfg.beta2, steps);
    px_update_adamw u = {.factor = (float)p->factor,
                         .keep = (float)(1 - lr * s->decays),
                         .one_minus_beta1 = (float)(1 - o->cfg.beta1),
                         .beta2 = (float)o->cfg.beta2,
                         .one_minus_beta2 = (float)(1 - o->cfg.beta2),
                         .rate = (float)(lr / correction1),
                         .root_correction = (float)sqrt(correction2),
                         .eps = (float)o->cfg.eps};
    o->loops->adamw(weights + b->offset, o->slot[0] + b->offset, o->slot[1] + b->offset, grads + b->offset, b->count,
                    &u);
}

/* ---- the optimizer ---- */

static const algorithm algorithms[] = {
    [PX_SGD] = {1, {"momentum"}, false, sgd},
    [PX_ADAMW] = {2, {"first_moment", "second_moment"}, false, adamw},
    [PX_LARS] = {1, {"momentum"}, true, lars},
};

int px_optimizer_slot_count(const px_optim_cfg *cfg)
{
    return algorithms[cfg->optimizer].slots;
}

static int blocks_of(int64_t count)
{
    return (int)((count + BLOCK - 1) / BLOCK);
}

/* Cuts the parameters into blocks; returns the length of the flat buffers. */
static int64_t lay_out(px_optimizer *o, const px_param_span *params)
{
    int64_t length = 0;
    for (int i = 0; i < o->span_count; i++)
        o->block_count += blocks_of(params[i].count);
    o->blocks = px_calloc((size_t)o->block_count, sizeof *o->blocks);
    o->partial = px_calloc((size_t)o->block_count, sizeof *o->partial);
    int b = 0;
    for (int i = 0; i < o->span_count; i++) {
        const px_param_span *p = &params[i];
        o->spans[i] = (span){.first_block = b,
                             .end_block = b + blocks_of(p->count),
                             .rate = 1,
                             .decay = p->exempt && !o->cfg.decay_all ? 0 : o->cfg.weight_decay,
                             .adapts = o->algorithm->adapts && !p->exempt};
        for (int64_t at = 0; at < p->count; at += BLOCK)
            o->blocks[b++] = (block){
                .offset = p->offset + at, .count = (int)(p->count - at < BLOCK ? p->count - at : BLOCK), .span = i};
        if (p->offset + p->count > length)
            length = p->offset + p->count;
    }
    return length;
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
    int64_t length = lay_out(o, spans);
    for (int i = 0; i < a->slots; i++)
        o->slot[i] = px_aligned_calloc((size_t)length * sizeof(float));
    *out = o;
    return 0;
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
        o->spans[i].frozen = t[i].frozen;
    }
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
    if (o->algorithm->adapts)
        set_trust(o, p.factor);
    o->steps++;
#pragma omp parallel for schedule(dynamic)
    for (int b = 0; b < o->block_count; b++)
        if (o->spans[o->blocks[b].span].trained)
            o->algorithm->update(o, &o->blocks[b], &p, weights, grads);
    return norm;
}

int px_optimizer_slots(const px_optimizer *o, const char *names[2], float *slot[2])
{
    for (int i = 0; i < 2; i++) {
        names[i] = o->algorithm->slot_names[i];
        slot[i] = o->slot[i];
    }
    return o->algorithm->slots;
}

int64_t *px_optimizer_steps(px_optimizer *o)
{
    return &o->steps;
}
