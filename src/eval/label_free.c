/* label_free.c - see label_free.h. */
#include "eval/label_free.h"

#include "base/error.h"
#include "base/one_thread.h"
#include "tensor/eigen.h"

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

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
    int w = f->width;
    size_t cells = (size_t)w * (size_t)w;
    double *between = px_aligned_calloc(cells * sizeof between[0]),
           *within = px_aligned_calloc(cells * sizeof within[0]), *value = px_calloc((size_t)w, sizeof value[0]);
    scatters(f, q, between, within);
    for (int i = 0; i < w; i++)
        within[(int64_t)i * w + i] += delta;
    for (int i = 0; i < w; i++)
        for (int j = 0; j < i; j++)
            between[(int64_t)i * w + j] = between[(int64_t)j * w + i];
    /* W = U^T U; U^-T B U^-1 has the eigenvalues of W^-1/2 B W^-1/2. */
    int status =
        px_cholesky(within, w) ? 0 : px_fail(PX_DATA, "LiDAR: the covariance within images is not positive definite");
    if (status == 0) {
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasTrans, CblasNonUnit, w, w, 1, within, w, between, w);
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, w, w, 1, within, w, between, w);
        status = px_eigenvalues(between, w, value);
    }
    *rank = px_entropy_rank(value, w);
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
    int threads = px_one_thread_begin();
    double *x = unit_rows(views);
    int64_t images = views->count / q;
    m->alignment = alignment(x, images, q, views->width);
    m->uniformity = uniformity(x, images, q, views->width);
    free(x);
    int status = lidar(views, q, delta, &m->lidar);
    px_one_thread_end(threads);
    return status;
}

double px_label_free_bytes(int64_t rows, int width)
{
    double w = width;
    return (double)sizeof(double) * ((double)rows * w + BLOCK * (double)rows + 3 * w * w);
}

/* ---- CKA ---- */

/* a^T b (a->width, b->width) of centred rows, in blocks of rows. */
static void cross(const px_cka_side *a, const px_cka_side *b, double *out)
{
    int width = a->features.width, other = b->features.width;
    int64_t count = a->features.count;
    double *x = px_aligned_calloc((size_t)BLOCK * (size_t)width * sizeof x[0]),
           *y = px_aligned_calloc((size_t)BLOCK * (size_t)other * sizeof y[0]);
    for (int64_t first = 0; first < count; first += BLOCK) {
        int rows = (int)(count - first < BLOCK ? count - first : BLOCK);
        for (int64_t i = 0; i < (int64_t)rows * width; i++)
            x[i] = (double)a->features.x[first * width + i] - a->mean[i % width];
        for (int64_t i = 0; i < (int64_t)rows * other; i++)
            y[i] = (double)b->features.x[first * other + i] - b->mean[i % other];
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, width, other, rows, 1, x, width, y, other, 1, out, other);
    }
    free(x);
    free(y);
}

/* |a^T b|, by one thread. */
static double norm_of(const px_cka_side *a, const px_cka_side *b)
{
    int64_t cells = (int64_t)a->features.width * b->features.width;
    double *product = px_aligned_calloc((size_t)cells * sizeof product[0]), square = 0;
    int threads = px_one_thread_begin();
    cross(a, b, product);
    px_one_thread_end(threads);
    for (int64_t i = 0; i < cells; i++)
        square += product[i] * product[i];
    free(product);
    return sqrt(square);
}

px_cka_side px_cka_side_of(const px_features *f)
{
    px_cka_side s = {.features = *f, .mean = px_calloc((size_t)f->width, sizeof s.mean[0])};
    for (int64_t i = 0; i < f->count; i++)
        for (int j = 0; j < f->width; j++)
            s.mean[j] += (double)f->x[i * f->width + j] / (double)f->count;
    s.norm = norm_of(&s, &s);
    double all = s.norm;
    for (int j = 0; j < f->width; j++)
        all += (double)f->count * s.mean[j] * s.mean[j];
    s.varies = s.norm > 1e-12 * all;
    return s;
}

void px_cka_side_finish(px_cka_side *s)
{
    free(s->mean);
    s->mean = NULL;
}

double px_cka(const px_cka_side *a, const px_cka_side *b)
{
    PX_CHECK(a->features.count == b->features.count);
    if (!a->varies || !b->varies)
        return NAN;
    double both = norm_of(a, b);
    return both * both / (a->norm * b->norm);
}

double px_cka_bytes(int width, int other, int64_t widths)
{
    double w = width > other ? width : other;
    return (double)sizeof(double) * (w * w + 2 * BLOCK * w + (double)widths + (double)other);
}
