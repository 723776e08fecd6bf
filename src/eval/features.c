/* features.c - the checks of a matrix of features that all evaluations share. */
#include "eval/features.h"

#include "base/error.h"
#include "base/simd.h"

#include <math.h>
#include <stdlib.h>

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

int px_features_finite(const px_features *f, const char *what)
{
    int64_t bad = f->count;
#pragma omp parallel for schedule(static) reduction(min : bad)
    for (int64_t i = 0; i < f->count; i++)
        if (i < bad && !all_finite(f->x + i * f->width, f->width))
            bad = i;
    if (bad == f->count)
        return 0;
    const float *x = f->x + bad * f->width;
    int j = 0;
    while (isfinite(x[j]))
        j++;
    return px_fail(PX_DATA, "%s features: row %lld, feature %d is %g: the backbone's weights have diverged", what,
                   (long long)bad, j, x[j]);
}
