/* features.c - the checks of a matrix of features that all evaluations share. */
#include "eval/features.h"

#include "base/error.h"
#include "base/simd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t *px_features_labelled(const px_features *f, int classes, const char *what, int64_t *count, int64_t *per_class)
{
    int64_t *row = px_calloc((size_t)f->count + 1, sizeof(int64_t));
    *count = 0;
    for (int c = 0; c < classes; c++)
        per_class[c] = 0;
    for (int64_t i = 0; i < f->count; i++) {
        if (f->label[i] < -1 || f->label[i] >= classes) {
            free(row);
            return px_fail_null(PX_DATA, "%s labels: row %lld has label %d, but 0 to %d (or -1: none) is expected",
                                what, (long long)i, f->label[i], classes - 1);
        }
        if (f->label[i] < 0)
            continue;
        row[(*count)++] = i;
        per_class[f->label[i]]++;
    }
    return row;
}

/* *zero = 0 if all are finite, else NaN: no branch, so it runs at the speed of memory. */
static PX_MULTIVERSION(times_zero, (const float *x, int count, float *zero), (x, count, zero))
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int j = 0; j < count; j++)
        sum += x[j] * 0;
    *zero = sum;
}

static bool all_finite(const float *x, int count)
{
    float zero;
    times_zero(x, count, &zero);
    return zero == 0;
}

static bool row_is_finite(const px_features *f, int64_t row)
{
    if (f->x)
        return all_finite(f->x + row * f->width, f->width);
    const px_bf16 *rows = f->x_bf16 + row * f->width;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int j = 0; j < f->width; j++)
        sum += px_bf16_float(rows[j]) * 0;
    return sum == 0;
}

/* The first value of some rows that is not finite. */
typedef struct flaw {
    int64_t row; /* INT64_MAX: there is none */
    int feature;
    float value;
} flaw;

static flaw find_flaw(const px_features *f)
{
    px_rows here = px_features_here(f);
    int64_t bad = here.rows;
#pragma omp parallel for schedule(static) reduction(min : bad)
    for (int64_t i = 0; i < here.rows; i++)
        if (i < bad && !row_is_finite(f, i))
            bad = i;
    if (bad == here.rows)
        return (flaw){INT64_MAX, 0, 0};
    float *copy = px_calloc((size_t)f->width, sizeof *copy);
    const float *x = px_features_rows(f, bad, 1, copy);
    int j = 0;
    while (isfinite(x[j]))
        j++;
    flaw found = {here.first + bad, j, x[j]};
    free(copy);
    return found;
}

int px_features_finite(const px_features *f, const char *what)
{
    flaw first = find_flaw(f);
    if (px_features_divided(f)) {
        flaw *all = px_calloc((size_t)f->comm->size, sizeof *all);
        px_all_gather_bytes(f->comm, &first, all, sizeof first);
        for (int r = 0; r < f->comm->size; r++)
            first = all[r].row < first.row ? all[r] : first;
        free(all);
    }
    if (first.row == INT64_MAX)
        return 0;
    return px_fail(PX_DIVERGED, "%s features: row %lld, feature %d is %g: the backbone's weights have diverged", what,
                   (long long)first.row, first.feature, first.value);
}

/* ---- rows that are divided among ranks ---- */

px_rows px_share(int64_t count, int unit, int rank, int ranks)
{
    int64_t units = (count + unit - 1) / unit, begin = units * rank / ranks * unit,
            end = units * (rank + 1) / ranks * unit;
    begin = begin < count ? begin : count;
    return (px_rows){begin, (end < count ? end : count) - begin};
}

int64_t px_share_most(int64_t count, int unit, int ranks)
{
    int64_t units = (count + unit - 1) / unit, most = (units + ranks - 1) / ranks * unit;
    return most < count ? most : count;
}

bool px_features_divided(const px_features *f)
{
    return f->comm && f->comm->size > 1;
}

px_rows px_features_here(const px_features *f)
{
    return px_features_divided(f) ? px_share(f->count, f->unit, f->comm->rank, f->comm->size) : (px_rows){0, f->count};
}

bool px_features_in_place(const px_features *f)
{
    return f->x && !px_features_divided(f);
}

/* ---- rows in either form ---- */

static size_t bytes_of_row(const px_features *f)
{
    return (size_t)f->width * (f->x ? sizeof f->x[0] : sizeof f->x_bf16[0]);
}

static const char *place_of(const px_features *f, int64_t row)
{
    return f->x ? (const char *)(f->x + row * f->width) : (const char *)(f->x_bf16 + row * f->width);
}

/* Rows as they are stored, as floats. */
static void take(const px_features *f, const char *from, int64_t rows, float *to)
{
    if (f->x) {
        memcpy(to, from, (size_t)rows * bytes_of_row(f));
        return;
    }
    const px_bf16 *x = (const px_bf16 *)from;
#pragma omp simd
    for (int64_t i = 0; i < rows * f->width; i++)
        to[i] = px_bf16_float(x[i]);
}

void px_features_copy(const px_features *f, int64_t first, int64_t n, float *to)
{
    take(f, place_of(f, first), n, to);
}

const float *px_features_rows(const px_features *f, int64_t first, int64_t n, float *copy)
{
    if (f->x)
        return f->x + first * f->width;
    px_features_copy(f, first, n, copy);
    return copy;
}

/* Which rank has this row: the largest r whose share begins at or before its unit. */
static int owner_of(const px_features *f, int64_t row)
{
    int64_t units = (f->count + f->unit - 1) / f->unit;
    return (int)(((row / f->unit + 1) * f->comm->size - 1) / units);
}

void px_features_fetch(const px_features *f, const int64_t *row, int64_t n, int to, float *out)
{
    size_t size = bytes_of_row(f);
    if (!px_features_divided(f)) {
        for (int64_t i = 0; i < n; i++)
            take(f, place_of(f, row[i]), 1, out + i * f->width);
        return;
    }
    int ranks = f->comm->size, rank = f->comm->rank;
    int64_t *bytes = px_calloc((size_t)ranks, sizeof *bytes), *next = px_calloc((size_t)ranks, sizeof *next);
    bool gets = to == PX_ALL_RANKS || to == rank;
    for (int64_t i = 0; i < n; i++)
        bytes[owner_of(f, row[i])] += (int64_t)size;
    for (int r = 1; r < ranks; r++)
        next[r] = next[r - 1] + bytes[r - 1];
    char *parts = px_aligned_calloc((gets ? (size_t)n * size : (size_t)bytes[rank]) + 64),
         *begin = gets ? parts + next[rank] : parts, *own = begin;
    int64_t first = px_features_here(f).first;
    for (int64_t i = 0; i < n; i++)
        if (owner_of(f, row[i]) == rank) {
            memcpy(own, place_of(f, row[i] - first), size);
            own += size;
        }
    if (to == PX_ALL_RANKS)
        px_all_gather_parts(f->comm, begin, parts, bytes);
    else
        px_gather_parts(f->comm, begin, parts, bytes, to);
    for (int64_t i = 0; i < n && gets; i++) {
        int64_t *from = &next[owner_of(f, row[i])];
        take(f, parts + *from, 1, out + i * f->width);
        *from += (int64_t)size;
    }
    free(parts);
    free(next);
    free(bytes);
}

const float *px_features_fetch_from(const px_features *f, int64_t first, int64_t n, float *out)
{
    if (!px_features_divided(f))
        return px_features_rows(f, first, n, out);
    int64_t row_bytes = (int64_t)bytes_of_row(f), *bytes = px_calloc((size_t)f->comm->size, sizeof *bytes);
    for (int r = 0; r < f->comm->size; r++) {
        px_rows has = px_share(f->count, f->unit, r, f->comm->size);
        int64_t from = has.first > first ? has.first : first,
                to = has.first + has.rows < first + n ? has.first + has.rows : first + n;
        bytes[r] = to > from ? (to - from) * row_bytes : 0;
    }
    px_rows here = px_features_here(f);
    int64_t from = first > here.first ? first : here.first;
    char *all = f->x ? (char *)out : px_aligned_calloc((size_t)(n * row_bytes) + 64);
    const char *own = bytes[f->comm->rank] > 0 ? place_of(f, from - here.first) : all;
    px_all_gather_parts(f->comm, own, all, bytes);
    if (!f->x) {
        take(f, all, n, out);
        free(all);
    }
    free(bytes);
    return out;
}

double px_features_fetch_bytes(int64_t n, int width, int ranks)
{
    return ranks > 1 ? (double)n * width * (double)sizeof(float) : 0;
}
