/* label_free.c - see label_free.h. */
#include "eval/label_free.h"

#include "base/error.h"
#include "tensor/eigen.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

/* LAPACK's function, in OpenBLAS; declared here, since lapacke.h is not packaged everywhere. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_length);

/* ---- distances on the sphere ---- */

/* The rows in double, of length 1; zeros stay. A new array. */
static double *unit_rows(const px_features *f)
{
    int64_t n = f->count * f->width;
    double *x = px_aligned_calloc((size_t)n * sizeof x[0]);
    for (int64_t i = 0; i < n; i++)
        x[i] = (double)f->x[i];
    for (int64_t i = 0; i < f->count; i++) {
        double length = cblas_dnrm2(f->width, x + i * f->width, 1);
        if (length > 0)
            cblas_dscal(f->width, 1 / length, x + i * f->width, 1);
    }
    return x;
}

/* Between the first two views of each image. */
static double alignment(const double *x, int64_t images, int q, int width)
{
    double sum = 0;
    for (int64_t i = 0; i < images; i++) {
        const double *a = x + i * q * width, *b = a + width;
        for (int j = 0; j < width; j++)
            sum += (a[j] - b[j]) * (a[j] - b[j]);
    }
    return sum / (double)images;
}

/* Between the first views of all images, block by block; |a - b|^2 = 2 - 2 a b. */
static double uniformity(const double *x, int64_t images, int q, int width)
{
    double sum = 0, *dot = px_calloc((size_t)BLOCK * (size_t)images, sizeof dot[0]);
    for (int64_t first = 0; first < images; first += BLOCK) {
        int rows = (int)(images - first < BLOCK ? images - first : BLOCK);
        int all = (int)(first + rows);
        /* dot (rows, all) = x (rows, width) x^T (width, all) */
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, all, width, 1, x + first * q * width, q * width, x,
                    q * width, 0, dot, all);
        for (int i = 0; i < rows; i++)
            for (int64_t j = 0; j < first + i; j++)
                sum += exp(-2 * fmax(2 - 2 * dot[(int64_t)i * all + j], 0));
    }
    free(dot);
    return log(sum / (0.5 * (double)images * (double)(images - 1)));
}

/* ---- LiDAR ---- */

/* Covariances of the images' means, and of the views around their images' means: (width, width), upper triangles. */
static void scatters(const px_features *f, int q, double *between, double *within)
{
    int width = f->width;
    int64_t images = f->count / q;
    double *mean = px_calloc((size_t)width, sizeof mean[0]),
           *means = px_aligned_calloc((size_t)(images * width) * sizeof means[0]),
           *views = px_aligned_calloc((size_t)q * (size_t)width * sizeof views[0]);
    for (int64_t i = 0; i < images; i++) {
        double *own = means + i * width;
        const float *x = f->x + i * q * width;
        for (int64_t k = 0; k < (int64_t)q * width; k++)
            own[k % width] += (double)x[k] / q;
        for (int64_t k = 0; k < (int64_t)q * width; k++)
            views[k] = (double)x[k] - own[k % width];
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, width, q, 1 / (double)f->count, views, width, 1, within,
                    width);
        cblas_daxpy(width, 1 / (double)images, own, 1, mean, 1);
    }
    for (int64_t i = 0; i < images; i++)
        cblas_daxpy(width, -1, mean, 1, means + i * width, 1);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, width, (int)images, 1 / (double)images, means, width, 0, between,
                width);
    free(mean);
    free(means);
    free(views);
}

static int lidar(const px_features *f, int q, double delta, double *rank)
{
    int w = f->width, info = 0;
    size_t cells = (size_t)w * (size_t)w;
    double *between = px_aligned_calloc(cells * sizeof between[0]),
           *within = px_aligned_calloc(cells * sizeof within[0]), *value = px_calloc((size_t)w, sizeof value[0]);
    scatters(f, q, between, within);
    for (int i = 0; i < w; i++)
        within[(int64_t)i * w + i] += delta;
    for (int i = 0; i < w; i++)
        for (int j = 0; j < i; j++)
            between[(int64_t)i * w + j] = between[(int64_t)j * w + i];
    /* W = U^T U; U^-T B U^-1 has the eigenvalues of W^-1/2 B W^-1/2. LAPACK's columns are our rows: its lower is our upper. */
    dpotrf_("L", &w, within, &w, &info, 1);
    int status = info == 0 ? 0 : px_fail(PX_DATA, "LiDAR: the covariance within images is not positive definite");
    if (status == 0) {
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasTrans, CblasNonUnit, w, w, 1, within, w, between, w);
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, w, w, 1, within, w, between, w);
        status = px_eigenvalues(between, w, value);
    }
    double sum = 0, entropy = 0;
    for (int i = 0; i < w; i++)
        sum += value[i];
    for (int i = 0; i < w && value[i] > 0; i++)
        entropy -= value[i] / sum * log(value[i] / sum);
    *rank = sum > 0 ? exp(entropy) : 0;
    free(between);
    free(within);
    free(value);
    return status;
}

int px_label_free_measure(px_label_free *m, const px_features *views, int q, double delta)
{
    PX_CHECK(q >= 2 && views->count % q == 0 && views->count >= 2 * (int64_t)q);
    if (px_features_finite(views, "views'") != 0)
        return -1;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1); /* sums in BLAS and LAPACK must not depend on their number */
    double *x = unit_rows(views);
    int64_t images = views->count / q;
    m->alignment = alignment(x, images, q, views->width);
    m->uniformity = uniformity(x, images, q, views->width);
    free(x);
    int status = lidar(views, q, delta, &m->lidar);
    omp_set_num_threads(threads);
    return status;
}

double px_label_free_bytes(int64_t rows, int width)
{
    double w = width;
    return (double)sizeof(double) * ((double)rows * w + BLOCK * (double)rows + 3 * w * w);
}

/* ---- CKA ---- */

/* a^T b (a->width, b->width) of centred rows, in blocks of rows. */
static void cross(const px_features *a, const double *a_mean, const px_features *b, const double *b_mean, double *out)
{
    double *x = px_aligned_calloc((size_t)BLOCK * (size_t)a->width * sizeof x[0]),
           *y = px_aligned_calloc((size_t)BLOCK * (size_t)b->width * sizeof y[0]);
    for (int64_t first = 0; first < a->count; first += BLOCK) {
        int rows = (int)(a->count - first < BLOCK ? a->count - first : BLOCK);
        for (int64_t i = 0; i < (int64_t)rows * a->width; i++)
            x[i] = (double)a->x[first * a->width + i] - a_mean[i % a->width];
        for (int64_t i = 0; i < (int64_t)rows * b->width; i++)
            y[i] = (double)b->x[first * b->width + i] - b_mean[i % b->width];
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, a->width, b->width, rows, 1, x, a->width, y, b->width, 1,
                    out, b->width);
    }
    free(x);
    free(y);
}

static double *means_of(const px_features *f)
{
    double *mean = px_calloc((size_t)f->width, sizeof mean[0]);
    for (int64_t i = 0; i < f->count; i++)
        for (int j = 0; j < f->width; j++)
            mean[j] += (double)f->x[i * f->width + j] / (double)f->count;
    return mean;
}

static double norm_of(const px_features *a, const double *a_mean, const px_features *b, const double *b_mean)
{
    int64_t cells = (int64_t)a->width * b->width;
    double *product = px_aligned_calloc((size_t)cells * sizeof product[0]), square = 0;
    cross(a, a_mean, b, b_mean, product);
    for (int64_t i = 0; i < cells; i++)
        square += product[i] * product[i];
    free(product);
    return sqrt(square);
}

/* Whether features vary by more than rounding, where the centred ones have this norm of x^T x. */
static bool varies(const px_features *f, const double *mean, double norm)
{
    double all = norm;
    for (int j = 0; j < f->width; j++)
        all += (double)f->count * mean[j] * mean[j];
    return norm > 1e-12 * all;
}

double px_cka(const px_features *a, const px_features *b)
{
    PX_CHECK(a->count == b->count);
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    double *a_mean = means_of(a), *b_mean = means_of(b);
    double both = norm_of(a, a_mean, b, b_mean), own_a = norm_of(a, a_mean, a, a_mean),
           own_b = norm_of(b, b_mean, b, b_mean);
    bool known = varies(a, a_mean, own_a) && varies(b, b_mean, own_b);
    omp_set_num_threads(threads);
    free(a_mean);
    free(b_mean);
    return known ? both * both / (own_a * own_b) : NAN;
}

double px_cka_bytes(int width, int other)
{
    double w = width > other ? width : other;
    return (double)sizeof(double) * (w * w + 2 * BLOCK * w + 2 * w);
}
