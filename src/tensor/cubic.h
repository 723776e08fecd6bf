/* cubic.h - Keys' cubic (1981), the weight of a sample at distance x in bicubic resampling. */
#ifndef PX_TENSOR_CUBIC_H
#define PX_TENSOR_CUBIC_H

#include <math.h>

/* a: -0.5 as in PIL and in torch with antialiasing, -0.75 as in torch without it. 0 from distance 2 on. */
static inline double px_keys_cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

#endif
