/* cholesky.c - portable inverse of a Cholesky factor. */
#include "backends/portable/portable.h"

#include <math.h>

/* The lower triangle of s (D, D) -> L (D, D), of which only the lower triangle is written. A matrix that is not positive definite
 * gives NaN or infinities. */
static void factor(const real *s, int64_t D, double *L)
{
    for (int64_t i = 0; i < D; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = (double)s[i * D + j];
            for (int64_t k = 0; k < j; k++)
                sum -= L[i * D + k] * L[j * D + k];
            L[i * D + j] = i == j ? sqrt(sum) : sum / L[j * D + j];
        }
}

/* L becomes its inverse, column by column from the last one: those to the right of a column are inverted already. */
static void invert(int64_t D, double *L)
{
    for (int64_t j = 0; j < D; j++)
        L[j * D + j] = 1 / L[j * D + j];
    for (int64_t j = D - 1; j >= 0; j--)
        for (int64_t i = D - 1; i > j; i--) {
            double sum = 0;
            for (int64_t k = j + 1; k <= i; k++)
                sum += L[i * D + k] * L[k * D + j];
            L[i * D + j] = -sum * L[j * D + j];
        }
}

void KERNEL(inverse_cholesky)(const px_step *s)
{
    px_shape shape = s->node->out[0]->shape;
    int64_t D = shape.dim[shape.rank - 1], count = D ? px_shape_count(shape) / (D * D) : 0;
    const real *x = s->in[0];
    real *y = s->out[0];
    double *scratch = s->scratch;
#pragma omp parallel for schedule(static)
    for (int64_t m = 0; m < count; m++) {
        double *L = scratch + m * D * D;
        factor(x + m * D * D, D, L);
        invert(D, L);
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j < D; j++)
                y[(m * D + i) * D + j] = j <= i ? (real)L[i * D + j] : 0;
    }
}
