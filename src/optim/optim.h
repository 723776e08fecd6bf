/* optim.h - optimizers over one flat buffer of parameters, and schedules.
 *
 *     px_optimizer *o;
 *     if (px_schedule_check(&cfg, total_epochs) != 0 || px_optimizer_create(&o, &cfg, params, count, loops) != 0) ...
 *     double lr = px_schedule_lr(&cfg, step, steps_per_epoch, total_epochs, global_batch);
 *     double norm = px_optimizer_step(o, weights, grads, 1.0 / ranks, lr);   // global norm before clipping
 *
 * State (momentum, moments) for the checkpoint: px_optimizer_slots, px_optimizer_read, px_optimizer_steps.
 */
#ifndef PX_OPTIM_OPTIM_H
#define PX_OPTIM_OPTIM_H

#include "base/option.h"
#include "dist/division.h"
#include "tensor/span.h"
#include "tensor/update.h"

typedef struct px_optim_cfg {
    enum { PX_SGD, PX_ADAMW, PX_LARS, PX_ADAM, PX_LAMB } optimizer;
    double lr; /* base rate, for a global batch of 256 if PX_LR_LINEAR */
    enum {
        PX_LR_LINEAR,
        PX_LR_SQRT,
        PX_LR_AS_IS
    } lr_scaling; /* lr * batch/256, lr * sqrt(batch) as in SimCLR, or lr */
    enum { PX_LR_COSINE, PX_LR_STEPS, PX_LR_CONSTANT, PX_LR_POLYNOMIAL, PX_LR_ONE_CYCLE, PX_LR_RESTARTS } schedule;
    double warmup_epochs;  /* linear; not with PX_LR_ONE_CYCLE, which rises by itself */
    double warmup_from;    /* share of the rate that the warm-up begins at */
    double lr_min;         /* final rate of the cosine, the polynomial, and of each of PX_LR_RESTARTS */
    px_list steps;         /* epochs of PX_LR_STEPS */
    double step_every;     /* or a step after so many epochs, and again; 0: `steps` */
    double step_factor;    /* the rate is multiplied by this at each of them */
    double power;          /* of the polynomial */
    double cycle_rise;     /* share of the training in which one cycle rises */
    double cycle_from;     /* it begins at the rate divided by this, */
    double cycle_to;       /* and ends at that divided by this */
    double restart_epochs; /* of the first cosine of PX_LR_RESTARTS */
    double restart_factor; /* each later one is so many times as long as the one before */
    double momentum;
    bool nesterov;
    double weight_decay;
    double weight_decay_end;  /* after the last step; -1: it stays */
    bool decay_all;           /* also norms and biases */
    double beta1, beta2, eps; /* Adam, AdamW, LAMB */
    double eta;               /* LARS trust coefficient */
    bool clip_lr;             /* LARS: min(trust, lr) in place of trust x lr */
    double clip;              /* largest global gradient norm; 0: no clipping */
    const char *rules;        /* for some parameters (rules.h); NULL or "": none */
    double layer_decay;       /* rate of a backbone's layer, as a factor of that of the next one; 1: all alike */
} px_optim_cfg;
extern const px_option px_optim_options[];

/* How a parameter is trained. */
typedef struct px_treatment {
    double rate, decay; /* factors of the learning rate and the weight decay */
    bool steady;        /* the rate is px_optimizer_steady's, not the step's */
    int64_t frozen;     /* it does not change in so many of the optimizer's first steps */
} px_treatment;

typedef struct px_optimizer px_optimizer;
/* Copies `spans`. `loops`: the backend's (px_plan_update), borrowed. 0 or -1 (PX_USAGE). */
int px_optimizer_create(px_optimizer **out, const px_optim_cfg *, const px_param_span *spans, int count,
                        const px_update *loops);
void px_optimizer_destroy(px_optimizer *);

/* Before the first step and px_optimizer_write: this rank keeps the state of its part of the parameters only, and updates those.
 * px_optimizer_step is collective then, takes gradients that are whole in this part, and leaves the weights whole on all ranks,
 * with the same bits as without a division. Borrowed. */
void px_optimizer_divide(px_optimizer *, px_division *);

/* One treatment per span, before the first step. A frozen parameter counts neither in the gradient's norm nor for clipping,
 * and has no momentum, as one without a gradient in torch; adam, adamw and lamb correct its moments from its first step on. */
void px_optimizer_treat(px_optimizer *, const px_treatment *);

/* The rate of parameters that do not follow the schedule (px_schedule_peak); 0 at first. */
void px_optimizer_steady(px_optimizer *, double rate);

/* What is frozen for some steps is so for this number more (or less): a resumed run with another number of steps in an epoch has
 * done others than its place says. */
void px_optimizer_shift(px_optimizer *, int64_t steps);

/* The number of arrays of the flat buffer's length in the state of such an optimizer. */
int px_optimizer_slot_count(const px_optim_cfg *);

/* weights -= update(grads * scale); `scale` (e.g. 1/ranks) is applied to the gradient first. Returns the global L2
 * norm of the scaled gradient before clipping. If it is not finite, weights and state do not change and the step does
 * not count: the caller decides what to do. Reads each buffer once or twice, writes it once; parallel by OpenMP.
 * Results depend neither on the number of threads nor on the processor. */
double px_optimizer_step(px_optimizer *, float *weights, const float *grads, double scale, double lr);

/* Multiplies all weight decay from now on; 1 at first. */
void px_optimizer_decay(px_optimizer *, double factor);

/* The state: arrays of numbers for each parameter's elements (SGD, LARS: momentum; the others: first, second moment), whose
 * number is returned, and the step counter. */
int px_optimizer_slots(const px_optimizer *, const char *names[2]);
int64_t *px_optimizer_steps(px_optimizer *);

/* The `slot`-th number of the elements of one parameter. Divided: read is collective, and `values` is filled on rank 0 only; write
 * takes all of them, and keeps those of this rank's part. */
void px_optimizer_read(const px_optimizer *, int slot, int64_t offset, int64_t count, float *values);
void px_optimizer_write(px_optimizer *, int slot, int64_t offset, int64_t count, const float *values);
bool px_optimizer_divided(const px_optimizer *);

/* 0, or -1 (PX_USAGE): the warm-up is not shorter than the training, or `steps` are missing or not ascending, or stand beside
 * `step_every`. */
int px_schedule_check(const px_optim_cfg *, double epochs);

/* The rate that a warm-up reaches and a schedule begins at: `lr`, scaled. */
double px_schedule_peak(const px_optim_cfg *, int64_t global_batch);

/* The learning rate of `step` (0-based): warm-up from step 0 on, then the schedule over the remaining steps. Cosine and
 * polynomial would reach lr_min one step after the last; `steps` are counted from the beginning. One cycle has the whole
 * training, its highest rate at step cycle_rise * steps - 1 and its lowest at the last one, as torch's OneCycleLR, but does not
 * change the momentum. Rates within an epoch change from step to step, also where torch's reference scripts ask per epoch. */
double px_schedule_lr(const px_optim_cfg *, int64_t step, int64_t steps_per_epoch, double epochs, int64_t global_batch);

/* What the weight decay of `step` is, divided by weight_decay: from 1 along half a cosine over the whole training (no
 * warm-up), as in DINO's code. */
double px_schedule_decay(const px_optim_cfg *, int64_t step, int64_t steps_per_epoch, double epochs);

#endif
