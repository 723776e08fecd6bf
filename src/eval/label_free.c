/* label_free.c - see label_free.h. */
#include "eval/label_free.h"

#include "base/error.h"
#include "base/one_thread.h"
#include "tensor/looks.h"

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

/* ---- distances on the sphere ---- */

/* The first views' rows in double, of length 1; zeros stay. A new array (images, width). */
static double *unit_rows(const px_features *f, int q)
{
    int64_t images = f->count / q;
    double *x = px_aligned_calloc((size_t)(images * f->width) * sizeof x[0]);
    for (int64_t i = 0; i < images; i++) {
        double *own = x + i * f->width;
        for (int j = 0; j < f->width; j++)
            own[j] = (double)f->x[i * q * f->width + j];
        double length = cblas_dnrm2(f->width, own, 1);
        if (length > 0)
            cblas_dscal(f->width, 1 / length, own, 1);
    }
    return x;
}

/* Between the first views of all images, block by block; |a - b|^2 = 2 - 2 a b. */
static double uniformity(const double *x, int64_t images, int width)
{
    double sum = 0, *dot = px_calloc((size_t)BLOCK * (size_t)images, sizeof dot[0]);
    for (int64_t first = 0; first < images; first += BLOCK) {
        int rows = (int)(images - first < BLOCK ? images - first : BLOCK);
        int all = (int)(first + rows);
        /* dot (rows, all) = x (rows, width) x^T (width, all) */
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, all, width, 1, x + first * width, width, x, width, 0,
                    dot, all);
        for (int i = 0; i < rows; i++)
            for (int64_t j = 0; j < first + i; j++)
                sum += exp(-2 * fmax(2 - 2 * dot[(int64_t)i * all + j], 0));
    }
    free(dot);
    return log(sum / (0.5 * (double)images * (double)(images - 1)));
}

int px_label_free_measure(px_label_free *m, const px_features *views, int q, double delta)
{
    PX_CHECK(q >= 2 && views->count % q == 0 && views->count >= 2 * (int64_t)q && views->count <= INT32_MAX);
    if (px_features_finite(views, "views'") != 0)
        return -1;
    const float **view = px_calloc((size_t)q, sizeof view[0]);
    for (int k = 0; k < q; k++)
        view[k] = views->x + (int64_t)k * views->width;
    const px_looks looks = {.view = view,
                            .views = q,
                            .images = (int)(views->count / q),
                            .width = views->width,
                            .pitch = (int64_t)q * views->width};
    int threads = px_one_thread_begin();
    double *x = unit_rows(views, q);
    m->alignment = px_looks_alignment(&looks);
    m->uniformity = uniformity(x, looks.images, views->width);
    free(x);
    int status = px_looks_lidar(&looks, delta, &m->lidar);
    px_one_thread_end(threads);
    free(view);
    return status;
}

double px_label_free_bytes(int64_t rows, int width)
{
    double r = (double)rows;
    return fmax((double)sizeof(double) * (r / 2 * width + BLOCK * r / 2), px_looks_bytes(rows, width));
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
