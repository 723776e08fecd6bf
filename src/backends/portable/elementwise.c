/* elementwise.c - portable kernels of add and relu. */
#include "backends/portable/portable.h"

static int64_t count_of(const px_step *s)
{
    return px_shape_count(s->node->out[0]->shape);
}

void KERNEL(add)(const px_step *s)
{
    const real *a = s->in[0], *b = s->in[1];
    real *y = s->out[0];
    int64_t n = count_of(s);
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

void KERNEL(relu)(const px_step *s)
{
    const real *x = s->in[0];
    real *y = s->out[0];
    int64_t n = count_of(s);
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] <= 0 ? 0 : x[i];
}

/* dy, y -> dx; as in relu, NaN passes through. */
void KERNEL(relu_back)(const px_step *s)
{
    const real *dy = s->in[0], *y = s->in[1];
    real *dx = s->out[0];
    int64_t n = count_of(s);
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] <= 0 ? 0 : dy[i];
}
