/* schedule.c - a step's learning rate: a pure function of the step, so that a resumed run has nothing to restore. */
#include "optim/optim.h"

#include "base/error.h"

#include <math.h>

static double scaled_rate(const px_optim_cfg *cfg, int64_t global_batch)
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
    if (cfg->warmup_epochs > 0 && cfg->warmup_epochs >= epochs)
        return px_fail(PX_USAGE,
                       "optim.warmup_epochs = %g does not fit into epochs = %g; optim.warmup_epochs=%.3g would",
                       cfg->warmup_epochs, epochs, epochs / 10);
    if (cfg->weight_decay_end > 0 && cfg->weight_decay == 0)
        return px_fail(PX_USAGE,
                       "optim.weight_decay_end needs optim.weight_decay above 0, where it begins (DINO: 0.04, to 0.4)");
    if (cfg->weight_decay_end < 0 && cfg->weight_decay_end != -1)
        return px_fail(PX_USAGE, "optim.weight_decay_end = %g is negative; -1: weight decay stays as it is",
                       cfg->weight_decay_end);
    if (step && cfg->steps.count == 0)
        return px_fail(PX_USAGE, "optim.schedule = step needs the epochs of its steps, as in optim.steps=[15,25]");
    for (int i = 1; step && i < cfg->steps.count; i++)
        if (cfg->steps.value[i] <= cfg->steps.value[i - 1])
            return px_fail(PX_USAGE, "optim.steps must be ascending, but %g follows %g", cfg->steps.value[i],
                           cfg->steps.value[i - 1]);
    return 0;
}

double px_schedule_lr(const px_optim_cfg *cfg, int64_t step, int64_t steps_per_epoch, double epochs,
                      int64_t global_batch)
{
    const double peak = scaled_rate(cfg, global_batch);
    const double warm = cfg->warmup_epochs * (double)steps_per_epoch, total = epochs * (double)steps_per_epoch;
    if ((double)step < warm)
        return peak * (double)step / warm;
    if (cfg->schedule == PX_LR_COSINE) {
        double done = total > warm ? ((double)step - warm) / (total - warm) : 1;
        return cfg->lr_min + (peak - cfg->lr_min) * 0.5 * (1 + cos(M_PI * fmin(done, 1)));
    }
    double rate = peak;
    if (cfg->schedule == PX_LR_STEPS)
        for (int i = 0; i < cfg->steps.count; i++)
            if ((double)step >= cfg->steps.value[i] * (double)steps_per_epoch)
                rate *= cfg->step_factor;
    return rate;
}

double px_schedule_decay(const px_optim_cfg *cfg, int64_t step, int64_t steps_per_epoch, double epochs)
{
    if (cfg->weight_decay_end < 0 || cfg->weight_decay == 0)
        return 1;
    double end = cfg->weight_decay_end / cfg->weight_decay;
    double done = fmin((double)step / (epochs * (double)steps_per_epoch), 1);
    return end + (1 - end) * 0.5 * (1 + cos(M_PI * done));
}
