/* spectrum.c - singular values and spread of the features, for the collapse panel.
 *
 * Everything comes from one pass that sums x x^T in double. Its eigenvalues are the squared singular values of the
 * matrix; minus the mean's part it is the covariance. In single precision each singular value would get noise of 3e-4
 * of the largest one, and with hundreds of them even a complete collapse would look incomplete.
 */
#include "eval/spectrum.h"

#include "base/error.h"
#include "base/simd.h"
#include "eval/write.h"
#include "tensor/eigen.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { BLOCK_DOUBLES = 1 << 21 };

/* Sums over rows, in one buffer, so that one reduction over ranks is enough. */
typedef struct moments {
    int width;
    int64_t size;
    double *all;
    double *product;                /* (width, width) sum of x x^T, upper triangle */
    double *sum;                    /* (width) sum of x */
    double *unit_sum, *unit_square; /* (width) sums of x / |x| and of its square */
} moments;

static void moments_init(moments *m, int width)
{
    int64_t w = width;
    *m = (moments){.width = width, .size = w * w + 3 * w};
    m->all = px_aligned_calloc((size_t)m->size * sizeof(double));
    m->product = m->all;
    m->sum = m->all + w * w;
    m->unit_sum = m->sum + w;
    m->unit_square = m->unit_sum + w;
}

static PX_MULTIVERSION(add_row,
                       (const double *x, int width, double scale, double *restrict sum, double *restrict unit_sum,
                        double *restrict unit_square),
                       (x, width, scale, sum, unit_sum, unit_square))
{
#pragma omp simd
    for (int j = 0; j < width; j++) {
        double unit = x[j] * scale;
        sum[j] += x[j];
        unit_sum[j] += unit;
        unit_square[j] += unit * unit;
    }
}

static int rows_of_block(int width)
{
    return BLOCK_DOUBLES / width > 64 ? BLOCK_DOUBLES / width : 64;
}

double px_spectrum_bytes(int width)
{
    return ((double)width * width * 2 + (double)rows_of_block(width) * width * 2) * (double)sizeof(double);
}

/* Adds this rank's rows: of undivided ones some blocks. */
static void accumulate(moments *m, const px_features *f, const px_comm *comm)
{
    int width = f->width, rows = rows_of_block(width);
    px_rows here = px_features_here(f);
    bool divided = px_features_divided(f);
    int64_t blocks = (here.rows + rows - 1) / rows;
    double *block = px_aligned_calloc((size_t)rows * (size_t)width * sizeof(double));
    float *copy = f->x ? NULL : px_aligned_calloc((size_t)rows * (size_t)width * sizeof(float));
    for (int64_t b = divided ? 0 : comm->rank; b < blocks; b += divided ? 1 : comm->size) {
        int64_t first = b * rows;
        int n = (int)(here.rows - first < rows ? here.rows - first : rows);
        const float *x = px_features_rows(f, first, n, copy);
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < (int64_t)n * width; i++)
            block[i] = x[i];
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, width, n, 1, block, width, 1, m->product, width);
        for (int i = 0; i < n; i++) {
            const double *row = block + (int64_t)i * width;
            double length = cblas_dnrm2(width, row, 1);
            add_row(row, width, length > 0 ? 1 / length : 0, m->sum, m->unit_sum, m->unit_square);
        }
    }
    free(block);
    free(copy);
}

static int conclude(moments *m, int64_t count, px_spectrum *s)
{
    int64_t w = m->width;
    double rows = (double)count, *covariance = px_aligned_calloc((size_t)(w * w) * sizeof(double));
    for (int64_t i = 0; i < w; i++)
        for (int64_t j = i; j < w; j++)
            covariance[i * w + j] = m->product[i * w + j] / rows - (m->sum[i] / rows) * (m->sum[j] / rows);
    int rc = px_eigenvalues(m->product, m->width, s->eigenvalue);
    s->rankme = px_effective_rank(s->eigenvalue, m->width);
    if (rc == 0)
        rc = px_eigenvalues(covariance, m->width, s->eigenvalue);
    s->alpha = px_eigenvalue_decay(s->eigenvalue, m->width);
    s->deviation = 0;
    for (int64_t j = 0; j < w; j++) {
        double mean = m->unit_sum[j] / rows, variance = m->unit_square[j] / rows - mean * mean;
        s->deviation += sqrt(variance > 0 ? variance : 0) / (double)w;
    }
    s->healthy = 1 / sqrt((double)w);
    free(covariance);
    return rc;
}

int px_spectrum_measure(const px_features *f, const px_comm *comm, px_spectrum *s)
{
    *s = (px_spectrum){.width = f->width};
    int rc = px_features_finite(f, "extracted");
    if (rc == 0 && f->count < 2)
        rc =
            px_fail(PX_DATA, "a spectrum needs at least two rows of features, but there are %lld", (long long)f->count);
    if (px_agree(comm, rc) != 0)
        return -1;
    moments m;
    moments_init(&m, f->width);
    accumulate(&m, f, comm);
    px_all_reduce_f64(comm, m.all, m.size);
    s->eigenvalue = px_calloc((size_t)f->width, sizeof(double));
    /* Only one rank solves, so that all have the same bits even on different processors. */
    rc = px_agree(comm, comm->rank == 0 ? conclude(&m, f->count, s) : 0);
    double scalars[] = {s->deviation, s->healthy, s->rankme, s->alpha};
    px_broadcast(comm, scalars, sizeof scalars, 0);
    px_broadcast(comm, s->eigenvalue, (int64_t)sizeof(double) * f->width, 0);
    s->deviation = scalars[0];
    s->healthy = scalars[1];
    s->rankme = scalars[2];
    s->alpha = scalars[3];
    free(m.all);
    if (rc != 0)
        px_spectrum_finish(s);
    return rc;
}

void px_spectrum_finish(px_spectrum *s)
{
    free(s->eigenvalue);
    *s = (px_spectrum){0};
}

int px_spectrum_write(px_results *r, const char *group, const px_spectrum *s)
{
    if (px_put(r, group, "deviation", PX_F64, 0, &s->deviation) != 0 ||
        px_put(r, group, "healthy_deviation", PX_F64, 0, &s->healthy) != 0 ||
        px_put(r, group, "rankme", PX_F64, 0, &s->rankme) != 0 || px_put(r, group, "alpha", PX_F64, 0, &s->alpha) != 0)
        return -1;
    return px_put(r, group, "eigenvalues", PX_F64, s->width, s->eigenvalue);
}
