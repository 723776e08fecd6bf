/* two_looks.c - see two_looks.h. An embedding may be far wider than the rows are many, so that matrices are (count, count).
 *
 * With m the images' means around their own mean, d half the difference of the two views (both (count, width)), n = count:
 *   B = m^T m / n,  W = d^T d / n + delta I,
 *   and W^-1/2 B W^-1/2 has the eigenvalues, but for zeros, of m W^-1 m^T / n = (m m^T - c^T (n delta I + d d^T)^-1 c) / (n delta)
 *   with c = d m^T (Woodbury).
 */
#include "train/two_looks.h"

#include "base/error.h"
#include "base/one_thread.h"
#include "tensor/eigen.h"

#include <cblas.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static const double DELTA = 1e-4; /* of LiDAR's paper */

static double alignment(const float *first, const float *second, int count, int width)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        const float *a = first + i * width, *b = second + i * width;
        double length[2] = {cblas_snrm2(width, a, 1), cblas_snrm2(width, b, 1)};
        double by[2] = {length[0] > 0 ? 1 / length[0] : 0, length[1] > 0 ? 1 / length[1] : 0};
        for (int j = 0; j < width; j++)
            sum += (a[j] * by[0] - b[j] * by[1]) * (a[j] * by[0] - b[j] * by[1]);
    }
    return sum / count;
}

/* m and d of the formulas above, (count, width) each. */
static void split(const float *first, const float *second, int count, int width, double *m, double *d)
{
    double *mean = px_calloc((size_t)width, sizeof mean[0]);
    for (int64_t i = 0; i < (int64_t)count * width; i++) {
        m[i] = ((double)first[i] + second[i]) / 2;
        d[i] = ((double)first[i] - second[i]) / 2;
        mean[i % width] += m[i] / count;
    }
    for (int64_t i = 0; i < (int64_t)count * width; i++)
        m[i] -= mean[i % width];
    free(mean);
}

/* eigen (n, n) = m m^T - c^T (n delta I + d d^T)^-1 c, its upper triangle. 0 or -1. */
static int compare(const double *m, const double *d, int n, int width, double *eigen)
{
    size_t cells = (size_t)n * (size_t)n;
    double *within = px_aligned_calloc(cells * sizeof within[0]), *c = px_aligned_calloc(cells * sizeof c[0]);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, n, width, 1, m, width, 0, eigen, n);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, n, width, 1, d, width, 0, within, n);
    for (int i = 0; i < n; i++)
        within[(int64_t)i * n + i] += n * DELTA;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, width, 1, d, width, m, width, 0, c, n);
    /* n delta I + d d^T = u^T u, and c^T (u^T u)^-1 c = a^T a with a = u^-T c */
    bool factored = px_cholesky(within, n);
    if (factored) {
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasTrans, CblasNonUnit, n, n, 1, within, n, c, n);
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, n, n, -1, c, n, 1, eigen, n);
    }
    free(within);
    free(c);
    return factored ? 0 : px_fail(PX_DATA, "LiDAR: the covariance within images is not positive definite");
}

static int lidar(const float *first, const float *second, int n, int width, double *rank)
{
    size_t size = (size_t)n * (size_t)width;
    double *m = px_aligned_calloc(2 * size * sizeof m[0]), *d = m + size;
    double *eigen = px_aligned_calloc((size_t)n * (size_t)n * sizeof eigen[0]),
           *value = px_calloc((size_t)n, sizeof value[0]);
    split(first, second, n, width, m, d);
    int status = compare(m, d, n, width, eigen);
    if (status == 0)
        status = px_eigenvalues(eigen, n, value);
    if (status == 0)
        *rank = px_entropy_rank(value, n);
    free(m);
    free(eigen);
    free(value);
    return status;
}

int px_two_looks_measure(px_two_looks *t, const float *first, const float *second, int count, int width)
{
    int threads = px_one_thread_begin(), status = 0;
    *t = (px_two_looks){.alignment = NAN, .lidar = NAN};
    double aligned = alignment(first, second, count, width);
    if (isfinite(aligned)) {
        t->alignment = aligned;
        status = lidar(first, second, count, width, &t->lidar);
    }
    px_one_thread_end(threads);
    t->narrow = t->lidar < PX_LIDAR_LIMIT;
    return status;
}
