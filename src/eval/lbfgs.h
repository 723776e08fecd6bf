/* lbfgs.h - minimises a smooth function in double: limited-memory BFGS (Nocedal & Wright, Numerical Optimization, algorithm
 * 7.5, ten pairs) with a line search by bisection for the weak Wolfe conditions (Lewis & Overton 2013).
 *
 *     static double value(void *context, const double *x, double *gradient) { ... }
 *     px_lbfgs_end end = px_lbfgs(value, &context, x, n, 1e-6, 1000);
 *
 * Everything is summed in a fixed order on one thread: as long as the function gives the same bits, so does the minimum.
 */
#ifndef PX_EVAL_LBFGS_H
#define PX_EVAL_LBFGS_H

#include <stdint.h>

/* The function at x (n); writes its gradient (n). */
typedef double px_lbfgs_function(void *context, const double *x, double *gradient);

typedef struct px_lbfgs_end {
    double value, slope; /* at the end; slope: the gradient's largest element */
    int steps;
} px_lbfgs_end;

/* From x on, which becomes the minimum. Ends when no element of the gradient is larger than `tolerance`, after `most` steps, or
 * when the value falls by no more than its rounding error. */
px_lbfgs_end px_lbfgs(px_lbfgs_function *, void *context, double *x, int64_t n, double tolerance, int most);

/* Bytes of memory that it takes. */
double px_lbfgs_bytes(int64_t n);

#endif
