/* schedule.c - a step's learning rate: a pure function of the step, so that a resumed run has nothing to restore. */
#include "optim/optim.h"

#include "base/error.h"

#include <math.h>

double px_schedule_peak(const px_optim_cfg *cfg, int64_t global_batch)
{
    if (cfg->lr_scaling == PX_LR_LINEAR)
        return cfg->lr * (double)global_batch / 256;
    if (cfg->lr_scaling == PX_LR_SQRT)
        return cfg->lr * sqrt((double)global_batch);
    return cfg->lr;
}

int px_schedule_check(const px_optim_cfg *cfg, double epochs)
{
    bool step = cfg->schedule == PX_LR_STEPS;
    if (cfg->schedule != PX_LR_ONE_CYCLE && cfg->warmup_epochs > 0 && cfg->warmup_epochs >= epochs)
        return px_fail(PX_USAGE,
                       "optim.warmup_epochs = %g does not fit into epochs = %g; optim.warmup_epochs=%.3g would",
                       cfg->warmup_epochs, epochs, epochs / 10);
    if (cfg->weight_decay_end > 0 && cfg->weight_decay == 0)
        return px_fail(PX_USAGE,
                       "optim.weight_decay_end needs optim.weight_decay above 0, where it begins (DINO: 0.04, to 0.4)");
    if (cfg->weight_decay_end < 0 && cfg->weight_decay_end != -1)
        return px_fail(PX_USAGE, "optim.weight_decay_end = %g is negative; -1: weight decay stays as it is",
                       cfg->weight_decay_end);
    if (step && cfg->steps.count == 0 && cfg->step_every == 0)
        return px_fail(PX_USAGE, "optim.schedule = step needs the epochs of its steps, as in optim.steps=[15,25], or "
                                 "optim.step_every=30");
    if (step && cfg->steps.count > 0 && cfg->step_every > 0)
        return px_fail(PX_USAGE,
                       "optim.steps and optim.step_every both say when schedule step drops; leave one of them out");
    for (int i = 1; step && i < cfg->steps.count; i++)
        if (cfg->steps.value[i] <= cfg->steps.value[i - 1])
            return px_fail(PX_USAGE, "optim.steps must be ascending, but %g follows %g", cfg->steps.value[i],
                           cfg->steps.value[i - 1]);
    return 0;
}

/* Half a cosine, from `from` at 0 to `to` at 1. */
static double half_cosine(double from, double to, double done)
{
    return to + (from - to) * 0.5 * (1 + cos(M_PI * fmin(done, 1)));
}

/* Epochs such as 0.8 are not exact: this much of a step does not count. */
#define SLACK 1e-6

static double dropped(const px_optim_cfg *cfg, double peak, double step, double per_epoch)
{
    if (cfg->step_every > 0)
        return peak * pow(cfg->step_factor, floor((step + SLACK) / (cfg->step_every * per_epoch)));
    for (int i = 0; i < cfg->steps.count; i++)
        if (step >= cfg->steps.value[i] * per_epoch)
            peak *= cfg->step_factor;
    return peak;
}

/* torch.optim.lr_scheduler.OneCycleLR with two phases and cosines; `last` is the number of the last step. */
static double one_cycle(const px_optim_cfg *cfg, double peak, double step, double last)
{
    double begin = peak / cfg->cycle_from, top = fmax(cfg->cycle_rise * (last + 1) - 1, 0);
    if (top > 0 && step <= top)
        return half_cosine(begin, peak, step / top);
    return half_cosine(peak, begin / cfg->cycle_to, last > top ? (step - top) / (last - top) : 1);
}

/* torch.optim.lr_scheduler.CosineAnnealingWarmRestarts: the cosines last T, f T, f^2 T, ... epochs. */
static double restarted(const px_optim_cfg *cfg, double peak, double step, double per_epoch)
{
    double length = cfg->restart_epochs * per_epoch, f = cfg->restart_factor, past = 0;
    if (f == 1)
        past = floor((step + SLACK) / length) * length;
    while (f > 1 && step + SLACK >= past + length) {
        past += length;
        length *= f;
    }
    return half_cosine(peak, cfg->lr_min, fmax(step - past, 0) / length);
}

double px_schedule_lr(const px_optim_cfg *cfg, int64_t step, int64_t steps_per_epoch, double epochs,
                      int64_t global_batch)
{
    const double peak = px_schedule_peak(cfg, global_batch), at = (double)step, per_epoch = (double)steps_per_epoch;
    const double warm = cfg->warmup_epochs * per_epoch, total = epochs * per_epoch;
    if (cfg->schedule == PX_LR_ONE_CYCLE)
        return one_cycle(cfg, peak, at, fmax(ceil(total - SLACK) - 1, 0));
    if (at < warm)
        return peak * cfg->warmup_from + (1 - cfg->warmup_from) * peak * at / warm;
    const double done = total > warm ? fmin((at - warm) / (total - warm), 1) : 1;
    if (cfg->schedule == PX_LR_COSINE)
        return half_cosine(peak, cfg->lr_min, done);
    if (cfg->schedule == PX_LR_POLYNOMIAL)
        return cfg->lr_min + (peak - cfg->lr_min) * pow(1 - done, cfg->power);
    if (cfg->schedule == PX_LR_RESTARTS)
        return restarted(cfg, peak, at - warm, per_epoch);
    return cfg->schedule == PX_LR_STEPS ? dropped(cfg, peak, at, per_epoch) : peak;
}

double px_schedule_decay(const px_optim_cfg *cfg, int64_t step, int64_t steps_per_epoch, double epochs)
{
    if (cfg->weight_decay_end < 0 || cfg->weight_decay == 0)
        return 1;
    double end = cfg->weight_decay_end / cfg->weight_decay;
    double done = fmin((double)step / (epochs * (double)steps_per_epoch), 1);
    return end + (1 - end) * 0.5 * (1 + cos(M_PI * done));
}
