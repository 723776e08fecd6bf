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

/* The effective rank, from the smaller of x x^T and x^T x: their eigenvalues are the same except for zeros. */
static int effective_rank(const double *x, int count, int width, double *rank)
{
    int n = count < width ? count : width;
    double *product = px_aligned_calloc((size_t)n * (size_t)n * sizeof(double)),
           *value = px_calloc((size_t)n, sizeof(double));
    cblas_dsyrk(CblasRowMajor, CblasUpper, count < width ? CblasNoTrans : CblasTrans, n, count < width ? width : count,
                1, x, width, 0, product, n);
    int status = px_eigenvalues(product, n, value);
    *rank = px_effective_rank(value, n);
    free(product);
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
    *c = (px_collapse){.deviation = deviation(x, inverse, count, width), .rank = NAN};
    int status = isfinite(c->deviation) ? effective_rank(x, count, width, &c->rank) : 0;
    omp_set_num_threads(threads);
    c->collapsed = c->deviation < PX_COLLAPSE_DEVIATION || c->rank < PX_COLLAPSE_RANK;
    free(x);
    free(inverse);
    return status;
}
