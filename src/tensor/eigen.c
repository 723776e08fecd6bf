/* eigen.c - see eigen.h. */
#include "tensor/eigen.h"

#include "base/error.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* LAPACK's functions, in OpenBLAS; declared here, since lapacke.h is not packaged everywhere. */
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
            const int *lwork, int *info, size_t jobz_length, size_t uplo_length);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_length);

int px_eigenvalues(double *a, int n, double *value)
{
    /* LAPACK's columns are our rows, so our upper triangle is its lower one. */
    int info = 0, ask = -1;
    double best = 0;
    dsyev_("N", "L", &n, a, &n, value, &best, &ask, &info, 1, 1);
    int size = (int)best;
    double *work = px_aligned_calloc((size_t)size * sizeof(double));
    dsyev_("N", "L", &n, a, &n, value, work, &size, &info, 1, 1);
    free(work);
    if (info != 0)
        return px_fail(PX_FAIL, "LAPACK's dsyev does not converge on a matrix of %d x %d", n, n);
    double rounding = n * DBL_EPSILON * fabs(value[n - 1]);
    for (int i = 0; i < n / 2; i++) {
        double smaller = value[i];
        value[i] = value[n - 1 - i];
        value[n - 1 - i] = smaller;
    }
    for (int i = 0; i < n; i++)
        value[i] = value[i] > rounding ? value[i] : 0;
    return 0;
}

bool px_cholesky(double *a, int n)
{
    int info = 0;
    dpotrf_("L", &n, a, &n, &info, 1); /* LAPACK's lower triangle, as above */
    return info == 0;
}

double px_entropy_rank(const double *value, int n)
{
    double sum = 0, entropy = 0;
    for (int i = 0; i < n; i++)
        sum += value[i];
    for (int i = 0; i < n && value[i] > 0; i++)
        entropy -= value[i] / sum * log(value[i] / sum);
    return sum > 0 ? exp(entropy) : 0;
}

double px_effective_rank(const double *square, int n)
{
    double *singular = px_calloc((size_t)n + 1, sizeof singular[0]);
    for (int i = 0; i < n; i++)
        singular[i] = sqrt(square[i]);
    double rank = px_entropy_rank(singular, n);
    free(singular);
    return rank;
}

/* -slope of log(eigenvalue) over log(rank), weighted by 1/rank, since higher ranks are denser on that axis. */
double px_eigenvalue_decay(const double *value, int n)
{
    enum { FIT_FIRST = 12, FIT_LAST = 100 };
    int have = 0;
    while (have < n && value[have] > 0)
        have++;
    int first = have < 2 * FIT_FIRST ? 1 : FIT_FIRST, last = have < FIT_LAST ? have : FIT_LAST;
    double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0;
    if (have < 2)
        return NAN;
    for (int rank = first; rank <= last; rank++) {
        double weight = 1.0 / rank, x = log(rank), y = log(value[rank - 1]);
        w += weight;
        wx += weight * x;
        wy += weight * y;
        wxx += weight * x * x;
        wxy += weight * x * y;
    }
    return -(w * wxy - wx * wy) / (w * wxx - wx * wx);
}
