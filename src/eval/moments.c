/* moments.c - means and variances of features, whose rows may be divided among ranks. */
#include "base/error.h"
#include "base/simd.h"
#include "eval/features.h"

#include <stdlib.h>

enum { COLUMNS = 64, ROWS = 512 };

/* sum[j] += (x[j] - mean[j])^power over those of these rows that are chosen, or else labelled; power 1 or 2 */
static PX_MULTIVERSION(column_sums,
                       (const float *x, const bool *chosen, const int32_t *label, int64_t rows, int width, int columns,
                        const double *mean, int power, double *restrict sum),
                       (x, chosen, label, rows, width, columns, mean, power, sum))
{
    for (int64_t i = 0; i < rows; i++, x += width) {
        if (chosen ? !chosen[i] : label[i] < 0)
            continue;
        if (power == 1) {
#pragma omp simd
            for (int j = 0; j < columns; j++)
                sum[j] += (double)x[j] - mean[j];
        } else {
#pragma omp simd
            for (int j = 0; j < columns; j++)
                sum[j] += ((double)x[j] - mean[j]) * ((double)x[j] - mean[j]);
        }
    }
}

/* Over all rows that count, in their order: ranks that have some of them add one after the other. mean, sum (width) */
static void sum_columns(const px_features *f, const bool *chosen, const double *mean, int power, double *sum)
{
    const px_comm self = px_comm_self(), *comm = px_features_divided(f) ? f->comm : &self;
    px_rows here = px_features_here(f);
    const bool *own = chosen ? chosen + here.first : NULL;
    float *copy = f->x ? NULL : px_aligned_calloc((size_t)ROWS * (size_t)f->width * sizeof *copy);
    int64_t rows = f->x ? here.rows : ROWS; /* at a time */
    px_chain_begin(comm, sum, f->width);
    for (int64_t at = 0; at < here.rows; at += rows) {
        int64_t n = here.rows - at < rows ? here.rows - at : rows;
        const float *x = px_features_rows(f, at, n, copy);
#pragma omp parallel for schedule(static)
        for (int first = 0; first < f->width; first += COLUMNS) {
            int columns = f->width - first < COLUMNS ? f->width - first : COLUMNS;
            column_sums(x + first, own ? own + at : NULL, f->label + here.first + at, n, f->width, columns,
                        mean + first, power, sum + first);
        }
    }
    px_chain_end(comm, sum, f->width);
    free(copy);
}

void px_features_moments(const px_features *f, const bool *chosen, int64_t rows, double *mean, double *variance)
{
    size_t width = (size_t)f->width;
    double *zero = px_calloc(width, sizeof *zero);
    for (size_t j = 0; j < width; j++)
        mean[j] = variance[j] = 0;
    sum_columns(f, chosen, zero, 1, mean);
    for (size_t j = 0; j < width; j++)
        mean[j] /= (double)rows;
    sum_columns(f, chosen, mean, 2, variance);
    for (size_t j = 0; j < width; j++)
        variance[j] /= (double)rows;
    free(zero);
}
