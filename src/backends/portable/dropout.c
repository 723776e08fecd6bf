/* dropout.c - portable dropout and stochastic depth. */
#include "backends/portable/portable.h"
#include "base/rng.h"
#include "ops/attr.h"

/* The random numbers of one sample at one place of the graph in one step. Rows are ordered by view: a whole batch of
 * the first view, then of the next. */
static px_rng rng_of(const px_step *s, int64_t row)
{
    const px_dropout_attr *a = s->node->attr;
    px_draws d = px_plan_draws(s->plan);
    uint64_t view = 0, sample = (uint64_t)row;
    if (d.batch > 0) {
        view = (uint64_t)(row / d.batch);
        sample = (uint64_t)(d.first + row % d.batch);
    }
    return px_rng_make(d.seed, PX_RNG_DROPOUT, (uint64_t)d.step, (uint64_t)a->place << 48 | view << 32 | sample);
}

void KERNEL(dropout)(const px_step *s)
{
    const px_dropout_attr *a = s->node->attr;
    int64_t n = px_shape_count(s->node->in[0]->shape) / a->samples;
    const real *x = s->in[0];
    wide factor = (wide)(1 / (1 - a->p));
    real *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < a->samples; r++) {
        px_rng rng = rng_of(s, r);
        for (int64_t i = r * n; i < (r + 1) * n; i++)
            y[i] = down(px_rng_uniform(&rng) < (float)a->p ? 0 : up(x[i]) * factor);
    }
}

void KERNEL(drop_path)(const px_step *s)
{
    const px_dropout_attr *a = s->node->attr;
    int64_t n = px_shape_count(s->node->in[0]->shape) / a->samples;
    const real *x = s->in[0];
    real *y = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < a->samples; r++) {
        px_rng rng = rng_of(s, r);
        wide factor = px_rng_uniform(&rng) < (float)a->p ? 0 : (wide)(1 / (1 - a->p));
        for (int64_t i = r * n; i < (r + 1) * n; i++)
            y[i] = down(up(x[i]) * factor);
    }
}
