/* rng.h - counter-based random numbers (Random123's Philox4x32-10, Salmon et al. 2011).
 *
 *     px_rng rng = px_rng_make(seed, PX_RNG_VIEWS, epoch, sample);
 *     float u = px_rng_uniform(&rng);                // [0, 1)
 *
 * A stream is a pure function of (seed, purpose, a, b): what is drawn for a sample depends neither on ranks and threads
 * nor on interruptions. Streams are cheap: make one wherever you need one; never share one between threads.
 */
#ifndef PX_BASE_RNG_H
#define PX_BASE_RNG_H

/* Philox needs none of the compiler's intrinsics, whose headers have 47,000 lines. */
#define R123_USE_SSE 0
#define R123_USE_X86INTRIN_H 0
#include <Random123/philox.h>
#include <math.h>
#include <stdint.h>

/* What a stream is for. Never renumber: old runs could no longer be repeated. */
typedef enum px_rng_purpose {
    PX_RNG_INIT = 1,    /* a = hash of the parameter's name */
    PX_RNG_SHUFFLE = 2, /* a = epoch */
    PX_RNG_VIEWS = 3,   /* a = epoch, b = sample */
    PX_RNG_DROPOUT = 4, /* a = step, b = place */
    PX_RNG_HOLDOUT = 5, /* splits that eval/ makes */
    PX_RNG_PROBE = 6,   /* a = epoch: order in which a probe sees its samples */
    PX_RNG_TEST = 7,
    PX_RNG_NUMBERS = 8, /* a = step, b = stream and row: numbers that a graph draws by itself */
    PX_RNG_BATCH = 9,   /* a = micro-batch: what is the same for all images of a batch */
    PX_RNG_SEARCH = 10, /* a = candidate of an architecture search */
} px_rng_purpose;

typedef struct px_rng {
    philox4x32_key_t key;
    philox4x32_ctr_t counter; /* v[0]: block number; v[1..3]: the stream */
    philox4x32_ctr_t block;
    int left; /* unread words of block */
} px_rng;

static inline px_rng px_rng_make(uint64_t seed, px_rng_purpose purpose, uint64_t a, uint64_t b)
{
    px_rng r = {.left = 0};
    r.key.v[0] = (uint32_t)seed;
    r.key.v[1] = (uint32_t)(seed >> 32) ^ ((uint32_t)purpose << 24) ^ (uint32_t)(a >> 32) * 0x9E3779B9u;
    r.counter.v[1] = (uint32_t)a;
    r.counter.v[2] = (uint32_t)b;
    r.counter.v[3] = (uint32_t)(b >> 32);
    return r;
}

static inline uint32_t px_rng_u32(px_rng *r)
{
    if (r->left == 0) {
        r->block = philox4x32(r->counter, r->key);
        r->counter.v[0]++;
        r->left = 4;
    }
    return r->block.v[--r->left];
}

/* Uniform in [0, 1), 24 bits. */
static inline float px_rng_uniform(px_rng *r)
{
    return (float)(px_rng_u32(r) >> 8) * 0x1p-24f;
}

static inline float px_rng_range(px_rng *r, float low, float high)
{
    return low + (high - low) * px_rng_uniform(r);
}

/* Uniform in 0..n-1, n > 0 (multiply-shift; bias below n / 2^32). */
static inline uint32_t px_rng_below(px_rng *r, uint32_t n)
{
    return (uint32_t)(((uint64_t)px_rng_u32(r) * n) >> 32);
}

/* Standard normal (Box-Muller, one value per call). */
static inline float px_rng_normal(px_rng *r)
{
    float u = 1.0f - px_rng_uniform(r), v = px_rng_uniform(r);
    return sqrtf(-2.0f * logf(u)) * cosf(6.28318530718f * v);
}

#endif
