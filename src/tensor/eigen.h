/* eigen.h - eigenvalues of symmetric matrices, and what they tell of a matrix of features.
 *
 *     cblas_dsyrk(..., product, n);                          // x^T x, upper triangle
 *     if (px_eigenvalues(product, n, value) != 0) ...        // the squared singular values of x
 *     double rank = px_effective_rank(value, n);
 */
#ifndef PX_TENSOR_EIGEN_H
#define PX_TENSOR_EIGEN_H

/* Of a positive semi-definite (n, n) matrix (upper triangle, row-major; overwritten), largest first; what is only
 * rounding becomes 0. 0 or -1. */
int px_eigenvalues(double *matrix, int n, double *value);

/* exp(entropy of the singular values over their sum) (RankMe, Garrido et al. 2023), from their squares, largest first;
 * 1 to n, or 0 where all are 0. */
double px_effective_rank(const double *square, int n);

#endif
