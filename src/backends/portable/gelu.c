/* gelu.c - portable gelu, alone and after a linear layer. */
#include "backends/portable/portable.h"

#include <math.h>

static double phi(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

static double slope(double x)
{
    return phi(x) + x * exp(-0.5 * x * x) * 0.3989422804014327;
}

static int64_t count_of(const px_step *s)
{
    return px_shape_count(s->node->out[0]->shape);
}

static void gelu(real *y, const real *x, int64_t n)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        y[i] = (real)(x[i] * phi(x[i]));
}

void KERNEL(gelu)(const px_step *s)
{
    gelu(s->out[0], s->in[0], count_of(s));
}

/* dy, x -> dx */
void KERNEL(gelu_back)(const px_step *s)
{
    const real *dy = s->in[0], *x = s->in[1];
    real *dx = s->out[0];
    int64_t n = count_of(s);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        dx[i] = (real)(dy[i] * slope(x[i]));
}

/* dy, x -> dx, column sums */
void KERNEL(gelu_back_sums)(const px_step *s)
{
    KERNEL(gelu_back)(s);
    int64_t N = s->node->out[0]->shape.dim[0], M = s->node->out[0]->shape.dim[1];
    const real *dx = s->out[0];
    real *sum = s->out[1];
#pragma omp parallel for schedule(static)
    for (int64_t m = 0; m < M; m++) {
        double total = 0;
        for (int64_t n = 0; n < N; n++)
            total += dx[n * M + m];
        sum[m] = (real)total;
    }
}

/* x, weight, bias -> y, argument */
void KERNEL(linear_gelu)(const px_step *s)
{
    px_step linear = *s;
    linear.out[0] = s->out[1];
    KERNEL(matmul)(&linear);
    gelu(s->out[0], s->out[1], count_of(s));
}
