#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Uniform in [-1, 1), exact in float: the finalizer of MurmurHash3 on FNV-1a of the name and a counter. */
static double unit(uint32_t seed, int64_t i)
{
    uint32_t h = seed + (uint32_t)i * 0x9E3779B9u;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    h ^= h >> 16;
    return (double)(h >> 8) / (1 << 23) - 1;
}

static uint32_t seed_of(const char *name)
{
    uint32_t seed = 2166136261u;
    for (const char *c = name; *c; c++)
        seed = (seed ^ (uint8_t)*c) * 16777619u;
    return seed;
}

static bool ends(const char *name, const char *with)
{
    size_t a = strlen(name), b = strlen(with);
    return a >= b && strcmp(name + a - b, with) == 0;
}

static void fill_one(const char *name, px_shape shape, float *out)
{
    int64_t count = px_shape_count(shape);
    uint32_t seed = seed_of(name);
    double base = 0, scale = 0.1;
    if (shape.rank > 1)
        scale = sqrt(6.0 * (double)shape.dim[0] / (double)count);
    else if (ends(name, "running_var"))
        base = 1, scale = 0.5;
    else if (!ends(name, "running_mean") && !ends(name, "bias"))
        base = 1, scale = 0.2;
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)(base + scale * unit(seed, i));
}

void golden_fill(px_model *m)
{
    for (int i = 0; i < px_graph_params(m->graph); i++) {
        const px_param *p = px_graph_param(m->graph, i);
        float *plain = px_aligned_calloc((size_t)px_shape_count(p->value->shape) * sizeof(float));
        fill_one(p->name, p->value->shape, plain);
        px_plan_set_param(m->plan, i, plain);
        free(plain);
    }
}

void golden_images(float *x, int count, int of, int channels, int size)
{
    uint32_t coarse = seed_of("blocks"), fine = seed_of("noise");
    int64_t blocks = (size + 7) / 8, i = 0;
    for (int n = 0; n < count; n++)
        for (int c = 0; c < channels; c++)
            for (int row = 0; row < size; row++)
                for (int column = 0; column < size; column++, i++) {
                    int64_t block = ((n % of * (int64_t)channels + c) * blocks + row / 8) * blocks + column / 8;
                    x[i] = (float)(0.5 + 0.35 * unit(coarse, block) + 0.15 * unit(fine, i));
                }
}

px_settings golden_settings(const char *const assignments[])
{
    px_settings s;
    int count = 0;
    while (assignments[count])
        count++;
    if (px_settings_load(&s, NULL, assignments, count) != 0)
        fail_msg("%s", px_error());
    return s;
}

px_safetensors *golden_open(const char *name)
{
    px_safetensors *f;
    const char *folder = getenv("GOLDEN");
    if (!folder)
        fail_msg("GOLDEN is not set: the folder of the fixtures");
    char *path = px_format("%s/%s.safetensors", folder, name);
    if (px_safetensors_open(&f, path) != 0)
        fail_msg("%s", px_error());
    free(path);
    return f;
}

float *golden_read(const px_safetensors *f, const char *name, int64_t count)
{
    const px_safetensor *t = px_safetensors_find(f, name);
    if (!t || px_shape_count(t->shape) != count)
        fail_msg("the fixture has no %s of %lld numbers", name, (long long)count);
    float *out = px_calloc((size_t)count, sizeof out[0]);
    px_safetensor_read(t, out);
    return out;
}

void golden_digest(const float *tensor, int64_t count, double digest[GOLDEN_DIGEST])
{
    const int samples = GOLDEN_DIGEST - 1;
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)tensor[i] * tensor[i];
    digest[0] = sqrt(sum);
    for (int k = 0; k < samples; k++)
        digest[1 + k] = tensor[count * (2 * k + 1) / (2 * samples)];
}

double golden_error(const float *a, const float *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += pow((double)a[i] - b[i], 2);
        norm += (double)b[i] * b[i];
    }
    return sqrt(difference / norm);
}
