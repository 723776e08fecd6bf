/* formula.c - see formula.h. */
#include "formula.h"

#include <math.h>
#include <string.h>

/* FNV-1a */
static uint32_t seed_of(const char *name)
{
    uint32_t seed = 2166136261u;
    for (const char *c = name; *c; c++)
        seed = (seed ^ (uint8_t)*c) * 16777619u;
    return seed;
}

/* The finalizer of MurmurHash3. */
static double unit(uint32_t seed, int64_t i)
{
    uint32_t h = seed + (uint32_t)i * 0x9E3779B9u;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    h ^= h >> 16;
    return (double)(h >> 8) / (1 << 23) - 1;
}

double formula_unit(const char *name, int64_t i)
{
    return unit(seed_of(name), i);
}

bool formula_ends(const char *name, const char *with)
{
    size_t a = strlen(name), b = strlen(with);
    return a >= b && strcmp(name + a - b, with) == 0;
}

void formula_parameter(const char *name, px_shape shape, float *out)
{
    int64_t count = px_shape_count(shape);
    uint32_t seed = seed_of(name);
    double base = 0, scale = 0.1;
    if (shape.rank > 1)
        scale = sqrt(6.0 * (double)shape.dim[0] / (double)count);
    else if (formula_ends(name, "running_var"))
        base = 1, scale = 0.5;
    else if (!formula_ends(name, "running_mean") && !formula_ends(name, "bias"))
        base = 1, scale = 0.2;
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)(base + scale * unit(seed, i));
}
