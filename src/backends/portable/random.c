/* random.c - portable random numbers. */
#include "backends/portable/portable.h"
#include "base/rng.h"
#include "ops/attr.h"

#include <math.h>

/* Box-Muller in double, so that float and double have the same numbers but for rounding. */
static double normal(px_rng *rng)
{
    double u = 1 - (double)px_rng_uniform(rng), v = (double)px_rng_uniform(rng);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

void KERNEL(random_normal)(const px_step *s)
{
    const px_random_attr *a = s->node->attr;
    px_draws d = px_plan_draws(s->plan);
    int64_t rows = a->shape.rank ? a->shape.dim[0] : 1, n = rows ? px_shape_count(a->shape) / rows : 0;
    real *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        px_rng rng = px_rng_make(d.seed, PX_RNG_NUMBERS, (uint64_t)d.step, (uint64_t)a->stream << 32 | (uint64_t)r);
        for (int64_t i = r * n; i < (r + 1) * n; i++)
            y[i] = (real)normal(&rng);
    }
}
