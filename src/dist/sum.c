/* sum.c - see sum.h. */
#include "dist/sum.h"
#include "base/simd.h"

PX_MULTIVERSION(px_add_f32, (void *restrict sum, const void *restrict term, int64_t count), (sum, term, count))
{
    float *restrict y = sum;
    const float *restrict x = term;
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        y[i] += x[i];
}

PX_MULTIVERSION(px_add_f64, (void *restrict sum, const void *restrict term, int64_t count), (sum, term, count))
{
    double *restrict y = sum;
    const double *restrict x = term;
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        y[i] += x[i];
}

px_summand px_summand_f32(void)
{
    return (px_summand){sizeof(float), MPI_FLOAT, px_add_f32};
}

px_summand px_summand_f64(void)
{
    return (px_summand){sizeof(double), MPI_DOUBLE, px_add_f64};
}
