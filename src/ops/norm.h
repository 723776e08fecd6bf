/* norm.h - the numbers that every batch-norm kernel derives from a channel's sums.
 *
 *     mean = sum x / n,   var = sum x^2 / n - mean^2,   inverse = 1 / sqrt(var + eps),   n counts the whole batch
 *     xhat = (x - mean) inverse,   y = act(xhat gamma + beta + residual)
 *     dx = gamma inverse (d - mean(d) - xhat mean(d xhat)),   d = dy act'(xhat gamma + beta + residual)
 */
#ifndef PX_OPS_NORM_H
#define PX_OPS_NORM_H

#include "graph/kernel.h"
#include "ops/attr.h"

#include <math.h>

typedef struct px_channel_moments {
    double mean, inverse;
} px_channel_moments;

static inline px_channel_moments px_channel_moments_of(const void *sums, int64_t c, int64_t C, double n, double eps)
{
    const double *s = sums;
    double mean = s[c] / n, var = s[C + c] / n - mean * mean;
    return (px_channel_moments){mean, 1 / sqrt((var > 0 ? var : 0) + eps)};
}

/* Elements per channel over the whole batch; running statistics come with a count of 1. */
static inline double px_norm_count(const px_step *s)
{
    const px_norm_attr *a = s->node->attr;
    return a->frozen ? 1 : a->count * px_plan_parts(s->plan);
}

#endif
