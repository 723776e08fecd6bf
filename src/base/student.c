/* student.c - see student.h. */
#include "base/student.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* P(|T| < t): Abramowitz and Stegun 26.7.3 (odd) and 26.7.4 (even), finite sums for whole degrees of freedom. */
static double within(double t, int freedom)
{
    double angle = atan(t / sqrt(freedom)), c = cos(angle), s = sin(angle), term, sum;
    if (freedom % 2) {
        sum = 0, term = c;
        for (int k = 1; k <= freedom - 2; k += 2) {
            sum += term;
            term *= c * c * (k + 1) / (k + 2);
        }
        return 2 / pi * (angle + s * sum);
    }
    sum = 0, term = 1;
    for (int k = 0; k <= freedom - 2; k += 2) {
        sum += term;
        term *= c * c * (k + 1) / (k + 2);
    }
    return s * sum;
}

double px_student_95(int freedom)
{
    enum { NORMAL = 100000 }; /* from here on it is the normal distribution's, to five digits */
    double low = 1, high = 13;
    if (freedom < 1)
        return NAN;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (within(middle, freedom < NORMAL ? freedom : NORMAL) < 0.95)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

double px_mean_95(const double *x, int n, double *half)
{
    double mean = 0, squares = 0;
    for (int i = 0; i < n; i++)
        mean += x[i] / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    if (half)
        *half = n > 1 ? px_student_95(n - 1) * sqrt(squares / (n - 1) / n) : NAN;
    return n > 0 ? mean : NAN;
}
