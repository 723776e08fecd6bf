/* looks.c - see looks.h. Features may be far wider than the rows are many, so there are two forms of LiDAR.
 *
 * With n images of q views, N = n q, M (n, width) the images' means around their own mean, and H (n (q - 1), width) contrasts of
 * each image's views, whose H^T H is that of the views around their mean (Helmert's; of two views their difference / sqrt 2):
 *   B = M^T M / n,  W = H^T H / N + delta I.
 * Where width is the smaller one, W = U^T U, and U^-T B U^-1 has the eigenvalues of W^-1/2 B W^-1/2. Else those of
 *   M W^-1 M^T / n = (M M^T - C^T (N delta I + H H^T)^-1 C) / (n delta),  C = H M^T (Woodbury)
 * are the same but for zeros.
 */
#include "tensor/looks.h"

#include "base/error.h"
#include "tensor/eigen.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

enum { BLOCK = 32 /* images whose contrasts are added at a time */ };

static const float *row_of(const px_looks *l, int view, int64_t image)
{
    return l->view[view] + image * l->pitch;
}

/* 1 / length; 0 of a row of zeros. */
static double inverse_length(const float *x, int width)
{
    double square = 0;
    for (int j = 0; j < width; j++)
        square += (double)x[j] * (double)x[j];
    return square > 0 ? 1 / sqrt(square) : square; /* NaN stays */
}

double px_looks_alignment(const px_looks *l)
{
    double sum = 0;
    for (int64_t i = 0; i < l->images; i++) {
        const float *a = row_of(l, 0, i), *b = row_of(l, 1, i);
        double by[2] = {inverse_length(a, l->width), inverse_length(b, l->width)};
        for (int j = 0; j < l->width; j++) {
            double apart = (double)a[j] * by[0] - (double)b[j] * by[1];
            sum += apart * apart;
        }
    }
    return sum / l->images;
}

/* An image's mean (width), and its contrasts (views - 1, width). */
static void split(const px_looks *l, int64_t image, double *mean, double *contrast)
{
    int width = l->width;
    for (int j = 0; j < width; j++)
        mean[j] = (double)row_of(l, 0, image)[j]; /* the sum of the views so far */
    for (int k = 1; k < l->views; k++) {
        const float *x = row_of(l, k, image);
        double scale = 1 / sqrt((double)k * (k + 1));
        for (int j = 0; j < width; j++) {
            contrast[(int64_t)(k - 1) * width + j] = (mean[j] - k * (double)x[j]) * scale;
            mean[j] += (double)x[j];
        }
    }
    for (int j = 0; j < width; j++)
        mean[j] /= l->views;
}

/* Around their own mean: m (n, width). */
static void centre(double *m, int n, int width)
{
    double *mean = px_calloc((size_t)width, sizeof mean[0]);
    for (int64_t i = 0; i < n; i++)
        cblas_daxpy(width, 1 / (double)n, m + i * width, 1, mean, 1);
    for (int64_t i = 0; i < n; i++)
        cblas_daxpy(width, -1, mean, 1, m + i * width, 1);
    free(mean);
}

static double *new_matrix(int64_t rows, int64_t columns)
{
    return px_aligned_calloc((size_t)(rows * columns) * sizeof(double));
}

static int fail_singular(void)
{
    return px_fail(PX_DATA, "LiDAR: the covariance within images is not positive definite");
}

/* between (w, w) = U^-T B U^-1. 0 or -1. */
static int compare_columns(const px_looks *l, double delta, double *between)
{
    int w = l->width, n = l->images, q = l->views;
    int some = n < BLOCK ? n : BLOCK;
    double *within = new_matrix(w, w), *m = new_matrix(n, w), *h = new_matrix((int64_t)some * (q - 1), w);
    for (int64_t first = 0; first < n; first += BLOCK) {
        int images = n - first < BLOCK ? (int)(n - first) : BLOCK;
        for (int64_t i = 0; i < images; i++)
            split(l, first + i, m + (first + i) * w, h + i * (q - 1) * w);
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, w, images * (q - 1), 1 / ((double)n * q), h, w, 1, within,
                    w);
    }
    centre(m, n, w);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, w, n, 1 / (double)n, m, w, 0, between, w);
    for (int64_t i = 0; i < w; i++) {
        within[i * w + i] += delta;
        for (int64_t j = 0; j < i; j++)
            between[i * w + j] = between[j * w + i];
    }
    bool factored = px_cholesky(within, w);
    if (factored) {
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasTrans, CblasNonUnit, w, w, 1, within, w, between, w);
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, w, w, 1, within, w, between, w);
    }
    free(within);
    free(m);
    free(h);
    return factored ? 0 : fail_singular();
}

/* between (n, n) = M M^T - C^T (N delta I + H H^T)^-1 C, its upper triangle. 0 or -1. */
static int compare_rows(const px_looks *l, double delta, double *between)
{
    int w = l->width, n = l->images, rows = n * (l->views - 1);
    double *m = new_matrix(n, w), *h = new_matrix(rows, w), *within = new_matrix(rows, rows), *c = new_matrix(rows, n);
    for (int64_t i = 0; i < n; i++)
        split(l, i, m + i * w, h + i * (l->views - 1) * w);
    centre(m, n, w);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, n, w, 1, m, w, 0, between, n);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, rows, w, 1, h, w, 0, within, rows);
    for (int64_t i = 0; i < rows; i++)
        within[i * rows + i] += (double)n * l->views * delta;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, n, w, 1, h, w, m, w, 0, c, n);
    bool factored = px_cholesky(within, rows); /* U^T U, and C^T (U^T U)^-1 C = A^T A with A = U^-T C */
    if (factored) {
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasTrans, CblasNonUnit, rows, n, 1, within, rows, c, n);
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, n, rows, -1, c, n, 1, between, n);
    }
    free(m);
    free(h);
    free(within);
    free(c);
    return factored ? 0 : fail_singular();
}

int px_looks_lidar(const px_looks *l, double delta, double *rank)
{
    bool by_rows = l->width > l->images * (l->views - 1);
    int side = by_rows ? l->images : l->width;
    double *between = new_matrix(side, side), *value = px_calloc((size_t)side, sizeof value[0]);
    int status = by_rows ? compare_rows(l, delta, between) : compare_columns(l, delta, between);
    if (status == 0)
        status = px_eigenvalues(between, side, value);
    if (status == 0)
        *rank = px_entropy_rank(value, side);
    free(between);
    free(value);
    return status;
}

double px_looks_bytes(int64_t rows, int width)
{
    double w = width, r = (double)rows, side = fmin(w, r);
    return (double)sizeof(double) * (r * w + 3 * side * side + 2 * w);
}
