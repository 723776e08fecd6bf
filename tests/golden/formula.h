/* formula.h - values by formulas of names and indices, the same as in make_fixtures.py, so that fixtures need not hold
 * weights and inputs. */
#ifndef PX_TESTS_GOLDEN_FORMULA_H
#define PX_TESTS_GOLDEN_FORMULA_H

#include "tensor/shape.h"

#include <stdbool.h>
#include <stdint.h>

/* Uniform in [-1, 1), exact in float: a hash of the name and a counter. */
double formula_unit(const char *name, int64_t i);

/* A parameter, or running statistic, of this name: all elements of the shape. */
void formula_parameter(const char *name, px_shape, float *out);

/* Whether a name ends like this. */
bool formula_ends(const char *name, const char *with);

#endif
