/* collapse.c - see collapse.h. */
#include "train/collapse.h"
#include "base/error.h"
#include "base/one_thread.h"
#include "tensor/eigen.h"

#include <cblas.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* The rows as their mean and what is left around it, of which one product serves those of the rows themselves, too. */
typedef struct rows {
    int count, width;
    double *around;     /* (count, width) */
    double *mean;       /* (width) */
    double *along;      /* (count) the products of `around` with the mean */
    double mean_square; /* that of the mean with itself */
    double *inverse;    /* (count) 1 / length of the row; of zeros 0 */
} rows;

static rows rows_of(const float *row, int count, int width)
{
    rows r = {.count = count,
              .width = width,
              .around = px_aligned_calloc((size_t)count * (size_t)width * sizeof r.around[0]),
              .mean = px_calloc((size_t)width, sizeof r.mean[0]),
              .along = px_calloc((size_t)count, sizeof r.along[0]),
              .inverse = px_calloc((size_t)count, sizeof r.inverse[0])};
    for (int i = 0; i < count; i++) {
        const float *x = row + (int64_t)i * width;
        double *own = r.around + (int64_t)i * width;
        for (int j = 0; j < width; j++) {
            own[j] = x[j];
            r.mean[j] += own[j] / count;
        }
        double length = cblas_dnrm2(width, own, 1);
        r.inverse[i] = length > 0 ? 1 / length : 0;
    }
    for (int i = 0; i < count; i++)
        cblas_daxpy(width, -1, r.mean, 1, r.around + (int64_t)i * width, 1);
    cblas_dgemv(CblasRowMajor, CblasNoTrans, count, width, 1, r.around, width, r.mean, 1, 0, r.along, 1);
    r.mean_square = cblas_ddot(width, r.mean, 1, r.mean, 1);
    return r;
}

static void rows_finish(rows *r)
{
    free(r->around);
    free(r->mean);
    free(r->along);
    free(r->inverse);
}

/* The deviation, of rows divided by their lengths. */
static double deviation(const float *x, const double *inverse, int count, int width)
{
    double total = 0, *sum = px_calloc(2 * (size_t)width, sizeof sum[0]), *square = sum + width;
    for (int i = 0; i < count; i++, x += width)
        for (int j = 0; j < width; j++) {
            double unit = x[j] * inverse[i];
            sum[j] += unit;
            square[j] += unit * unit;
        }
    for (int j = 0; j < width; j++) {
        double mean = sum[j] / count, variance = square[j] / count - mean * mean;
        total += sqrt(variance < 0 ? 0 : variance); /* keeps NaN */
    }
    free(sum);
    return total / width * sqrt(width);
}

/* Upper triangles, new arrays, of y y^T (count, count), or of y^T y (width, width), where y are the rows around their mean. */
static double *products(const rows *r, bool of_rows)
{
    int n = of_rows ? r->count : r->width;
    double *product = px_aligned_calloc((size_t)n * (size_t)n * sizeof product[0]);
    cblas_dsyrk(CblasRowMajor, CblasUpper, of_rows ? CblasNoTrans : CblasTrans, n, of_rows ? r->width : r->count, 1,
                r->around, r->width, 0, product, n);
    return product;
}

/* ... and of the rows x = y + m themselves, from those: nothing is subtracted, so that neither loses digits if m is large.
 *   x_i . x_k = y_i . y_k + y_i . m + y_k . m + m . m        x^T x = y^T y + count m m^T, since the sum of y is 0 */
static double *with_mean(const rows *r, bool of_rows, const double *product)
{
    int n = of_rows ? r->count : r->width;
    double *whole = px_aligned_calloc((size_t)n * (size_t)n * sizeof whole[0]);
    for (int i = 0; i < n; i++)
        for (int k = i; k < n; k++)
            whole[(int64_t)i * n + k] =
                product[(int64_t)i * n + k] +
                (of_rows ? r->along[i] + r->along[k] + r->mean_square : r->count * r->mean[i] * r->mean[k]);
    return whole;
}

/* Of rows divided by their lengths, from their products: |a - b|^2 = 2 - 2 a b. */
static double uniformity(const rows *r, const double *dot)
{
    double sum = 0;
    int n = r->count;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++)
            sum += exp(-2 * fmax(2 - 2 * dot[(int64_t)i * n + j] * r->inverse[i] * r->inverse[j], 0));
    return log(2 * sum / ((double)n * (n - 1)));
}

/* Rank, and of the rows around their mean, alpha: from the smaller of x x^T and x^T x, whose eigenvalues are the same except for
 * zeros. Overwrites both. */
static int spectrum(px_collapse *c, double *whole, double *around, int n)
{
    double *value = px_calloc((size_t)n, sizeof(double)); /* the squared singular values, largest first */
    int status = px_eigenvalues(whole, n, value);
    if (status == 0) {
        c->rank = px_effective_rank(value, n);
        status = px_eigenvalues(around, n, value);
    }
    if (status == 0)
        c->alpha = px_eigenvalue_decay(value, n);
    free(value);
    return status;
}

static int measure_finite(px_collapse *c, const rows *r)
{
    bool by_rows = r->count < r->width;
    double *around = products(r, true), *whole = with_mean(r, true, around);
    c->uniformity = uniformity(r, whole);
    if (!by_rows) {
        free(around);
        free(whole);
        around = products(r, false);
        whole = with_mean(r, false, around);
    }
    int status = spectrum(c, whole, around, by_rows ? r->count : r->width);
    free(around);
    free(whole);
    return status;
}

/* Uses one thread, since sums in BLAS and LAPACK must not depend on the number of threads. */
int px_collapse_measure(px_collapse *c, const float *row, int count, int width)
{
    int threads = px_one_thread_begin();
    rows r = rows_of(row, count, width);
    *c = (px_collapse){
        .deviation = deviation(row, r.inverse, count, width), .rank = NAN, .uniformity = NAN, .alpha = NAN};
    int status = isfinite(c->deviation) ? measure_finite(c, &r) : 0;
    px_one_thread_end(threads);
    c->collapsed = c->deviation < PX_COLLAPSE_DEVIATION || c->rank < PX_COLLAPSE_RANK;
    rows_finish(&r);
    return status;
}
