/* student.h - intervals around the mean of a few numbers, by Student's t distribution. */
#ifndef PX_BASE_STUDENT_H
#define PX_BASE_STUDENT_H

/* The t that a variable with this many degrees of freedom exceeds in absolute value with probability 5 %: 12.71 for 1, 1.96
 * for very many; NaN for less than 1. */
double px_student_95(int freedom);

/* The mean of n numbers, and in *half (NULL: not asked for) half the width of its 95 % interval, t s / sqrt(n), where s^2 is the
 * variance with n - 1; NaN for n = 1. NaN for n = 0. */
double px_mean_95(const double *x, int n, double *half);

#endif
