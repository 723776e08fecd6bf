/* norm.c - portable batch normalisation on (N, C, S), S = H * W or 1. The formulas are in ops/norm.h. */
#include "ops/norm.h"
#include "backends/portable/portable.h"
#include "ops/epilogue.h"

#include <string.h>

typedef struct extent {
    int64_t N, C, S;
} extent;

static extent extent_of(const px_value *x)
{
    return (extent){x->shape.dim[0], x->shape.dim[1], px_shape_tail(x->shape, 2)};
}

/* x -> sums */
void KERNEL(batch_sums)(const px_step *s)
{
    extent e = extent_of(s->node->in[0]);
    const real *x = s->in[0];
    double *sums = s->out[0]; // (2, C)
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < e.C; c++) {
        double first = 0, second = 0;
        for (int64_t n = 0; n < e.N; n++)
            for (int64_t i = 0; i < e.S; i++) {
                double v = x[(n * e.C + c) * e.S + i];
                first += v;
                second += v * v;
            }
        sums[c] = first;
        sums[e.C + c] = second;
    }
}

/* mean, var -> sums with count 1 */
void KERNEL(running_sums)(const px_step *s)
{
    int64_t C = s->node->in[0]->shape.dim[0];
    const real *mean = s->in[0], *var = s->in[1];
    double *sums = s->out[0];
    for (int64_t c = 0; c < C; c++) {
        sums[c] = mean[c];
        sums[C + c] = (double)var[c] + (double)mean[c] * (double)mean[c];
    }
}

/* sums, mean, var -> mean and var changed in place; the output has no meaning */
void KERNEL(update_running)(const px_step *s)
{
    const px_running_attr *a = s->node->attr;
    int64_t C = s->node->in[1]->shape.dim[0];
    const double *sums = s->in[0], n = a->count * px_plan_parts(s->plan);
    real *mean = s->in[1], *var = s->in[2];
    for (int64_t c = 0; c < C; c++) {
        double m = sums[c] / n, v = (sums[C + c] - m * sums[c]) / (n > 1 ? n - 1 : 1);
        mean[c] = (real)(mean[c] + a->momentum * (m - mean[c]));
        var[c] = (real)(var[c] + a->momentum * ((v > 0 ? v : 0) - var[c]));
    }
}

/* x, sums, gamma, beta, residual -> y, argument */
void KERNEL(batch_norm)(const px_step *s)
{
    const px_norm_attr *a = s->node->attr;
    extent e = extent_of(s->node->in[0]);
    const real *x = s->in[0], *gamma = s->in[2], *beta = s->in[3];
    real *y = s->out[0];
    double n = px_norm_count(s);
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < e.C; c++) {
        px_channel_moments m = px_channel_moments_of(s->in[1], c, e.C, n, a->eps);
        for (int64_t k = 0; k < e.N; k++)
            for (int64_t i = 0; i < e.S; i++) {
                int64_t at = (k * e.C + c) * e.S + i;
                y[at] = (x[at] - (real)m.mean) * (real)(gamma[c] * m.inverse) + beta[c];
            }
    }
    KERNEL(epilogue)(s);
}

enum { PIECE = 256 };

/* d = dy times the slope of the activation, of `count` elements of channel c: from `of`, y or the argument, or NULL: computed
 * again from x. */
static void through(const px_step *s, int64_t c, px_channel_moments m, const real *dy, const real *x, const real *of,
                    real *d, int64_t count)
{
    const real *gamma = s->in[3], *beta = s->in[4], a = (real)(gamma[c] * m.inverse);
    const px_unary_attr *act = px_epilogue_act(s->node);
    real slope[PIECE];
    for (int64_t i = 0; i < count; i++)
        slope[i] = !act ? 1 : of ? of[i] : (x[i] - (real)m.mean) * a + beta[c];
    if (act && of)
        KERNEL(slopes)(act, slope, count);
    else if (act)
        KERNEL(slopes_at)(act, slope, count);
    for (int64_t i = 0; i < count; i++)
        d[i] = dy[i] * slope[i];
}

/* dy, x, sums, gamma, beta, y or argument -> sums of d and of d * xhat, d */
void KERNEL(batch_norm_back_sums)(const px_step *s)
{
    const px_norm_attr *a = s->node->attr;
    extent e = extent_of(s->node->in[0]);
    const real *dy = s->in[0], *x = s->in[1], *of = s->in[5];
    double *sums = s->out[0], n = px_norm_count(s);
    real *d = s->out[1];
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < e.C; c++) {
        px_channel_moments m = px_channel_moments_of(s->in[2], c, e.C, n, a->eps);
        double first = 0, second = 0;
        for (int64_t k = 0; k < e.N; k++)
            for (int64_t i = 0; i < e.S; i += PIECE) {
                int64_t at = (k * e.C + c) * e.S + i, count = e.S - i < PIECE ? e.S - i : PIECE;
                real g[PIECE];
                through(s, c, m, dy + at, x + at, of ? of + at : NULL, g, count);
                for (int64_t j = 0; j < count; j++) {
                    first += g[j];
                    second += g[j] * (x[at + j] - m.mean) * m.inverse;
                }
                if (d)
                    memcpy(d + at, g, (size_t)count * sizeof g[0]);
            }
        sums[c] = first;
        sums[e.C + c] = second;
    }
}

/* dy or d, x, sums, gamma, beta, back sums -> dx */
void KERNEL(batch_norm_back)(const px_step *s)
{
    const px_norm_attr *a = s->node->attr;
    extent e = extent_of(s->node->in[0]);
    const real *dy = s->in[0], *x = s->in[1], *gamma = s->in[3];
    const double *back = s->in[5], n = px_norm_count(s);
    real *dx = s->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < e.C; c++) {
        px_channel_moments m = px_channel_moments_of(s->in[2], c, e.C, n, a->eps);
        double mean_d = a->frozen ? 0 : back[c] / n, mean_dx = a->frozen ? 0 : back[e.C + c] / n;
        for (int64_t k = 0; k < e.N; k++)
            for (int64_t i = 0; i < e.S; i += PIECE) {
                int64_t at = (k * e.C + c) * e.S + i, count = e.S - i < PIECE ? e.S - i : PIECE;
                real g[PIECE];
                through(s, c, m, dy + at, x + at, NULL, g, count);
                for (int64_t j = 0; j < count; j++) {
                    double hat = (x[at + j] - m.mean) * m.inverse;
                    dx[at + j] = (real)(gamma[c] * m.inverse * (g[j] - mean_d - hat * mean_dx));
                }
            }
    }
}

/* back sums of this rank -> dgamma, dbeta */
void KERNEL(batch_norm_back_param)(const px_step *s)
{
    int64_t C = s->node->out[0]->shape.dim[0];
    const double *sums = s->in[0];
    real *dgamma = s->out[0], *dbeta = s->out[1];
    for (int64_t c = 0; c < C; c++) {
        dgamma[c] = (real)sums[C + c];
        dbeta[c] = (real)sums[c];
    }
}
