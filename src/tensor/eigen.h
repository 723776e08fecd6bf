/* eigen.h - eigenvalues and Cholesky factors of symmetric matrices, and the effective rank of a matrix of features.
 *
 *     cblas_dsyrk(..., product, n);                          // x^T x, upper triangle
 *     if (px_eigenvalues(product, n, value) != 0) ...        // the squared singular values of x
 *     double rank = px_effective_rank(value, n);
 */
#ifndef PX_TENSOR_EIGEN_H
#define PX_TENSOR_EIGEN_H

#include <stdbool.h>

/* Eigenvalues of a positive semi-definite (n, n) matrix (upper triangle, row-major; overwritten), largest first; those
 * within rounding error of 0 become 0. 0 or -1. */
int px_eigenvalues(double *matrix, int n, double *value);

/* matrix (n, n) = u^T u: its upper triangle, row-major, becomes u; the rest stays. False, without a message, if it is not positive
 * definite. */
bool px_cholesky(double *matrix, int n);

/* exp(entropy of the values divided by their sum), largest first: between 1 and n, or 0 if all are 0. */
double px_entropy_rank(const double *value, int n);

/* The same of singular values (RankMe, Garrido et al. 2023), from their squares. */
double px_effective_rank(const double *square, int n);

/* How fast a covariance's eigenvalues, largest first, fall: those of rank n like n^-alpha (alpha-ReQ, Agrawal et al. 2022). A fit
 * over the ranks 12 to 100, as in Stringer et al. 2019, or over all if there are fewer than 24; weighted by 1 / rank. NaN with
 * fewer than two above 0. */
double px_eigenvalue_decay(const double *value, int n);

#endif
