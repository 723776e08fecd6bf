/* chunks.c - what the fast kernels share: sums over rows that do not depend on the number of threads; a value's sizes
 * as blocks; the number of threads. */
#include "backends/x86/blocks.h"
#include "base/simd.h"

#include <omp.h>
#include <string.h>

px_blocks px_blocks_of(const px_value *v, px_storage st)
{
    int64_t C = v->shape.dim[1], B = v->shape.rank == 2 ? C : st.block;
    return (px_blocks){v->shape.dim[0], C / B, px_shape_tail(v->shape, 2), B};
}

int px_fast_threads(const px_step *s, size_t shared, size_t each)
{
    int most = (int)((s->scratch_bytes - shared) / each), now = omp_get_max_threads();
    return now < most ? now : most;
}

static PX_MULTIVERSION(flush, (double *total, float *partial, int64_t n), (total, partial, n))
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        total[i] += (double)partial[i];
        partial[i] = 0;
    }
}

/* ---- chunks: all totals, then all parts ---- */

size_t px_chunks_bytes(int64_t n)
{
    return (size_t)(PX_CHUNKS * n) * (sizeof(double) + sizeof(float));
}

px_chunk px_chunk_start(const px_step *s, int64_t rows, int64_t n, int k)
{
    px_chunk c = {.first = rows * k / PX_CHUNKS, .last = rows * (k + 1) / PX_CHUNKS};
    c.total = (double *)s->scratch + k * n;
    c.partial = (float *)((double *)s->scratch + PX_CHUNKS * n) + k * n;
    memset(c.total, 0, (size_t)n * sizeof c.total[0]);
    memset(c.partial, 0, (size_t)n * sizeof c.partial[0]);
    return c;
}

void px_chunk_flush(px_chunk *c, int64_t n)
{
    flush(c->total, c->partial, n);
}

void px_chunks_sum(const px_step *s, int64_t n, int64_t from, int64_t count, float *out)
{
    const double *total = s->scratch;
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int k = 0; k < PX_CHUNKS; k++)
            sum += total[k * n + from + i];
        out[i] = (float)sum;
    }
}
