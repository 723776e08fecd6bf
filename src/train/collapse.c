/* collapse.c - see collapse.h. */
#include "train/collapse.h"
#include "base/error.h"
#include "tensor/eigen.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>

/* The deviation, of rows divided by their lengths. */
static double deviation(const double *x, const double *inverse, int count, int width)
{
    double total = 0;
    for (int j = 0; j < width; j++) {
        double sum = 0, square = 0;
        for (int i = 0; i < count; i++) {
            double unit = x[(int64_t)i * width + j] * inverse[i];
            sum += unit;
            square += unit * unit;
        }
        double mean = sum / count, variance = square / count - mean * mean;
        total += sqrt(variance < 0 ? 0 : variance); /* keeps NaN */
    }
    return total / width * sqrt(width);
}

/* The squared singular values of x, largest first: from the smaller of x x^T and x^T x, whose eigenvalues are the same except for
 * zeros. value (min(count, width)) */
static int squares(const double *x, int count, int width, double *value)
{
    int n = count < width ? count : width;
    double *product = px_aligned_calloc((size_t)n * (size_t)n * sizeof(double));
    cblas_dsyrk(CblasRowMajor, CblasUpper, count < width ? CblasNoTrans : CblasTrans, n, count < width ? width : count,
                1, x, width, 0, product, n);
    int status = px_eigenvalues(product, n, value);
    free(product);
    return status;
}

/* Of rows divided by their lengths: |a - b|^2 = 2 - 2 a b. */
static double uniformity(const double *x, const double *inverse, int count, int width)
{
    double *dot = px_aligned_calloc((size_t)count * (size_t)count * sizeof dot[0]), sum = 0;
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, count, width, 1, x, width, 0, dot, count);
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++)
            sum += exp(-2 * fmax(2 - 2 * dot[(int64_t)i * count + j] * inverse[i] * inverse[j], 0));
    free(dot);
    return log(2 * sum / ((double)count * (count - 1)));
}

/* Subtracts the mean row. */
static void centre(double *x, int count, int width)
{
    for (int j = 0; j < width; j++) {
        double mean = 0;
        for (int i = 0; i < count; i++)
            mean += x[(int64_t)i * width + j] / count;
        for (int i = 0; i < count; i++)
            x[(int64_t)i * width + j] -= mean;
    }
}

/* Rank, and after subtracting the mean, alpha. */
static int spectrum(px_collapse *c, double *x, int count, int width)
{
    int n = count < width ? count : width, status;
    double *value = px_calloc((size_t)n, sizeof(double));
    status = squares(x, count, width, value);
    if (status == 0) {
        c->rank = px_effective_rank(value, n);
        centre(x, count, width);
        status = squares(x, count, width, value);
    }
    if (status == 0)
        c->alpha = px_eigenvalue_decay(value, n);
    free(value);
    return status;
}

/* Uses one thread, since sums in BLAS and LAPACK must not depend on the number of threads. */
int px_collapse_measure(px_collapse *c, const float *row, int count, int width)
{
    int64_t n = (int64_t)count * width;
    double *x = px_aligned_calloc((size_t)n * sizeof(double)), *inverse = px_calloc((size_t)count, sizeof(double));
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    for (int64_t i = 0; i < n; i++)
        x[i] = row[i];
    for (int i = 0; i < count; i++) {
        double length = cblas_dnrm2(width, x + (int64_t)i * width, 1);
        inverse[i] = length > 0 ? 1 / length : 0;
    }
    *c = (px_collapse){.deviation = deviation(x, inverse, count, width), .rank = NAN, .uniformity = NAN, .alpha = NAN};
    bool finite = isfinite(c->deviation);
    if (finite)
        c->uniformity = uniformity(x, inverse, count, width);
    int status = finite ? spectrum(c, x, count, width) : 0;
    omp_set_num_threads(threads);
    c->collapsed = c->deviation < PX_COLLAPSE_DEVIATION || c->rank < PX_COLLAPSE_RANK;
    free(x);
    free(inverse);
    return status;
}
